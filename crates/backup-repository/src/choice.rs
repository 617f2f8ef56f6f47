//! Which packs go.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

/// A pack, as far as its bytes are concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PackUse {
    /// Length of its file.
    pub bytes: u64,
    /// Bytes of objects that must stay, and that are best had from here.
    pub live: u64,
    /// Bytes of objects that need not stay here.
    pub unused: u64,
    /// Whether it may go: it is old enough, and does not go already.
    pub may_go: bool,
}

/// The packs that go, by their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Nothing in them must stay.
    pub empty: Vec<usize>,
    /// What must stay of them is copied.
    pub repacked: Vec<usize>,
}

/// Chooses the packs that hold nothing that must stay. Of those of which less than half must stay it takes the worst, until no
/// more than so many percent of all bytes are unused.
pub(crate) fn choose(packs: &[PackUse], max_unused_percent: u8) -> Choice {
    let mut choice = Choice::default();
    let (mut bytes, mut unused, mut poor) = (0, 0, Vec::new());
    for (number, pack) in packs.iter().enumerate() {
        if pack.may_go && pack.live == 0 {
            choice.empty.push(number);
            continue;
        }
        bytes = pack.bytes.saturating_add(bytes);
        unused = pack.unused.saturating_add(unused);
        if pack.may_go && pack.live < pack.unused {
            poor.push((number, *pack));
        }
    }
    poor.sort_by_key(|(_, pack)| part_of(pack.live, pack.bytes));
    for (number, pack) in poor {
        let allowed = u128::from(bytes).saturating_mul(u128::from(max_unused_percent));
        if u128::from(unused).saturating_mul(100) <= allowed {
            break;
        }
        bytes = bytes.saturating_sub(pack.bytes.saturating_sub(pack.live));
        unused = unused.saturating_sub(pack.unused);
        choice.repacked.push(number);
    }
    choice
}

/// Returns how many millionths of all bytes these are.
pub(crate) fn part_of(bytes: u64, all: u64) -> u128 {
    let millionths = u128::from(bytes).saturating_mul(1_000_000);
    millionths.checked_div(u128::from(all)).unwrap_or(millionths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(live: u64, unused: u64) -> PackUse {
        PackUse { bytes: live + unused + 10, live, unused, may_go: true }
    }

    #[test]
    fn what_is_empty_goes_and_the_worst_of_the_rest_until_little_is_unused() {
        let packs = [pack(0, 90), pack(90, 0), pack(60, 30), pack(10, 80), pack(40, 50), pack(0, 0)];
        let all = choose(&packs, 0);
        assert_eq!((all.empty, all.repacked), (vec![0, 5], vec![3, 4]));
        // Of 400 bytes 160 are unused; without the worst 80 of 310.
        assert_eq!(choose(&packs, 26).repacked, [3]);
        assert_eq!(choose(&packs, 25).repacked, [3, 4]);
        assert_eq!(choose(&packs, 40).repacked, [0usize; 0]);
        assert_eq!(choose(&packs, 100).repacked, [0usize; 0]);
    }

    #[test]
    fn what_may_not_go_stays() {
        let young = |live, unused| PackUse { may_go: false, ..pack(live, unused) };
        assert_eq!(choose(&[young(0, 90), young(1, 90)], 0), Choice::default());
        assert_eq!(choose(&[], 0), Choice::default());
    }
}
