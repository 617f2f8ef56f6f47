//! Patches of a base of which only the fingerprints of its entries are known.

use std::collections::HashMap;

use super::{Maker, Piece, add, begin, step};
use crate::codec::Reader;
use crate::entry::{Group, Run};
use crate::error::FormatError;
use crate::fingerprint::{Fingerprint, SketchKey};
use crate::segment::Segment;

/// Makes the patch by which a base with these fingerprints becomes `new`, whose own are `found`. Equal ones have no patch.
///
/// It is the one that [`make`](super::make) makes, if the base has these entries and both are in one order.
#[must_use]
pub fn make_by_fingerprint(base: &[Fingerprint], new: &Segment, found: &[Fingerprint]) -> Option<Vec<u8>> {
    let places: HashMap<_, _> = base.iter().copied().zip(0_usize..).collect();
    let (mut maker, mut next) = (Maker::default(), 0_usize);
    for ((root_key, entry), fingerprint) in new.iter().zip(found) {
        match places.get(fingerprint) {
            Some(place) if *place >= next => {
                maker.drop(place.saturating_sub(next));
                maker.keep();
                next = place.saturating_add(1);
            }
            _ => maker.add.push_run(root_key, Run::from(entry)),
        }
    }
    maker.drop(base.len().saturating_sub(next));
    maker.finish()
}

/// Applies a patch to a base with these fingerprints; returns those of the entries that come of it.
///
/// # Errors
///
/// [`FormatError::Malformed`] or [`FormatError::TooLong`] when the bytes are no patch, or one for a longer base.
pub fn apply_by_fingerprint(
    key: &SketchKey,
    base: &[Fingerprint],
    patch: &[u8],
) -> Result<Vec<Fingerprint>, FormatError> {
    let (mut reader, steps) = begin(patch)?;
    let (mut left, mut out) = (base, Vec::with_capacity(base.len()));
    let mut added: Vec<Piece<'_>> = Vec::new();
    for number in 0..steps {
        let head = step(&mut reader, number)?;
        out.extend_from_slice(take(&mut left, head.keep, &head.at)?);
        take(&mut left, head.drop, &head.at)?;
        add(&mut reader, head.groups, &mut added)?;
        for Piece { root_key, encoded, entries } in added.drain(..) {
            let group = Group { root_key, entries, body: encoded };
            key.push_group(&group, &mut out);
        }
    }
    out.extend_from_slice(left);
    reader.end()?;
    Ok(out)
}

/// Takes entries of the base. `at` is the step, for errors.
fn take<'a>(
    left: &mut &'a [Fingerprint],
    entries: u32,
    at: &Reader<'_>,
) -> Result<&'a [Fingerprint], FormatError> {
    let Some((taken, rest)) = left.split_at_checked(entries as usize) else {
        let missing = (entries as usize).saturating_sub(left.len());
        return Err(at.malformed(format!("the base has {missing} entries less than the step takes")));
    };
    *left = rest;
    Ok(taken)
}

impl Maker {
    fn drop(&mut self, entries: usize) {
        self.drop = self.drop.saturating_add(u32::try_from(entries).unwrap_or(u32::MAX));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::patch::make;
    use crate::{EntryBatch, Keys, Order};

    type Entries = BTreeMap<(Vec<u8>, Vec<u8>), Vec<u8>>;

    fn segment(entries: &Entries) -> Segment {
        let mut batch = EntryBatch::default();
        entries.iter().for_each(|((root_key, key), value)| batch.push(root_key, key, value));
        Segment::from_batch(&batch)
    }

    /// Numbers that look random and are always the same.
    fn random(state: &mut u64, limit: u64) -> u64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) % limit
    }

    fn edit(entries: &mut Entries, edits: u64, state: &mut u64) {
        for _ in 0..edits {
            let place = (vec![random(state, 4) as u8], vec![random(state, 40) as u8]);
            match random(state, 3) {
                0 if entries.len() > 1 => drop(entries.remove(&place)),
                _ => drop(entries.insert(place, vec![7; random(state, 3) as usize])),
            }
        }
    }

    #[test]
    fn the_patch_is_the_one_that_is_made_of_both_segments() {
        let key = Keys::derive(&[1; 16]).sketch();
        let mut state = 5;
        for round in 0..500 {
            let mut entries = Entries::new();
            edit(&mut entries, 60, &mut state);
            entries.insert((vec![1], vec![1]), vec![1]);
            let base = segment(&entries);
            edit(&mut entries, round % 30, &mut state);
            let new = segment(&entries);
            let (before, after) = (key.fingerprints(&base), key.fingerprints(&new));
            let patch = make_by_fingerprint(&before, &new, &after);
            assert_eq!(patch, make(&base, &new, Order::Plain), "round {round}");
            if let Some(patch) = patch {
                assert_eq!(apply_by_fingerprint(&key, &before, &patch).unwrap(), after);
                // One byte more or less is no patch, and one for a shorter base neither.
                assert!(apply_by_fingerprint(&key, &before, &patch[..patch.len() - 1]).is_err());
                assert!(apply_by_fingerprint(&key, &before, &[&patch[..], &[0]].concat()).is_err());
            }
        }
    }

    #[test]
    fn fingerprints_in_another_order_or_twice_make_a_patch_that_is_right_for_them() {
        let key = Keys::derive(&[1; 16]).sketch();
        let mut entries = Entries::new();
        (0..9).for_each(|number| drop(entries.insert((vec![1], vec![number]), vec![number])));
        let new = segment(&entries);
        let after = key.fingerprints(&new);
        let backwards: Vec<_> = after.iter().rev().copied().collect();
        let twice: Vec<_> = after.iter().flat_map(|fingerprint| [*fingerprint; 2]).collect();
        for base in [backwards, twice, Vec::new(), vec![after[3]; 4]] {
            let patch = make_by_fingerprint(&base, &new, &after).unwrap();
            assert_eq!(apply_by_fingerprint(&key, &base, &patch).unwrap(), after);
        }
    }
}
