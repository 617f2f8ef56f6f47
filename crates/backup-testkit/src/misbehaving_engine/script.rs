//! What each flaw makes of three partitions.

use std::ops::RangeInclusive;

use backup_format::limits::{KEY_BYTES_MAX, ROOT_KEY_BYTES_MAX};
use backup_format::{Order, put_bytes};

use super::EngineFlaw;

type Pair = (Vec<u8>, Vec<u8>);

/// A part of the stream of a range.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    /// Entries of a root key, in a batch.
    Entries(Vec<u8>, Vec<Pair>),
    /// Bytes that should be a run of so many entries.
    Run { root_key: Vec<u8>, encoded: Vec<u8>, entries: u32 },
    /// An error.
    Failure,
}

/// All answers of a misbehaving engine.
#[derive(Clone, Debug)]
pub(super) struct Script {
    pub order: Order,
    /// For each phase, the numbers of its ranges in `ranges`.
    pub plan: Vec<Vec<u8>>,
    pub ranges: Vec<Vec<Piece>>,
    pub starts_pages: bool,
    pub identity: bool,
    pub culprit: Option<Vec<u8>>,
}

impl Script {
    /// One range, in plain order.
    fn of_range(pieces: Vec<Piece>) -> Self {
        Self {
            order: Order::Plain,
            plan: vec![vec![0]],
            ranges: vec![pieces],
            starts_pages: false,
            identity: false,
            culprit: None,
        }
    }

    /// Ranges that start pages, in plain order.
    fn of_ranges(plan: &[u8], ranges: Vec<Vec<Piece>>) -> Self {
        Self { plan: vec![plan.to_vec()], ranges, starts_pages: true, ..Self::of_range(vec![]) }
    }

    /// Phases of one range each, in the order of tokens.
    fn of_phases(ranges: Vec<Vec<Piece>>) -> Self {
        let plan = (0..).zip(&ranges).map(|(number, _)| vec![number]).collect();
        Self { order: Order::Token, plan, ranges, starts_pages: true, ..Self::of_range(vec![]) }
    }

    fn blames(self, root_key: &[u8]) -> Self {
        Self { culprit: Some(root_key.to_vec()), ..self }
    }

    pub fn of(flaw: EngineFlaw) -> Self {
        batches(flaw).or_else(|| entries(flaw)).unwrap_or_else(|| plan(flaw))
    }
}

/// Root keys, in their order.
fn root_keys(order: Order) -> [&'static [u8]; 3] {
    let mut root_keys: [&[u8]; 3] = [b"alpha", b"beta", b"gamma"];
    root_keys.sort_by(|left, right| order.compare_roots(left, right));
    root_keys
}

fn some(root_key: &[u8], keys: impl IntoIterator<Item = u8>) -> Piece {
    let pair = |key| (vec![b'k', key], vec![key; 40]);
    Piece::Entries(root_key.to_vec(), keys.into_iter().map(pair).collect())
}

/// The four entries of a partition.
fn whole(root_key: &[u8]) -> Piece {
    some(root_key, 1..=4)
}

fn encoded(keys: RangeInclusive<u8>) -> Vec<u8> {
    let mut encoded = Vec::new();
    for key in keys {
        put_bytes(&mut encoded, &[b'k', key]);
        put_bytes(&mut encoded, &[key; 40]);
    }
    encoded
}

/// Flaws of batches and streams.
fn batches(flaw: EngineFlaw) -> Option<Script> {
    let [a, b, c] = root_keys(Order::Plain);
    let run = |encoded: Vec<u8>, entries| {
        let run = Piece::Run { root_key: b.to_vec(), encoded, entries };
        Script::of_range(vec![whole(a), run, whole(c)]).blames(b)
    };
    Some(match flaw {
        EngineFlaw::CountTooHigh => run(encoded(1..=4), 5),
        EngineFlaw::CountTooLow => run(encoded(1..=4), 3),
        EngineFlaw::CountOfZero => run(encoded(1..=4), 0),
        EngineFlaw::CountWithoutBody => run(vec![], 3),
        EngineFlaw::TruncatedBody => {
            let mut bytes = encoded(1..=4);
            bytes.pop();
            run(bytes, 4)
        }
        EngineFlaw::GarbageAfterEntry => run([encoded(1..=1), vec![0xff; 9]].concat(), 4),
        EngineFlaw::LongKey => {
            let long = Piece::Entries(b.to_vec(), vec![(vec![b'k'; KEY_BYTES_MAX + 1], vec![])]);
            Script::of_range(vec![whole(a), long, whole(c)]).blames(b)
        }
        EngineFlaw::LongRootKey => {
            let long = vec![b'b'; ROOT_KEY_BYTES_MAX + 1];
            Script::of_range(vec![whole(a), whole(&long), whole(c)]).blames(&long)
        }
        EngineFlaw::BatchesAfterError => Script::of_range(vec![whole(a), Piece::Failure, whole(b), whole(c)]),
        _ => return None,
    })
}

/// Flaws of the order of entries, and of the places of partitions.
fn entries(flaw: EngineFlaw) -> Option<Script> {
    let [a, b, c] = root_keys(Order::Plain);
    let by_token = root_keys(Order::Token);
    Some(match flaw {
        EngineFlaw::KeysOutOfOrder => {
            Script::of_range(vec![whole(a), some(b, [1, 3, 2, 4]), whole(c)]).blames(b)
        }
        EngineFlaw::KeyTwice => Script::of_range(vec![whole(a), some(b, [1, 2, 2, 3]), whole(c)]).blames(b),
        EngineFlaw::PartitionsOutOfOrder => Script::of_range(vec![whole(a), whole(c), whole(b)]).blames(b),
        EngineFlaw::PartitionTwice => {
            Script::of_range(vec![whole(a), whole(b), whole(c), whole(b)]).blames(b)
        }
        EngineFlaw::PartitionInTwoRanges => {
            let ranges = vec![vec![whole(a), some(b, 1..=2)], vec![some(b, 3..=4), whole(c)]];
            Script::of_ranges(&[0, 1], ranges).blames(b)
        }
        EngineFlaw::PartitionInBothPhases => {
            let second = by_token.map(whole).to_vec();
            Script::of_phases(vec![vec![whole(by_token[1])], second]).blames(by_token[1])
        }
        EngineFlaw::RangesOverlap => {
            let ranges = vec![vec![whole(a), whole(b)], vec![whole(b), whole(c)]];
            Script::of_ranges(&[0, 1], ranges).blames(b)
        }
        EngineFlaw::RangesOutOfOrder => {
            let ranges = vec![vec![whole(c)], vec![whole(a), whole(b)]];
            Script::of_ranges(&[0, 1], ranges).blames(a)
        }
        _ => return None,
    })
}

/// Flaws of plans, and none at all.
fn plan(flaw: EngineFlaw) -> Script {
    let [a, b, c] = root_keys(Order::Token).map(whole);
    let two_ranges = Script::of_ranges(&[0, 1], vec![vec![a.clone(), b.clone()], vec![c.clone()]]);
    let two_phases = Script::of_phases(vec![vec![b.clone()], vec![a.clone(), c.clone()]]);
    let plain = root_keys(Order::Plain).map(whole).to_vec();
    match flaw {
        EngineFlaw::RangeTwice => Script { plan: vec![vec![0, 1, 1]], order: Order::Token, ..two_ranges },
        EngineFlaw::NoRanges => Script { plan: vec![vec![]], ..two_ranges },
        EngineFlaw::TooManyRanges => {
            let mut ranges = two_ranges.ranges;
            ranges.resize_with(256, Vec::new);
            Script { plan: vec![(0..=255).collect()], ranges, order: Order::Token, ..two_phases }
        }
        EngineFlaw::NoPhases => Script { plan: vec![], ..two_ranges },
        EngineFlaw::ThreePhases => Script::of_phases(vec![vec![a], vec![b], vec![c]]),
        EngineFlaw::PhasesInPlainOrder => {
            Script { order: Order::Plain, ..Script::of_phases(vec![plain, vec![]]) }
        }
        EngineFlaw::PhasesWithoutPages => Script { starts_pages: false, ..two_phases },
        EngineFlaw::IdentityWithoutPages => {
            Script { identity: true, starts_pages: false, order: Order::Token, ..two_ranges }
        }
        _ => Script { identity: true, ..two_phases },
    }
}
