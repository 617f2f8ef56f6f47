//! Repairing a repository: what is missing or damaged is taken from another copy of it.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;

use backup_format::{Config, ErrorClass, Limits, ObjectId};
use backup_sign::TrustedKeys;
use bytes::Bytes;
use futures::StreamExt;

use crate::config_copy;
use crate::copy::{self, copy_pack, packs_of, publish_copy};
use crate::error::RepositoryError;
use crate::index::Index;
use crate::mark::Marks;
use crate::pack_check::check_names;
use crate::progress::Progress;
use crate::reader::DumpReader;
use crate::repository::{Dump, Dumps, Repository};
use crate::store::{CONFIG, Store};
use crate::verify;
use crate::work::{self, Stop};

/// How a repository is repaired.
#[derive(Clone, Debug, Default)]
pub struct RepairOptions {
    /// Packs that are checked at the same time; `None` means one for each core.
    pub workers: Option<NonZeroUsize>,
    /// Takes from the copy only dumps that one of these keys signed, and calls others lost; `None` takes all.
    pub trust: Option<TrustedKeys>,
    /// Finds out what is wrong and what could be done, and writes nothing; false by default.
    pub dry_run: bool,
    /// Receives events.
    pub progress: Progress,
}

/// What was put back, and what is lost. In a dry run: what would be.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct RepairReport {
    /// Where the config was taken from, relative to the repository or to the other copy; `None` if it was good.
    pub config_from: Option<String>,
    /// Whether the second copy of the config was written.
    pub config_copied: bool,
    /// Packs that were written.
    pub packs: Vec<ObjectId>,
    /// Manifests that were written.
    pub manifests: Vec<ObjectId>,
    /// Whether the repository key was written that is stored for the recipients of an encrypted repository.
    pub key_copied: bool,
    /// What remains wrong: the file or dump, and the reason.
    pub lost: Vec<(String, RepositoryError)>,
}

impl RepairReport {
    /// Returns true if all was good.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        let keys = usize::from(self.config_copied) + usize::from(self.key_copied);
        let written = self.packs.len() + self.manifests.len() + keys;
        self.config_from.is_none() && written == 0
    }
}

impl Repository {
    /// Repairs the repository in a store: the config from its second copy, or from `copy`, another copy of the same repository; packs and
    /// manifests from that. All packs are read. What is written was checked before.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::ConfigLost`] when no good config is found, and [`RepositoryError::Repair`] when `copy` is of another repository. What
    /// cannot be put back is no error.
    pub async fn repair(
        store: Store,
        copy: Option<&Self>,
        options: &RepairOptions,
    ) -> Result<RepairReport, RepositoryError> {
        let (copy, options) = (copy.cloned(), options.clone());
        work::drive(async move {
            let (mut repository, mut report) = repair_config(store, copy.as_ref(), &options).await?;
            let copy = match &options.trust {
                Some(keys) => {
                    repository = repository.with_trust(keys.clone());
                    copy.map(|copy| copy.with_trust(keys.clone()))
                }
                None => copy,
            };
            Repair { repository, copy, options }.run(&mut report).await?;
            Ok(report)
        })
        .await
    }
}

/// Finds the config, and puts it back with its copy.
async fn repair_config(
    store: Store,
    copy: Option<&Repository>,
    options: &RepairOptions,
) -> Result<(Repository, RepairReport), RepositoryError> {
    options.progress.phase("checking the config", None);
    let mut report = RepairReport::default();
    let found = match Repository::read(&store).await {
        Err(RepositoryError::Damaged { .. }) => None,
        found => found?,
    };
    let json = if found.is_some() { Repository::read_config(&store).await? } else { None };
    let own = json.as_ref().map(|json| ObjectId::of_file(json));
    let copies = config_copy::good(&store).await?;
    // Of a config that was altered, its copy tells the truth: it is named after its bytes.
    let is_right = |name: &ObjectId| copies.is_empty() || copies.iter().any(|(copy, ..)| copy == name);
    let (config, json) = match (found.zip(json), own.is_some_and(|own| is_right(&own))) {
        (Some(good), true) => good,
        _ => {
            let (from, config, json) = other_config(&store, &copies, copy).await?;
            report.config_from = Some(from);
            (config, json)
        }
    };
    if let Some(copy) = copy
        && *copy.config != config
    {
        let problem = format!("{} is a copy of another repository", copy.store);
        return Err(RepositoryError::Repair { problem });
    }
    report.config_copied = copies.is_empty();
    if !options.dry_run {
        if report.config_copied {
            store.put(&Store::config_copy_path(ObjectId::of_file(&json)), json.clone().into()).await?;
        }
        if report.config_from.is_some() {
            store.put(CONFIG, json.into()).await?;
        }
    }
    Ok((Repository::with_config(store, config), report))
}

/// Takes the config from its copy, or from another copy of the repository.
async fn other_config(
    store: &Store,
    copies: &[config_copy::Copy],
    copy: Option<&Repository>,
) -> Result<(String, Config, Bytes), RepositoryError> {
    match (copies, copy) {
        ([(name, json, config)], _) => {
            return Ok((Store::config_copy_path(*name), config.clone(), json.clone()));
        }
        ([_, _, ..], _) => {
            let problem =
                "configs/ holds several configs; remove those that are not of this repository".to_owned();
            return Err(RepositoryError::Repair { problem });
        }
        ([], Some(copy)) => {
            check_kinship(store, copy).await?;
            if let Some(json) = Repository::read_config(&copy.store).await? {
                return Ok((format!("{}/{CONFIG}", copy.store), (*copy.config).clone(), json));
            }
        }
        ([], None) => {}
    }
    let missing = || {
        let problem = "there is neither a config nor a manifest, so this is no repository".to_owned();
        RepositoryError::Repair { problem }
    };
    Err(config_copy::explain(store, None).await?.unwrap_or_else(missing))
}

/// Checks that two stores hold the same repository, where the config of one is lost: they have a file in common, or one has none.
async fn check_kinship(store: &Store, copy: &Repository) -> Result<(), RepositoryError> {
    let own: BTreeSet<_> = store.packs().await?.into_iter().chain(store.manifests().await?).collect();
    let theirs = copy.store.packs().await?.into_iter().chain(copy.store.manifests().await?);
    if own.is_empty() || theirs.into_iter().any(|file| own.contains(&file)) {
        return Ok(());
    }
    let problem =
        format!("{} has no file in common with this repository, so it is no copy of it", copy.store);
    Err(RepositoryError::Repair { problem })
}

struct Repair {
    repository: Repository,
    copy: Option<Repository>,
    options: RepairOptions,
}

impl Repair {
    async fn run(&self, report: &mut RepairReport) -> Result<(), RepositoryError> {
        let damaged = self.damaged_packs().await?;
        let bad: BTreeSet<ObjectId> = damaged.iter().map(|((pack, _), _)| *pack).collect();
        let (dumps, mut lost_manifests) = self.dumps().await?;
        let source = match &self.copy {
            Some(copy) => Some((copy, copy.index().await?)),
            None => None,
        };
        let mut wanted: BTreeSet<(ObjectId, u64)> = BTreeSet::new();
        if let Some((copy, index)) = &source {
            let there: BTreeSet<_> = index.packs().iter().copied().collect();
            wanted.extend(there.iter().filter(|(pack, _)| bad.contains(pack)));
            let own = self.index(&bad).await?;
            for (dump, _) in &dumps {
                wanted.extend(self.missing(dump, &own, (copy, index)).await?);
            }
        }
        let failed = self.copy_packs(wanted, report).await?;
        if let Some(copy) = &self.copy {
            report.key_copied = match self.options.dry_run {
                true => copy.stored_key_for(&self.repository.store).await?.is_some(),
                false => copy.copy_stored_key(&self.repository).await?,
            };
        }
        report.lost.extend(failed);
        for ((pack, _), error) in damaged {
            if !report.packs.contains(&pack) {
                report.lost.push((Store::pack_path(pack), error));
            }
        }
        self.finish_dumps(dumps, &mut lost_manifests, report).await?;
        report.lost.extend(lost_manifests);
        Ok(())
    }

    /// Reads all packs; returns those whose bytes are not what they are named after.
    async fn damaged_packs(&self) -> Result<Vec<((ObjectId, u64), RepositoryError)>, RepositoryError> {
        let packs = self.repository.store.packs().await?;
        let bytes = packs.iter().map(|(_, len)| len).sum();
        self.options.progress.phase("checking packs", Some(bytes));
        let stop = Stop::default();
        let workers = self.options.workers.map_or_else(work::default_workers, NonZeroUsize::get);
        let mut checks = pin!(check_names(&self.repository, packs, (&stop, workers)));
        let mut damaged = Vec::new();
        while let Some((pack, checked)) = checks.next().await {
            match checked {
                Ok(bytes) => self.options.progress.advance(bytes, 0),
                Err(error) if error.class() == ErrorClass::Damaged => damaged.push((pack, error)),
                Err(error) => return Err(error),
            }
        }
        damaged.sort_unstable_by_key(|(pack, _)| *pack);
        Ok(damaged)
    }

    /// Returns the dumps that are there, or are in the copy and not forgotten here; with whether their manifests must be written. And
    /// those whose manifests are lost.
    #[allow(clippy::type_complexity)]
    async fn dumps(&self) -> Result<(Vec<(Dump, bool)>, Vec<(String, RepositoryError)>), RepositoryError> {
        self.options.progress.phase("comparing dumps", None);
        let own = self.repository.dumps().await?;
        let mut dumps: Vec<(Dump, bool)> = own.good.into_iter().map(|dump| (dump, false)).collect();
        let mut lost: Vec<(ObjectId, RepositoryError)> =
            own.damaged.into_iter().chain(own.untrusted).collect();
        if let Some(copy) = &self.copy {
            let forgotten = self.repository.store.forgotten().await?;
            let there: BTreeSet<ObjectId> = dumps.iter().map(|(dump, _)| dump.id).collect();
            let theirs = copy.dumps().await?;
            for (dump, is_missing) in &mut dumps {
                *is_missing |= is_signed(&theirs, dump.id)
                    && own.signed.get(&dump.id).is_some_and(|own| !own.names_key());
            }
            for dump in theirs.good {
                let is_forgotten = forgotten.binary_search_by_key(&dump.id, |(id, _)| *id).is_ok();
                let is_damaged = lost.iter().any(|(id, _)| *id == dump.id);
                if there.contains(&dump.id) || is_forgotten && !is_damaged {
                    continue;
                }
                lost.retain(|(id, _)| *id != dump.id);
                dumps.push((dump, true));
            }
        }
        let lost = lost.into_iter().chain(own.unsupported);
        Ok((dumps, lost.map(|(id, error)| (Store::manifest_path(id), error)).collect()))
    }

    async fn index(&self, bad: &BTreeSet<ObjectId>) -> Result<Arc<Index>, RepositoryError> {
        Index::load_without(&self.repository.store, self.repository.config.pack_version(), bad)
            .await
            .map(Arc::new)
    }

    /// Returns the packs of the copy that a dump needs and this repository lacks; all of them where the copy is not whole either.
    async fn missing(
        &self,
        dump: &Dump,
        own: &Arc<Index>,
        (copy, index): (&Repository, &Arc<Index>),
    ) -> Result<BTreeSet<(ObjectId, u64)>, RepositoryError> {
        let limits = Limits::default();
        let reader = DumpReader::with_index(&self.repository, own.clone(), dump, limits);
        match verify::check_reached(&reader, &dump.manifest).await {
            Err(error) if error.class() == ErrorClass::Damaged => {}
            checked => return checked.map(|_| BTreeSet::new()),
        }
        let reader = DumpReader::with_index(copy, index.clone(), dump, limits);
        let needed: BTreeSet<_> = match Marks::of(&reader, &dump.manifest).await {
            Err(error) if error.class() == ErrorClass::Damaged => index.packs().iter().copied().collect(),
            marks => packs_of(index, &marks?),
        };
        let there: BTreeSet<_> = own.packs().iter().copied().collect();
        Ok(needed.difference(&there).copied().collect())
    }

    /// Copies packs; returns those that are damaged in the copy, too.
    async fn copy_packs(
        &self,
        wanted: BTreeSet<(ObjectId, u64)>,
        report: &mut RepairReport,
    ) -> Result<Vec<(String, RepositoryError)>, RepositoryError> {
        let bytes = wanted.iter().map(|(_, len)| len).sum();
        self.options.progress.phase("copying packs", Some(bytes));
        let mut failed = Vec::new();
        for (pack, len) in wanted {
            let Some(copy) = &self.copy else { break };
            let copied = match self.options.dry_run {
                true => copy::read_pack(&copy.store, pack, len).await.map(|_| len),
                false => copy_pack(&copy.store, &self.repository.store, (pack, len)).await,
            };
            match copied {
                Ok(bytes) => {
                    self.options.progress.advance(bytes, 0);
                    report.packs.push(pack);
                }
                Err(error) if error.class() == ErrorClass::Damaged => {
                    failed.push((format!("{} of the copy", Store::pack_path(pack)), error));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(failed)
    }

    /// Writes manifests that are missing, and names the dumps that are not whole.
    async fn finish_dumps(
        &self,
        dumps: Vec<(Dump, bool)>,
        lost_manifests: &mut Vec<(String, RepositoryError)>,
        report: &mut RepairReport,
    ) -> Result<(), RepositoryError> {
        self.options.progress.phase("checking dumps", None);
        let bad: BTreeSet<ObjectId> = match self.options.dry_run {
            true => return self.foresee(dumps, report).await,
            false => self.damaged_now(report),
        };
        let index = self.index(&bad).await?;
        for (dump, is_missing) in dumps {
            let result = match (&self.copy, is_missing) {
                (Some(copy), true) => {
                    let published = publish_copy(copy, &self.repository, &dump, &index).await;
                    published.map(|_| report.manifests.push(dump.id))
                }
                _ => {
                    let limits = Limits::default();
                    let reader = DumpReader::with_index(&self.repository, index.clone(), &dump, limits);
                    verify::check_reached(&reader, &dump.manifest).await.map(drop)
                }
            };
            match result {
                Err(error) if error.class() == ErrorClass::Damaged => {
                    lost_manifests.push((format!("dump {}", dump.id), error));
                }
                result => result?,
            }
        }
        Ok(())
    }

    /// Returns the packs that stay damaged.
    fn damaged_now(&self, report: &RepairReport) -> BTreeSet<ObjectId> {
        let names = report.lost.iter().filter_map(|(file, _)| file.strip_prefix("packs/")?.parse().ok());
        names.collect()
    }

    /// Says which manifests would be written; whether dumps would be whole is known when packs are there.
    async fn foresee(
        &self,
        dumps: Vec<(Dump, bool)>,
        report: &mut RepairReport,
    ) -> Result<(), RepositoryError> {
        let index = self.index(&self.damaged_now(report)).await?;
        for (dump, is_missing) in dumps {
            if is_missing {
                report.manifests.push(dump.id);
            } else if report.packs.is_empty() {
                let reader =
                    DumpReader::with_index(&self.repository, index.clone(), &dump, Limits::default());
                match verify::check_reached(&reader, &dump.manifest).await {
                    Err(error) if error.class() == ErrorClass::Damaged => {
                        report.lost.push((format!("dump {}", dump.id), error));
                    }
                    checked => drop(checked?),
                }
            }
        }
        Ok(())
    }
}

fn is_signed(dumps: &Dumps, id: ObjectId) -> bool {
    dumps.signed.get(&id).is_some_and(|signed| signed.names_key())
}
