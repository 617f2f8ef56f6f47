#![doc = include_str!("../README.md")]

mod content;
mod random;
mod rows;

pub use content::{
    Memory, batch, config, leaves, partition, partitions, plaintext, references, upstream_file,
};
pub use rows::{CqlRows, RocksdbRows, cql_rows, rocksdb_rows};
