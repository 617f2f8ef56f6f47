//! Rows of RocksDB: one key space, sorted by bytes, for all partitions.
//!
//! | layout | data row | index row |
//! |---|---|---|
//! | `linera-0.15` | `00`, root key, key, number of the segment -> segment | `01`, root key -> empty |
//! | `linera-0.16` | `00`, length of the root key (ULEB128), root key, key -> value | `01`, length, root key -> empty |
//! | `plain` | key -> value | none |

mod decode;
mod detect;
mod encode;
mod roots;

pub use decode::{Decoder, root_of};
pub use detect::{Sample, check, detect};
pub use encode::{EmitRow, Encoder, SEGMENT_BYTES_MAX};
pub use roots::RootIndex;

/// First byte of the keys of data rows in linera's layouts.
pub const DATA: u8 = 0;

/// First byte of the keys of index rows in linera's layouts.
pub const INDEX: u8 = 1;
