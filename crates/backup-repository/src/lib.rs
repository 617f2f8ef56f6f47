#![doc = include_str!("../README.md")]
#![warn(clippy::indexing_slicing, clippy::unwrap_used)]

mod backup;
mod bases;
mod block;
mod chain;
mod changed_partition;
mod check;
mod choice;
mod classes;
mod clock;
mod codec;
mod comparison;
mod config_copy;
mod copy;
mod depth;
mod difference;
mod digest;
mod dump_phase;
mod dump_source;
#[cfg(feature = "fs")]
mod durable;
mod error;
mod excerpt;
#[cfg(feature = "fs")]
mod exclusive;
mod export;
mod finder;
mod finish;
mod forget;
mod gaps;
mod import;
mod index;
mod job;
mod job_files;
mod keep;
mod last;
mod latest;
mod lineage;
#[cfg(feature = "fs")]
mod local;
mod location;
mod locator;
mod look;
mod mark;
mod pack_check;
mod pack_writer;
mod part;
mod partitions;
mod patience;
mod phase;
mod place;
mod plan;
mod plausible;
mod probe;
#[cfg(feature = "aws")]
mod profile;
mod progress;
mod prune;
mod range;
mod read;
mod reader;
mod record;
mod reload;
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
#[cfg_attr(not(all(feature = "aws", feature = "gcp", feature = "azure")), allow(dead_code))]
mod remote;
mod repack;
mod repair;
mod repository;
mod rescue;
mod restore;
mod roots;
mod run;
mod sealed_page;
mod sealed_run;
mod segment_task;
mod segmenter;
mod share;
mod shared_keys;
mod side;
mod signed;
mod sketch;
mod sketch_reader;
mod sketch_writer;
mod sketches;
mod source_phase;
mod spent;
mod staged;
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
mod stall;
mod stats;
mod store;
mod store_page;
mod store_rules;
mod stray;
mod survey;
mod tally;
mod throttle;
mod tombstone;
// What only some kinds of stores need.
#[cfg_attr(not(all(feature = "aws", feature = "gcp", feature = "azure")), allow(dead_code))]
mod trouble;
mod twice;
#[cfg_attr(not(all(feature = "aws", feature = "gcp", feature = "azure")), allow(dead_code))]
mod variables;
mod vault;
mod verify;
mod verify_all;
mod walk;
mod warning;
mod whole_file;
mod work;

pub use backup::{BackupOptions, BackupReport};
pub use clock::{Clock, parse_time_text, time_text};
pub use codec::Compression;
pub use comparison::{Change, ChangeCount, Changes, CompareReport, EntryChange, PartitionChange};
pub use copy::{CopiedDump, CopyOptions, CopyOutcome, CopyReport};
pub use difference::{Difference, SegmentCount, SegmentDifference};
pub use digest::{DigestOptions, DigestReport, digest};
pub use error::RepositoryError;
pub use export::ExportOptions;
pub use finish::FinishOptions;
pub use forget::{ForgetGroup, ForgetOptions, ForgetReport, Verdict};
pub use import::{SeekableRead, UpstreamFile};
pub use job::JobName;
pub use keep::{KeepReason, KeepRules};
pub use location::{check_location, location_directory, open_location, shown_location};
pub use look::{LookCount, LookOptions};
pub use partitions::{PartitionSize, Wanted};
pub use progress::{Event, Progress};
pub use prune::{PackCount, PruneOptions, PruneReport};
pub use repair::{RepairOptions, RepairReport};
pub use repository::{Dump, DumpChoice, Dumps, Repository};
pub use restore::{RestoreOptions, RestoreReport};
pub use share::{JobShare, ShareReport};
pub use signed::Signed;
pub use sketches::SketchReport;
pub use spent::Claim;
pub use stats::{DumpStats, ObjectStats, Stats, StatsOptions};
pub use store::Store;
pub use store_rules::{ProbeOptions, ProbeReport, RuleCheck, RuleOutcome, StoreRule};
pub use vault::Secrets;
pub use verify::{Subset, VerifyLevel, VerifyOptions, VerifyReport};
pub use verify_all::{DumpVerdict, VerifyAllReport};
pub use warning::BackupWarning;
