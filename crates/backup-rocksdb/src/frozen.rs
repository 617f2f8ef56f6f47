//! Reading a database by its directory, while another process may hold it open.
//!
//! What changes in a database is copied to a scratch directory: its manifest and its logs. What never changes is linked: its SST
//! files. The copy is a database of its own, which RocksDB opens as after a crash: it takes the logs into SST files there.
//! So a copy is of one moment whatever its owner does meanwhile, and takes little memory however long the logs are.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rocksdb::{ColumnFamilyDescriptor, DB};

use crate::database::list_families;
use crate::edit::NewTable;
use crate::error::RocksDbError;
use crate::info_log;
use crate::logs::{self, Logs};
use crate::manifest::{Manifest, State};
use crate::options::RocksDbOptions;
use crate::retire;
use crate::scratch::Scratch;

/// Attempts to copy a database whose files change at the same time.
const ATTEMPTS: u32 = 50;
/// Attempts after which SST files are held open until the copy is.
const ATTEMPTS_LINKED: u32 = 3;
const PAUSE: Duration = Duration::from_millis(20);
/// Files that a process has open beside SST files: logs, the scratch directory, sockets.
const OTHER_FILES: u64 = 64;
/// How scratch directories of this crate are called.
const PREFIX: &str = "kvbackup-scratch-";

/// A copy of a database as it was at one moment.
pub(crate) struct Frozen {
    /// Dropped first: it works in the scratch directory.
    pub database: DB,
    /// Names of all column families.
    pub families: Vec<String>,
    _scratch: Scratch,
}

impl Frozen {
    /// Copies the state of this moment, including what is in the write-ahead log only. Writes nothing into `path`.
    pub(crate) fn open(path: &Path, options: &RocksDbOptions) -> Result<Self, RocksDbError> {
        let mut attempt = 1;
        loop {
            match Self::try_open(path, options, attempt > ATTEMPTS_LINKED) {
                Err(error) if attempt < attempts_for(&error) => thread::sleep(PAUSE),
                result => return result,
            }
            attempt += 1;
        }
    }

    fn try_open(path: &Path, options: &RocksDbOptions, hold: bool) -> Result<Self, RocksDbError> {
        let scratch = scratch(options)?;
        let copy = scratch.path().join("db");
        fs::create_dir(&copy).map_err(RocksDbError::scratch("making directory", &copy))?;
        let (mut copied, _held) = copy_database(path, &copy, options, hold)?;
        let families = list_families(&copy)?;
        let settings = options.frozen(families.len());
        let descriptors = families.iter().map(|family| ColumnFamilyDescriptor::new(family, settings.clone()));
        let opened = DB::open_cf_descriptors(&settings, &copy, descriptors);
        let database = opened.map_err(|source| copied.why(source, &copy))?;
        Ok(Self { database, families, _scratch: scratch })
    }
}

/// Returns how often opening a database is tried that ends with this error, since its files change while it is in use.
fn attempts_for(error: &RocksDbError) -> u32 {
    match error {
        RocksDbError::Unsteady { .. } => ATTEMPTS,
        RocksDbError::Io { source, .. } if source.kind() == ErrorKind::NotFound => ATTEMPTS,
        RocksDbError::Engine { .. } | RocksDbError::LogGap { .. } | RocksDbError::LogForeign { .. } => {
            ATTEMPTS_LINKED
        }
        _ => 1,
    }
}

/// Makes a directory for scratch files.
pub(crate) fn scratch(options: &RocksDbOptions) -> Result<Scratch, RocksDbError> {
    Scratch::create(options.scratch_dir.as_deref(), PREFIX)
}

/// Checks a database without opening it: it has a manifest, and the logs that continue it.
pub(crate) fn check_whole(path: &Path, options: &RocksDbOptions) -> Result<(), RocksDbError> {
    let state = Manifest::read(&current_manifest(path)?)?.state;
    table_names(path, &state)?;
    let logs = Logs::find(path, &state, options)?;
    if options.allow_missing_log {
        return Ok(());
    }
    logs.check_there(path, &state)?;
    logs.check_continuous(path, &logs.directory, &state)
}

/// Copies manifest and logs, and links the SST files. Returns the manifest, and the SST files if they are held open.
///
/// The manifest is read before and after. When no log became unneeded meanwhile, none that is needed was deleted or
/// written over. Then the copies hold all writes that were complete before: all of the older logs, and the start of the newest.
fn copy_database<'p>(
    path: &'p Path,
    copy: &Path,
    options: &RocksDbOptions,
    hold: bool,
) -> Result<(Copied<'p>, Vec<File>), RocksDbError> {
    let current = current_manifest(path)?;
    let name = current.file_name().unwrap_or_default().to_owned();
    copy_file(&current, &copy.join(&name))?;
    let manifest = Manifest::read(&copy.join(&name))?;
    check_open_files(path, manifest.state.tables.len() as u64, hold)?;
    let (state, offset) = (manifest.state.clone(), manifest.offset());
    let mut copied = Copied { path, state, offset, manifest, current };
    copy_logs(&mut copied, copy, options)?;
    let held = link_tables(path, copy, &copied.state, hold).map_err(|error| copied.judge(error))?;
    let current = copy.join("CURRENT");
    let text = format!("{}\n", name.to_string_lossy());
    fs::write(&current, text).map_err(RocksDbError::scratch("writing", &current))?;
    Ok((copied, held))
}

/// Checks that all SST files may be open at a time: RocksDB keeps them open, so that their owner may delete them meanwhile.
fn check_open_files(path: &Path, tables: u64, hold: bool) -> Result<(), RocksDbError> {
    let needed = tables * if hold { 2 } else { 1 } + OTHER_FILES;
    match rustix::process::getrlimit(rustix::process::Resource::Nofile).current {
        Some(limit) if limit < needed => {
            Err(RocksDbError::OpenFiles { path: path.to_owned(), tables, needed, limit })
        }
        _ => Ok(()),
    }
}

/// Copies the logs, and checks that they are all that the manifest needs.
fn copy_logs(copied: &mut Copied<'_>, copy: &Path, options: &RocksDbOptions) -> Result<(), RocksDbError> {
    let (path, state) = (copied.path, &copied.state);
    let found = Logs::find(path, state, options)?;
    for (number, _) in found.bytes.range(state.log_min..) {
        let name = logs::name_of(*number);
        copy_file(&found.directory.join(&name), &copy.join(&name))?;
    }
    copied.manifest.follow_in(&copied.current)?;
    let needed = |state: &State| (state.log_min, state.log_needed());
    if current_manifest(path)? != copied.current || needed(&copied.manifest.state) != needed(state) {
        return Err(unsteady(path));
    }
    if options.allow_missing_log {
        return Ok(());
    }
    let logs = Logs::list(copy)?;
    logs.check_there(path, state)?;
    logs.check_continuous(path, &found.directory, state)
}

/// What was copied of a database, and its manifest, which its owner may have continued since.
struct Copied<'p> {
    path: &'p Path,
    state: State,
    /// Length of the manifest that was copied, in bytes.
    offset: u64,
    manifest: Manifest,
    current: PathBuf,
}

impl Copied<'_> {
    /// Returns true if the owner has changed the database since its manifest was copied.
    fn has_moved(&mut self) -> bool {
        let followed = self.manifest.follow_in(&self.current).is_ok();
        let current = current_manifest(self.path);
        !followed
            || self.manifest.offset() != self.offset
            || current.is_ok_and(|current| current != self.current)
    }

    /// Says what is wrong with SST files: nothing, if their owner deleted them since.
    fn judge(&mut self, error: RocksDbError) -> RocksDbError {
        if self.has_moved() { unsteady(self.path) } else { error }
    }

    /// Says why the copy cannot be opened: SST files that are not there, or what RocksDB says.
    fn why(&mut self, source: rocksdb::Error, copy: &Path) -> RocksDbError {
        match table_names(self.path, &self.state) {
            Err(error) => self.judge(error),
            Ok(_) if is_full(&source) => {
                let error = io::Error::new(ErrorKind::StorageFull, source.into_string());
                RocksDbError::scratch("writing", copy)(error)
            }
            Ok(_) => RocksDbError::engine("opening a copy of database", self.path)(source),
        }
    }
}

/// Returns true if RocksDB could not write because a disk is full: it writes to the scratch directory alone.
fn is_full(error: &rocksdb::Error) -> bool {
    let text = error.to_string();
    ["No space left on device", "Disk quota exceeded", "File too large"]
        .iter()
        .any(|full| text.contains(full))
}

fn unsteady(path: &Path) -> RocksDbError {
    RocksDbError::Unsteady { path: path.to_owned() }
}

/// Copies a file to the scratch directory. An error says which of the two it is about.
fn copy_file(from: &Path, to: &Path) -> Result<(), RocksDbError> {
    let mut source = File::open(from).map_err(RocksDbError::io("copying", from))?;
    let mut target = File::create_new(to).map_err(RocksDbError::scratch("writing", to))?;
    io::copy(&mut source, &mut target).map(drop).map_err(|error| match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            RocksDbError::scratch("writing", to)(error)
        }
        _ => RocksDbError::io("copying", from)(error),
    })
}

/// Links SST files and files of large values, of which the owner may delete some at any time. With `hold` the links lead to files
/// that this process has open.
fn link_tables(path: &Path, copy: &Path, state: &State, hold: bool) -> Result<Vec<File>, RocksDbError> {
    let absolute = std::path::absolute(path).map_err(RocksDbError::io("resolving", path))?;
    let mut names = table_names(path, state)?;
    for entry in fs::read_dir(path).map_err(RocksDbError::io("looking into", path))? {
        let name = entry.map_err(RocksDbError::io("looking into", path))?.file_name();
        names.extend(name.into_string().ok().filter(|name| name.ends_with(".blob")));
    }
    let mut held = Vec::new();
    for name in names {
        let mut target = absolute.join(&name);
        if hold && cfg!(target_os = "linux") {
            let file = File::open(&target).map_err(RocksDbError::io("opening", &target))?;
            target = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
            held.push(file);
        }
        let link = copy.join(&name);
        symlink(&target, &link).map_err(RocksDbError::scratch("making link", &link))?;
    }
    Ok(held)
}

/// Returns the names of the SST files, and checks that all are in the directory of the database.
fn table_names(path: &Path, state: &State) -> Result<Vec<String>, RocksDbError> {
    let elsewhere = |place| Err(RocksDbError::TablesElsewhere { path: path.to_owned(), place });
    if let Some(table) = state.tables.values().find(|table| table.place > 0) {
        return elsewhere(table.place);
    }
    let names: Result<Vec<_>, _> = state.tables.values().map(|table| check_table(path, table)).collect();
    // A copy may lack one file; that it lacks all of several means that they are elsewhere, or the writer's log says so.
    let is_there = |table: &NewTable| path.join(table_name(table.number)).exists();
    match names {
        Err(RocksDbError::FileMissing { .. })
            if (state.tables.len() > 1 || info_log::tables_are_elsewhere(path))
                && !state.tables.values().any(is_there) =>
        {
            elsewhere(0)
        }
        names => names,
    }
}

fn table_name(number: u64) -> String {
    format!("{number:06}.sst")
}

/// Checks that an SST file is there in its length, and returns its name.
fn check_table(path: &Path, table: &NewTable) -> Result<String, RocksDbError> {
    let (file, expected) = (table_name(table.number), table.bytes);
    match fs::metadata(path.join(&file)) {
        Ok(found) if found.len() == expected => Ok(file),
        Ok(found) => {
            let (path, found) = (path.to_owned(), found.len());
            Err(RocksDbError::FileLength { path, file, expected, found })
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(RocksDbError::FileMissing { path: path.to_owned(), file, named_by: "its manifest" })
        }
        Err(error) => Err(RocksDbError::io("looking at", &path.join(&file))(error)),
    }
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
    let read = || match retire::read_current(path) {
        Err(RocksDbError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
            Err(missing("the directory has no file CURRENT"))
        }
        read => read,
    };
    let current = read()?;
    let name = current.trim_end();
    let known = name.strip_prefix("MANIFEST-").is_some_and(|number| number.parse::<u64>().is_ok());
    if !known {
        return Err(RocksDbError::BadCurrent { path: path.to_owned() });
    }
    let manifest = path.join(name);
    if manifest.is_file() {
        Ok(manifest)
    } else if read()? != current {
        // The owner has just begun another one.
        Err(unsteady(path))
    } else {
        let file = name.to_owned();
        Err(RocksDbError::FileMissing { path: path.to_owned(), file, named_by: "CURRENT" })
    }
}
