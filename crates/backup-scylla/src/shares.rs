//! Dividing a namespace into shares.

use std::ops::Range;

use backup_format::{FormatError, Reader, Share};

use crate::range::SLICES;

const VERSION: u8 = 2;

/// What a share holds: partitions of one owner, and after them others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Slices of the first phase: the whole ring of it in the first share, none in the others.
    pub first: Range<u16>,
    /// Slices of the second phase.
    pub slices: Range<u16>,
    /// Whether somebody else keeps the phases apart, since they are read by several processes.
    pub is_alone: bool,
}

/// Divides the whole into at most `count` parts. Each begins with a slice, so that a page begins there in any case and nobody has
/// to read on into the next: that would not do where writers are at work.
pub(crate) fn divide(count: usize) -> Vec<Part> {
    let count = u32::try_from(count).unwrap_or(u32::MAX).clamp(1, SLICES.into());
    let end = |part: u32| u16::try_from(u32::from(SLICES) * part / count).unwrap_or(SLICES);
    let first = |part| if part == 0 { 0..SLICES } else { 0..0 };
    let part = |part| Part { first: first(part), slices: end(part)..end(part + 1), is_alone: false };
    (0..count).map(part).collect()
}

/// Divides both phases into their slices, for several processes.
pub(crate) fn divide_for_processes() -> (Vec<Part>, Vec<Part>) {
    let slice = |slice: u16| slice..slice + 1;
    let first = (0..SLICES).map(|index| Part { first: slice(index), slices: 0..0, is_alone: true });
    let second = (0..SLICES).map(|index| Part { first: 0..0, slices: slice(index), is_alone: true });
    (first.collect(), second.collect())
}

impl Part {
    /// Returns the share that stands for it.
    pub(crate) fn share(&self) -> Share {
        let mut token = vec![VERSION, u8::from(self.is_alone)];
        for number in [self.first.start, self.first.end, self.slices.start, self.slices.end] {
            token.extend_from_slice(&number.to_le_bytes());
        }
        Share { token, starts_page: true }
    }

    /// Reads a share.
    pub(crate) fn of(share: &Share) -> Result<Self, FormatError> {
        let mut reader = Reader::new("share", &share.token);
        let version = reader.u8()?;
        let is_alone = reader.u8()?;
        let mut number = || Ok::<_, FormatError>(u16::from(reader.u8()?) | u16::from(reader.u8()?) << 8);
        let first = number()?..number()?;
        let slices = number()?..number()?;
        reader.end()?;
        let is_right = |slices: &Range<u16>| slices.start <= slices.end && slices.end <= SLICES;
        if version != VERSION || is_alone > 1 || !is_right(&first) || !is_right(&slices) {
            return Err(reader.malformed("expected some slices of the ring".to_owned()));
        }
        Ok(Self { first, slices, is_alone: is_alone == 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_each_other_and_are_the_whole() {
        for count in [1, 2, 3, 7, 63, 64, 65, 1_000, usize::MAX] {
            let parts = divide(count);
            assert!(parts.len() <= count && parts.len() == count.min(64));
            assert_eq!((parts[0].slices.start, parts[parts.len() - 1].slices.end), (0, SLICES));
            for pair in parts.windows(2) {
                assert_eq!(pair[0].slices.end, pair[1].slices.start);
            }
            assert!(parts.iter().all(|part| !part.slices.is_empty()));
            assert_eq!(parts[0].first, 0..SLICES);
            assert!(parts[1..].iter().all(|part| part.first.is_empty()));
            assert!(parts.iter().all(|part| !part.is_alone));
        }
    }

    #[test]
    fn parts_for_processes_are_one_slice_each_and_both_phases_whole() {
        let (first, second) = divide_for_processes();
        for (index, part) in (0..SLICES).zip(&first) {
            assert_eq!((&part.first, &part.slices, part.is_alone), (&(index..index + 1), &(0..0), true));
        }
        for (index, part) in (0..SLICES).zip(&second) {
            assert_eq!((&part.first, &part.slices, part.is_alone), (&(0..0), &(index..index + 1), true));
        }
        assert_eq!((first.len(), second.len()), (64, 64));
    }

    #[test]
    fn a_share_is_read_as_it_was_made_and_no_other_is() {
        let (first, second) = divide_for_processes();
        for part in divide(5).into_iter().chain(first).chain(second) {
            let share = part.share();
            assert!(share.starts_page);
            assert_eq!(Part::of(&share).unwrap(), part);
        }
        for token in [
            &[][..],
            &[2],
            &[2, 0, 0, 0, 9, 0, 0, 0, 9],
            &[1, 0, 0, 0, 9, 0, 0, 0, 9, 0],
            &[2, 2, 0, 0, 9, 0, 0, 0, 9, 0],
            &[2, 0, 5, 0, 4, 0, 0, 0, 9, 0],
            &[2, 0, 0, 0, 65, 0, 0, 0, 9, 0],
            &[2, 0, 0, 0, 9, 0, 5, 0, 4, 0],
            &[2, 0, 0, 0, 9, 0, 0, 0, 65, 0],
            &[2, 0, 0, 0, 9, 0, 0, 0, 9, 0, 0],
        ] {
            assert!(Part::of(&Share { token: token.to_vec(), starts_page: true }).is_err(), "{token:?}");
        }
    }
}
