//! Copying dumps from one repository to another one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use backup_format::{Config, FormatError, Limits, ObjectId};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};

use crate::backup::BackupOptions;
use crate::clock::Clock;
use crate::codec::Compression;
use crate::dump_source::{DumpSource, KindOf};
use crate::error::RepositoryError;
use crate::index::Index;
use crate::latest;
use crate::mark::Marks;
use crate::progress::Progress;
use crate::reader::DumpReader;
use crate::repository::{Dump, Repository, inventory_of, no_dump};
use crate::signed::Statement;
use crate::store::Store;
use crate::twice::read_twice;
use crate::verify;
use crate::work;

/// Packs that are on their way at a time: one is read while another is written.
const PACKS: usize = 2;
/// The annotation that says which dump another one was made of.
const COPIED_FROM: &str = "copied-from";

/// How dumps are copied.
#[derive(Clone)]
pub struct CopyOptions {
    /// How objects are stored that are made anew; zstd at level -5 by default.
    pub compression: Compression,
    /// Threads that encode; `None` means one for each core.
    pub workers: Option<NonZeroUsize>,
    /// Ceilings on what is read.
    pub limits: Limits,
    /// Program and version, for manifests that are made anew.
    pub tool: String,
    /// How a layout, by its name, names kinds of partition; none by default.
    pub kinds: fn(&str) -> KindOf,
    /// Leaves out dumps that were forgotten in the target; false by default.
    pub skip_forgotten: bool,
    /// Finds out what would be copied, and writes nothing; false by default.
    pub dry_run: bool,
    /// Receives events.
    pub progress: Progress,
}

impl Default for CopyOptions {
    fn default() -> Self {
        Self {
            compression: Compression::default(),
            workers: None,
            limits: Limits::default(),
            tool: BackupOptions::default().tool,
            kinds: |_| |_| None,
            skip_forgotten: false,
            dry_run: false,
            progress: Progress::default(),
        }
    }
}

impl fmt::Debug for CopyOptions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("CopyOptions").field("dry_run", &self.dry_run).finish_non_exhaustive()
    }
}

/// What became of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CopyOutcome {
    /// It was copied, or would be.
    Copied,
    /// It was there.
    There,
    /// It was forgotten there, and is not brought back.
    Forgotten,
}

/// A dump that was to be copied.
#[derive(Clone, Debug)]
pub struct CopiedDump {
    /// Its id in the source.
    pub from: ObjectId,
    /// Its id in the target: the same where packs are copied whole; `None` if it is not there.
    pub to: Option<ObjectId>,
    /// What became of it.
    pub outcome: CopyOutcome,
}

/// What was copied.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CopyReport {
    /// Whether packs and manifests are copied byte for byte. Otherwise each dump is decoded and made anew.
    pub whole: bool,
    /// The dumps, the earliest first.
    pub dumps: Vec<CopiedDump>,
    /// Packs that were written, or would be.
    pub packs: u64,
    /// Packs that were there; 0 where dumps are made anew.
    pub packs_there: u64,
    /// Bytes that were written, or would be.
    pub stored_bytes: u64,
}

impl CopyReport {
    /// Says that the dump of this number lies in the target, under this id.
    fn copied(&mut self, number: usize, to: ObjectId) {
        self.dumps.get_mut(number).expect("each dump to be copied was counted").to = Some(to);
    }
}

impl Repository {
    /// Copies dumps to another repository.
    ///
    /// Where both have the same salt and targets, packs and manifests are copied byte for byte, after their names were checked. So ids,
    /// `sequence` and `previous` stay. Otherwise each dump is decoded and made anew, with the times and annotations of the old one; its
    /// annotation `copied-from` names that. What is there is not copied again. Manifests are written last.
    ///
    /// # Errors
    ///
    /// What reading a dump and making one may report; [`RepositoryError::Different`] when a dump that was made anew has another digest.
    pub async fn copy_to(
        &self,
        target: &Self,
        dumps: &[Dump],
        options: &CopyOptions,
    ) -> Result<CopyReport, RepositoryError> {
        let mut dumps = dumps.to_vec();
        latest::sort(&mut dumps);
        dumps.sort_by_key(|dump| dump.manifest.sequence);
        let (from, to, options) = (self.clone(), target.clone(), options.clone());
        work::drive(async move {
            let whole = packs_fit(&from.config, &to.config);
            let copy = Copy { from, to, options, report: CopyReport { whole, ..CopyReport::default() } };
            copy.run(dumps).await
        })
        .await
    }
}

/// Returns true if packs of one repository are good in another one.
fn packs_fit(from: &Config, to: &Config) -> bool {
    if from.is_encrypted() {
        // Data keys are wrapped with the id of the repository.
        return from == to;
    }
    let mut renamed = from.clone();
    renamed.repository.clone_from(&to.repository);
    renamed == *to
}

struct Copy {
    from: Repository,
    to: Repository,
    options: CopyOptions,
    report: CopyReport,
}

impl Copy {
    async fn run(mut self, dumps: Vec<Dump>) -> Result<CopyReport, RepositoryError> {
        self.options.progress.phase("looking at both repositories", None);
        let there = self.there().await?;
        let forgotten: BTreeSet<_> = match self.options.skip_forgotten {
            true => self.to.store.forgotten().await?.into_iter().map(|(id, _)| id).collect(),
            false => BTreeSet::new(),
        };
        let mut missing = Vec::new();
        for dump in dumps {
            let (from, to) = (dump.id, there.get(&dump.id).copied());
            let outcome = match to {
                Some(_) => CopyOutcome::There,
                None if forgotten.contains(&from) => CopyOutcome::Forgotten,
                None => CopyOutcome::Copied,
            };
            if outcome == CopyOutcome::Copied {
                missing.push((self.report.dumps.len(), dump));
            }
            self.report.dumps.push(CopiedDump { from, to, outcome });
        }
        let keeps_signatures = self.report.whole && self.from.config.repository == self.to.config.repository;
        if !missing.is_empty() && !keeps_signatures && !self.options.dry_run {
            self.to.check_signs()?;
        }
        if keeps_signatures && !self.options.dry_run {
            self.copy_signatures().await?;
        }
        if self.report.whole {
            self.copy_whole(missing).await?
        } else {
            self.make_anew(missing).await?
        }
        Ok(self.report)
    }

    /// Returns the dumps of the target, by the ids that they have in the source.
    async fn there(&self) -> Result<BTreeMap<ObjectId, ObjectId>, RepositoryError> {
        if self.report.whole {
            let ids = self.to.store.manifests().await?;
            return Ok(ids.into_iter().map(|(id, _)| (id, id)).collect());
        }
        let dumps = self.to.dumps().await?.good;
        let named = |dump: Dump| {
            Some((dump.manifest.inventory?.annotations.get(COPIED_FROM)?.parse().ok()?, dump.id))
        };
        Ok(dumps.into_iter().filter_map(named).collect())
    }

    /// Copies signatures of dumps that are there without one.
    async fn copy_signatures(&self) -> Result<(), RepositoryError> {
        let (_, signed) = self.to.store.manifests_and_signatures().await?;
        let there = self.report.dumps.iter().filter(|dump| dump.outcome == CopyOutcome::There);
        for dump in there.filter(|dump| !signed.contains(&dump.from)) {
            let path = Statement::Dump.path(dump.from);
            if let Some(signature) = self.from.read_signature(&path).await? {
                self.to.store.write(&path, signature.into()).await?;
            }
        }
        Ok(())
    }

    /// Copies packs, then records of what is left out, then manifests.
    async fn copy_whole(&mut self, dumps: Vec<(usize, Dump)>) -> Result<(), RepositoryError> {
        let index = self.from.index().await?;
        let mut needed = BTreeSet::new();
        for (_, dump) in &dumps {
            let reader = DumpReader::with_index(&self.from, index.clone(), dump, self.options.limits);
            needed.extend(packs_of(&index, &Marks::of(&reader, &dump.manifest).await?));
        }
        let there = self.to.store.packs().await?;
        let (there, missing): (Vec<_>, Vec<_>) =
            needed.into_iter().partition(|pack| there.binary_search(pack).is_ok());
        self.report.packs_there = there.len() as u64;
        self.report.packs = missing.len() as u64;
        let bytes = missing.iter().map(|(_, len)| len).sum();
        self.report.stored_bytes = bytes;
        if self.options.dry_run {
            return Ok(());
        }
        let skipped = self.to.unknown_previous(dumps.iter().map(|(_, dump)| dump)).await?;
        if !skipped.is_empty() {
            self.to.check_signs()?;
        }
        self.options.progress.phase("copying packs", Some(bytes));
        let (from, to, progress) = (&self.from.store, &self.to.store, &self.options.progress);
        let copies = futures::stream::iter(missing).map(|pack| copy_pack(from, to, pack));
        let count = |len| async move {
            progress.advance(len, 0);
            progress.stored(len);
            Ok(())
        };
        copies.buffer_unordered(PACKS).try_for_each(count).await?;
        self.from.copy_stored_key(&self.to).await?;
        let index = self.to.index().await?;
        self.to.record_skipped(&skipped).await?;
        for (number, dump) in dumps {
            let bytes = publish_copy(&self.from, &self.to, &dump, &index).await?;
            self.report.stored_bytes += bytes;
            self.report.copied(number, dump.id);
        }
        Ok(())
    }

    /// Decodes each dump and makes it anew.
    async fn make_anew(&mut self, dumps: Vec<(usize, Dump)>) -> Result<(), RepositoryError> {
        for (number, dump) in dumps {
            let made = self.make_one_anew(&dump).await?;
            self.report.packs += made.new_packs;
            self.report.stored_bytes += made.stored_bytes;
            if !self.options.dry_run {
                self.report.copied(number, made.dump);
            }
        }
        Ok(())
    }

    async fn make_one_anew(&self, dump: &Dump) -> Result<crate::backup::BackupReport, RepositoryError> {
        let reader = DumpReader::open(&self.from, dump, self.options.limits).await?;
        let pages = verify::check_structure(&reader, &dump.manifest).await?;
        let kind_of = (self.options.kinds)(&dump.manifest.source.layout);
        let source = DumpSource::new(reader, dump.manifest.clone(), pages, kind_of);
        let mut annotations = dump.inventory()?.annotations.clone();
        annotations.insert(COPIED_FROM.to_owned(), dump.id.to_string());
        let options = BackupOptions {
            compression: self.options.compression,
            workers: self.options.workers,
            limits: self.options.limits,
            tool: self.options.tool.clone(),
            origin: dump.manifest.source.origin.clone(),
            annotations,
            allow_implausible: true,
            max_shrink_percent: 100,
            allow_clock_behind: true,
            dry_run: self.options.dry_run,
            progress: self.options.progress.clone(),
            ..BackupOptions::default()
        };
        // A copy is as old as what it was made of.
        let target = match latest::finished_time(&dump.manifest) {
            Some(time) => self.to.clone().with_clock(Clock::new(move || time.into())),
            None => self.to.clone(),
        };
        let made = target.backup(&source, options).await?;
        let what = "the copy";
        let state = inventory_of(&made.manifest)?.digest_state();
        if let Err(error) = verify::compare(&dump.manifest, &state, what) {
            if !self.options.dry_run {
                self.to.store.remove(&Store::manifest_path(made.dump)).await?;
                self.to.store.remove(&Statement::Dump.path(made.dump)).await?;
            }
            return Err(error);
        }
        Ok(made)
    }
}

/// Returns the packs that hold marked objects.
pub(crate) fn packs_of(index: &Arc<Index>, marks: &Marks) -> BTreeSet<(ObjectId, u64)> {
    let marked = (0..index.len()).filter(|number| marks.has(*number));
    marked.filter_map(|number| index.pack(number)).collect()
}

/// Copies a pack whose bytes are those that it is named after; returns its length.
pub(crate) async fn copy_pack(
    from: &Store,
    to: &Store,
    (pack, len): (ObjectId, u64),
) -> Result<u64, RepositoryError> {
    let path = Store::pack_path(pack);
    let bytes = read_pack(from, pack, len).await?;
    to.write(&path, bytes.into()).await?;
    Ok(len)
}

/// Reads a whole pack, and checks its name.
pub(crate) async fn read_pack(store: &Store, pack: ObjectId, len: u64) -> Result<Bytes, RepositoryError> {
    let path = &Store::pack_path(pack);
    let check = |bytes: Option<Bytes>| async move {
        match bytes {
            Some(bytes) if ObjectId::of_file(&bytes) == pack => Ok(bytes),
            Some(bytes) => {
                Err(RepositoryError::WrongName { path: path.clone(), found: ObjectId::of_file(&bytes) })
            }
            None => {
                let problem = "it was listed, and is gone".to_owned();
                let source = FormatError::Malformed { object: "pack", offset: 0, problem };
                Err(RepositoryError::Damaged { path: path.clone(), source })
            }
        }
    };
    read_twice(store, path, || store.read(path, len), check).await
}

/// Publishes a manifest of another repository with these packs, all of which it reaches are known to be there. Returns its length.
pub(crate) async fn publish_copy(
    from: &Repository,
    to: &Repository,
    dump: &Dump,
    index: &Arc<Index>,
) -> Result<u64, RepositoryError> {
    let path = Store::manifest_path(dump.id);
    let Some((_, json)) = from.read_manifest(&path, dump.id).await? else {
        return Err(no_dump(format!("{path} is gone")));
    };
    let reader = DumpReader::with_index(to, index.clone(), dump, Limits::default());
    verify::check_reached(&reader, &dump.manifest).await?;
    let needed = packs_of(index, &Marks::of(&reader, &dump.manifest).await?);
    let needed: Vec<_> = needed.into_iter().collect();
    let len = json.len() as u64;
    let signature = copied_signature(from, to, dump, &json).await?;
    to.publish((dump.id, json, signature), &needed).await?;
    Ok(len)
}

/// Returns the signature of a dump for another repository. It is the same where that is a copy of the same one. Otherwise the key of
/// the target makes a new one, if there is one.
async fn copied_signature(
    from: &Repository,
    to: &Repository,
    dump: &Dump,
    json: &Bytes,
) -> Result<Option<Bytes>, RepositoryError> {
    let place = (dump.id, dump.manifest.sequence);
    let signed = from.check_signature(Statement::Dump, place, (json, true)).await?;
    match signed.names_key() && from.config.repository == to.config.repository {
        true => from.read_signature(&Statement::Dump.path(dump.id)).await,
        false => to.sign(Statement::Dump, place, json),
    }
}
