//! `native-restore`: from a directory of RocksDB's own BackupEngine to a new database.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::engine;
use crate::locator::Target;
use crate::report::Report;

/// Restore a backup that RocksDB's own BackupEngine made
///
/// TARGET must not exist or be empty: RocksDB itself would empty it first. What is restored is a state of the past, from which
/// a validator with its own key may sign twice: docs/KEY-SAFETY.md says what to do before it signs.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  kvbackup native-restore /backup/engine rocksdb:/var/lib/copy/validator_0")]
pub(crate) struct NativeRestoreArgs {
    /// Directory of the BackupEngine
    directory: PathBuf,
    /// The namespace: rocksdb:DIR/NAMESPACE
    target: Target,
    /// Number of the backup [default: the latest]
    #[arg(long, value_name = "NUMBER")]
    id: Option<u32>,
}

pub(crate) async fn run(args: NativeRestoreArgs) -> Result<Report> {
    engine::native_restore(&args.directory, args.id, &args.target).await
}
