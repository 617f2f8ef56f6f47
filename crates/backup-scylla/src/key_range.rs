//! Ranges of keys, each about as long as a page.

use backup_layout::cql::KEY_BYTES_MAX;

use crate::scale::Scale;

/// The keys after one and up to another: without the one from the beginning, without the other to the end of the partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyRange {
    pub after: Option<Vec<u8>>,
    pub to: Option<Vec<u8>>,
}

/// The longest key that a server takes as the end of a range: `ScyllaDB` counts two bytes for its length.
const BOUND_BYTES_MAX: usize = KEY_BYTES_MAX - 2;
/// A width is so much less than what filled a page, so that not every second range is a little longer than one.
const PART_OF_PAGE: (u128, u128) = (7, 8);
/// A range of which a page shows less than this part is far too long.
const FAR: u128 = 4;
/// A gap between keys is crossed by ranges that become so many times wider, as a power of two that doubles itself up to this one.
const BITS_MAX: u32 = 64;

/// Divides the keys of a partition that are still to come. The ranges follow each other without a gap.
#[derive(Debug)]
pub(crate) struct KeyRanges {
    scale: Scale,
    /// Place of the last key that was seen.
    end: u128,
    /// Where the next range begins; `None` when the last one was taken.
    next: Option<Vec<u8>>,
    width: u128,
    /// How much wider the next range is to be after an empty one, in bits.
    bits: u32,
}

impl KeyRanges {
    /// Begins after `seen`, where the keys from `begun` to it have filled a page, and knows `last`. `None` where these keys lie as if
    /// at one place, so that the page tells nothing, and where keys are so long that none is left to lie between them.
    pub(crate) fn after_page(begun: &[u8], seen: &[u8], last: &[u8]) -> Option<Self> {
        let scale = Scale::between(begun, last);
        let end = scale.place(last);
        let mut ranges = Self { scale, end, next: Some(seen.to_vec()), width: 1, bits: 1 };
        ranges.filled(begun, seen);
        let is_divisible = ranges.distance(begun, seen) > 0 && ranges.scale.key_bytes() <= BOUND_BYTES_MAX;
        is_divisible.then_some(ranges)
    }

    fn distance(&self, from: &[u8], to: &[u8]) -> u128 {
        self.scale.place(to).saturating_sub(self.scale.place(from))
    }

    /// Learns that these keys filled a page: each of the next ranges is to be about one.
    pub(crate) fn filled(&mut self, begun: &[u8], seen: &[u8]) {
        let (part, of) = PART_OF_PAGE;
        self.width = (self.distance(begun, seen) / of * part).max(1);
        self.bits = 1;
    }

    /// Learns that a range was much shorter than a page, or empty. Others of that width may have been taken since.
    pub(crate) fn was_short(&mut self, range: &KeyRange, rows: usize) {
        self.bits = if rows == 0 { (self.bits * 2).min(BITS_MAX) } else { 1 };
        let width = self.extent(range.after.as_deref().unwrap_or_default(), range.to.as_deref());
        let wider = if width.leading_zeros() > self.bits { width << self.bits } else { u128::MAX };
        self.width = self.width.max(wider);
    }

    fn extent(&self, after: &[u8], to: Option<&[u8]>) -> u128 {
        to.map_or(self.end, |to| self.scale.place(to)).saturating_sub(self.scale.place(after))
    }

    /// Tells whether a page with the keys from `begun` to `seen` shows little of a range that goes on up to `to`.
    pub(crate) fn is_far(&self, begun: &[u8], seen: &[u8], to: Option<&[u8]>) -> bool {
        self.distance(begun, seen) < self.extent(begun, to) / FAR
    }

    /// Takes the next range; `None` behind the last one, which has no end.
    pub(crate) fn take(&mut self) -> Option<KeyRange> {
        let after = self.next.take()?;
        let to = self.scale.place(&after).saturating_add(self.width);
        if to < self.end {
            self.next = Some(self.scale.key(to));
        }
        Some(KeyRange { after: Some(after), to: self.next.clone() })
    }

    /// Takes all that is left as one range.
    pub(crate) fn take_rest(&mut self) -> Option<KeyRange> {
        let after = self.next.take()?;
        Some(KeyRange { after: Some(after), to: None })
    }

    /// Goes back: the next range is to begin after this key.
    pub(crate) fn go_back(&mut self, after: &[u8]) {
        self.next = Some(after.to_vec());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u32) -> Vec<u8> {
        [&[1, 7][..], &number.to_be_bytes()].concat()
    }

    /// Takes all ranges, and counts the keys from 0 to 9,999 in each.
    fn counts(mut ranges: KeyRanges) -> Vec<usize> {
        let mut keys = (0..10_000).map(key).peekable();
        let begin = ranges.next.clone().unwrap();
        while keys.next_if(|key| *key <= begin).is_some() {}
        let (mut counts, mut after) = (Vec::new(), begin);
        while let Some(range) = ranges.take() {
            assert_eq!(range.after, Some(after));
            let inside = |key: &Vec<u8>| range.to.as_ref().is_none_or(|to| key <= to);
            counts.push(std::iter::from_fn(|| keys.next_if(inside)).count());
            after = range.to.unwrap_or_default();
        }
        assert!(keys.next().is_none() && after.is_empty());
        counts
    }

    #[test]
    fn ranges_are_all_of_the_rest_and_about_as_long_as_the_page_before() {
        let found = counts(KeyRanges::after_page(&key(0), &key(1_000), &key(9_999)).unwrap());
        assert_eq!(found.iter().sum::<usize>(), 8_999);
        assert!(found.len() <= 12 && found.iter().all(|count| *count <= 875), "{found:?}");
    }

    #[test]
    fn keys_that_lie_as_if_at_one_place_are_one_range() {
        let long = |last: u8| [&[9; 40][..], &[last]].concat();
        let mut ranges = KeyRanges::after_page(&[1], &long(1), &long(200)).unwrap();
        assert_eq!(ranges.take(), Some(KeyRange { after: Some(long(1)), to: None }));
        assert_eq!(ranges.take(), None);
        assert!(KeyRanges::after_page(b"", b"", b"k").is_none());
    }

    #[test]
    fn the_width_follows_what_is_found() {
        let mut ranges = KeyRanges::after_page(&key(0), &key(8), &key(9_999)).unwrap();
        let number = |range: &KeyRange| {
            let bytes = range.to.as_ref().unwrap()[2..6].try_into().unwrap();
            u32::from_be_bytes(bytes)
        };
        let first = ranges.take().unwrap();
        assert_eq!(number(&first), 15);
        ranges.was_short(&first, 1);
        // That it was is no news about those taken meanwhile.
        ranges.was_short(&first, 1);
        assert_eq!(number(&ranges.take().unwrap()), 29);
        ranges.filled(&key(29), &key(37));
        assert_eq!(number(&ranges.take().unwrap()), 36);
        ranges.go_back(&key(20));
        assert_eq!(ranges.take().unwrap().after, Some(key(20)));
        assert_eq!(ranges.take_rest().unwrap().to, None);
        assert_eq!((ranges.take(), ranges.take_rest()), (None, None));
    }

    #[test]
    fn the_widest_gap_is_crossed_in_few_steps() {
        let next = [&[0; 15][..], &[1]].concat();
        let mut ranges = KeyRanges::after_page(&[0; 16], &next, &[9]).unwrap();
        let mut steps = 0;
        while let Some(range) = ranges.take() {
            ranges.was_short(&range, 0);
            steps += 1;
        }
        assert!(steps <= 8, "{steps}");
    }

    #[test]
    fn keys_between_which_no_longer_one_fits_are_not_divided() {
        let long = |last: u8| [&vec![7; KEY_BYTES_MAX - 1][..], &[last]].concat();
        assert!(KeyRanges::after_page(&long(1), &long(2), &long(9)).is_none());
        assert!(KeyRanges::after_page(&[7, 1], &[7, 2], &long(9)).is_some());
    }
}
