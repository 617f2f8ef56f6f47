//! Copying what must stay out of packs that are about to be removed.

use std::collections::BTreeSet;
use std::sync::Arc;

use backup_format::{Manifest, ObjectId};

use crate::depth::Depths;
use crate::error::RepositoryError;
use crate::index::Index;
use crate::mark::Marks;
use crate::pack_writer::Written;
use crate::progress::Progress;
use crate::reader::DumpReader;
use crate::repack::{Action, Copier};
use crate::repository::Repository;
use crate::survey::Survey;

/// How each object of a set is had when the packs that are about to be removed are gone.
struct Rescue {
    /// The depths of objects in all packs that are there.
    all: Depths,
    /// The depths in packs that stay, once the copies are there.
    kept: Depths,
    /// Objects that are copied, and those of them that are stored whole.
    copied: Marks,
    whole: Marks,
    /// Packs to copy from.
    packs: BTreeSet<usize>,
}

impl Rescue {
    /// Finds for each object of a set whether it can be had from packs that stay, where it lies as deep as `kept` says.
    /// Otherwise it is copied from where it is least deep.
    fn of(index: &Index, marks: &Marks, kept: Depths) -> Self {
        let mut rescue = Self {
            all: Depths::of(index, |_| true),
            kept,
            copied: Marks::none(index),
            whole: Marks::none(index),
            packs: BTreeSet::new(),
        };
        let endangered = marks.iter().filter(|first| rescue.kept.get(*first).is_none());
        let depth = |first| Some((rescue.all.get(first)?, first as u32));
        let mut endangered: Vec<(u8, u32)> = endangered.filter_map(depth).collect();
        // A base is less deep than what is a patch of it, so it comes first.
        endangered.sort_unstable();
        for (_, first) in endangered {
            rescue.decide(index, first as usize);
        }
        rescue
    }

    fn decide(&mut self, index: &Index, first: usize) {
        let stays = |pack| !index.is_condemned(pack);
        if let Some((_, number)) = self.kept.best(index, first, stays, |_| ()) {
            // It is a patch of what is copied.
            if let Some(depth) = self.kept.at(index, number) {
                self.kept.set(first, depth);
            }
            return;
        }
        let Some((pack, number)) = self.source(index, first) else { return };
        // As a patch it would take a longer chain with it than it has now.
        let as_patch = self.kept.at(index, number).filter(|depth| Some(*depth) <= self.all.get(first));
        self.kept.set(first, as_patch.unwrap_or(0));
        self.copied.insert(first);
        if as_patch.is_none() {
            self.whole.insert(first);
        }
        self.packs.insert(pack);
    }

    /// Returns pack and number of the place that an object is copied from.
    fn source(&self, index: &Index, first: usize) -> Option<(usize, usize)> {
        self.all.best(index, first, |_| true, |_| ())
    }

    /// Returns the packs that stay and that objects of the set are had from.
    fn relied(&self, index: &Index, marks: &Marks) -> Vec<(ObjectId, u64)> {
        let mut relied = vec![false; index.packs().len()];
        let stays = |pack| !index.is_condemned(pack);
        for first in marks.iter().filter(|first| !self.copied.has(*first)) {
            let best = self.kept.best(index, first, stays, |_| ());
            if let Some(relied) = best.and_then(|(pack, _)| relied.get_mut(pack)) {
                *relied = true;
            }
        }
        let packs = index.packs().iter().zip(relied);
        packs.filter(|(_, relied)| *relied).map(|(pack, _)| *pack).collect()
    }
}

impl Repository {
    /// Finds for all that a dump reaches a pack that nobody removes; what lies in no such pack is copied to a new one. Returns
    /// these packs.
    pub(crate) async fn secure(
        &self,
        reader: &DumpReader,
        manifest: &Manifest,
        progress: &Progress,
    ) -> Result<Vec<(ObjectId, u64)>, RepositoryError> {
        let index = &reader.index;
        let marks = Marks::of(reader, manifest).await?;
        let rescue = Rescue::of(index, &marks, Depths::kept(index));
        let relied = rescue.relied(index, &marks);
        match self.carry_out(&rescue, index, progress).await {
            Err(error) if error.is_gone() => Err(RepositoryError::Pruned { problem: error.to_string() }),
            result => Ok(relied.into_iter().chain(result?.0.packs).collect()),
        }
    }

    /// Copies what must stay and cannot be had from packs that stay; returns also the stored bytes.
    pub(crate) async fn rescue(
        &self,
        survey: &Survey,
        progress: &Progress,
    ) -> Result<(Written, u64), RepositoryError> {
        let Survey { index, marks, kept, .. } = survey;
        self.carry_out(&Rescue::of(index, marks, kept.clone()), index, progress).await
    }

    async fn carry_out(
        &self,
        rescue: &Rescue,
        index: &Arc<Index>,
        progress: &Progress,
    ) -> Result<(Written, u64), RepositoryError> {
        let mut copier = Copier::new(self, index, progress);
        for pack in rescue.packs.iter().copied() {
            let is_here = |first| rescue.source(index, first).is_some_and(|(place, _)| place == pack);
            let action = |first| match rescue.copied.has(first) && is_here(first) {
                true if rescue.whole.has(first) => Action::CopyWhole,
                true => Action::Copy,
                false => Action::Leave,
            };
            copier.copy_from(pack, action).await?;
        }
        let bytes = copier.bytes;
        Ok((copier.finish().await?, bytes))
    }
}
