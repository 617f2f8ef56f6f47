//! How the content of a dump differs from that of another dump, or of a namespace: by partitions and entries.
//!
//! Objects that both have are passed over by their ids. What only one of them has is read, and compared entry by entry, so it does not
//! matter where segments end.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::cmp::Ordering;
use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::Arc;

use backup_format::{DatabaseBackup, Manifest, Order, Page, Reference, Snapshot};
use futures::{StreamExt, TryStreamExt};

use crate::backup::bug;
use crate::block::BlockEntry;
use crate::changed_partition::ChangedPartition;
use crate::dump_phase::{self, DumpPhase, Head};
use crate::error::RepositoryError;
use crate::look::{LookCount, LookOptions};
use crate::plan;
use crate::reader::DumpReader;
use crate::repository::{Dump, Repository, inventory_of};
use crate::side::{Phase, Side};
use crate::source_phase::SourcePhase;
use crate::work;

/// Pages that are read at a time.
const READS: usize = 8;

/// What became of a partition or entry, from the first content to the second one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Only the second content has it.
    Added,
    /// Only the first content has it.
    Removed,
    /// Both have it, and they differ.
    Changed,
}

/// An entry that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryChange<'a> {
    /// Root key of its partition.
    pub root_key: &'a [u8],
    /// Its key.
    pub key: &'a [u8],
    /// Its value in the first content; `None` if it is not there.
    pub before: Option<&'a [u8]>,
    /// Its value in the second content; `None` if it is not there.
    pub after: Option<&'a [u8]>,
}

impl EntryChange<'_> {
    /// Returns what became of it.
    #[must_use]
    pub fn change(&self) -> Change {
        match (self.before, self.after) {
            (None, _) => Change::Added,
            (_, None) => Change::Removed,
            _ => Change::Changed,
        }
    }
}

/// A partition of which entries differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionChange<'a> {
    /// Its root key.
    pub root_key: &'a [u8],
    /// What became of it.
    pub change: Change,
    /// Its entries that differ.
    pub entries: ChangeCount,
    /// Bytes of keys and values of entries that differ, in the first content.
    pub bytes_before: u64,
    /// The same in the second content.
    pub bytes_after: u64,
}

/// Numbers of partitions or entries that differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChangeCount {
    /// Those that only the second content has.
    pub added: u64,
    /// Those that only the first content has.
    pub removed: u64,
    /// Those that both have, and that differ.
    pub changed: u64,
}

impl ChangeCount {
    /// Counts one.
    pub fn add(&mut self, change: Change) {
        let number = match change {
            Change::Added => &mut self.added,
            Change::Removed => &mut self.removed,
            Change::Changed => &mut self.changed,
        };
        *number = number.saturating_add(1);
    }

    /// Returns true if nothing differs.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// Takes what differs, in the order of the dump. The entries of a partition come before the partition.
pub trait Changes: Send {
    /// Takes an entry.
    fn entry(&mut self, change: &EntryChange<'_>);

    /// Takes a partition whose entries all were taken.
    fn partition(&mut self, change: &PartitionChange<'_>);
}

/// How two contents differ, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompareReport {
    /// Partitions of which entries differ.
    pub partitions: ChangeCount,
    /// Entries that differ.
    pub entries: ChangeCount,
    /// What was read of dumps, and what was passed over because both have it.
    pub count: LookCount,
    /// Whether only the digests were compared, and are equal: the entries of dumps in different orders cannot be compared one by one.
    pub by_digest: bool,
}

impl CompareReport {
    /// Returns true if nothing differs.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.partitions.is_none() && self.entries.is_none()
    }
}

impl Repository {
    /// Compares the contents of two dumps, and gives what differs to `changes`, which is returned.
    ///
    /// Pages and segments that both have are not read. Beside what is being compared there are up to 64 bytes of memory for each segment
    /// beneath pages that only one of them has.
    ///
    /// # Errors
    ///
    /// What reading a dump reports, and [`RepositoryError::Inconsistent`] when what was found does not add up to what the manifests say.
    /// [`RepositoryError::NotComparable`] when the dumps differ and are in different orders. Part of the differences may have been given
    /// to `changes` by then.
    pub async fn compare<C: Changes + 'static>(
        &self,
        before: &Dump,
        after: &Dump,
        changes: C,
        options: &LookOptions,
    ) -> Result<(CompareReport, C), RepositoryError> {
        let (repository, options) = (self.clone(), options.clone());
        let manifests = [before.manifest.clone(), after.manifest.clone()];
        let dump = before.clone();
        work::drive(async move {
            let [before, after] = &manifests;
            if before.order != after.order {
                return by_digest(before, after).map(|report| (report, changes));
            }
            options.progress.phase("looking for what differs", None);
            let reader = DumpReader::open(&repository, &dump, options.limits).await?;
            let (old, new) = (reader.root(before).await?, reader.root(after).await?);
            let shared = Arc::new(shared(&reader, &old, &new).await?);
            let side = |root: Page| dump_side(&reader, root, Some(&shared), options.exclusive);
            let comparison = Comparison::new(before.order, [side(old), side(new)], changes);
            let (mut report, changes) = comparison.run().await?;
            report.count.pages_read = report.count.pages_read.saturating_add(2);
            check(before, after, &report)?;
            Ok((report, changes))
        })
        .await
    }

    /// Compares the content of a dump with that of a namespace, which is read whole, and gives what differs to `changes`, which is
    /// returned. Of the dump only those segments are read that a dump of the namespace would not have.
    ///
    /// The phases of a namespace are read side by side: if somebody writes to it, that shows as differences.
    ///
    /// # Errors
    ///
    /// As [`Repository::compare`], and [`RepositoryError::Engine`] when the namespace cannot be read.
    pub async fn compare_with<C: Changes + 'static>(
        &self,
        before: &Dump,
        after: &dyn DatabaseBackup,
        changes: C,
        options: &LookOptions,
    ) -> Result<(CompareReport, C), RepositoryError> {
        let failed = RepositoryError::engine("opening", after.name());
        let snapshot: Arc<dyn Snapshot> = Arc::from(after.snapshot().await.map_err(failed)?);
        let (repository, dump, options) = (self.clone(), before.clone(), options.clone());
        work::drive(async move {
            let order = dump.manifest.order;
            if order != snapshot.order() {
                return Err(other_order(order, snapshot.order(), "the namespace"));
            }
            let reader = DumpReader::open(&repository, &dump, options.limits).await?;
            let old = dump_side(&reader, reader.root(&dump.manifest).await?, None, options.exclusive);
            let new = source_side(&repository, &snapshot, &options).await?;
            let comparison = Comparison::new(order, [old, new], changes);
            let (mut report, changes) = comparison.run().await?;
            report.count.pages_read = report.count.pages_read.saturating_add(1);
            Ok((report, changes))
        })
        .await
    }
}

/// Compares dumps of which only the digests can be compared.
fn by_digest(before: &Manifest, after: &Manifest) -> Result<CompareReport, RepositoryError> {
    if inventory_of(before)?.digest_state() == inventory_of(after)?.digest_state() {
        return Ok(CompareReport { by_digest: true, ..CompareReport::default() });
    }
    Err(other_order(before.order, after.order, "the other dump"))
}

fn other_order(expected: Order, found: Order, what: &str) -> RepositoryError {
    let (expected, found) = (u8::from(expected), u8::from(found));
    let problem = format!(
        "the dump has its entries in order {expected}, and {what} in order {found}, so they cannot be read side by side; compare dumps \
         that were made from the same engine and layout. Their digests say whether they are equal"
    );
    RepositoryError::NotComparable { problem }
}

/// Returns the halves of the ids of segments beneath pages that are not in both dumps, if the segments are.
async fn shared(reader: &DumpReader, old: &Page, new: &Page) -> Result<HashSet<u128>, RepositoryError> {
    let others = |of: &Page, than: &Page| -> Vec<Reference> {
        let ids: HashSet<_> = than.references.iter().map(|page| page.id).collect();
        of.references.iter().filter(|page| !ids.contains(&page.id)).cloned().collect()
    };
    let read = |pages: Vec<Reference>| {
        let pages = futures::stream::iter(pages);
        pages.map(|page| async move { reader.page(&page).await }).buffer_unordered(READS)
    };
    let add = |mut ids: HashSet<u128>, page: Page| async move {
        ids.extend(page.references.iter().map(|segment| segment.id.prefix()));
        Ok(ids)
    };
    let before = read(others(old, new)).try_fold(HashSet::new(), add).await?;
    let known = &before;
    let keep = |mut ids: HashSet<u128>, page: Page| async move {
        let segments = page.references.iter().map(|segment| segment.id.prefix());
        ids.extend(segments.filter(|id| known.contains(id)));
        Ok(ids)
    };
    read(others(new, old)).try_fold(HashSet::new(), keep).await
}

fn dump_side(
    reader: &DumpReader,
    root: Page,
    shared: Option<&Arc<HashSet<u128>>>,
    exclusive: fn(&[u8]) -> bool,
) -> Side {
    let phases = dump_phase::divide(reader.order, root.references, exclusive).into_iter();
    let phases =
        phases.map(|pages| Phase::Dump(Box::new(DumpPhase::new(reader.clone(), pages, shared.cloned()))));
    Side::new(reader.order, phases.collect())
}

async fn source_side(
    repository: &Repository,
    snapshot: &Arc<dyn Snapshot>,
    options: &LookOptions,
) -> Result<Side, RepositoryError> {
    let namespace = &snapshot.source().namespace;
    let failed = || RepositoryError::engine("reading", namespace);
    let estimate = snapshot.estimate().await.map_err(failed())?;
    options.progress.phase("reading", estimate);
    let read = snapshot.plan(NonZeroUsize::MIN).await.map_err(failed())?;
    plan::check(&read, snapshot.order(), 1).map_err(|problem| bug(&**snapshot, problem))?;
    let phases = read.phases.into_iter().map(|ranges| {
        let options = (options.limits, options.progress.clone());
        Ok(Phase::Source(Box::new(SourcePhase::new(repository, snapshot, ranges, options)?)))
    });
    Ok(Side::new(snapshot.order(), phases.collect::<Result<_, RepositoryError>>()?))
}

/// Checks what was found against what the manifests say.
fn check(before: &Manifest, after: &Manifest, report: &CompareReport) -> Result<(), RepositoryError> {
    let (before, after) = (inventory_of(before)?, inventory_of(after)?);
    let adds_up = |before: u64, after: u64, count: &ChangeCount| {
        before.checked_add(count.added).is_some_and(|sum| after.checked_add(count.removed) == Some(sum))
    };
    let is_right = adds_up(before.entries, after.entries, &report.entries)
        && adds_up(before.partitions, after.partitions, &report.partitions)
        && (before.digest == after.digest) == report.is_equal();
    if is_right {
        return Ok(());
    }
    let ChangeCount { added, removed, changed } = report.entries;
    let problem = format!(
        "{added} entries added, {removed} removed and {changed} changed were found between {} entries in {} partitions with digest {} and \
         {} in {} with {}, and that does not add up; `verify` says which of the dumps is damaged",
        before.entries, before.partitions, before.digest, after.entries, after.partitions, after.digest
    );
    Err(RepositoryError::Inconsistent { place: "the dumps".to_owned(), problem, source: None })
}

/// Returns the entry that comes first, if its segment was read.
fn first_entry(side: &Side) -> Option<BlockEntry<'_>> {
    match side.head() {
        Some(Head::Block(block)) => block.entry(),
        _ => None,
    }
}

/// Goes through both contents side by side.
struct Comparison<C> {
    order: Order,
    before: Side,
    after: Side,
    changes: C,
    open: Option<ChangedPartition>,
    report: CompareReport,
}

/// What is done next.
enum Step {
    Skip,
    Open { before: bool },
    Take { before: bool, after: bool },
}

impl<C: Changes> Comparison<C> {
    fn new(order: Order, [before, after]: [Side; 2], changes: C) -> Self {
        Self { order, before, after, changes, open: None, report: CompareReport::default() }
    }

    async fn run(mut self) -> Result<(CompareReport, C), RepositoryError> {
        loop {
            self.before.find_first().await?;
            self.after.find_first().await?;
            let Some(step) = self.step() else { break };
            match step {
                Step::Skip => self.skip()?,
                Step::Open { before: true } => self.before.open().await?,
                Step::Open { before: false } => self.after.open().await?,
                Step::Take { before, after } => self.take(before, after).await?,
            }
        }
        self.close().await?;
        // Both have passed over the same.
        self.report.count = self.before.count();
        self.report.count.add_read(&self.after.count());
        Ok((self.report, self.changes))
    }

    /// Decides what is done next; `None` at the end of both.
    fn step(&self) -> Option<Step> {
        let (before, after) = (self.before.head(), self.after.head());
        let order = match (&before, &after) {
            (None, None) => return None,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(before), Some(after)) if before.is_same(after) => return Some(Step::Skip),
            (Some(before), Some(after)) => before.compare(after, self.order),
        };
        let is_read = |head: &Option<Head<'_>>| matches!(head, Some(Head::Block(_)));
        Some(match order {
            Ordering::Less if is_read(&before) => Step::Take { before: true, after: false },
            Ordering::Less => Step::Open { before: true },
            Ordering::Greater if is_read(&after) => Step::Take { before: false, after: true },
            Ordering::Greater => Step::Open { before: false },
            Ordering::Equal if is_read(&before) && is_read(&after) => {
                Step::Take { before: true, after: true }
            }
            // Pages first: the segments beneath them may be the same.
            Ordering::Equal => {
                let is_page = before.as_ref().is_some_and(Head::is_page);
                let other_is_page = after.as_ref().is_some_and(Head::is_page);
                Step::Open { before: is_page || (!other_is_page && !is_read(&before)) }
            }
        })
    }

    /// Passes over an object that both have.
    fn skip(&mut self) -> Result<(), RepositoryError> {
        if let (Some(open), Some(head)) = (&mut self.open, self.before.head())
            && head.first_root() == open.root_key()
        {
            open.is_in_both();
        }
        self.before.skip()?;
        self.after.skip()
    }

    /// Takes an entry from one of them or from both.
    async fn take(&mut self, before: bool, after: bool) -> Result<(), RepositoryError> {
        let head = if before { self.before.head() } else { self.after.head() };
        let root_key = head.as_ref().map_or(&[][..], Head::first_root);
        if self.open.as_ref().is_none_or(|open| open.root_key() != root_key) {
            let root_key = root_key.to_vec();
            let passed = if before { self.before.passed() } else { self.after.passed() };
            self.close().await?;
            self.open = Some(ChangedPartition::new(root_key, passed));
        }
        let old = if before { first_entry(&self.before) } else { None };
        let new = if after { first_entry(&self.after) } else { None };
        if let (Some(open), Some(BlockEntry { root_key, key, .. })) = (&mut self.open, old.or(new)) {
            let (before, after) = (old.map(|entry| entry.value), new.map(|entry| entry.value));
            let change = EntryChange { root_key, key, before, after };
            if open.take(&change) {
                self.report.entries.add(change.change());
                self.changes.entry(&change);
            }
        }
        if before {
            self.before.take_entry()?;
        }
        if after {
            self.after.take_entry()?;
        }
        Ok(())
    }

    /// Ends the partition of which entries were taken.
    async fn close(&mut self) -> Result<(), RepositoryError> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        // What only one of them seems to have may continue from an object that both have.
        let goes_on = match open.one_sided() {
            Some((Change::Removed, passed)) => self.before.ends_with(passed, open.root_key()).await?,
            Some((_, passed)) => self.after.ends_with(passed, open.root_key()).await?,
            None => false,
        };
        if goes_on {
            open.is_in_both();
        }
        if let Some(change) = open.change() {
            self.report.partitions.add(change.change);
            self.changes.partition(&change);
        }
        Ok(())
    }
}
