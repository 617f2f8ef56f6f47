//! One chain as the database has it, and what keeps it from being fenced.

use std::fmt;

use backup_format::show;

use crate::bytes::{ChainId, FROZEN, Tip, vote_row};
use crate::error::FenceError;
use crate::survey::{Surveyed, Verdict};

/// What the rows of a chain say of its fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Standing {
    /// There is no fence: the validator may vote at the next height.
    Bare,
    /// The fence of the next height is there.
    Fenced,
    /// The state cannot be decoded, on purpose: the validator refuses everything on this chain.
    Frozen,
    /// Neither tip nor seed is there. Linera would clear a fence when it makes the state.
    WithoutState,
    /// The seed is not the next height: the rows are not what they are taken for.
    SeedDiffers,
}

/// A chain of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The chain.
    pub id: ChainId,
    /// Where it stands.
    pub tip: Tip,
    /// Its fence.
    pub standing: Standing,
    /// The seed row, when it is 8 bytes.
    seed: Option<u64>,
}

impl Chain {
    /// Judges a chain by its three rows; `None` where a row is not there.
    ///
    /// # Errors
    ///
    /// [`FenceError::Row`] when the tip, or the length of the seed, is none that linera 0.15 writes.
    pub fn judge(
        id: ChainId,
        tip_row: Option<&[u8]>,
        seed_row: Option<&[u8]>,
        vote: Option<&[u8]>,
    ) -> Result<Self, FenceError> {
        let tip = Tip::decode(id, tip_row)?;
        let seed = match seed_row {
            None => None,
            Some(row) if row == FROZEN => {
                return Ok(Self { id, tip, standing: Standing::Frozen, seed: None });
            }
            Some(row) => Some(u64::from_le_bytes(row.try_into().map_err(|_| FenceError::Row {
                chain: id,
                row: "seed",
                expected: "8 bytes, or ff for a frozen chain",
                found: show(row),
            })?)),
        };
        let standing = match seed {
            None if tip_row.is_none() => Standing::WithoutState,
            Some(seed) if seed == tip.next_height => {
                if vote == Some(&vote_row(id, &tip)) {
                    Standing::Fenced
                } else {
                    Standing::Bare
                }
            }
            _ => Standing::SeedDiffers,
        };
        Ok(Self { id, tip, standing, seed })
    }

    /// Returns what keeps the chain from being fenced, whatever a survey says; `None` if nothing does.
    pub(crate) fn problem(&self) -> Option<Problem> {
        match self.standing {
            Standing::WithoutState => Some(Problem::WithoutState),
            Standing::SeedDiffers => {
                Some(Problem::SeedDiffers { expected: self.tip.next_height, found: self.seed })
            }
            _ => None,
        }
    }

    /// Returns how the chain differs from what a survey found; `None` if it does not.
    pub(crate) fn difference(&self, surveyed: &Surveyed) -> Option<Problem> {
        let (expected, found) = (surveyed.next_height, self.tip.next_height);
        if found < expected {
            return Some(Problem::Behind { expected, found });
        }
        if found > expected {
            return Some(Problem::Ahead { expected, found });
        }
        if surveyed.block != self.tip.block {
            return Some(Problem::OtherBlock { expected: surveyed.block, found: self.tip.block });
        }
        let is_thawable = self.standing == Standing::Frozen && surveyed.verdict == Verdict::Clean;
        is_thawable.then_some(Problem::Frozen)
    }
}

/// What keeps a chain from being fenced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The database has no state of the chain.
    WithoutState,
    /// The seed is not the next height.
    SeedDiffers {
        /// The next height.
        expected: u64,
        /// The seed; `None` when there is no row.
        found: Option<u64>,
    },
    /// The database lacks blocks that the survey knows.
    Behind {
        /// The next height in the survey.
        expected: u64,
        /// The next height in the database.
        found: u64,
    },
    /// The database has blocks that the survey does not know.
    Ahead {
        /// The next height in the survey.
        expected: u64,
        /// The next height in the database.
        found: u64,
    },
    /// The last blocks are not the same.
    OtherBlock {
        /// Hash of the last block in the survey.
        expected: Option<[u8; 32]>,
        /// Hash of the last block in the database.
        found: Option<[u8; 32]>,
    },
    /// The survey does not name the chain.
    NotSurveyed,
    /// The chain is frozen, and nothing says that it may stay so.
    Frozen,
}

impl Problem {
    /// Names the problem, for machines.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::WithoutState => "without_state",
            Self::SeedDiffers { .. } => "seed_differs",
            Self::Behind { .. } => "behind",
            Self::Ahead { .. } => "ahead",
            Self::OtherBlock { .. } => "other_block",
            Self::NotSurveyed => "not_surveyed",
            Self::Frozen => "frozen",
        }
    }
}

fn hash_text(hash: Option<[u8; 32]>) -> String {
    hash.map_or_else(|| "none".to_owned(), hex::encode)
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WithoutState => {
                write!(out, "expected rows of a state, found none; let the validator apply what opens it")
            }
            Self::SeedDiffers { expected, found } => {
                let found = found.map_or_else(|| "no row".to_owned(), |seed| seed.to_string());
                write!(out, "the seed row: expected {expected}, the next height; found {found}")
            }
            Self::Behind { expected, found } => {
                write!(
                    out,
                    "the tip row: expected next height {expected}, found {found}; apply the missing blocks first"
                )
            }
            Self::Ahead { expected, found } => {
                write!(out, "the tip row: expected next height {expected}, found {found}; make a new survey")
            }
            Self::OtherBlock { expected, found } => {
                let (expected, found) = (hash_text(*expected), hash_text(*found));
                write!(
                    out,
                    "the tip row: expected block {expected}, found {found}; this is another chain of blocks"
                )
            }
            Self::NotSurveyed => write!(out, "expected a line in the survey, found none; make a new survey"),
            Self::Frozen => {
                write!(out, "the seed row: expected a height, found ff: it is frozen; thaw it first")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bytes::seed_row;

    const ID: ChainId = ChainId([9; 32]);

    fn tip_row(tip: &Tip) -> Vec<u8> {
        let block = tip.block.map_or(vec![0], |hash| [&[1][..], &hash].concat());
        [&block[..], &tip.next_height.to_le_bytes(), &[0; 12]].concat()
    }

    fn standing(tip: Option<&[u8]>, seed: Option<&[u8]>, vote: Option<&[u8]>) -> Standing {
        Chain::judge(ID, tip, seed, vote).unwrap().standing
    }

    #[test]
    fn a_chain_is_judged_by_three_rows() {
        let tip = Tip { block: Some([5; 32]), next_height: 7 };
        let row = tip_row(&tip);
        let (seed, vote) = (seed_row(7), vote_row(ID, &tip));
        assert_eq!(standing(Some(&row), Some(&seed), Some(&vote)), Standing::Fenced);
        assert_eq!(standing(Some(&row), Some(&seed), None), Standing::Bare);
        assert_eq!(standing(Some(&row), Some(&seed), Some(b"\x01own")), Standing::Bare);
        assert_eq!(standing(Some(&row), Some(&seed_row(6)), Some(&vote)), Standing::SeedDiffers);
        assert_eq!(standing(Some(&row), None, Some(&vote)), Standing::SeedDiffers);
        assert_eq!(standing(None, None, None), Standing::WithoutState);
        assert_eq!(standing(None, Some(&seed_row(0)), None), Standing::Bare);
        assert_eq!(standing(Some(&row), Some(&FROZEN), Some(&vote)), Standing::Frozen);
        for seed in [&b""[..], &[0], &[0; 7], &[0; 9]] {
            let error = Chain::judge(ID, Some(&row), Some(seed), None).unwrap_err();
            assert!(error.to_string().contains("the seed row: expected 8 bytes"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn only_the_exact_row_is_a_fence(height in 1u64.., position in 0usize..196, flip in 1u8..) {
            let tip = Tip { block: Some([5; 32]), next_height: height };
            let (row, seed) = (tip_row(&tip), seed_row(height));
            let mut vote = vote_row(ID, &tip);
            prop_assert_eq!(standing(Some(&row), Some(&seed), Some(&vote)), Standing::Fenced);
            vote[position] ^= flip;
            prop_assert_eq!(standing(Some(&row), Some(&seed), Some(&vote)), Standing::Bare);
            prop_assert_eq!(standing(Some(&row), Some(&seed), vote.get(..position)), Standing::Bare);
        }
    }
}
