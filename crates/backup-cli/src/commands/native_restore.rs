//! `native-restore`: from a directory of RocksDB's own BackupEngine to a new database.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Result;
use backup_console::{Places, Report, Session, quoted};
use clap::Args;

use super::native_backup::describe;
use crate::scenario::CAUTION;

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
    target: OsString,
    /// Number of the backup [default: the latest]
    #[arg(long, value_name = "NUMBER")]
    id: Option<u32>,
}

pub(crate) async fn run(args: NativeRestoreArgs, session: &Session) -> Result<Report> {
    let target = session.target(&args.target)?;
    let places = Places::default().with("the directory of the backups", &args.directory)?;
    places.with_target(&target)?.check()?;
    let restored = target.native_restore(&args.directory, args.id).await?;
    let mut report = describe(&restored);
    report.field("target", target.to_string());
    report.line("restored to", &target);
    report.field("caution", CAUTION);
    report.line("caution", CAUTION);
    report.line("next", format_args!("kvbackup digest {}, to compare it with another copy", quoted(&target)));
    Ok(report)
}
