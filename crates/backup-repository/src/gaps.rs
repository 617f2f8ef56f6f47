//! Dumps that are missing: what others name as previous, and what is neither there nor known to be forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use backup_format::{Manifest, ObjectId, limits};
use bytes::Bytes;
use time::OffsetDateTime;

use crate::error::RepositoryError;
use crate::latest;
use crate::repository::{self, Dump, Dumps, Repository};
use crate::signed::Statement;
use crate::store::Store;

impl Dumps {
    /// Returns the last dump of each namespace, by sequence; those of the future do not count.
    fn newest(&self) -> BTreeMap<&str, &Dump> {
        // Where the clock of this machine is behind, all of them are of the future.
        let future: BTreeSet<&ObjectId> = self.future.iter().collect();
        let past = self.good.iter().filter(|dump| !future.contains(&dump.id));
        // They are sorted, so the last one of a namespace stays.
        past.map(|dump| (dump.manifest.namespace.as_str(), dump)).collect()
    }

    /// Checks that the newest dump of a namespace has at least this sequence; `None` means of each namespace. Who remembers the last one
    /// notices when the end of a repository was taken away.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Stale`], also when there is no dump.
    pub fn check_sequence(&self, namespace: Option<&str>, least: u64) -> Result<(), RepositoryError> {
        let mut sequences: BTreeMap<&str, u64> = BTreeMap::new();
        for dump in &self.good {
            let Manifest { namespace, sequence, .. } = &dump.manifest;
            let newest = sequences.entry(namespace).or_default();
            *newest = (*newest).max(*sequence);
        }
        let wanted: Vec<(&str, u64)> = match namespace {
            Some(name) => vec![(name, sequences.get(name).copied().unwrap_or(0))],
            None if sequences.is_empty() => vec![("of any name", 0)],
            None => sequences.into_iter().collect(),
        };
        match wanted.into_iter().find(|(_, newest)| *newest < least) {
            None => Ok(()),
            Some((namespace, found)) => {
                let problem = format!(
                    "the newest dump of namespace {namespace} has sequence {found}, and at least {least} is expected"
                );
                Err(RepositoryError::Stale { problem })
            }
        }
    }

    /// Checks that the newest dump of each namespace was finished at most so long ago. Dumps of the future do not count.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Stale`], also when there is no dump.
    pub fn check_age(&self, most: Duration, now: OffsetDateTime) -> Result<(), RepositoryError> {
        let too_old = |namespace: &str, newest: Option<String>| {
            let hours = most.as_secs().div_ceil(3_600);
            let newest =
                newest.map_or("there is none".to_owned(), |time| format!("it was finished at {time}"));
            let problem =
                format!("the newest dump of namespace {namespace} is more than {hours} hours old, {newest}");
            Err(RepositoryError::Stale { problem })
        };
        let newest = self.newest();
        // A namespace whose dumps all lie in the future has none that tells its age.
        let names: BTreeSet<&str> = self.good.iter().map(|dump| dump.manifest.namespace.as_str()).collect();
        if names.is_empty() {
            return too_old("of any name", None);
        }
        for name in names {
            let Some(dump) = newest.get(name) else { return too_old(name, None) };
            let finished = latest::finished_time(&dump.manifest);
            if finished.is_none_or(|finished| now - finished > most) {
                return too_old(name, Some(dump.manifest.finished.clone()));
            }
        }
        Ok(())
    }
}

impl Repository {
    /// Finds the dumps that others name as previous, and that are neither there nor recorded as forgotten, or left out by a copy. Where
    /// keys are trusted, a record counts only with the signature of one of them.
    ///
    /// Returns a [`RepositoryError::MissingDump`] for each of them; none means that nothing was taken away between the dumps that are
    /// there. What was taken away at the end, nobody names.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Store`] and [`RepositoryError::Transit`].
    pub async fn missing(&self, dumps: &Dumps) -> Result<Vec<RepositoryError>, RepositoryError> {
        let unusable = dumps.damaged.iter().chain(&dumps.unsupported).chain(&dumps.untrusted);
        let mut seen: BTreeSet<ObjectId> = unusable.map(|(id, _)| *id).collect();
        seen.extend(dumps.good.iter().map(|dump| dump.id));
        let named = dumps.good.iter().flat_map(|dump| named_by(dump.id, &dump.manifest));
        let mut open: Vec<(ObjectId, (ObjectId, u64))> = named.filter(|(id, _)| !seen.contains(id)).collect();
        let mut missing = Vec::new();
        if open.is_empty() {
            return Ok(missing);
        }
        let records = Records::list(self).await?;
        while let Some((id, (named_by_id, sequence))) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            match self.find_record(id, &records).await? {
                Found::Forgotten(manifest) => open.extend(named_by(id, &manifest)),
                Found::LeftOut => {}
                Found::Nothing(problem, source) => missing.push(RepositoryError::MissingDump {
                    dump: id,
                    named_by: named_by_id,
                    sequence,
                    problem,
                    source,
                }),
            }
        }
        Ok(missing)
    }

    /// Looks for what became of a dump that is not listed.
    async fn find_record(&self, id: ObjectId, records: &Records) -> Result<Found, RepositoryError> {
        let mut problem = ("there is no record that it was forgotten", None);
        if records.forgotten.contains(&id) {
            match self.forgotten_record(id).await {
                Ok(Some(manifest)) => return Ok(Found::Forgotten(Box::new(manifest))),
                Ok(None) => {}
                Err(error) if is_about_the_way(&error) => return Err(error),
                Err(error) => problem = ("the record that it was forgotten does not count", Some(error)),
            }
        }
        if records.skipped.contains(&id) {
            match self.skipped_record(id).await {
                Ok(()) => return Ok(Found::LeftOut),
                Err(error) if is_about_the_way(&error) => return Err(error),
                Err(error) => problem = ("the record that a copy left it out does not count", Some(error)),
            }
        }
        // It may have been taken back while we looked.
        let path = Store::manifest_path(id);
        match self.store.read(&path, limits::MANIFEST_BYTES_MAX).await? {
            Some(_) => Ok(Found::LeftOut),
            None => Ok(Found::Nothing(problem.0.to_owned(), problem.1.map(Box::new))),
        }
    }

    async fn forgotten_record(&self, id: ObjectId) -> Result<Option<Manifest>, RepositoryError> {
        let Some((manifest, json)) = self.read_manifest(&Store::forgotten_path(id), id).await? else {
            return Ok(None);
        };
        self.check_signature(Statement::Forgotten, (id, manifest.sequence), (&json, false)).await?;
        Ok(Some(manifest))
    }

    async fn skipped_record(&self, id: ObjectId) -> Result<(), RepositoryError> {
        let content = skipped_content(id);
        self.check_signature(Statement::Skipped, (id, 0), (&content, false)).await.map(drop)
    }

    /// Accepts that dumps are lost which [`Repository::missing`] finds: writes a record for each of them, and signs it if there is a key.
    /// Returns their ids.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::NoDump`] when the digits fit no missing dump or several; [`RepositoryError::Sign`].
    pub async fn accept_missing(&self, digits: &[String]) -> Result<Vec<ObjectId>, RepositoryError> {
        if digits.is_empty() {
            return Ok(Vec::new());
        }
        self.check_signs()?;
        let missing = self.missing(&self.dumps().await?).await?;
        let ids = missing.iter().filter_map(|error| match error {
            RepositoryError::MissingDump { dump, .. } => Some(*dump),
            _ => None,
        });
        let chosen =
            digits.iter().map(|digits| repository::choose(ids.clone(), digits, ("missing dump", "list")));
        let chosen: BTreeSet<ObjectId> = chosen.collect::<Result<_, _>>()?;
        self.record_skipped(&chosen).await?;
        Ok(chosen.into_iter().collect())
    }

    /// Writes a record for each of these dumps that they are not to be found here, and nothing before them.
    pub(crate) async fn record_skipped(&self, dumps: &BTreeSet<ObjectId>) -> Result<(), RepositoryError> {
        for id in dumps {
            let content = skipped_content(*id);
            if let Some(signature) = self.sign(Statement::Skipped, (*id, 0), &content)? {
                self.store.write(&Statement::Skipped.path(*id), signature.into()).await?;
            }
            self.store.write(&Store::skipped_path(*id), content.into()).await?;
        }
        Ok(())
    }

    /// Returns the dumps that these name as previous, and of which the repository knows nothing.
    pub(crate) async fn unknown_previous<'a>(
        &self,
        dumps: impl Iterator<Item = &'a Dump>,
    ) -> Result<BTreeSet<ObjectId>, RepositoryError> {
        let mut known: BTreeSet<ObjectId> =
            self.store.manifests().await?.into_iter().map(|(id, _)| id).collect();
        let mut previous = BTreeSet::new();
        for dump in dumps {
            known.insert(dump.id);
            previous.extend(dump.manifest.previous.iter().copied());
        }
        let records = Records::list(self).await?;
        known.extend(records.forgotten.into_iter().chain(records.skipped));
        Ok(previous.difference(&known).copied().collect())
    }
}

/// What is known of a dump that is not listed.
enum Found {
    Forgotten(Box<Manifest>),
    LeftOut,
    Nothing(String, Option<Box<RepositoryError>>),
}

/// The dumps of which there are records.
struct Records {
    forgotten: BTreeSet<ObjectId>,
    skipped: BTreeSet<ObjectId>,
}

impl Records {
    async fn list(repository: &Repository) -> Result<Self, RepositoryError> {
        let forgotten = repository.store.forgotten().await?.into_iter().map(|(id, _)| id).collect();
        let skipped = repository.store.skipped().await?.into_iter().map(|(id, _)| id).collect();
        Ok(Self { forgotten, skipped })
    }
}

fn named_by(id: ObjectId, manifest: &Manifest) -> impl Iterator<Item = (ObjectId, (ObjectId, u64))> {
    let sequence = manifest.sequence;
    manifest.previous.iter().map(move |previous| (*previous, (id, sequence)))
}

fn is_about_the_way(error: &RepositoryError) -> bool {
    matches!(error, RepositoryError::Store { .. } | RepositoryError::Transit { .. })
}

/// Returns the content of the record of a dump that a copy left out.
fn skipped_content(id: ObjectId) -> Bytes {
    format!("{{\n  \"format\": \"kvbackup-skipped\",\n  \"version\": 1,\n  \"dump\": \"{id}\"\n}}\n").into()
}
