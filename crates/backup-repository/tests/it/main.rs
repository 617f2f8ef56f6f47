//! Tests of the repository and its pumps, with namespaces in memory and stores in memory or directories.

mod backup;
mod damage;
mod futures;
mod support;
