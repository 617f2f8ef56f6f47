//! All entries of a namespace, to be compared one by one.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, Result};
use backup_format::{DatabaseBackup, Digest, show};
use backup_repository::DigestOptions;
use backup_testkit::read_all;

/// Root key and key of an entry.
pub type EntryKey = (Vec<u8>, Vec<u8>);

/// What a namespace holds.
#[derive(Clone, Debug)]
pub struct Content {
    /// Its digest.
    pub digest: Digest,
    /// Its entries.
    pub entries: BTreeMap<EntryKey, Vec<u8>>,
}

impl Content {
    /// Reads a namespace that nobody writes to: for the digest, and once more for the entries.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub async fn read(namespace: &dyn DatabaseBackup) -> Result<Self> {
        let report = backup_repository::digest(namespace, &DigestOptions::default()).await;
        let digest = report.context("computing a digest")?.state.digest();
        let snapshot = namespace.snapshot().await.context("opening a snapshot")?;
        let entries = read_all(&*snapshot).await.context("reading entries")?.into_iter();
        let entries = entries.map(|(root_key, key, value)| ((root_key, key), value)).collect();
        Ok(Self { digest, entries })
    }

    /// Lists what another content, which should be equal, has in another way.
    pub fn differences(&self, found: &Self) -> Vec<Difference> {
        let mut differences = Vec::new();
        for (key, expected) in &self.entries {
            match found.entries.get(key) {
                Some(value) if value == expected => {}
                Some(_) => differences.push(Difference::new(What::Other, key)),
                None => differences.push(Difference::new(What::Missing, key)),
            }
        }
        let more = found.entries.keys().filter(|key| !self.entries.contains_key(*key));
        differences.extend(more.map(|key| Difference::new(What::More, key)));
        differences
    }
}

/// How an entry differs from what is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// There is no such entry.
    Missing,
    /// The entry should not be there.
    More,
    /// The value is another one.
    Other,
}

/// An entry that is not as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// How it differs.
    pub what: What,
    /// Which entry it is.
    pub key: EntryKey,
}

impl Difference {
    fn new(what: What, key: &EntryKey) -> Self {
        Self { what, key: key.clone() }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            What::Missing => "missing",
            What::More => "not expected",
            What::Other => "of another value",
        };
        let (root_key, key) = &self.key;
        write!(out, "root key {} key {}: {what}", show(root_key), show(key))
    }
}
