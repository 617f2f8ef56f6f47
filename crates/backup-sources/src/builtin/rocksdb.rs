//! `rocksdb:DIR/NAMESPACE` and `rocksdb-backup:DIR[#ID]`.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use backup_format::{AmendTarget, DatabaseBackup, EngineError, Manifest, RestoreTarget, RetireTarget};
use backup_rocksdb::{RocksDbError, RocksDbNamespace, RocksDbOptions};

use crate::engine::{Engine, Native, NativeBackup, Scheme};
use crate::error::SourceError;
use crate::locator::Place;
use crate::opening::{Opening, utf8};
use crate::option::{EngineOption, Kind, Role};

const DATABASE: &str = "rocksdb";
const BACKUP: &str = "rocksdb-backup";

const SCHEMES: &[Scheme] = &[
    Scheme::new(&[DATABASE], "rocksdb:DIR/NAMESPACE")
        .with_source("a RocksDB directory with its write-ahead log")
        .with_detected_layout()
        .with_target("a new RocksDB directory"),
    Scheme::new(&[BACKUP], "rocksdb-backup:DIR[#ID]")
        .with_source("a directory of RocksDB's BackupEngine, the latest backup or number ID")
        .with_detected_layout(),
];

const WAL_DIR: &str = "wal-dir";
const ALLOW_MISSING_LOG: &str = "allow-missing-log";

const OPTIONS: &[EngineOption] = &[
    EngineOption::new(
        WAL_DIR,
        Kind::Path,
        "Where the database keeps its write-ahead log, if that is not its own directory",
        &[Role::Source, Role::Native],
    )
    .with_value_name("DIR"),
    EngineOption::new(
        ALLOW_MISSING_LOG,
        Kind::Flag,
        "Accept a database without its write-ahead log, like a restored native backup; the latest writes are missing if \
         it had one",
        &[Role::Source, Role::Native],
    ),
];

pub(crate) struct RocksDb;

#[async_trait]
impl Engine for RocksDb {
    fn title(&self) -> &'static str {
        "RocksDB"
    }

    fn schemes(&self) -> &'static [Scheme] {
        SCHEMES
    }

    fn options(&self) -> &'static [EngineOption] {
        OPTIONS
    }

    fn check(&self, place: &Place) -> Result<(), SourceError> {
        match place.scheme() {
            BACKUP => native_place(place).map(drop),
            _ => place.path().map(drop),
        }
    }

    fn advice(&self, error: &EngineError) -> Option<&'static str> {
        match error.get_ref().downcast_ref()? {
            RocksDbError::LogElsewhere { .. } => Some(
                "--wal-dir DIR reads the log there, if it continues the database; --allow-missing-log does without one, which is right \
                 for a checkpoint that was flushed",
            ),
            RocksDbError::LogMissing { .. }
            | RocksDbError::LogGap { .. }
            | RocksDbError::LogForeign { .. } => Some(
                "--allow-missing-log reads it all the same; that is right for a restored native backup, or where writes are \
                 made without a log",
            ),
            RocksDbError::LogsTwice { .. } => Some("leave --wal-dir out"),
            RocksDbError::OpenFiles { .. } => Some(
                "`ulimit -n` raises the limit up to the hard one, and LimitNOFILE= that of a service; compacting the database makes fewer \
                 files",
            ),
            RocksDbError::Scratch { .. } => Some(
                "scratch files go where the variable TMPDIR says; they need twice the room of the write-ahead log",
            ),
            _ => None,
        }
    }

    fn directories(&self, place: &Place, opening: &Opening) -> Vec<PathBuf> {
        let directory = match place.scheme() {
            BACKUP => native_place(place).map(|(path, _)| path),
            _ => place.path(),
        };
        directory.into_iter().chain(opening.path(WAL_DIR)).collect()
    }

    async fn open_source(
        &self,
        place: &Place,
        opening: &Opening,
    ) -> Result<Box<dyn DatabaseBackup>, SourceError> {
        if place.scheme() == BACKUP {
            let (path, id) = native_place(place)?;
            let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
            let unpacked = RocksDbNamespace::from_native_backup(&path, id, name, options(opening)).await;
            return Ok(Box::new(unpacked.map_err(EngineError::from)?));
        }
        let path = place.path()?;
        check_depth(&path)?;
        Ok(Box::new(RocksDbNamespace::at(path, options(opening))))
    }

    async fn open_target(
        &self,
        place: &Place,
        _: &Manifest,
        opening: &Opening,
    ) -> Result<Box<dyn RestoreTarget>, SourceError> {
        Ok(Box::new(RocksDbNamespace::at(place.path()?, options(opening))))
    }

    async fn open_amend(
        &self,
        place: &Place,
        opening: &Opening,
    ) -> Result<Box<dyn AmendTarget>, SourceError> {
        if place.scheme() == BACKUP {
            let problem =
                format!("{place} is a native backup, which is not changed; expected rocksdb:DIR/NAMESPACE");
            return Err(SourceError::locator(problem));
        }
        let path = place.path()?;
        check_depth(&path)?;
        Ok(Box::new(RocksDbNamespace::at(path, options(opening))))
    }

    async fn open_retire(
        &self,
        place: &Place,
        opening: &Opening,
    ) -> Result<Box<dyn RetireTarget>, SourceError> {
        if place.scheme() == BACKUP {
            let problem = format!(
                "{place} is a native backup, from which nothing starts; expected rocksdb:DIR/NAMESPACE"
            );
            return Err(SourceError::locator(problem));
        }
        let path = place.path()?;
        check_depth(&path)?;
        Ok(Box::new(RocksDbNamespace::at(path, options(opening))))
    }

    fn native(&self, place: &Place) -> Result<&dyn Native, SourceError> {
        match place.scheme() {
            BACKUP => {
                let problem = format!("{place} is a native backup already; expected rocksdb:DIR/NAMESPACE");
                Err(SourceError::locator(problem))
            }
            _ => Ok(self),
        }
    }
}

#[async_trait]
impl Native for RocksDb {
    async fn back_up(
        &self,
        place: &Place,
        opening: &Opening,
        directory: &Path,
    ) -> Result<NativeBackup, SourceError> {
        let path = place.path()?;
        check_depth(&path)?;
        let namespace = RocksDbNamespace::at(path, options(opening));
        Ok(describe(&namespace.native_backup(directory).await.map_err(EngineError::from)?))
    }

    async fn restore(
        &self,
        directory: &Path,
        id: Option<u32>,
        place: &Place,
    ) -> Result<NativeBackup, SourceError> {
        let restored = backup_rocksdb::native_restore(directory, id, place.path()?).await;
        Ok(describe(&restored.map_err(EngineError::from)?))
    }
}

fn options(opening: &Opening) -> RocksDbOptions {
    let mut options = RocksDbOptions::default().with_limits(opening.limits());
    options.layout = opening.layout();
    options.wal_dir = opening.path(WAL_DIR);
    options.allow_missing_log = opening.has(ALLOW_MISSING_LOG);
    options
}

fn describe(backup: &backup_rocksdb::NativeBackup) -> NativeBackup {
    NativeBackup::new(backup.id, backup.timestamp, backup.files, backup.bytes)
}

/// Splits the number of a backup off its directory.
fn native_place(place: &Place) -> Result<(PathBuf, Option<u32>), SourceError> {
    let (directory, id) = place.split_last(b'#');
    let id = id.map(|id| {
        let problem = || SourceError::locator(format!("{id:?} is no number of a native backup"));
        utf8(id).ok().and_then(|id| id.parse().ok()).ok_or_else(problem)
    });
    Ok((directory.path()?, id.transpose()?))
}

/// Refuses a directory that is no database, but holds some: by that name linera calls the place of all of its databases.
fn check_depth(path: &Path) -> Result<(), SourceError> {
    if is_database(path) {
        return Ok(());
    }
    // What cannot be read is reported by the engine, which looks there next.
    let below = path.read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<_> = below.filter(|path| is_database(path)).collect();
    if found.is_empty() {
        return Ok(());
    }
    found.sort();
    let found = found.iter().map(|path| format!("{DATABASE}:{}", path.display())).collect();
    Err(SourceError::Nearby { path: path.to_owned(), found })
}

fn is_database(path: &Path) -> bool {
    path.join("CURRENT").is_file()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::Engines;

    fn place(text: &str) -> Place {
        let (scheme, rest) = text.split_once(':').unwrap();
        let scheme = [DATABASE, BACKUP].into_iter().find(|known| *known == scheme).unwrap();
        Place::parse(scheme, rest.as_ref()).unwrap().0
    }

    #[test]
    fn a_native_backup_has_a_directory_and_perhaps_a_number() {
        let parse = |text: &str| native_place(&place(text));
        assert_eq!(parse("rocksdb-backup:/b").unwrap(), ("/b".into(), None));
        assert_eq!(parse("rocksdb-backup:/b#7?layout=plain").unwrap(), ("/b".into(), Some(7)));
        assert!(parse("rocksdb-backup:/b#x").unwrap_err().is_usage());
        assert!(parse("rocksdb-backup:#7").unwrap_err().is_usage());
    }

    #[test]
    fn locators_of_rocksdb_are_directories() {
        let engines = Engines::built_in();
        for good in ["rocksdb:/db/ns", "rocksdb:db/ns?layout=linera-0.16", "rocksdb-backup:/b"] {
            assert!(engines.source(good).is_ok(), "{good}");
        }
        for bad in
            ["rocksdb:", "rocksdb:x?layout=linera", "rocksdb:x?color=red", "rocksdb-backup:/b#x", "memory:"]
        {
            assert!(engines.source(bad).unwrap_err().is_usage(), "{bad}");
        }
        assert!(engines.target("rocksdb-backup:/b").unwrap_err().to_string().contains("can only be read"));
    }

    #[test]
    fn databases_in_a_directory_that_is_none_are_named() {
        let directory = tempfile::tempdir().unwrap();
        assert!(check_depth(directory.path()).is_ok());
        for name in ["b", "a", "c"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        for name in ["b/CURRENT", "a/CURRENT"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        let SourceError::Nearby { found, .. } = check_depth(directory.path()).unwrap_err() else { panic!() };
        let locator = |name| format!("rocksdb:{}", directory.path().join(name).display());
        assert_eq!(found, [locator("a"), locator("b")]);
        assert!(check_depth(&directory.path().join("a")).is_ok());
        assert!(check_depth(&directory.path().join("missing")).is_ok());
    }
}
