//! What a page is about: the numbers, as they are known to who asks for the page.

use std::time::{Duration, SystemTime};

/// A repository at a moment. Texts may hold anything: pages show them and never obey them.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The repository, as it was named.
    pub repository: String,
    /// Program and version that make the page.
    pub tool: String,
    /// When the page is made.
    pub made: SystemTime,
    /// The same in words: RFC 3339, in UTC.
    pub made_text: String,
    /// Dumps that can be read, by namespace.
    pub namespaces: Vec<Namespace>,
    /// Manifests that cannot be used.
    pub unusable: Vec<Unusable>,
    /// What is said of dumps that are missing.
    pub missing: Vec<String>,
    /// What is wrong with the newest dumps: too old, or taken away.
    pub stale: Option<String>,
    /// How old the newest dump of a namespace may be; `None` if nobody said it.
    pub max_age: Option<Duration>,
    /// Whether signatures were held against trusted keys.
    pub trusts_keys: bool,
    /// Number of packs.
    pub packs: u64,
    /// Bytes of these packs.
    pub pack_bytes: u64,
    /// What tables and pages say.
    pub measured: Measured,
    /// Which dumps a retention policy would keep.
    pub retention: Retention,
}

/// Dumps of one namespace of one validator.
#[derive(Clone, Debug)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// The validator's public key; `None` if no dump says it.
    pub origin: Option<String>,
    /// The dumps in their order, the newest last.
    pub dumps: Vec<Dump>,
}

/// A dump whose manifest is good.
#[derive(Clone, Debug)]
pub struct Dump {
    /// Its id, in full.
    pub id: String,
    /// Its place in the order; 0 if it has none.
    pub sequence: u64,
    /// When it was finished, as the manifest says it.
    pub finished: String,
    /// The same as a time; `None` if it is none.
    pub finished_at: Option<SystemTime>,
    /// How long it took; `None` if the manifest's times do not say it.
    pub took: Option<Duration>,
    /// Engine with its version.
    pub engine: String,
    /// Layout.
    pub layout: String,
    /// What its reading proves.
    pub consistency: String,
    /// Number of entries; `None` where it is sealed.
    pub entries: Option<u64>,
    /// Number of partitions; `None` where it is sealed.
    pub partitions: Option<u64>,
    /// Logical bytes: before compression, and as if it shared nothing.
    pub plain_bytes: u64,
    /// What is there of each kind of partition; empty where the layout knows none, and where it is sealed.
    pub kinds: Vec<Kind>,
    /// The difference to the dump that it follows, if that is there.
    pub since: Option<Since>,
    /// What it takes in packs, if that was measured.
    pub stored: Option<Stored>,
    /// Who signed it.
    pub signature: Signature,
    /// The newest attestation that it was verified: that all of it was read, or else its structure.
    pub verified: Option<Attested>,
    /// The newest attestation that it boots.
    pub boot_proven: Option<Attested>,
    /// Whether it is the last dump of its namespace.
    pub is_last: bool,
    /// Whether it says that it was finished in the future.
    pub is_future: bool,
    /// What a retention policy makes of it; `None` without one.
    pub fate: Option<Fate>,
}

/// What a dump holds of one kind of partition.
#[derive(Clone, Debug)]
pub struct Kind {
    /// The name of the kind.
    pub name: String,
    /// Number of partitions.
    pub partitions: u64,
    /// Bytes before compression.
    pub plain_bytes: u64,
}

/// A difference to an earlier dump.
#[derive(Clone, Copy, Debug)]
pub struct Since {
    /// Entries more, or fewer; `None` where that is sealed.
    pub entries: Option<i64>,
    /// Logical bytes more, or fewer.
    pub plain_bytes: i64,
}

/// What a dump takes in packs.
#[derive(Clone, Copy, Debug)]
pub struct Stored {
    /// Bytes of all objects that it reaches.
    pub reached: u64,
    /// Bytes of those that no dump before it reaches.
    pub new: u64,
    /// Bytes of those that no other dump reaches.
    pub own: u64,
}

/// Who signed a dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signature {
    /// A trusted key: its id.
    Good(String),
    /// The signature names this key, and was not checked.
    Unchecked(String),
    /// There is a signature that cannot be read.
    Unreadable,
    /// There is none.
    None,
}

/// What is attested of a dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attested {
    /// What was proven, in a word.
    pub proven: String,
    /// When, as the attestation says it.
    pub time: String,
    /// The network that the proof takes as given; empty if it takes none.
    pub network: String,
    /// Who signed the attestation.
    pub signature: Signature,
}

/// What a retention policy makes of a dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It stays, for these reasons.
    Stays(String),
    /// It would go.
    Goes,
}

/// What is wrong with a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Its bytes are not those that were written.
    Damaged,
    /// It is of a later version.
    Unsupported,
    /// No trusted key signed it.
    Untrusted,
}

/// A manifest that cannot be used.
#[derive(Clone, Debug)]
pub struct Unusable {
    /// The id of the dump.
    pub id: String,
    /// What is wrong.
    pub fault: Fault,
    /// The same in words.
    pub problem: String,
}

/// What tables and pages say.
#[derive(Clone, Debug)]
pub enum Measured {
    /// Nobody asked for it.
    No,
    /// It could not be had. `is_damage` is true if something is damaged or lost.
    Failed {
        /// Why.
        problem: String,
        /// Whether something is damaged or lost.
        is_damage: bool,
    },
    /// It is known.
    Yes(Totals),
}

/// What all dumps take together.
#[derive(Clone, Copy, Debug)]
pub struct Totals {
    /// Bytes before compression of what dumps reach, each counted by itself.
    pub reached_plain_bytes: u64,
    /// The same, where what dumps share counts once.
    pub unique_plain_bytes: u64,
    /// What that takes in packs.
    pub unique_stored_bytes: u64,
    /// What no dump reaches.
    pub unreferenced_bytes: u64,
}

/// Which dumps a retention policy would keep.
#[derive(Clone, Debug)]
pub enum Retention {
    /// No policy was given.
    No,
    /// It could not be applied, for this reason.
    Failed(String),
    /// It was applied, and changed nothing: [`Dump::fate`] says the rest.
    Applied {
        /// Dumps that would stay.
        kept: u64,
        /// Dumps that would go.
        going: u64,
    },
}

impl Namespace {
    /// Returns the newest dump that is not of the future: the one whose age counts.
    #[must_use]
    pub fn newest(&self) -> Option<&Dump> {
        self.dumps.iter().rev().find(|dump| !dump.is_future)
    }
}

impl Dump {
    /// Returns how old it is at this moment; `None` if its time is none or later.
    #[must_use]
    pub fn age(&self, now: SystemTime) -> Option<Duration> {
        let finished = self.finished_at.filter(|_| !self.is_future)?;
        // Clocks of two machines differ a little.
        Some(now.duration_since(finished).unwrap_or_default())
    }
}

impl Subject {
    /// Counts the dumps that can be read.
    #[must_use]
    pub fn dumps(&self) -> u64 {
        self.namespaces.iter().map(|namespace| namespace.dumps.len() as u64).sum()
    }

    pub(crate) fn faults(&self, fault: Fault) -> u64 {
        self.unusable.iter().filter(|unusable| unusable.fault == fault).count() as u64
    }
}
