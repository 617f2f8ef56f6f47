//! Tests of the repository and its pumps, with namespaces in memory and stores in memory or directories.

mod backup;
mod changed;
mod copies;
mod damage;
mod futures;
mod job;
mod latest;
mod refused;
mod ring;
mod support;
mod verify;
