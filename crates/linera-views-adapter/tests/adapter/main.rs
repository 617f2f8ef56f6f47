//! linera's databases as source of a backup and target of a restore.

mod conformance;
mod engines;
mod owners;
mod refusals;
