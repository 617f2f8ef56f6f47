//! Reading attestations, and finding those that nobody needs any more.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use backup_format::{Anchor, Attestation, Digest, ObjectId, Proven, limits};
use backup_sign::KeyId;
use futures::{StreamExt, TryStreamExt};

use crate::error::RepositoryError;
use crate::repository::{Dump, READS, Repository};
use crate::signed::{Signed, Statement};
use crate::store::{ReportFile, Store};

/// Files that are looked at: the newest by the store's clock. So who may only add files cannot make readers work without bound.
const FILES_MAX: usize = 4_096;

/// What an attestation says of a dump.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attested {
    /// What was proven.
    pub proven: Proven,
    /// When: UTC, RFC 3339, ending in Z. It is a time of the one who attests.
    pub time: String,
    /// Program and version.
    pub tool: String,
    /// Who signed it.
    pub signed: Signed,
    /// The network that the proof takes as given.
    pub network: Option<Anchor>,
    /// What could not be proven, in words.
    pub not_proven: Vec<String>,
}

/// The attestations of dumps.
#[derive(Clone, Debug, Default)]
pub struct Attestations {
    by_dump: BTreeMap<ObjectId, Vec<Attested>>,
    ignored: u64,
}

impl Attestations {
    /// Returns what is attested of a dump, the newest first.
    #[must_use]
    pub fn of(&self, dump: ObjectId) -> &[Attested] {
        self.by_dump.get(&dump).map_or(&[], Vec::as_slice)
    }

    /// Returns the newest attestation of a dump that proves at least this.
    #[must_use]
    pub fn newest(&self, dump: ObjectId, at_least: Proven) -> Option<&Attested> {
        self.of(dump).iter().find(|attested| attested.proven >= at_least)
    }

    /// Returns the number of files that do not count: they cannot be read, are of another repository, or say another digest than
    /// the dump. Where keys are trusted, also those that none of them signed.
    #[must_use]
    pub fn ignored(&self) -> u64 {
        self.ignored
    }
}

/// A file of `reports/` that counts.
struct Found {
    id: ObjectId,
    attestation: Attestation,
    signed: Signed,
}

impl Repository {
    /// Reads what is attested of these dumps. With trusted keys only what they signed counts. Of a great many files the newest 4,096 are read.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Store`] and [`RepositoryError::Transit`]. A file that cannot be used is no error, and is counted as ignored.
    pub async fn attestations(&self, dumps: &[Dump]) -> Result<Attestations, RepositoryError> {
        let (found, mut ignored) = self.found_attestations().await?;
        let mut by_dump: BTreeMap<ObjectId, Vec<Attested>> = BTreeMap::new();
        let known: BTreeMap<ObjectId, &Dump> = dumps.iter().map(|dump| (dump.id, dump)).collect();
        for Found { attestation, signed, .. } in found {
            let Attestation { proven, time, tool, network, not_proven, dumps, .. } = attestation;
            if dumps.iter().any(|(id, digest)| known.get(id).is_some_and(|dump| differs(dump, *digest))) {
                ignored += 1;
                continue;
            }
            for dump in dumps.keys().filter(|id| known.contains_key(id)) {
                let (time, tool, network) = (time.clone(), tool.clone(), network.clone());
                let not_proven = not_proven.clone();
                let attested = Attested { proven, time, tool, signed, network, not_proven };
                by_dump.entry(*dump).or_default().push(attested);
            }
        }
        by_dump.values_mut().for_each(|list| list.sort_by(|one, other| other.time.cmp(&one.time)));
        Ok(Attestations { by_dump, ignored })
    }

    /// Reads the attestations that count, and the number of those that do not.
    async fn found_attestations(&self) -> Result<(Vec<Found>, u64), RepositoryError> {
        let mut files = self.store.reports().await?;
        // What nobody signed is not even read where keys are trusted.
        let read = |file: &ReportFile| file.is_signed || self.trust.is_none();
        let mut ignored = files.iter().filter(|file| !read(file)).count() as u64;
        files.retain(read);
        files.sort_by_key(|file| std::cmp::Reverse(file.written));
        ignored += files.len().saturating_sub(FILES_MAX) as u64;
        files.truncate(FILES_MAX);
        let mut reading = futures::stream::iter(files)
            .map(|file| async move { self.read_attestation(&file).await })
            .buffer_unordered(READS);
        let mut found = Vec::new();
        while let Some(file) = reading.try_next().await? {
            match file {
                Some(file) => found.push(file),
                None => ignored += 1,
            }
        }
        Ok((found, ignored))
    }

    /// Reads an attestation; `None` if it does not count.
    async fn read_attestation(&self, file: &ReportFile) -> Result<Option<Found>, RepositoryError> {
        let id = file.id;
        let json = match self.store.read(&Store::report_path(id), limits::MANIFEST_BYTES_MAX).await {
            Ok(Some(json)) if ObjectId::of_file(&json) == id => json,
            Ok(_) | Err(RepositoryError::Damaged { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let Ok(attestation) = Attestation::decode(&json) else { return Ok(None) };
        if attestation.repository != self.config.repository {
            return Ok(None);
        }
        match self.check_signature(Statement::Attestation, (id, 0), (&json, file.is_signed)).await {
            Ok(signed) => Ok(Some(Found { id, attestation, signed })),
            Err(error @ (RepositoryError::Store { .. } | RepositoryError::Transit { .. })) => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// Returns the attestations that may be removed: those of dumps that are gone for good, and those that newer ones of the same key
    /// make needless.
    ///
    /// Only a checked signature, or none on both sides, makes one needless. Otherwise who can add a file could have the good
    /// ones removed.
    pub(crate) async fn needless_attestations(&self) -> Result<Vec<ObjectId>, RepositoryError> {
        let (mut found, _) = self.found_attestations().await?;
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let there = self.attestable().await?;
        found.sort_by(|one, other| other.attestation.time.cmp(&one.attestation.time));
        let mut newer = Newer::default();
        found.retain(|Found { attestation, signed, .. }| {
            let dumps: Vec<_> = attestation.dumps.keys().filter(|dump| there.contains(dump)).collect();
            match signed {
                Signed::Unchecked(_) | Signed::Unreadable => dumps.is_empty(),
                signed => !newer.add(*signed, &dumps, attestation.proven),
            }
        });
        Ok(found.into_iter().map(|found| found.id).collect())
    }

    /// Returns the dumps that are there, or may come back. They are looked for in the order in which they move.
    async fn attestable(&self) -> Result<BTreeSet<ObjectId>, RepositoryError> {
        let mut there = BTreeSet::new();
        there.extend(self.store.forgotten().await?.into_iter().map(|(id, _)| id));
        there.extend(self.store.staged().await?.into_iter().map(|(id, _)| id));
        there.extend(self.store.manifests().await?.into_iter().map(|(id, _)| id));
        there.extend(self.store.forgotten().await?.into_iter().map(|(id, _)| id));
        Ok(there)
    }
}

/// The most that each key proved of each dump, in files that are newer than the one that comes next.
#[derive(Default)]
struct Newer(BTreeMap<(Option<KeyId>, ObjectId), Proven>);

impl Newer {
    /// Adds a file; returns true if it proves of any dump what no newer one does.
    fn add(&mut self, signed: Signed, dumps: &[&ObjectId], proven: Proven) -> bool {
        let key = if let Signed::By(key) = signed { Some(key) } else { None };
        let mut adds = false;
        for dump in dumps {
            match self.0.entry((key, **dump)) {
                Entry::Occupied(known) if *known.get() >= proven => continue,
                Entry::Occupied(mut known) => drop(known.insert(proven)),
                Entry::Vacant(place) => drop(place.insert(proven)),
            }
            adds = true;
        }
        adds
    }
}

/// Returns true if an attestation says another digest than the manifest.
fn differs(dump: &Dump, attested: Option<Digest>) -> bool {
    let inventory = dump.manifest.inventory.as_ref();
    matches!((inventory, attested), (Some(inventory), Some(digest)) if inventory.digest != digest)
}
