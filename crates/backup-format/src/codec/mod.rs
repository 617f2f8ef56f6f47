//! The part of BCS that dumps use: ULEB128 lengths, byte strings, little-endian integers.
//!
//! Bit-equal with the `bcs` crate in both directions, but made for hostile input. Before anything is allocated, a length
//! is compared with its ceiling and with the bytes that are left.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod reader;
mod writer;

pub use reader::Reader;
pub use writer::{put_bytes, put_uleb, uleb_len};
