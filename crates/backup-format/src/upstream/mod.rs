//! The upstream file: `memory_backup.bcs` or `scylladb_backup.bcs`, which linera's own tests write.
//!
//! It is one BCS map of maps, root key to key to value. BCS sorts the keys of a map by their length as ULEB128 bytes
//! and then by their bytes. So in byte order the keys of a partition are a merge of its runs of equal length. Reader
//! and writer do that with bounded memory, however large the file or a partition of it is.
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::io::{self, Cursor};
//!
//! use backup_format::Limits;
//! use backup_format::upstream::{Scratch, ScratchFile, UpstreamReader, UpstreamWriter};
//!
//! // A program has its scratch files on disk.
//! struct Memory;
//! impl Scratch for Memory {
//!     fn create(&mut self) -> io::Result<Box<dyn ScratchFile>> {
//!         Ok(Box::new(Cursor::new(Vec::new())))
//!     }
//! }
//!
//! // In the file "z" comes before "aa", because it is shorter.
//! let file = b"\x01\x04root\x02\x01z\x011\x02aa\x012";
//! let mut reader = UpstreamReader::new(Cursor::new(file), &Limits::default())?;
//! let mut writer = UpstreamWriter::new(Vec::new(), Memory);
//! while let Some(batch) = reader.next_batch()? {
//!     assert_eq!(batch.groups().next().map(|group| group.first_key()), Some(&b"aa"[..]));
//!     batch.groups().try_for_each(|group| writer.push(&group))?;
//! }
//! assert_eq!(writer.finish(1, 2)?, file);
//! # Ok::<_, backup_format::FormatError>(())
//! ```

mod arena;
mod cursor;
mod input;
mod merge;
mod output;
mod reader;
mod scan;
mod scratch;
mod spill;
mod writer;

pub use reader::{DroppedPartitions, UpstreamReader};
pub use scratch::{Scratch, ScratchFile};
pub use writer::UpstreamWriter;

/// What errors call the file.
const FILE: &str = "upstream file";

/// Most partitions of a file, and most entries of a partition: BCS counts no further.
const COUNT_MAX: usize = i32::MAX as usize;
