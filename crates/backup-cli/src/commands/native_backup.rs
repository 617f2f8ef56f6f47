//! `native-backup`: RocksDB's own BackupEngine.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Result;
use backup_console::{Places, Report, Session, bytes, count, quoted};
use backup_sources::NativeBackup;
use clap::Args;

use crate::repository;

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
    source: OsString,
    /// Directory of the BackupEngine; further backups add to it. It must not lie in the database
    directory: PathBuf,
}

pub(crate) async fn run(args: NativeBackupArgs, session: &Session) -> Result<Report> {
    repository::keep_private();
    let source = session.source(&args.source)?;
    let places = Places::default().with_source(&source, &session.opening)?;
    places.with("the directory of the backups", &args.directory)?.check()?;
    let made = source.native_backup(&session.opening, &args.directory).await?;
    let directory = args.directory.display();
    let mut report = describe(&made);
    report.field("directory", directory.to_string());
    let backup = quoted(format_args!("rocksdb-backup:{directory}#{}", made.id));
    report.line("next", format_args!("kvbackup backup {backup} REPO"));
    Ok(report)
}

/// Reports a backup that an engine made by its own means.
pub(super) fn describe(backup: &NativeBackup) -> Report {
    let mut report = Report::default();
    report.field("id", backup.id);
    report.field("files", backup.files);
    report.field("bytes", backup.bytes);
    let made = u64::try_from(backup.timestamp).unwrap_or_default();
    report.field("made", backup_repository::time_text(UNIX_EPOCH + Duration::from_secs(made)));
    report.line("backup", format_args!("number {}", backup.id));
    report.line("files", format_args!("{}, {}", count(backup.files.into(), "file"), bytes(backup.bytes)));
    report.timed()
}
