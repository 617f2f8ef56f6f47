//! How deep in patches each object lies: 0 where it is whole, and one more than its base where it is a patch.
//!
//! What has a depth can be read, whatever else is in the repository: a base always has a lower one, so no chain goes in a circle.

use std::cmp::Reverse;

use backup_format::limits;

use crate::index::Index;

/// That of an object that cannot be read.
const NONE: u8 = u8::MAX;

/// The least depth of each object in some of the packs: a byte for each place, that of its first place counts.
#[derive(Clone, Debug)]
pub(crate) struct Depths(Vec<u8>);

impl Depths {
    /// Finds the depths in the packs whose numbers pass a test.
    pub(crate) fn of(index: &Index, is_used: impl Fn(usize) -> bool) -> Self {
        let mut depths = Self(vec![NONE; index.len()]);
        let mut patches = Vec::new();
        for first in index.firsts() {
            let mut used = index.places_of(first).filter(|(pack, _)| is_used(*pack)).peekable();
            if used.peek().is_some() {
                match used.any(|(_, number)| !index.is_patch(number)) {
                    true => depths.set(first, 0),
                    false => patches.push(first as u32),
                }
            }
        }
        // Those of one depth need all that are less deep, so each depth is looked for in all that are left.
        for depth in 1..=limits::PATCH_LINKS_MAX as u8 {
            let mut found = Vec::new();
            patches.retain(|first| {
                let mut used = index.places_of(*first as usize).filter(|(pack, _)| is_used(*pack));
                let is_found = used.any(|(_, number)| depths.at(index, number) == Some(depth));
                if is_found {
                    found.push(*first);
                }
                !is_found
            });
            if found.is_empty() {
                break;
            }
            found.into_iter().for_each(|first| depths.set(first as usize, depth));
        }
        depths
    }

    /// Finds the depths in the packs that stay.
    pub(crate) fn kept(index: &Index) -> Self {
        Self::of(index, |pack| !index.is_condemned(pack))
    }

    /// Returns the depth of an object by the number of its first place; `None` if it cannot be read.
    pub(crate) fn get(&self, first: usize) -> Option<u8> {
        self.0.get(first).copied().filter(|depth| *depth != NONE)
    }

    /// Sets the depth of an object by the number of its first place.
    pub(crate) fn set(&mut self, first: usize, depth: u8) {
        if let Some(place) = self.0.get_mut(first) {
            *place = depth;
        }
    }

    /// Returns the depth at a place, whether or not its pack is used. `None` if the object cannot be read from there, and for
    /// chains that are too long.
    pub(crate) fn at(&self, index: &Index, number: usize) -> Option<u8> {
        if !index.is_patch(number) {
            return Some(0);
        }
        let base = index.usable_base(number)?;
        let depth = self.get(base)?.saturating_add(1);
        (usize::from(depth) <= limits::PATCH_LINKS_MAX).then_some(depth)
    }

    /// Returns pack and number of the place that an object is best read from, of those whose packs pass the test. It is
    /// the one of the least depth, and of these the one of the pack with the highest rank.
    pub(crate) fn best<R: Ord>(
        &self,
        index: &Index,
        first: usize,
        is_used: impl Fn(usize) -> bool,
        rank: impl Fn(usize) -> R,
    ) -> Option<(usize, usize)> {
        let used = index.places_of(first).filter(|(pack, _)| is_used(*pack));
        let places = used.filter_map(|(pack, number)| Some((self.at(index, number)?, pack, number)));
        // Of packs that are equal the first one counts.
        let best = places.min_by_key(|(depth, pack, _)| (*depth, Reverse(rank(*pack)), *pack));
        best.map(|(_, pack, number)| (pack, number))
    }
}
