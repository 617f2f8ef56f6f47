//! Phases and ranges in which a table is read.

use std::num::NonZeroUsize;
use std::ops::Range as Span;

use backup_format::{FormatError, RING_PARTS, Range, Reader};
use backup_layout::Layout;

const VERSION: u8 = 3;

/// Which partitions are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Exclusive partitions.
    Exclusive = 1,
    /// All others, which the exclusive ones may refer to.
    Shared = 2,
}

/// What a range holds: the partitions of a phase in some neighbouring parts of the ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    pub phase: Phase,
    /// Parts of the ring, of which there are [`RING_PARTS`].
    pub parts: Span<u8>,
}

/// Divides each phase into at most `ranges_max` ranges. Where no partition is exclusive there is
/// one phase.
pub(crate) fn divide(layout: Layout, ranges_max: NonZeroUsize) -> Vec<Vec<Planned>> {
    let count = u16::try_from(ranges_max.get()).unwrap_or(u16::MAX).min(RING_PARTS.into());
    // At most RING_PARTS.
    let end = |range: u16| (u16::from(RING_PARTS) * range / count) as u8;
    let phases: &[Phase] = match layout {
        Layout::Plain => &[Phase::Shared],
        _ => &[Phase::Exclusive, Phase::Shared],
    };
    let ranges = |phase: &Phase| {
        (0..count).map(|range| Planned { phase: *phase, parts: end(range)..end(range + 1) }).collect()
    };
    phases.iter().map(ranges).collect()
}

impl Planned {
    /// Returns the range that stands for it.
    pub(crate) fn range(&self) -> Range {
        Range { token: vec![VERSION, self.phase as u8, self.parts.start, self.parts.end] }
    }

    /// Reads a range.
    pub(crate) fn of(range: &Range) -> Result<Self, FormatError> {
        let mut reader = Reader::new("range", &range.token);
        let [version, phase, start, end] = reader.array()?;
        reader.end()?;
        let phase = match phase {
            1 => Some(Phase::Exclusive),
            2 => Some(Phase::Shared),
            _ => None,
        };
        match phase {
            Some(phase) if version == VERSION && start < end && end <= RING_PARTS => {
                Ok(Self { phase, parts: start..end })
            }
            _ => Err(reader.malformed("expected a phase and some parts of the ring".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(number: usize) -> NonZeroUsize {
        NonZeroUsize::new(number).unwrap()
    }

    #[test]
    fn ranges_of_a_phase_follow_each_other_and_are_the_whole_ring() {
        for ranges_max in [1, 2, 3, 7, 63, 64, 65, 1_000, usize::MAX] {
            let phases = divide(Layout::Linera015, count(ranges_max));
            for (ranges, phase) in phases.iter().zip([Phase::Exclusive, Phase::Shared]) {
                assert_eq!(ranges.len(), ranges_max.min(64));
                assert_eq!((ranges[0].parts.start, ranges[ranges.len() - 1].parts.end), (0, RING_PARTS));
                for pair in ranges.windows(2) {
                    assert_eq!(pair[0].parts.end, pair[1].parts.start);
                }
                assert!(ranges.iter().all(|range| range.phase == phase && !range.parts.is_empty()));
            }
            assert_eq!(phases.len(), 2);
        }
    }

    #[test]
    fn without_exclusive_partitions_there_is_one_phase() {
        let phases = divide(Layout::Plain, count(5));
        assert_eq!((phases.len(), phases[0].len()), (1, 5));
        assert!(phases[0].iter().all(|range| range.phase == Phase::Shared));
    }

    #[test]
    fn a_range_is_read_as_it_was_made_and_no_other_is() {
        for planned in divide(Layout::Linera016, count(5)).into_iter().flatten() {
            assert_eq!(Planned::of(&planned.range()).unwrap(), planned);
        }
        for token in [
            &[][..],
            &[3],
            &[3, 1, 0],
            &[3, 1, 0, 9, 0],
            &[2, 1, 0, 9],
            &[3, 0, 0, 9],
            &[3, 3, 0, 9],
            &[3, 1, 5, 4],
            &[3, 1, 5, 5],
            &[3, 1, 0, 65],
        ] {
            assert!(Planned::of(&Range { token: token.to_vec() }).is_err(), "{token:?}");
        }
    }
}
