//! Reading a database by its directory, while another process may hold it open.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rocksdb::{ColumnFamilyDescriptor, DB};
use tempfile::TempDir;

use crate::database::list_families;
use crate::error::RocksDbError;
use crate::manifest::{Manifest, State};
use crate::options::RocksDbOptions;

/// Attempts to open a database whose files change at the same time.
const ATTEMPTS: u32 = 3;
/// Attempts to copy the logs before one of them is deleted.
const COPIES: u32 = 50;
/// Rounds in which an instance that was opened too slowly may catch up.
const ROUNDS: u32 = 25;
const PAUSE: Duration = Duration::from_millis(20);

/// A secondary instance of a database, which stands still until it is told to catch up.
pub(crate) struct Secondary {
    /// Dropped first: it writes into the scratch directory.
    pub database: DB,
    /// Names of all column families.
    pub families: Vec<String>,
    _scratch: TempDir,
}

impl Secondary {
    /// Opens the state of this moment, including what is in the write-ahead log only. Writes nothing into `path`.
    pub(crate) fn open(path: &Path, options: &RocksDbOptions) -> Result<Self, RocksDbError> {
        let mut attempt = 1;
        loop {
            match Self::try_open(path, options) {
                Err(error) if attempt < ATTEMPTS && error.may_pass() => thread::sleep(PAUSE * attempt),
                result => return result,
            }
            attempt += 1;
        }
    }

    /// Copies the logs first: the instance would leave out all of them, without a word, when one is deleted while it
    /// reads them, be it an old one.
    fn try_open(path: &Path, options: &RocksDbOptions) -> Result<Self, RocksDbError> {
        let scratch = scratch(options)?;
        let wal_dir = scratch.path().join("wal");
        let manifest = copy_logs(path, &wal_dir, options)?;
        let families = list_families(path)?;
        let mut instance = options.secondary();
        instance.set_wal_dir(&wal_dir);
        let own = scratch.path().join("own");
        let descriptors = families.iter().map(|family| ColumnFamilyDescriptor::new(family, instance.clone()));
        let database = DB::open_cf_descriptors_as_secondary(&instance, path, &own, descriptors)
            .map_err(RocksDbError::engine("opening database", path))?;
        steady(&database, path, manifest)?;
        if list_families(path)? != families {
            return Err(RocksDbError::Unsteady { path: path.to_owned() });
        }
        Ok(Self { database, families, _scratch: scratch })
    }
}

/// Copies all logs that are needed, and returns the manifest as it was then.
///
/// The manifest is read before and after. When no log became unneeded meanwhile, none that is needed was deleted,
/// and the copies hold all writes that were complete before: all of the older logs, and the start of the newest.
fn copy_logs(path: &Path, to: &Path, options: &RocksDbOptions) -> Result<Manifest, RocksDbError> {
    current_manifest(path)?;
    check_wal_dir(path, options)?;
    fs::create_dir(to).map_err(RocksDbError::io("creating directory", to))?;
    let from = options.wal_dir.as_deref().unwrap_or(path);
    for _ in 0..COPIES {
        let mut manifest = Manifest::open(&current_manifest(path)?)?;
        manifest.follow(|_| ())?;
        let log_min = manifest.state.log_min;
        let copied = logs_in(from)?.range(log_min..).try_for_each(|(number, _)| {
            let name = format!("{number:06}.log");
            fs::copy(from.join(&name), to.join(&name)).map(drop)
        });
        match copied {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            copied => {
                copied.map_err(RocksDbError::io("copying the write-ahead log from", from))?;
                manifest.follow(|_| ())?;
                if manifest.state.log_min == log_min && current_manifest(path)? == manifest.path {
                    check_logs(path, &manifest.state, &logs_in(to)?, options)?;
                    return Ok(manifest);
                }
            }
        }
        thread::sleep(PAUSE);
    }
    Err(RocksDbError::Unsteady { path: path.to_owned() })
}

/// Checks what can be told of a database without opening it: that it has a manifest, and the logs that this asks for.
pub(crate) fn check_whole(path: &Path, options: &RocksDbOptions) -> Result<(), RocksDbError> {
    let mut manifest = Manifest::open(&current_manifest(path)?)?;
    manifest.follow(|_| ())?;
    check_wal_dir(path, options)?;
    let logs = logs_in(options.wal_dir.as_deref().unwrap_or(path))?;
    check_logs(path, &manifest.state, &logs, options)
}

/// Lets an instance catch up until its SST files are those of one version of the database.
///
/// With the copied logs that version is a state of one moment. Of several column families, some may have been flushed
/// after the logs were copied, and others not: then it is not.
fn steady(database: &DB, path: &Path, mut manifest: Manifest) -> Result<(), RocksDbError> {
    let logs = manifest.state.family_logs.clone();
    let start = manifest.position();
    let mut unread = None;
    for _ in 0..ROUNDS {
        let tables = tables_of(database, path)?;
        let mut logs_then = None;
        let current = current_manifest(path)?;
        if current != manifest.path {
            manifest = Manifest::open(&current)?;
        }
        manifest.follow(|state| {
            if state.tables.len() == tables.len() && state.tables.keys().eq(&tables) {
                logs_then = Some(state.family_logs.clone());
            }
        })?;
        match logs_then {
            Some(logs_then) if logs.len() == 1 || logs_then == logs => return Ok(()),
            Some(_) => return Err(RocksDbError::Unsteady { path: path.to_owned() }),
            None => unread = manifest.state.tables.keys().find(|table| !tables.contains(table)).copied(),
        }
        thread::sleep(PAUSE);
        database
            .try_catch_up_with_primary()
            .map_err(RocksDbError::engine("catching up with database", path))?;
    }
    for (table, bytes) in &manifest.state.tables {
        check_table(path, *table, *bytes)?;
    }
    match unread {
        Some(table) if manifest.position() == start => {
            let file = format!("{table:06}.sst");
            Err(RocksDbError::TableUnreadable { path: path.to_owned(), file })
        }
        _ => Err(RocksDbError::Unsteady { path: path.to_owned() }),
    }
}

/// Returns the numbers of the SST files that an instance reads.
fn tables_of(database: &DB, path: &Path) -> Result<BTreeSet<u64>, RocksDbError> {
    let files = database.live_files().map_err(RocksDbError::engine("listing the files of database", path))?;
    let number = |name: &str| name.trim_start_matches('/').strip_suffix(".sst")?.parse().ok();
    Ok(files.iter().filter_map(|file| number(&file.name)).collect())
}

/// Checks that an SST file is there in its length. A database may have further directories, so one that is nowhere
/// near is only noticed by the instance.
fn check_table(path: &Path, table: u64, expected: u64) -> Result<(), RocksDbError> {
    let file = format!("{table:06}.sst");
    match fs::metadata(path.join(&file)) {
        Ok(found) if found.len() == expected => Ok(()),
        Ok(found) => {
            let (path, found) = (path.to_owned(), found.len());
            Err(RocksDbError::FileLength { path, file, expected, found })
        }
        Err(_) => Err(RocksDbError::FileMissing { path: path.to_owned(), file, named_by: "its manifest" }),
    }
}

/// Lists the logs in a directory, by their numbers, with their lengths in bytes.
fn logs_in(directory: &Path) -> Result<BTreeMap<u64, u64>, RocksDbError> {
    let mut logs = BTreeMap::new();
    for entry in fs::read_dir(directory).map_err(RocksDbError::io("looking into", directory))? {
        let entry = entry.map_err(RocksDbError::io("looking into", directory))?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".log")?.parse::<u64>().ok());
        // A log that vanishes meanwhile is not needed any more.
        if let (Some(number), Ok(found)) = (number, entry.metadata()) {
            logs.insert(number, found.len());
        }
    }
    Ok(logs)
}

/// Checks that there is a log that may hold what the SST files do not, and all logs that the manifest tracks.
///
/// Whoever opens a database to write begins a log at or above the number in the manifest, so a directory without any
/// such log is not all of a database. Which of several logs are missing is not known, unless they are tracked.
fn check_logs(
    path: &Path,
    state: &State,
    logs: &BTreeMap<u64, u64>,
    options: &RocksDbOptions,
) -> Result<(), RocksDbError> {
    let missing = |number| Err(RocksDbError::LogMissing { path: path.to_owned(), number });
    if options.allow_missing_log {
        return Ok(());
    }
    let needed = state.log_needed();
    let short = |(number, bytes): &(&u64, &u64)| logs.get(number).is_none_or(|found| found < bytes);
    match state.tracked_logs.iter().find(short) {
        Some((number, _)) => missing(*number),
        None if logs.range(needed..).next().is_none() => missing(needed),
        None => Ok(()),
    }
}

/// Checks that the log is where it is looked for: the newest options file says where the last writer had it.
fn check_wal_dir(path: &Path, options: &RocksDbOptions) -> Result<(), RocksDbError> {
    if options.wal_dir.is_some() || options.allow_missing_log {
        return Ok(());
    }
    let entries = fs::read_dir(path).map_err(RocksDbError::io("looking into", path))?;
    let number = |name: &str| name.strip_prefix("OPTIONS-")?.parse::<u64>().ok();
    let newest = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| Some((number(&name)?, name)))
        .max();
    let Some((_, options_file)) = newest else { return Ok(()) };
    // A file that vanished was replaced by a newer one, of a writer that is at work.
    let text = fs::read_to_string(path.join(&options_file)).unwrap_or_default();
    let wal_dir = text.lines().find_map(|line| line.trim().strip_prefix("wal_dir="));
    match wal_dir.map(str::trim).filter(|wal_dir| !wal_dir.is_empty()) {
        Some(wal_dir) if !same_directory(Path::new(wal_dir), path) => Err(RocksDbError::LogElsewhere {
            path: path.to_owned(),
            wal_dir: PathBuf::from(wal_dir),
            options_file,
        }),
        _ => Ok(()),
    }
}

fn same_directory(left: &Path, right: &Path) -> bool {
    matches!((left.canonicalize(), right.canonicalize()), (Ok(left), Ok(right)) if left == right)
}

/// Makes a directory for scratch files, which is removed when it is dropped. It holds copies of rows, so it is for nobody
/// but its owner.
pub(crate) fn scratch(options: &RocksDbOptions) -> Result<TempDir, RocksDbError> {
    let base = options.scratch_dir.clone().unwrap_or_else(std::env::temp_dir);
    let mut builder = tempfile::Builder::new();
    builder.permissions(fs::Permissions::from_mode(0o700));
    builder.prefix("kvbackup-").tempdir_in(&base).map_err(RocksDbError::io("making a directory in", &base))
}

/// Returns the path of the manifest, and checks what tells a database from any other directory and from a part of one.
/// The driver would create a missing directory.
pub(crate) fn current_manifest(path: &Path) -> Result<PathBuf, RocksDbError> {
    let missing = |problem| RocksDbError::NoDatabase { path: path.to_owned(), problem };
    if path.to_str().is_none() {
        return Err(missing("its path is not UTF-8, and the driver opens no other"));
    }
    if !path.is_dir() {
        return Err(missing("there is no such directory"));
    }
    let current = match fs::read_to_string(path.join("CURRENT")) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(missing("the directory has no file CURRENT"));
        }
        read => read.map_err(RocksDbError::io("reading", &path.join("CURRENT")))?,
    };
    let name = current.trim_end();
    let known = name.strip_prefix("MANIFEST-").is_some_and(|number| number.parse::<u64>().is_ok());
    if !known {
        return Err(RocksDbError::BadCurrent { path: path.to_owned() });
    }
    let manifest = path.join(name);
    if !manifest.is_file() {
        let file = name.to_owned();
        return Err(RocksDbError::FileMissing { path: path.to_owned(), file, named_by: "CURRENT" });
    }
    Ok(manifest)
}
