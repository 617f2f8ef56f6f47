//! Phases and ranges in which a namespace is read.

use std::num::NonZeroUsize;
use std::ops;

use backup_format::{FormatError, Order, RING_PARTS, Range, Reader};
use backup_layout::Layout;

/// Which partitions are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Exclusive partitions.
    Exclusive = 1,
    /// All others, which the exclusive ones may refer to.
    Shared = 2,
}

/// What a range holds: the partitions of a phase in neighbouring parts of the token ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    pub phase: Phase,
    /// Parts of the ring, of which there are [`RING_PARTS`].
    pub parts: ops::Range<u8>,
}

/// Divides each phase into at most `ranges_max` ranges. A layout without exclusive partitions has one phase.
pub(crate) fn divide(layout: Layout, ranges_max: NonZeroUsize) -> Vec<Vec<Planned>> {
    let count = ranges_max.get().min(RING_PARTS.into());
    // At most RING_PARTS.
    let start = |range: usize| (usize::from(RING_PARTS) * range / count) as u8;
    let phases: &[Phase] = match layout {
        Layout::Plain => &[Phase::Shared],
        _ => &[Phase::Exclusive, Phase::Shared],
    };
    let planned = |phase, range| Planned { phase, parts: start(range)..start(range + 1) };
    phases.iter().map(|phase| (0..count).map(|range| planned(*phase, range)).collect()).collect()
}

impl Planned {
    /// Returns the range that stands for it.
    pub(crate) fn range(&self) -> Range {
        Range { token: vec![self.phase as u8, self.parts.start, self.parts.end] }
    }

    /// Reads a range.
    pub(crate) fn of(range: &Range) -> Result<Self, FormatError> {
        let mut reader = Reader::new("range", &range.token);
        let [phase, start, end] = reader.array()?;
        reader.end()?;
        let phase = match phase {
            1 => Phase::Exclusive,
            2 => Phase::Shared,
            other => return Err(reader.malformed(format!("there is no phase {other}"))),
        };
        if start >= end || end > RING_PARTS {
            return Err(reader.malformed(format!("the ring has no parts {start} to {end}")));
        }
        Ok(Self { phase, parts: start..end })
    }

    /// Returns true if a partition of this phase lies in these parts of the ring.
    pub(crate) fn contains(&self, phase: Phase, root_key: &[u8]) -> bool {
        let part = Order::Token.ring_part(root_key);
        phase == self.phase && part.is_some_and(|part| self.parts.contains(&part))
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
        for ranges_max in [1, 2, 3, 7, 63, 64, 65, usize::MAX] {
            let phases = divide(Layout::Linera015, count(ranges_max));
            assert_eq!(phases.len(), 2);
            for (ranges, phase) in phases.iter().zip([Phase::Exclusive, Phase::Shared]) {
                assert_eq!(ranges.len(), ranges_max.min(64));
                assert_eq!((ranges[0].parts.start, ranges[ranges.len() - 1].parts.end), (0, RING_PARTS));
                assert!(ranges.windows(2).all(|pair| pair[0].parts.end == pair[1].parts.start));
                assert!(ranges.iter().all(|range| range.phase == phase && !range.parts.is_empty()));
            }
        }
        assert_eq!(divide(Layout::Plain, count(5)).len(), 1);
    }

    #[test]
    fn a_partition_lies_in_one_range() {
        let planned: Vec<_> = divide(Layout::Linera015, count(7)).into_iter().flatten().collect();
        for number in 0..500u16 {
            for phase in [Phase::Exclusive, Phase::Shared] {
                let found = planned.iter().filter(|range| range.contains(phase, &number.to_be_bytes()));
                assert_eq!(found.map(|range| range.phase).collect::<Vec<_>>(), [phase]);
            }
        }
    }

    #[test]
    fn a_range_is_read_as_it_was_made_and_no_other_is() {
        for planned in divide(Layout::Linera016, count(5)).into_iter().flatten() {
            assert_eq!(Planned::of(&planned.range()).unwrap(), planned);
        }
        for token in
            [&[][..], &[1, 0], &[1, 0, 9, 0], &[0, 0, 9], &[3, 0, 9], &[1, 5, 4], &[1, 5, 5], &[1, 0, 65]]
        {
            assert!(Planned::of(&Range { token: token.to_vec() }).is_err(), "{token:?}");
        }
    }
}
