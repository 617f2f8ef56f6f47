//! `native-backup`: RocksDB's own BackupEngine.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::args::LogArgs;
use crate::locator::Source;
use crate::report::Report;
use crate::{engine, repository};

/// Back up with RocksDB's own BackupEngine, which only RocksDB can read
///
/// Faster than a dump and tied to RocksDB: no digest, no other engine, no object store. `kvbackup backup
/// rocksdb-backup:DIR REPO` makes a dump of it later.
///
/// The database is opened for writing, and RocksDB writes files into it: nobody else may hold it open, and this must run as
/// the user who owns it. A validator that runs is backed up with `backup`, which writes nothing into its database.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  kvbackup native-backup rocksdb:/var/lib/linera/validator_0 /backup/engine")]
pub(crate) struct NativeBackupArgs {
    /// The namespace: rocksdb:DIR/NAMESPACE
    source: Source,
    /// Directory of the BackupEngine; further backups add to it. It must not lie in the database
    directory: PathBuf,
    #[command(flatten)]
    log: LogArgs,
}

pub(crate) async fn run(args: NativeBackupArgs) -> Result<Report> {
    repository::keep_private();
    engine::native_backup(&args.source, &args.directory, args.log.options()).await
}
