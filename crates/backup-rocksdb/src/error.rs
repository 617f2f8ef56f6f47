//! What can go wrong with a RocksDB namespace, and what it means.

use std::io;
use std::path::{Path, PathBuf};

use backup_format::{ContractError, EngineError, ErrorClass, ObjectId};
use backup_layout::LayoutError;

/// An error of a RocksDB namespace.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RocksDbError {
    /// An error that means the same in every engine.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// RocksDB reports an error.
    #[error("{doing} {}", path.display())]
    Engine {
        /// What was being done.
        doing: &'static str,
        /// Directory of the database, or the file.
        path: PathBuf,
        /// What RocksDB says.
        source: rocksdb::Error,
    },
    /// The file system reports an error.
    #[error("{doing} {}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// There is no database where one was expected.
    #[error("no RocksDB database at {}: {problem}", path.display())]
    NoDatabase {
        /// Directory that was looked at.
        path: PathBuf,
        /// What is missing.
        problem: &'static str,
    },
    /// A file `CURRENT` that does not name a manifest.
    #[error(
        "database {} is damaged: its file CURRENT does not name a manifest; copy the whole directory again",
        path.display()
    )]
    BadCurrent {
        /// Directory of the database.
        path: PathBuf,
    },
    /// A file that the database needs is not in its directory.
    #[error("database {} is incomplete: {file} is named by {named_by} but missing; copy the whole directory again", path.display())]
    FileMissing {
        /// Directory of the database.
        path: PathBuf,
        /// The file.
        file: String,
        /// What names it.
        named_by: &'static str,
    },
    /// A database that is not opened for writing any more.
    #[error(
        "{doing} {}: it was retired for its last dump {dump}, so that nothing starts from it; restore that dump elsewhere",
        path.display()
    )]
    Retired {
        /// What was being done.
        doing: &'static str,
        /// Directory of the database.
        path: PathBuf,
        /// The dump.
        dump: ObjectId,
    },
    /// A file of the database that does not have the length that it was written with.
    #[error(
        "database {} is damaged: {file} has {found} bytes, and its manifest says {expected}; copy the whole directory \
         again",
        path.display()
    )]
    FileLength {
        /// Directory of the database.
        path: PathBuf,
        /// The file.
        file: String,
        /// Its length according to the manifest, in bytes.
        expected: u64,
        /// Its length, in bytes.
        found: u64,
    },
    /// An SST file that RocksDB cannot open.
    #[error(
        "database {} is damaged: {file} is there in its full length, but cannot be opened; copy the whole directory again",
        path.display()
    )]
    TableUnreadable {
        /// Directory of the database.
        path: PathBuf,
        /// The file.
        file: String,
    },
    /// A manifest that does not follow the format known here.
    #[error("reading {} at byte {offset}: {problem}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// Where the record ends that cannot be read.
        offset: u64,
        /// What is wrong.
        problem: &'static str,
    },
    /// The write-ahead log that a manifest refers to is not there.
    #[error(
        "database {} lacks its write-ahead log: there is no whole file {number:06}.log or later, so the latest writes \
         are missing; copy the whole directory again",
        path.display()
    )]
    LogMissing {
        /// Directory of the database.
        path: PathBuf,
        /// Number of the first log that is needed.
        number: u64,
    },
    /// A database that keeps its write-ahead log in another directory.
    #[error(
        "database {} has no write-ahead log, and {options_file} says that its log is in {}; if this is the database itself, open \
         it with the log there; if it is a copy or a checkpoint, that log belongs to another database",
        path.display(), wal_dir.display()
    )]
    LogElsewhere {
        /// Directory of the database.
        path: PathBuf,
        /// Directory of the log.
        wal_dir: PathBuf,
        /// The file that says so.
        options_file: String,
    },
    /// A database with a write-ahead log of its own, that was to be opened with one elsewhere.
    #[error(
        "database {} has a write-ahead log in its own directory, so the one in {} is that of another database; leave \
         that directory out",
        path.display(), wal_dir.display()
    )]
    LogsTwice {
        /// Directory of the database.
        path: PathBuf,
        /// The other directory.
        wal_dir: PathBuf,
    },
    /// A write-ahead log that begins after what is known, so that writes in between are missing.
    #[error(
        "{} does not continue database {}: expected a write with sequence number {} or below, found {found}, so the writes in between \
         are missing; the log is of another moment or another database, or some writes were made without a log; copy the \
         whole directory again",
        log.display(), path.display(), last.saturating_add(1)
    )]
    LogGap {
        /// Directory of the database.
        path: PathBuf,
        /// The log.
        log: PathBuf,
        /// The last sequence number in the SST files and in the logs before.
        last: u64,
        /// The first sequence number after the gap.
        found: u64,
    },
    /// A write-ahead log with writes that are older than what was flushed before it began.
    #[error(
        "{} is not a log of database {}: expected sequence numbers above {flushed}, which was in SST files before it began, \
         found {found}; it belongs to another database",
        log.display(), path.display()
    )]
    LogForeign {
        /// Directory of the database.
        path: PathBuf,
        /// The log.
        log: PathBuf,
        /// The last sequence number that was flushed before the log began.
        flushed: u64,
        /// A sequence number in the log.
        found: u64,
    },
    /// A database whose SST files are in several directories.
    #[error(
        "database {} keeps SST files in other directories than its own (RocksDB's option db_paths, directory number {place}), \
         which is not supported, or was copied without them; read it from the program that has it open, or copy it whole",
        path.display()
    )]
    TablesElsewhere {
        /// Directory of the database.
        path: PathBuf,
        /// Number of the directory in the list of that option.
        place: u64,
    },
    /// More files must be open at a time than this process may open.
    #[error(
        "database {} has {tables} SST files, so {needed} files must be open at a time, and this process may open {limit}",
        path.display()
    )]
    OpenFiles {
        /// Directory of the database.
        path: PathBuf,
        /// Its SST files.
        tables: u64,
        /// Files that must be open.
        needed: u64,
        /// Files that may be open.
        limit: u64,
    },
    /// The file system reports an error about a scratch file.
    #[error("{doing} {}, a scratch file", path.display())]
    Scratch {
        /// What was being done.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The files changed so fast that no consistent set of them could be opened.
    #[error("database {} changes faster than it can be opened; try again when it is less busy", path.display())]
    Unsteady {
        /// Directory of the database.
        path: PathBuf,
    },
    /// Rows that do not follow the layout, or a layout that cannot be detected.
    #[error("reading namespace {namespace}")]
    Layout {
        /// Name of the namespace.
        namespace: String,
        /// What is wrong.
        source: Box<LayoutError>,
    },
    /// A column family where the layout knows none.
    #[error(
        "namespace {namespace}: column family {family:?} exists, but layout {layout} has the default family only"
    )]
    ForeignFamily {
        /// Name of the namespace.
        namespace: String,
        /// Name of the layout.
        layout: &'static str,
        /// Name of the column family.
        family: String,
    },
    /// A column family that the embedding program's handle was opened without.
    #[error("database {}: column family {family:?} exists, but was not opened", path.display())]
    FamilyNotOpen {
        /// Directory of the database.
        path: PathBuf,
        /// Name of the column family.
        family: String,
    },
    /// More column families than a dump of layout `plain` may have partitions.
    #[error(
        "namespace {namespace} has {found} column families; at most {} are supported",
        crate::range::FAMILIES_MAX
    )]
    TooManyFamilies {
        /// Name of the namespace.
        namespace: String,
        /// Number of column families.
        found: usize,
    },
    /// A root key that begins another root key, so that the rows of both cannot be distinguished.
    #[error(
        "root key {shorter} is the beginning of root key {longer}: in layout linera-0.15 their rows cannot be kept \
         apart"
    )]
    NestedRoots {
        /// The shorter root key in hex, shortened.
        shorter: String,
        /// The longer root key in hex, shortened.
        longer: String,
    },
    /// A target of a native restore that holds something.
    #[error("restore target {} is not empty; restore to another name, or move it away first", path.display())]
    TargetNotEmpty {
        /// The target.
        path: PathBuf,
    },
    /// A directory with the name of a restore's work directory that no restore began.
    #[error("{} is in the way: it is named like a restore under way and holds something else; move it away", path.display())]
    Unmarked {
        /// The directory.
        path: PathBuf,
    },
    /// A restore of the same dump that was begun in another way.
    #[error("{} was begun with {what} {found}, not {expected}; use that again, or remove the directory", path.display())]
    OtherPlan {
        /// Its work directory.
        path: PathBuf,
        /// What differs: format, layout or order.
        what: &'static str,
        /// What was asked for now.
        expected: String,
        /// What it was begun with.
        found: String,
    },
    /// A restore into something that is not a directory of its own, or without a layout.
    #[error("namespace {namespace} cannot be restored to: {problem}")]
    NoTarget {
        /// Name of the namespace.
        namespace: String,
        /// Why, and what to do.
        problem: &'static str,
    },
    /// A database that another process, or another restore, holds open.
    #[error("database {} is held open by {holder}; {advice}", path.display())]
    Locked {
        /// Directory of the database.
        path: PathBuf,
        /// Who holds it, as far as it is known.
        holder: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// A small file of a restore that cannot be read.
    #[error("reading {}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// What the JSON parser says.
        source: serde_json::Error,
    },
    /// A restore that was to be completed before all of it was written.
    #[error("completing the restore in {}: expected {expected} entries, {found} were written", path.display())]
    Incomplete {
        /// Its work directory.
        path: PathBuf,
        /// Number planned.
        expected: u64,
        /// Number written.
        found: u64,
    },
    /// A call in a state of the restore that does not allow it.
    #[error("restore in {}: {problem}", path.display())]
    Stage {
        /// Its work directory.
        path: PathBuf,
        /// What is not possible, and what to do.
        problem: &'static str,
    },
    /// A root key that cannot be the name of a column family.
    #[error("root key {root_key} cannot become a column family of layout plain: {problem}")]
    FamilyName {
        /// Root key in hex, shortened.
        root_key: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// No native backup where one was expected.
    #[error("no native backup {}in {}", id.map(|id| format!("{id} ")).unwrap_or_default(), path.display())]
    NoBackup {
        /// Directory of the native backups.
        path: PathBuf,
        /// The backup that was asked for; `None` for the latest.
        id: Option<u32>,
    },
    /// A database of another user, which is not opened for writing.
    #[error(
        "database {} belongs to user {owner}, and this is user {user}, who would leave files in it that the other cannot \
         open; run this as user {owner}", path.display()
    )]
    OtherOwner {
        /// Directory of the database.
        path: PathBuf,
        /// Id of the user whose it is.
        owner: u32,
        /// Id of the user of this process.
        user: u32,
    },
    /// A directory in which no native backups may lie.
    #[error("native backups cannot be kept in {}: {problem}; name another directory", path.display())]
    BadBackups {
        /// The directory.
        path: PathBuf,
        /// What it is.
        problem: &'static str,
    },
    /// A worker thread that ended before its work was done.
    #[error("{doing}: the worker thread ended before its work was done")]
    Worker {
        /// What it was doing.
        doing: &'static str,
    },
}

impl RocksDbError {
    pub(crate) fn engine(doing: &'static str, path: &Path) -> impl FnOnce(rocksdb::Error) -> Self {
        move |source| Self::Engine { doing, path: path.to_owned(), source }
    }

    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }

    pub(crate) fn scratch(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Scratch { doing, path: path.to_owned(), source }
    }

    /// Returns what the error means for the caller.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Contract(error) => error.class(),
            Self::Engine { source, .. } => engine_class(source),
            Self::Layout { source, .. } => source.class(),
            Self::BadCurrent { .. }
            | Self::FileMissing { .. }
            | Self::FileLength { .. }
            | Self::TableUnreadable { .. }
            | Self::Manifest { .. } => ErrorClass::Damaged,
            Self::Unsteady { .. } => ErrorClass::Transient,
            Self::LogMissing { .. }
            | Self::LogElsewhere { .. }
            | Self::LogsTwice { .. }
            | Self::LogGap { .. }
            | Self::LogForeign { .. }
            | Self::TablesElsewhere { .. }
            | Self::ForeignFamily { .. }
            | Self::NestedRoots { .. }
            | Self::TargetNotEmpty { .. }
            | Self::Unmarked { .. }
            | Self::OtherPlan { .. }
            | Self::NoTarget { .. }
            | Self::Locked { .. }
            | Self::Retired { .. }
            | Self::FamilyName { .. }
            | Self::OtherOwner { .. }
            | Self::BadBackups { .. } => ErrorClass::Refused,
            Self::Io { .. }
            | Self::OpenFiles { .. }
            | Self::Scratch { .. }
            | Self::NoDatabase { .. }
            | Self::Record { .. }
            | Self::Incomplete { .. }
            | Self::Stage { .. }
            | Self::NoBackup { .. }
            | Self::FamilyNotOpen { .. }
            | Self::TooManyFamilies { .. }
            | Self::Worker { .. } => ErrorClass::Failed,
        }
    }

    /// Returns true if the same call may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.class() == ErrorClass::Transient
    }
}

fn engine_class(error: &rocksdb::Error) -> ErrorClass {
    use rocksdb::ErrorKind;
    match error.kind() {
        ErrorKind::Corruption => ErrorClass::Damaged,
        ErrorKind::TimedOut | ErrorKind::Busy | ErrorKind::TryAgain => ErrorClass::Transient,
        _ => ErrorClass::Failed,
    }
}

impl From<RocksDbError> for EngineError {
    fn from(error: RocksDbError) -> Self {
        match error {
            // Callers look for this error, of all engines alike.
            RocksDbError::Contract(error) => error.into(),
            error => Self::new(error.class(), error),
        }
    }
}
