//! RocksDB behind SOURCE and TARGET.

use std::path::Path;

use anyhow::Result;
use backup_format::{DatabaseBackup, EngineError, Limits};
use backup_layout::Layout;
use backup_rocksdb::{NativeBackup, RocksDbNamespace, RocksDbOptions};

use crate::engine::EngineOptions;
use crate::locator::{RocksDbPath, Source, Target};
use crate::problem::Problem;
use crate::report::{self, Report, count};
use crate::scenario::CAUTION;

/// Opens a namespace that is to be read.
pub(crate) async fn open_source(
    source: &Source,
    layout: Option<Layout>,
    given: EngineOptions,
) -> Result<Box<dyn DatabaseBackup>> {
    let options = reading(layout, given);
    match source {
        #[cfg(feature = "scylla")]
        Source::Cql(_) => anyhow::bail!("{source} is no RocksDB"),
        Source::RocksDb(path) => Ok(Box::new(RocksDbNamespace::at(&path.path, options))),
        Source::RocksDbBackup(path, id) => {
            let name = path.path.file_name().unwrap_or_default().to_string_lossy();
            let unpacked = RocksDbNamespace::from_native_backup(&path.path, *id, name, options).await;
            Ok(Box::new(unpacked.map_err(EngineError::from)?))
        }
    }
}

/// Opens a namespace that a dump is to be restored into.
pub(crate) fn open_target(path: &RocksDbPath, layout: Layout, limits: Limits) -> Box<dyn DatabaseBackup> {
    Box::new(RocksDbNamespace::at(&path.path, options(Some(layout), limits)))
}

fn reading(layout: Option<Layout>, given: EngineOptions) -> RocksDbOptions {
    let mut options = options(layout, given.limits);
    options.wal_dir = given.wal_dir;
    options.allow_missing_log = given.allow_missing_log;
    options
}

fn options(layout: Option<Layout>, limits: Limits) -> RocksDbOptions {
    let options = RocksDbOptions::default().with_limits(limits);
    match layout {
        Some(layout) => options.with_layout(layout),
        None => options,
    }
}

/// Makes a backup with RocksDB's BackupEngine.
pub(crate) async fn native_backup(source: &Source, directory: &Path, given: EngineOptions) -> Result<Report> {
    let Source::RocksDb(path) = source else {
        let text = format!("{source} is a native backup already; expected rocksdb:DIR/NAMESPACE");
        return Err(Problem::Usage(text).into());
    };
    let namespace = RocksDbNamespace::at(&path.path, reading(path.layout, given));
    let made = namespace.native_backup(directory).await.map_err(EngineError::from)?;
    let mut report = describe(&made);
    report.field("directory", directory.display().to_string());
    report.line(
        "next",
        format_args!("kvbackup backup rocksdb-backup:{}#{} REPO", directory.display(), made.id),
    );
    Ok(report)
}

/// Restores a backup of RocksDB's BackupEngine, by default the latest.
pub(crate) async fn native_restore(directory: &Path, id: Option<u32>, target: &Target) -> Result<Report> {
    let Target::RocksDb(path) = target else {
        let text = format!("a native backup cannot be restored to {target}; expected rocksdb:DIR/NAMESPACE");
        return Err(Problem::Usage(text).into());
    };
    let restored =
        backup_rocksdb::native_restore(directory, id, &path.path).await.map_err(EngineError::from)?;
    let mut report = describe(&restored);
    report.field("target", target.to_string());
    report.line("restored to", target);
    report.field("caution", CAUTION);
    report.line("caution", CAUTION);
    report.line("next", format_args!("kvbackup digest {target}, to compare it with another copy"));
    Ok(report)
}

fn describe(backup: &NativeBackup) -> Report {
    let mut report = Report::default();
    report.field("id", backup.id);
    report.field("files", backup.files);
    report.field("bytes", backup.bytes);
    report.field("timestamp", backup.timestamp);
    report.line("backup", format_args!("number {}", backup.id));
    report.line(
        "files",
        format_args!("{}, {}", count(backup.files.into(), "file"), report::bytes(backup.bytes)),
    );
    report.timed()
}
