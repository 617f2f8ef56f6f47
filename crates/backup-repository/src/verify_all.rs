//! Verifying all dumps of a repository: what several of them share is read once.

use std::collections::{BTreeMap, HashMap};
use std::pin::pin;
use std::sync::Arc;

use backup_format::{Level, Manifest, ObjectId, Page, Reference};
use futures::StreamExt;

use crate::classes::{Class, Classes, DumpState};
use crate::error::RepositoryError;
use crate::index::Index;
use crate::pack_check::{Alongside, Begun, check_names};
use crate::reader::{DumpReader, ReadSegment, inconsistent};
use crate::repository::{Dump, Repository};
use crate::signed::Signed;
use crate::store::Store;
use crate::verify::{self, PACKS_PER_WORKER, VerifyLevel, VerifyOptions, VerifyReport};
use crate::walk::{Member, Step, Walk};
use crate::work::{self, Stop};

/// Segments that are planned at once.
const BATCH: usize = 256;
/// Packs whose hashes may be open: those of the dumps that are read side by side.
const OPEN_PACKS: usize = 4_096;

/// What was found of all dumps. Damage is part of it, and no error.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct VerifyAllReport {
    /// Every manifest once: the good ones in the order of the dumps, then those that cannot be read.
    pub dumps: Vec<DumpVerdict>,
    /// Packs that were read whole.
    pub packs_read: u64,
    /// What is wrong with packs.
    pub packs_damaged: Vec<RepositoryError>,
    /// Segments that were read and decoded, each once.
    pub segments_read: u64,
    /// Dumps that are missing, each a [`RepositoryError::MissingDump`].
    pub missing: Vec<RepositoryError>,
}

/// What was found of a dump.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DumpVerdict {
    /// Its id.
    pub id: ObjectId,
    /// Its manifest; `None` if that cannot be read.
    pub manifest: Option<Manifest>,
    /// Who signed it; `None` if it cannot be read, or no trusted key did.
    pub signed: Option<Signed>,
    /// What was verified, or the first thing that is wrong. Dumps may share what is wrong. Packs are counted for all dumps together.
    pub found: Result<VerifyReport, Arc<RepositoryError>>,
}

impl VerifyAllReport {
    /// Returns what is wrong, with dumps as well as packs, and dumps that are missing.
    pub fn problems(&self) -> impl Iterator<Item = &RepositoryError> {
        let dumps = self.dumps.iter().filter_map(|dump| dump.found.as_ref().err());
        dumps.map(|error| &**error).chain(&self.packs_damaged).chain(&self.missing)
    }
}

impl Repository {
    /// Verifies all dumps, and all packs. Damage does not stop it. A segment that several dumps refer to is read once; pages
    /// are read for each dump.
    ///
    /// A [subset](VerifyOptions::subset) chooses dumps and packs by their names: the structure of all dumps is checked, and everything of
    /// those in it.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Store`] and [`RepositoryError::Transit`].
    pub async fn verify_all(&self, options: &VerifyOptions) -> Result<VerifyAllReport, RepositoryError> {
        let (repository, options) = (self.clone(), options.clone());
        work::drive(async move { repository.verify_dumps(&options).await }).await
    }

    async fn verify_dumps(&self, options: &VerifyOptions) -> Result<VerifyAllReport, RepositoryError> {
        options.progress.phase("checking structure", None);
        let dumps = self.dumps().await?;
        let missing = self.missing(&dumps).await?;
        let index = self.index().await?;
        let mut all = All::new(self, index, options);
        all.report.missing = missing;
        let mut groups: Vec<Vec<(usize, Vec<Reference>)>> = Vec::new();
        for dump in dumps.good {
            let order = dump.manifest.order;
            let Some((number, pages)) = all.structure(dump, &dumps.signed).await? else { continue };
            let is_alike = |group: &&mut Vec<(usize, Vec<Reference>)>| {
                group.first().is_some_and(|(first, _)| all.is_of_order(*first, order))
            };
            match groups.iter_mut().find(is_alike) {
                Some(group) => group.push((number, pages)),
                None => groups.push(vec![(number, pages)]),
            }
        }
        for (id, error) in dumps.damaged.into_iter().chain(dumps.unsupported).chain(dumps.untrusted) {
            let found = Err(Arc::new(error));
            all.report.dumps.push(DumpVerdict { id, manifest: None, signed: None, found });
        }
        if options.level == VerifyLevel::Content {
            options.progress.phase("reading segments of all dumps", None);
            for group in groups {
                all.content(group).await?;
            }
            all.check_packs().await?;
        }
        Ok(all.report)
    }
}

/// The work on all dumps.
struct All<'all> {
    repository: &'all Repository,
    index: Arc<Index>,
    options: &'all VerifyOptions,
    begun: Arc<Begun>,
    stop: Stop,
    report: VerifyAllReport,
}

impl<'all> All<'all> {
    fn new(repository: &'all Repository, index: Arc<Index>, options: &'all VerifyOptions) -> Self {
        let damaged = index.damaged().iter().map(|(pack, error)| RepositoryError::Damaged {
            path: Store::pack_path(*pack),
            source: verify::again(error),
        });
        let report = VerifyAllReport { packs_damaged: damaged.collect(), ..VerifyAllReport::default() };
        let begun = Arc::new(Begun::new(repository.store.clone(), index.clone()));
        Self { repository, index, options, begun, stop: Stop::default(), report }
    }

    /// Checks the structure of a dump; returns its number and its pages if its content is to be read.
    async fn structure(
        &mut self,
        dump: Dump,
        signed: &BTreeMap<ObjectId, Signed>,
    ) -> Result<Option<(usize, Vec<Reference>)>, RepositoryError> {
        let index = self.index.clone();
        let reader = DumpReader::with_index(self.repository, index, &dump, self.options.limits);
        let checked = match self.repository.is_locked() {
            true => verify::check_reached(&reader, &dump.manifest).await.map(Err),
            false => verify::check_structure(&reader, &dump.manifest).await.map(Ok),
        };
        let number = self.report.dumps.len();
        let (found, pages) = match checked {
            // Its content cannot be read.
            Ok(Err(pages)) => (Ok(VerifyReport { pages, is_sealed: true, ..VerifyReport::default() }), None),
            Ok(Ok(pages)) => (
                Ok(VerifyReport { pages: pages.len() as u64, ..VerifyReport::default() }),
                is_in(self.options, dump.id).then_some((number, pages)),
            ),
            Err(error) => (Err(Arc::new(of_dump(error)?)), None),
        };
        let signed = signed.get(&dump.id).copied();
        self.report.dumps.push(DumpVerdict { id: dump.id, manifest: Some(dump.manifest), signed, found });
        Ok(pages)
    }

    fn is_of_order(&self, number: usize, order: backup_format::Order) -> bool {
        let manifest = self.report.dumps.get(number).and_then(|dump| dump.manifest.as_ref());
        manifest.is_some_and(|manifest| manifest.order == order)
    }

    /// Reads the content of dumps of one order.
    async fn content(&mut self, dumps: Vec<(usize, Vec<Reference>)>) -> Result<(), RepositoryError> {
        let first = dumps.first().and_then(|(number, _)| self.report.dumps.get(*number));
        let Some(DumpVerdict { id, manifest: Some(manifest), .. }) = first else { return Ok(()) };
        let dump = Dump { id: *id, manifest: manifest.clone() };
        let (index, limits) = (self.index.clone(), self.options.limits);
        let mut reader = DumpReader::with_index(self.repository, index, &dump, limits);
        reader.keeps_stored = true;
        let stopped = self.stop.watch();
        let packs = Alongside::new(self.begun.clone(), stopped).with_room(OPEN_PACKS);
        let states = dumps.iter().map(|(number, _)| (*number, DumpState::new(&reader)));
        let mut content = Content {
            states: states.collect(),
            classes: Classes::new(&reader)?,
            walk: Walk::new(DumpReader { keeps_stored: false, ..reader.clone() }, dumps),
            reader,
            packs,
            failed: Vec::new(),
            packs_damaged: Vec::new(),
            segments: 0,
        };
        content.run(self.options).await?;
        self.take(content).await
    }

    /// Takes over what was found of the content.
    async fn take(&mut self, content: Content) -> Result<(), RepositoryError> {
        let Content { states, classes, packs, failed, packs_damaged, segments, .. } = content;
        self.report.packs_damaged.extend(packs_damaged);
        self.report.packs_damaged.extend(packs.finish_all().await?);
        self.report.segments_read += segments;
        for (number, state) in states {
            let Some(dump) = self.report.dumps.get_mut(number) else { continue };
            let Some(manifest) = &dump.manifest else { continue };
            let (segments_read, digest) = (state.segments, classes.finish(state));
            let compared = verify::compare(manifest, &digest, "what its segments hold");
            dump.found = match (compared, &dump.found) {
                (Ok(()), Ok(found)) => {
                    Ok(VerifyReport { segments_read, digest: Some(digest), ..found.clone() })
                }
                (Err(error), _) => Err(Arc::new(error)),
                (Ok(()), Err(error)) => Err(error.clone()),
            };
        }
        for (number, error) in failed {
            if let Some(dump) = self.report.dumps.get_mut(number) {
                dump.found = Err(error);
            }
        }
        Ok(())
    }

    /// Checks the names of the packs whose bytes were not all read with their segments.
    async fn check_packs(&mut self) -> Result<(), RepositoryError> {
        self.options.progress.phase("checking packs", None);
        let workers = self.options.workers.map_or_else(work::default_workers, Into::into);
        let packs = self.index.packs().iter().copied();
        let wanted: Vec<_> = packs.filter(|(pack, _)| is_in(self.options, *pack)).collect();
        self.report.packs_read += wanted.len() as u64;
        let left: Vec<_> = wanted.into_iter().filter(|(pack, _)| !self.begun.has_checked(*pack)).collect();
        let at_once = workers.saturating_mul(PACKS_PER_WORKER);
        let mut checks = pin!(check_names(self.repository, left, (&self.stop, at_once)));
        while let Some((_, checked)) = checks.next().await {
            match checked {
                Ok(bytes) => self.options.progress.advance(bytes, 0),
                Err(error) => self.report.packs_damaged.push(of_dump(error)?),
            }
        }
        Ok(())
    }
}

/// Returns true if the content of a dump or pack is to be read.
fn is_in(options: &VerifyOptions, name: ObjectId) -> bool {
    options.subset.is_none_or(|subset| subset.has_name(name))
}

/// Tells what is wrong with a dump from what is wrong with the store or this machine.
fn of_dump(error: RepositoryError) -> Result<RepositoryError, RepositoryError> {
    use backup_format::ErrorClass::{Damaged, Refused};
    if matches!(error.class(), Damaged | Refused) { Ok(error) } else { Err(error) }
}

/// The content of several dumps, read side by side.
struct Content {
    reader: DumpReader,
    walk: Walk,
    states: HashMap<usize, DumpState>,
    classes: Classes,
    packs: Alongside,
    failed: Vec<(usize, Arc<RepositoryError>)>,
    packs_damaged: Vec<RepositoryError>,
    segments: u64,
}

impl Content {
    async fn run(&mut self, options: &VerifyOptions) -> Result<(), RepositoryError> {
        loop {
            let steps = self.walk.batch(BATCH).await?;
            for (dump, error) in self.walk.take_failed() {
                self.fail(&[dump], of_dump(error)?);
            }
            let Some(first) = steps.first() else { return Ok(()) };
            let references = steps.iter().map(|step| step.reference.clone()).collect();
            let page = Page { level: Level::Segments, references };
            let mut stream = self.reader.segments(&first.page, page);
            let mut rest = steps.iter();
            while let Some(step) = rest.next() {
                match stream.next().await {
                    Some(Ok(read)) => self.take(step, read, options).await?,
                    Some(Err(error)) => {
                        of_dump(error)?;
                        // Which one it was is found out one by one.
                        for step in std::iter::once(step).chain(rest.by_ref()) {
                            self.read_alone(step, options).await?;
                        }
                    }
                    None => return Err(RepositoryError::Stopped),
                }
            }
        }
    }

    async fn read_alone(&mut self, step: &Step, options: &VerifyOptions) -> Result<(), RepositoryError> {
        let page = Page { level: Level::Segments, references: vec![step.reference.clone()] };
        match self.reader.segments(&step.page, page).next().await {
            Some(Ok(read)) => self.take(step, read, options).await,
            Some(Err(error)) => {
                let dumps: Vec<_> = step.members.iter().map(|member| member.dump).collect();
                self.fail(&dumps, of_dump(error)?);
                Ok(())
            }
            None => Err(RepositoryError::Stopped),
        }
    }

    /// Leaves dumps out, because something of them is wrong.
    fn fail(&mut self, dumps: &[usize], error: RepositoryError) {
        let error = Arc::new(error);
        for dump in dumps {
            if let Some(state) = self.states.remove(dump) {
                self.classes.leave(state.class);
                self.walk.leave_out(*dump);
                self.failed.push((*dump, error.clone()));
            }
        }
    }

    /// Checks a segment in each dump that it comes next in.
    async fn take(
        &mut self,
        step: &Step,
        read: ReadSegment,
        options: &VerifyOptions,
    ) -> Result<(), RepositoryError> {
        let ReadSegment { segment, stored, .. } = read;
        for stored in stored {
            match self.packs.take(stored).await {
                Ok(()) => {}
                Err(error) => self.packs_damaged.push(of_dump(error)?),
            }
        }
        self.segments += 1;
        options.progress.advance(step.reference.plain_len, step.reference.entries);
        let mut classes: HashMap<Class, Vec<Member>> = HashMap::new();
        for member in &step.members {
            if let Some(state) = self.states.get(&member.dump) {
                classes.entry(state.class).or_default().push(*member);
            }
        }
        for (class, members) in classes {
            let advanced = self.classes.advance(class, step.reference.id, &segment);
            for member in members {
                let Some(state) = self.states.get_mut(&member.dump) else { continue };
                if let Err(source) = state.advance(&advanced, &member, &segment) {
                    let place = format!("segment {} of page {}", step.reference.id, step.page.id);
                    self.fail(&[member.dump], inconsistent(place, source));
                } else {
                    self.classes.change(&advanced, &mut state.class);
                }
            }
        }
        Ok(())
    }
}
