//! Segments that are read together.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use backup_format::{ObjectId, Reference};
use bytes::Bytes;

use crate::index::Location;

/// Objects that are read at once.
const RUN_OBJECTS: usize = 16;

/// Neighbouring references whose objects lie in one pack. If there are patches among them, in any packs.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// With the places of the base of a patch, and of the bases of those, behind its own.
    pub objects: Vec<(Reference, Vec<Location>)>,
}

/// Stored bytes by pack and offset.
pub(crate) type Parts = HashMap<(ObjectId, u64), Bytes>;

impl Run {
    pub(crate) fn has_patches(&self) -> bool {
        self.objects.iter().any(|(_, chain)| chain.len() > 1)
    }

    /// Returns true if a segment may be read with those before it.
    pub(crate) fn takes(&self, chain: &[Location]) -> bool {
        let pack = |chain: &[Location]| chain.first().map(|place| place.pack);
        let is_same = self.objects.last().is_some_and(|(_, last)| pack(last) == pack(chain));
        self.objects.len() < RUN_OBJECTS && (is_same || chain.len() > 1 || self.has_patches())
    }

    /// Returns what is to be read of each pack, each place once.
    pub(crate) fn ranges(&self) -> BTreeMap<ObjectId, Vec<Range<u64>>> {
        ranges(self.objects.iter().flat_map(|(_, chain)| chain))
    }
}

/// Returns what is to be read of each pack for these places, each place once.
pub(crate) fn ranges<'a>(
    places: impl IntoIterator<Item = &'a Location>,
) -> BTreeMap<ObjectId, Vec<Range<u64>>> {
    let mut ranges: BTreeMap<ObjectId, Vec<Range<u64>>> = BTreeMap::new();
    for place in places {
        ranges.entry(place.pack).or_default().push(place.range());
    }
    for ranges in ranges.values_mut() {
        ranges.sort_unstable_by_key(|range| (range.start, range.end));
        ranges.dedup();
    }
    ranges
}
