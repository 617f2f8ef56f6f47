//! Tests of the repository and its pumps, with namespaces in memory and stores in memory or directories.

mod backup;
mod chains;
mod changed;
mod copies;
mod copy;
mod creators;
mod damage;
mod differences;
mod document;
mod encrypted;
mod excerpts;
mod explorer;
mod forged;
mod forget;
mod futures;
mod job;
mod last;
mod latest;
mod lineage;
mod patches;
mod prune;
mod prune_patches;
mod refused;
mod repair;
mod rules;
mod schedule;
mod security;
mod signed;
mod stats;
#[cfg(feature = "aws")]
mod stores;
mod support;
mod threads;
mod transit;
mod verify;
mod verify_all;
