//! Tests of the dump schema, a module for each noun of `src`.

mod codec;
mod config;
mod content;
mod cut;
mod digest;
mod entry;
mod error;
mod id;
mod laws;
mod manifest;
mod order;
mod pack;
mod pack_2;
mod page;
mod patch;
mod regressions;
mod segment;
mod token;
mod upstream;
mod vectors;
