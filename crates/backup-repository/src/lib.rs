#![doc = include_str!("../README.md")]

mod backup;
mod check;
mod codec;
mod digest;
mod error;
mod export;
mod import;
mod index;
mod latest;
mod location;
mod pack_writer;
mod plausible;
mod progress;
mod range;
mod reader;
mod repository;
mod restore;
mod segmenter;
mod share;
mod store;
mod tally;
mod verify;
mod work;

pub use backup::{BackupOptions, BackupReport};
pub use codec::Compression;
pub use digest::{DigestOptions, DigestReport, digest};
pub use error::RepositoryError;
pub use export::ExportOptions;
pub use import::{SeekableRead, UpstreamFile};
pub use location::open_location;
pub use progress::{Event, Progress};
pub use repository::{Dump, DumpChoice, Dumps, Repository};
pub use restore::{RestoreOptions, RestoreReport};
pub use store::Store;
pub use verify::{Subset, VerifyLevel, VerifyOptions, VerifyReport};
