//! What a pruner sees of a repository at one time.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use backup_format::ObjectId;

use crate::choice::{self, PackUse};
use crate::depth::Depths;
use crate::error::RepositoryError;
use crate::index::Index;
use crate::mark::Marks;
use crate::prune::PruneOptions;
use crate::repository::Repository;
use crate::store::Store;
use crate::tombstone::{self, Pending};

/// Bytes that an object takes in the table of its pack.
const LINE_BYTES: u64 = 51;

/// What must stay, where it lies, and what is about to be removed.
pub(crate) struct Survey {
    /// The tables; it knows which packs are about to be removed.
    pub index: Arc<Index>,
    /// What must stay.
    pub marks: Marks,
    /// For each pack the bytes of all objects in it that must stay.
    living: Vec<u64>,
    /// How deep in patches objects lie in packs that stay.
    pub kept: Depths,
    /// All tombstones.
    pub pending: Vec<Pending>,
    /// The names of those that were there before it was looked for what must stay. A writer who staged since then has seen
    /// them; of later ones that is not known, so their packs stay for now.
    settled: HashSet<String>,
    /// When each pack was written that was there before anything else was looked at.
    times: HashMap<ObjectId, i64>,
    /// The time, by the clock that the other times are of.
    pub now: i64,
    pub staged: u64,
    pub stale: u64,
}

impl Repository {
    /// Looks at everything, in this order: packs and tombstones, what must stay, tombstones again, and packs with their tables.
    pub(crate) async fn survey(&self, options: &PruneOptions) -> Result<Survey, RepositoryError> {
        options.progress.phase("reading tables", None);
        let now = match options.dry_run {
            true => i64::try_from(self.clock.now().unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX),
            false => self.store.time().await?,
        };
        let times = self.store.pack_times().await?;
        let settled: HashSet<String> =
            self.store.pending().await?.into_iter().map(|(name, _)| name).collect();
        let roots = self.roots(now, options.discard_staged).await?;
        if !options.dry_run {
            for id in &roots.stale {
                self.store.remove(&Store::staged_path(*id)).await?;
            }
        }
        let pending = tombstone::read_all(&self.store).await?;
        let mut index = Index::load(&self.store, self.config.pack_version()).await?;
        index.condemn(&pending.iter().flat_map(|pending| pending.packs.iter().copied()).collect());
        let index = Arc::new(index);
        options.progress.phase("reading pages", None);
        let marks = roots.mark(self, &index).await?;
        let living = living(&index, &marks);
        let kept = Depths::kept(&index);
        let (staged, stale) = (roots.staged(), roots.stale.len() as u64);
        Ok(Survey { index, marks, living, kept, pending, settled, times, now, staged, stale })
    }
}

/// Adds up for each pack what must stay of it, also what lies in others, too.
fn living(index: &Index, marks: &Marks) -> Vec<u64> {
    let mut living = vec![0; index.packs().len()];
    for first in marks.iter() {
        for (pack, number) in index.places_of(first) {
            if let Some(bytes) = living.get_mut(pack) {
                *bytes = u64::saturating_add(*bytes, bytes_of(index, number));
            }
        }
    }
    living
}

impl Survey {
    /// Returns the pack from which an object is best had, of those that stay; `None` if it cannot be had from them.
    ///
    /// It is where the object is least deep in patches, so no chain grows and none goes in a circle. Of equal packs it is the one
    /// of which most must stay. So what was copied is had from its new pack.
    pub(crate) fn home(&self, first: usize) -> Option<usize> {
        let share = |pack: usize| {
            let bytes = self.index.packs().get(pack).map_or(1, |(_, bytes)| *bytes);
            let living = self.living.get(pack).copied().unwrap_or(0);
            choice::part_of(living, bytes)
        };
        let stays = |pack| !self.index.is_condemned(pack);
        self.kept.best(&self.index, first, stays, share).map(|(pack, _)| pack)
    }

    /// Returns true if nothing in a pack must stay, not even what lies elsewhere, too.
    pub(crate) fn is_dead(&self, pack: usize) -> bool {
        self.living.get(pack) == Some(&0)
    }

    /// Adds up what each pack holds. One may go if it is so old, and does not go already.
    pub(crate) fn uses(&self, min_age: i64) -> Vec<PackUse> {
        let mut uses: Vec<PackUse> = self
            .index
            .packs()
            .iter()
            .enumerate()
            .map(|(number, (name, bytes))| {
                let is_old =
                    self.times.get(name).is_some_and(|written| self.now.saturating_sub(*written) >= min_age);
                PackUse {
                    bytes: *bytes,
                    may_go: is_old && !self.index.is_condemned(number),
                    ..PackUse::default()
                }
            })
            .collect();
        for first in self.index.firsts() {
            let home = if self.marks.has(first) { self.home(first) } else { None };
            for (pack, number) in self.index.places_of(first) {
                let Some(pack_use) = uses.get_mut(pack) else { continue };
                let bytes = bytes_of(&self.index, number);
                match home == Some(pack) {
                    true => pack_use.live = pack_use.live.saturating_add(bytes),
                    false if self.index.may_be_salt(number) => {}
                    false => pack_use.unused = pack_use.unused.saturating_add(bytes),
                }
            }
        }
        uses
    }

    /// Returns the tombstones of that age whose packs may be removed.
    pub(crate) fn due(&self, age: i64) -> impl Iterator<Item = &Pending> {
        let is_due = move |pending: &&Pending| {
            self.settled.contains(&pending.name) && self.now.saturating_sub(pending.written) >= age
        };
        self.pending.iter().filter(is_due)
    }

    /// Returns the packs that stay as far as is known now.
    pub(crate) fn staying(&self) -> Vec<(ObjectId, u64)> {
        let packs = self.index.packs().iter().enumerate();
        packs.filter(|(number, _)| !self.index.is_condemned(*number)).map(|(_, pack)| *pack).collect()
    }

    /// Returns the length of a pack that is there.
    pub(crate) fn length(&self, pack: ObjectId) -> Option<u64> {
        let packs = self.index.packs();
        let found = packs.binary_search_by_key(&pack, |(name, _)| *name).ok()?;
        packs.get(found).map(|(_, bytes)| *bytes)
    }
}

/// Returns the bytes that an object takes in its pack, with its line in the table.
fn bytes_of(index: &Index, number: usize) -> u64 {
    index.lengths(number).0.saturating_add(LINE_BYTES)
}
