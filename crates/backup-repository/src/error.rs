//! What can go wrong between a namespace and a repository.

mod class;
mod context;
mod elsewhere;

use backup_format::{Digest, EngineError, FormatError, Kind, ObjectId};
use backup_seal::SealError;
use backup_sign::SignError;

pub(crate) use self::elsewhere::{is_damage, may_be_right_elsewhere, worse};
use crate::warning::Unusable;

/// An error of a repository or of a pump.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepositoryError {
    /// The object store failed.
    #[error("{doing} {path}{problem}")]
    Store {
        /// What was being done.
        doing: &'static str,
        /// The file, relative to the repository.
        path: String,
        /// Which store, what is wrong and what to do, after a colon; empty when the cause says it best.
        problem: String,
        /// The cause.
        source: object_store::Error,
    },
    /// What was given as the location of a repository is none.
    #[error("{location} is no place for a repository: {problem}")]
    NotALocation {
        /// As it was given, without what may be a secret.
        location: String,
        /// What is wrong, and what to write instead.
        problem: String,
    },
    /// Bytes of a file came differently each time they were read, and never as they should be.
    #[error(
        "{path} came differently twice, and wrong both times; it need not be damaged: check the network, the memory of this \
         machine and the store, and run the command again"
    )]
    Transit {
        /// The file, relative to the repository.
        path: String,
        /// What was wrong with the bytes that came last.
        source: Box<RepositoryError>,
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
    /// A repository cannot be repaired like this.
    #[error("{problem}; nothing was written")]
    Repair {
        /// What is in the way.
        problem: String,
    },
    /// The config of a repository is missing, damaged, or not what was written.
    #[error("config.json of repository {location} {problem}; {remedy}")]
    ConfigLost {
        /// The repository.
        location: String,
        /// What is wrong with the config.
        problem: String,
        /// Where a copy of it is, and what to do.
        remedy: String,
        /// The damage; `None` if the file is missing.
        source: Option<Box<RepositoryError>>,
    },
    /// A file of the repository is of a later version of the format.
    #[error("{path} cannot be read by this version")]
    Unsupported {
        /// The file, relative to the repository.
        path: String,
        /// What it asks for.
        source: FormatError,
    },
    /// A dump that another one follows, and that is neither there nor known to be forgotten.
    #[error(
        "dump {dump:.12}, which dump {named_by:.12} of sequence {sequence} came after, is missing, and {problem}: it was lost, or somebody \
         took it away. `repair` puts it back from another copy of the repository"
    )]
    MissingDump {
        /// The dump that is missing.
        dump: ObjectId,
        /// The dump that came after it.
        named_by: ObjectId,
        /// The sequence of that.
        sequence: u64,
        /// What is known of the dump.
        problem: String,
        /// Why a record that is there does not count.
        source: Option<Box<RepositoryError>>,
    },
    /// A repository whose newest dump is not as new as it should be.
    #[error(
        "{problem}: newer dumps were lost, or somebody took them away, or backups fail; an older one in their place forgets votes"
    )]
    Stale {
        /// The namespace, what was expected and found.
        problem: String,
    },
    /// Something that is not signed by a trusted key.
    #[error(
        "{what} {dump:.12} is refused: {problem}. If you know that it is yours, sign it; else somebody who has not the key has \
         written to the repository, or removed the signature"
    )]
    Untrusted {
        /// What is refused: a dump, or a record about it.
        what: String,
        /// The dump.
        dump: ObjectId,
        /// What was found, and what is expected.
        problem: String,
        /// What is wrong with the signature; `None` if there is none.
        source: Option<SignError>,
    },
    /// What would be written cannot be signed as it must be.
    #[error("{problem}; nothing was written")]
    Sign {
        /// What is in the way.
        problem: String,
        /// What is wrong with the key; `None` if there is none.
        source: Option<SignError>,
    },
    /// What is encrypted cannot be read or written with the keys that were given.
    #[error("{problem}")]
    Secret {
        /// What was to be done, and what it needs.
        problem: String,
        /// What is wrong with a key; `None` if there is none.
        source: Option<SealError>,
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
    /// A segment that is stored as a patch, and that cannot be had from the bases which the tables name.
    #[error("segment {id} is stored as a patch: {problem}")]
    BadChain {
        /// Its id.
        id: ObjectId,
        /// Which base is missing or wrong, and where.
        problem: String,
        /// What is wrong with the plaintext of a base, when it could be had.
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
    /// An upstream file, or a scratch file for it, could not be written.
    #[error("exporting namespace {namespace}")]
    Export {
        /// The namespace of the dump.
        namespace: String,
        /// What was being written.
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
    /// Which dump is the latest cannot be known, because manifests cannot be used.
    #[error("{}, so the latest dump is not certain; name a dump by its id", Unusable { damaged: *damaged, unsupported: *unsupported, untrusted: *untrusted })]
    Uncertain {
        /// How many are damaged.
        damaged: usize,
        /// How many are of a later version.
        unsupported: usize,
        /// How many no trusted key signed.
        untrusted: usize,
        /// What is wrong with the first of them, of the damaged ones if there are any.
        source: Box<RepositoryError>,
    },
    /// What no dump reaches is not known, because manifests cannot be used.
    #[error("{}, so it is not known what is unreferenced; `list` names what cannot be used", Unusable { damaged: *damaged, unsupported: *unsupported, untrusted: *untrusted })]
    Unlisted {
        /// How many are damaged.
        damaged: usize,
        /// How many are of a later version.
        unsupported: usize,
        /// How many no trusted key signed.
        untrusted: usize,
        /// What is wrong with the first of them, of the damaged ones if there are any.
        source: Box<RepositoryError>,
    },
    /// Which dump is the latest cannot be known from what their manifests say.
    #[error("{problem}; name a dump by its id")]
    NoLatest {
        /// What speaks against choosing.
        problem: String,
    },
    /// A repository that changed since it was opened.
    #[error(
        "the repository changed or went away while it was written to: {problem}; no dump was made. Run the backup again \
         when it is in its place"
    )]
    Changed {
        /// What is missing or another.
        problem: String,
    },
    /// Packs that a dump relies on were removed, or are about to be.
    #[error(
        "packs that the dump relies on were removed while it was made, or are about to be: {problem}; no dump was made. Run \
         the command again: what is missing is stored again"
    )]
    Pruned {
        /// Which pack.
        problem: String,
    },
    /// A repository that cannot be pruned as it is.
    #[error("{problem}; nothing was removed")]
    Prune {
        /// What is in the way, and what to do.
        problem: String,
        /// What is wrong with it, where that is an error of its own.
        source: Option<Box<RepositoryError>>,
    },
    /// A forgotten dump whose objects are no longer there.
    #[error(
        "forgotten dump {dump:.12} cannot be had back: what it reaches was removed by a prune, or lost; its manifest stays \
         among the forgotten ones as a record"
    )]
    Gone {
        /// The dump.
        dump: ObjectId,
        /// What is missing.
        source: Box<RepositoryError>,
    },
    /// Dumps that must not be forgotten.
    #[error("{problem}; nothing was forgotten")]
    Forget {
        /// Which dump, and why.
        problem: String,
    },
    /// What a backup was asked to say of its dump cannot stand in a manifest.
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
    /// A namespace that holds much less than the dump before it.
    #[error(
        "namespace {namespace} holds {problem}; no dump was made. A log that was cut short or the wrong copy looks like that"
    )]
    Shrunk {
        /// The namespace.
        namespace: String,
        /// How much it holds, how much the dump before it does, and how much less it may be.
        problem: String,
    },
    /// The clock is behind that of an earlier dump.
    #[error(
        "the clock says {now}, and dump {dump:.12} that it was finished at {finished}: one of the two clocks was wrong; \
         nothing was read. Set the clock right; if it is, allow this once"
    )]
    ClockBehind {
        /// The earlier dump.
        dump: ObjectId,
        /// When it was finished, as it says.
        finished: String,
        /// When this backup began.
        now: String,
    },
    /// No dump can follow one of the largest sequence.
    #[error(
        "dump {dump:.12} has the largest sequence that there is, so none can follow it; no honest program made it. Move \
         its manifest out of the repository"
    )]
    LastSequence {
        /// That dump.
        dump: ObjectId,
    },
    /// A namespace that was retired for a dump which is not here.
    #[error("namespace {namespace} was retired for dump {dump:.12} of another repository; name that one")]
    Retired {
        /// The namespace.
        namespace: String,
        /// The dump.
        dump: ObjectId,
    },
    /// A dump that is not restored for the key of its validator.
    #[error("dump {dump:.12} is not restored for its validator's key: {problem}. It could sign twice")]
    Spent {
        /// The dump.
        dump: ObjectId,
        /// Why.
        problem: String,
    },
    /// Several processes cannot dump the namespace together.
    #[error(
        "namespace {namespace} cannot be dumped by several processes: its engine gives no ranges that are the same for \
         each of them; dump it by one process, which uses all cores"
    )]
    NotDivisible {
        /// The namespace.
        namespace: String,
    },
    /// An engine broke a rule of its contract.
    #[error(
        "{doing} namespace {namespace}: engine {engine} broke its contract: {problem}; this is a defect of the engine"
    )]
    Bug {
        /// What was being done.
        doing: &'static str,
        /// The engine.
        engine: String,
        /// The namespace.
        namespace: String,
        /// Which rule, and where.
        problem: String,
    },
    /// A job that cannot be resumed like this, or be finished.
    #[error("job {job}: {problem}")]
    Job {
        /// Its name.
        job: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The other shares of a job did not read the first phase in time.
    #[error("job {job}: waited for the first phase of other shares: {missing}; run this share again later")]
    Waiting {
        /// Its name.
        job: String,
        /// What is not read yet.
        missing: String,
    },
    /// Two contents that cannot be compared entry by entry.
    #[error("comparing: {problem}")]
    NotComparable {
        /// Why, and what to do.
        problem: String,
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
    /// No randomness for a new repository, a pack or a tombstone.
    #[error("the system gives no random bytes")]
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
    /// A worker thread could not be started, or panicked.
    #[error("a worker thread failed: {problem}; unless the system lacks threads, this is a defect")]
    Worker {
        /// What the system or the panic says.
        problem: String,
    },
}
