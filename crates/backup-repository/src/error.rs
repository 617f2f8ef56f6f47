//! What can go wrong between a namespace and a repository.

use backup_format::{Digest, EngineError, ErrorClass, FormatError, Kind, ObjectId};

/// An error of a repository or of a pump.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepositoryError {
    /// The object store failed.
    #[error("{doing} {path}")]
    Store {
        /// What was being done.
        doing: &'static str,
        /// The file, relative to the repository.
        path: String,
        /// The cause.
        source: object_store::Error,
    },
    /// The location of a repository cannot be used.
    #[error("opening repository {location}: {problem}")]
    Location {
        /// As it was given.
        location: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A file of the repository does not follow the format.
    #[error("{path} is damaged; verify the repository, and restore this file from a copy")]
    Damaged {
        /// The file, relative to the repository.
        path: String,
        /// What is wrong with it.
        source: FormatError,
    },
    /// A file of the repository is of a later version of the format.
    #[error("{path} cannot be read by this version")]
    Unsupported {
        /// The file, relative to the repository.
        path: String,
        /// What it asks for.
        source: FormatError,
    },
    /// A file's bytes do not hash to its name.
    #[error(
        "{path} is damaged: its bytes hash to {found}; restore this file from a copy, or delete it and back up again"
    )]
    WrongName {
        /// The file, relative to the repository.
        path: String,
        /// What its bytes hash to.
        found: ObjectId,
    },
    /// An object that a dump refers to is in no pack.
    #[error("{kind} {id}, needed by {needed_by}, is in no readable pack{damaged}")]
    MissingObject {
        /// Segment or page.
        kind: Kind,
        /// Its id.
        id: ObjectId,
        /// What refers to it.
        needed_by: String,
        /// The damaged packs, where it may have been; empty when there are none.
        damaged: String,
    },
    /// An object that is there, but wrong.
    #[error("{kind} {id} in {pack} at byte {offset}: {problem}")]
    BadObject {
        /// Segment or page.
        kind: Kind,
        /// Its id.
        id: ObjectId,
        /// The pack file.
        pack: String,
        /// Offset of its stored bytes in the pack.
        offset: u64,
        /// What was expected and found.
        problem: String,
        /// What is wrong with its plaintext, when it could be had.
        source: Option<FormatError>,
    },
    /// A segment that is right, and holds a value above the limit of this reading.
    #[error(
        "{kind} {id} holds a value above the limit that was set; it is not damaged: raise the limit to read it, up to \
         500 MiB"
    )]
    AboveLimit {
        /// Segment or page.
        kind: Kind,
        /// Its id.
        id: ObjectId,
        /// How long the value is.
        source: FormatError,
    },
    /// Objects that are right each, but do not fit together.
    #[error("{place}: {problem}; the dump was made by a faulty program, or altered")]
    Inconsistent {
        /// Where in the dump.
        place: String,
        /// What was expected and found.
        problem: String,
        /// What the format says of it.
        source: Option<FormatError>,
    },
    /// An object did not decode to what was encoded, before it was stored.
    #[error(
        "{kind} {id} of {plain_len} bytes did not decode to itself; nothing was stored. Check this machine's memory"
    )]
    EncodeMismatch {
        /// Segment or page.
        kind: Kind,
        /// Its id.
        id: ObjectId,
        /// Length of its plaintext.
        plain_len: u64,
    },
    /// Entries that the engine delivered cannot go into a dump.
    #[error("reading namespace {namespace}")]
    Entry {
        /// The namespace.
        namespace: String,
        /// What is wrong with them.
        source: FormatError,
    },
    /// The engine failed.
    #[error("{doing} namespace {namespace}")]
    Engine {
        /// What was being done.
        doing: &'static str,
        /// The namespace.
        namespace: String,
        /// The cause.
        source: EngineError,
    },
    /// There is no dump to use.
    #[error("{problem}")]
    NoDump {
        /// Which dump was asked for, what is there, what to do.
        problem: String,
    },
    /// Which dump is the latest cannot be told, because manifests cannot be read.
    #[error("{}, so the latest dump is not certain; name a dump by its id", unreadable(*damaged, *unsupported))]
    Uncertain {
        /// How many are damaged.
        damaged: usize,
        /// How many are of a later version.
        unsupported: usize,
        /// What is wrong with the first of them, of the damaged ones if there are any.
        source: Box<RepositoryError>,
    },
    /// Which dump is the latest cannot be told from what their manifests say.
    #[error("{problem}; name a dump by its id")]
    NoLatest {
        /// What speaks against choosing.
        problem: String,
    },
    /// A repository that is no more what it was when it was opened.
    #[error(
        "the repository changed or went away while it was written to: {problem}; no dump was made. Run the backup again \
         when it is in its place"
    )]
    Changed {
        /// What is missing or another.
        problem: String,
    },
    /// What a backup was told to say of its dump cannot stand in a manifest.
    #[error("the manifest of the dump would not be right; nothing was read")]
    Metadata {
        /// Which field, and why.
        source: FormatError,
    },
    /// What was read does not seem to be a validator's namespace.
    #[error(
        "namespace {namespace} is implausible: {problem}; no dump was made. Allow it explicitly if this is meant"
    )]
    Implausible {
        /// The namespace.
        namespace: String,
        /// What is missing.
        problem: String,
    },
    /// Several processes cannot dump the namespace together.
    #[error(
        "namespace {namespace} cannot be dumped by several processes: its engine has no parts that they could read \
         apart; dump it by one process, which uses all cores"
    )]
    NoParts {
        /// The namespace.
        namespace: String,
    },
    /// A job that cannot go on like this, or be finished.
    #[error("job {job}: {problem}")]
    Job {
        /// Its name.
        job: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The other shares of a job did not read the first phase in time.
    #[error(
        "job {job}: waited for the first phase of other shares: {missing}; run this share again when they are at work"
    )]
    Waiting {
        /// Its name.
        job: String,
        /// What is not read yet.
        missing: String,
    },
    /// Two contents that should be equal are not.
    #[error(
        "{what} differs: expected digest {expected} ({expected_entries} entries in {expected_partitions} partitions), \
         found {found} ({found_entries} entries in {found_partitions} partitions)"
    )]
    Different {
        /// What was compared with the dump.
        what: String,
        /// Digest of the dump.
        expected: Digest,
        /// Entries of the dump.
        expected_entries: u64,
        /// Partitions of the dump.
        expected_partitions: u64,
        /// Digest that was found.
        found: Digest,
        /// Entries that were found.
        found_entries: u64,
        /// Partitions that were found.
        found_partitions: u64,
    },
    /// No randomness for a new repository.
    #[error("creating a repository: the system gives no random bytes")]
    Random {
        /// The cause.
        source: getrandom::Error,
    },
    /// Compressing failed.
    #[error("compressing {kind} {id}")]
    Compress {
        /// Segment or page.
        kind: Kind,
        /// Its id.
        id: ObjectId,
        /// The cause.
        source: std::io::Error,
    },
    /// Reading or writing a local file that is no part of a repository.
    #[error("{doing} {path}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// Another worker failed or the caller went away.
    #[error("stopped before the end")]
    Stopped,
    /// A worker thread ended without a result.
    #[error("a worker thread ended unexpectedly; this is a defect of this program")]
    Worker {
        /// The cause.
        source: tokio::task::JoinError,
    },
}

impl RepositoryError {
    /// Returns what the error means for whoever called.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Engine { source, .. } => source.class(),
            Self::Uncertain { source, .. } => source.class(),
            Self::Damaged { .. }
            | Self::WrongName { .. }
            | Self::MissingObject { .. }
            | Self::BadObject { .. }
            | Self::Inconsistent { .. }
            | Self::Different { .. } => ErrorClass::Damaged,
            Self::Implausible { .. }
            | Self::NoParts { .. }
            | Self::Job { .. }
            | Self::Unsupported { .. }
            | Self::AboveLimit { .. }
            | Self::NoLatest { .. } => ErrorClass::Refused,
            Self::Entry { source, .. } if source.asks_for_higher_limit() => ErrorClass::Refused,
            _ if self.is_transient() => ErrorClass::Transient,
            _ => ErrorClass::Failed,
        }
    }

    /// Tells whether the same call may succeed later. The store's own retries are spent by then.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Store { source, .. } => matches!(source, object_store::Error::Generic { .. }),
            Self::Engine { source, .. } => source.is_transient(),
            Self::Entry { source, .. } => source.is_transient(),
            Self::Waiting { .. } => true,
            _ => false,
        }
    }

    /// Adds to an error of the format the file, and tells damage from what a later version wrote.
    pub(crate) fn file(path: String, source: FormatError) -> Self {
        match source {
            FormatError::UnknownVersion { .. } | FormatError::UnknownRequirement { .. } => {
                Self::Unsupported { path, source }
            }
            _ => Self::Damaged { path, source },
        }
    }

    /// Adds to an engine's error what was being done.
    pub(crate) fn engine(doing: &'static str, namespace: &str) -> impl FnOnce(EngineError) -> Self {
        let namespace = namespace.to_owned();
        move |source| Self::Engine { doing, namespace, source }
    }
}

/// Says how many manifests cannot be read.
fn unreadable(damaged: usize, unsupported: usize) -> String {
    let manifests = |number, what| match number {
        0 => None,
        1 => Some(format!("1 manifest is {what}")),
        _ => Some(format!("{number} manifests are {what}")),
    };
    let parts = [manifests(damaged, "damaged"), manifests(unsupported, "of a later version")];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" and ")
}

impl From<tokio::task::JoinError> for RepositoryError {
    fn from(source: tokio::task::JoinError) -> Self {
        if source.is_cancelled() { Self::Stopped } else { Self::Worker { source } }
    }
}
