//! Ranges of tokens.

use std::ops::Range;

/// Equal slices of the ring, at each of which a page of a dump begins in any case. Their number never changes, so that equal
/// content is cut into equal pages however it is read.
pub(crate) const SLICES: u16 = 64;

/// Bits of a token that are the place in a slice.
const SLICE_BITS: u32 = u64::BITS - SLICES.ilog2();

/// The tokens after one and up to another. No key has the smallest token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TokenRange {
    pub after: i64,
    pub to: i64,
}

impl TokenRange {
    /// Returns the tokens of some neighbouring slices.
    pub(crate) fn of_slices(slices: &Range<u16>) -> Self {
        Self { after: end_of(slices.start), to: end_of(slices.end) }
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

/// Returns the last token before this slice; for 0, one that no key has.
fn end_of(slice: u16) -> i64 {
    let before = u128::from(slice) << SLICE_BITS;
    let place = u64::try_from(before.saturating_sub(1)).unwrap_or(u64::MAX);
    i64::MIN.wrapping_add_unsigned(place)
}

/// Returns the slice that a token lies in.
pub(crate) fn slice_of(token: i64) -> u16 {
    (token.wrapping_sub(i64::MIN).cast_unsigned() >> SLICE_BITS) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_slices_cover_the_ring_exactly_once() {
        let slices: Vec<_> = (0..SLICES).map(|slice| TokenRange::of_slices(&(slice..slice + 1))).collect();
        assert_eq!(slices[0].after, i64::MIN);
        assert_eq!(slices[usize::from(SLICES) - 1].to, i64::MAX);
        for pair in slices.windows(2) {
            assert_eq!(pair[0].to, pair[1].after);
        }
        let spans: u128 = slices.iter().map(|slice| u128::from(slice.span())).sum();
        assert_eq!(spans, u128::from(u64::MAX));
        assert!(slices[1..].iter().all(|slice| slice.span() == 1 << SLICE_BITS));
        for (number, slice) in (0..).zip(&slices) {
            assert_eq!(slice_of(slice.after.saturating_add(1)), number);
            assert_eq!(slice_of(slice.to), number);
        }
        assert_eq!(TokenRange::of_slices(&(0..SLICES)), TokenRange { after: i64::MIN, to: i64::MAX });
    }

    #[test]
    fn pieces_that_are_taken_off_are_the_whole() {
        for whole in [TokenRange::of_slices(&(0..SLICES)), TokenRange { after: -5, to: 1_000_000 }] {
            for span in [whole.span() / 7, whole.span() / 3 + 1, u64::MAX] {
                let (mut rest, mut after) = (whole, whole.after);
                while !rest.is_empty() {
                    let piece = rest.take(span);
                    assert_eq!(piece.after, after);
                    assert!(piece.to > piece.after && piece.span() <= span);
                    after = piece.to;
                }
                assert_eq!(after, whole.to);
            }
        }
        let mut tiny = TokenRange { after: 7, to: 9 };
        assert_eq!(tiny.take(0), TokenRange { after: 7, to: 8 });
    }
}
