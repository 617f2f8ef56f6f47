//! Ranges of tokens.

use std::ops::Range;

use backup_format::RING_PARTS;

/// Bits of a token that are the place in a part of the ring.
const PART_BITS: u32 = u64::BITS - RING_PARTS.ilog2();

/// The tokens after one and up to another. No key has the smallest token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TokenRange {
    pub after: i64,
    pub to: i64,
}

impl TokenRange {
    /// Returns the tokens of some neighbouring parts of the ring.
    pub(crate) fn of_parts(parts: &Range<u8>) -> Self {
        Self { after: last_before(parts.start), to: last_before(parts.end) }
    }

    /// Returns the number of tokens.
    pub(crate) fn span(self) -> u64 {
        self.to.abs_diff(self.after)
    }

    pub(crate) fn is_empty(self) -> bool {
        self.to <= self.after
    }

    /// Takes up to `span` tokens, at least one, off the beginning.
    pub(crate) fn take(&mut self, span: u64) -> Self {
        let span = span.clamp(1, self.span());
        let taken = Self { after: self.after, to: self.after.saturating_add_unsigned(span) };
        self.after = taken.to;
        taken
    }
}

/// Returns the last token before a part of the ring; for part 0, one that no key has.
fn last_before(part: u8) -> i64 {
    let before = u128::from(part) << PART_BITS;
    let place = u64::try_from(before.saturating_sub(1)).unwrap_or(u64::MAX);
    i64::MIN.wrapping_add_unsigned(place)
}

#[cfg(test)]
mod tests {
    use backup_format::ring_part;

    use super::*;

    #[test]
    fn parts_of_the_ring_are_those_of_the_format_and_cover_it_once() {
        let parts: Vec<_> = (0..RING_PARTS).map(|part| TokenRange::of_parts(&(part..part + 1))).collect();
        assert_eq!(parts[0].after, i64::MIN);
        assert_eq!(parts[usize::from(RING_PARTS) - 1].to, i64::MAX);
        for pair in parts.windows(2) {
            assert_eq!(pair[0].to, pair[1].after);
        }
        let spans: u128 = parts.iter().map(|part| u128::from(part.span())).sum();
        assert_eq!(spans, u128::from(u64::MAX));
        assert!(parts[1..].iter().all(|part| part.span() == 1 << PART_BITS));
        for (number, part) in (0..).zip(&parts) {
            assert_eq!(ring_part(part.after.saturating_add(1)), number);
            assert_eq!(ring_part(part.to), number);
        }
        assert_eq!(TokenRange::of_parts(&(0..RING_PARTS)), TokenRange { after: i64::MIN, to: i64::MAX });
    }

    #[test]
    fn slices_that_are_taken_off_are_the_whole() {
        for whole in [TokenRange::of_parts(&(0..RING_PARTS)), TokenRange { after: -5, to: 1_000_000 }] {
            for span in [whole.span() / 7, whole.span() / 3 + 1, u64::MAX] {
                let (mut rest, mut after) = (whole, whole.after);
                while !rest.is_empty() {
                    let slice = rest.take(span);
                    assert_eq!(slice.after, after);
                    assert!(slice.to > slice.after && slice.span() <= span);
                    after = slice.to;
                }
                assert_eq!(after, whole.to);
            }
        }
        let mut tiny = TokenRange { after: 7, to: 9 };
        assert_eq!(tiny.take(0), TokenRange { after: 7, to: 8 });
    }
}
