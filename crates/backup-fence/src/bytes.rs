//! The rows of a chain's state that a fence reads and writes, in layout `linera-0.15`.
//!
//! Keys of views are `01` and the number of a field, `u32` little-endian, for each level. Each row here is a register,
//! so it is one entry. Values are BCS.

use std::fmt;
use std::str::FromStr;

use backup_format::show;

use crate::error::FenceError;

/// Key of the chain's tip: hash of the last block, height of the next one, three counters.
pub const TIP_KEY: [u8; 5] = [1, 2, 0, 0, 0];
/// Key of the seed of the chain's manager, which linera sets to the height that the manager decides on.
pub const SEED_KEY: [u8; 10] = [1, 3, 0, 0, 0, 1, 1, 0, 0, 0];
/// Key of the vote to validate that the chain's manager remembers.
pub const VOTE_KEY: [u8; 10] = [1, 3, 0, 0, 0, 1, 11, 0, 0, 0];
/// The seed of a frozen chain. It is one byte, so linera cannot decode the state of the chain, and refuses all.
pub const FROZEN: [u8; 1] = [0xff];

/// Tag of the root key of a chain's state.
pub(crate) const CHAIN_TAG: u8 = 0;
const HASH_BYTES: usize = 32;
/// Bytes of three counters at the end of a tip.
const COUNTER_BYTES: usize = 12;
const ROUND_VALIDATOR: u8 = 3;
const BODY_LISTS: usize = 8;

/// Names a chain: its text is 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainId(pub [u8; 32]);

impl ChainId {
    /// Takes the chain out of the root key of its state; `None` for any other root key.
    #[must_use]
    pub fn of_root_key(root_key: &[u8]) -> Option<Self> {
        Some(Self(root_key.strip_prefix(&[CHAIN_TAG])?.try_into().ok()?))
    }

    /// Returns the root key of the chain's state.
    #[must_use]
    pub fn root_key(&self) -> Vec<u8> {
        [&[CHAIN_TAG][..], &self.0].concat()
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&hex::encode(self.0))
    }
}

impl fmt::Debug for ChainId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "ChainId({self})")
    }
}

impl FromStr for ChainId {
    type Err = FenceError;

    /// Takes 64 hex digits.
    ///
    /// # Errors
    ///
    /// [`FenceError::NotAChain`] for any other text.
    fn from_str(text: &str) -> Result<Self, FenceError> {
        hash_of(text)
            .map(Self)
            .ok_or_else(|| FenceError::NotAChain { found: text.chars().take(80).collect() })
    }
}

/// Parses 64 hex digits.
pub(crate) fn hash_of(text: &str) -> Option<[u8; HASH_BYTES]> {
    let mut hash = [0; HASH_BYTES];
    hex::decode_to_slice(text, &mut hash).ok().map(|()| hash)
}

/// Where a chain stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tip {
    /// Hash of the last block; `None` before the first one.
    pub block: Option<[u8; 32]>,
    /// Height of the next block: the number of blocks.
    pub next_height: u64,
}

impl Tip {
    /// Decodes the tip row of a chain; `None`, a row that is not there, is a chain without a block.
    ///
    /// # Errors
    ///
    /// [`FenceError::Row`] when the row is none that linera 0.15 writes.
    pub fn decode(chain: ChainId, row: Option<&[u8]>) -> Result<Self, FenceError> {
        let Some(row) = row else { return Ok(Self::default()) };
        Self::of_bytes(row).ok_or_else(|| FenceError::Row {
            chain,
            row: "tip",
            expected: "21 bytes at height 0 or 53 above: 00 or 01 and a hash, the next height, three counters",
            found: show(row),
        })
    }

    fn of_bytes(row: &[u8]) -> Option<Self> {
        let (has_block, rest) = row.split_first()?;
        let (block, rest) = match has_block {
            0 => (None, rest),
            1 => rest.split_first_chunk::<HASH_BYTES>().map(|(hash, rest)| (Some(*hash), rest))?,
            _ => return None,
        };
        let (height, counters) = rest.split_first_chunk()?;
        let next_height = u64::from_le_bytes(*height);
        let is_whole = counters.len() == COUNTER_BYTES && block.is_some() == (next_height > 0);
        is_whole.then_some(Self { block, next_height })
    }
}

/// Returns the seed row of a chain at a height: 8 bytes.
#[must_use]
pub fn seed_row(next_height: u64) -> Vec<u8> {
    next_height.to_le_bytes().to_vec()
}

/// Returns the vote row that fences a chain: 164 bytes at height 0, 196 above.
///
/// It is a vote to validate an empty block at the next height, in the round of validators with the highest number, with
/// a signature that is nobody's. Linera's worker then refuses every proposal and every validated certificate of that
/// height, and still applies the confirmed block. That clears the row.
#[must_use]
pub fn vote_row(chain: ChainId, tip: &Tip) -> Vec<u8> {
    let mut row = Vec::with_capacity(196);
    row.push(1);
    row.extend_from_slice(&chain.0);
    // Epoch.
    row.extend_from_slice(&[0; 4]);
    row.extend_from_slice(&tip.next_height.to_le_bytes());
    // Timestamp and hash of the state.
    row.extend_from_slice(&[0; 8 + HASH_BYTES]);
    match tip.block {
        Some(hash) => {
            row.push(1);
            row.extend_from_slice(&hash);
        }
        None => row.push(0),
    }
    // No signer, and the empty lists of the body.
    row.extend_from_slice(&[0; 1 + BODY_LISTS]);
    row.push(ROUND_VALIDATOR);
    row.extend_from_slice(&[0xff; 4]);
    for _ in 0..2 {
        row.extend_from_slice(&[0; HASH_BYTES - 1]);
        row.push(1);
    }
    row
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_rows_have_these_bytes() {
        let chain = ChainId([0xc1; 32]);
        let first = vote_row(chain, &Tip::default());
        let expected = [
            "01",
            &"c1".repeat(32),
            "00000000",
            "0000000000000000",
            &"00".repeat(8),
            &"00".repeat(32),
            "0000",
            &"00".repeat(8),
            "03ffffffff",
            &format!("{}01", "00".repeat(31)).repeat(2),
        ];
        assert_eq!(hex::encode(&first), expected.concat());
        assert_eq!(first.len(), 164);
        let later = vote_row(chain, &Tip { block: Some([0xb1; 32]), next_height: 0x0102 });
        let expected = [
            "01",
            &"c1".repeat(32),
            "00000000",
            "0201000000000000",
            &"00".repeat(8),
            &"00".repeat(32),
            "01",
            &"b1".repeat(32),
            "00",
            &"00".repeat(8),
            "03ffffffff",
            &format!("{}01", "00".repeat(31)).repeat(2),
        ];
        assert_eq!(hex::encode(&later), expected.concat());
        assert_eq!(later.len(), 196);
        assert_eq!(seed_row(0x0102), [2, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(hex::encode(TIP_KEY), "0102000000");
        assert_eq!(hex::encode(SEED_KEY), "01030000000101000000");
        assert_eq!(hex::encode(VOTE_KEY), "0103000000010b000000");
    }

    #[test]
    fn a_root_key_names_a_chain_or_something_else() {
        let chain = ChainId([7; 32]);
        assert_eq!(ChainId::of_root_key(&chain.root_key()), Some(chain));
        assert_eq!(chain.to_string().parse::<ChainId>().unwrap(), chain);
        for other in [&b""[..], &[0], &[0; 32], &[0; 34], &[1; 33]] {
            assert_eq!(ChainId::of_root_key(other), None);
        }
        for other in ["", "07", &"0g".repeat(32), &"07".repeat(33)] {
            assert!(other.parse::<ChainId>().is_err(), "{other}");
        }
    }

    fn tip_row(tip: &Tip) -> Vec<u8> {
        let block = tip.block.map_or(vec![0], |hash| [&[1][..], &hash].concat());
        [&block[..], &tip.next_height.to_le_bytes(), &[3; 12]].concat()
    }

    proptest! {
        #[test]
        fn a_tip_is_read_as_it_was_written(hash: [u8; 32], next_height in 1u64..) {
            let chain = ChainId([1; 32]);
            for tip in [Tip { block: Some(hash), next_height }, Tip::default()] {
                let row = tip_row(&tip);
                prop_assert_eq!(Tip::decode(chain, Some(&row)).unwrap(), tip);
                for length in 0..row.len() {
                    prop_assert!(Tip::decode(chain, row.get(..length)).is_err());
                }
                prop_assert!(Tip::decode(chain, Some(&[&row[..], &[0]].concat())).is_err());
            }
            let torn = Tip { block: None, next_height };
            prop_assert!(Tip::decode(chain, Some(&tip_row(&torn))).is_err());
            let torn = Tip { block: Some(hash), next_height: 0 };
            prop_assert!(Tip::decode(chain, Some(&tip_row(&torn))).is_err());
        }

        #[test]
        fn any_bytes_are_a_tip_or_an_error(row: Vec<u8>) {
            if let Ok(tip) = Tip::decode(ChainId([1; 32]), Some(&row)) {
                prop_assert!(row.len() == 21 || row.len() == 53);
                prop_assert_eq!(tip.block.is_some(), row.len() == 53);
            }
        }

        #[test]
        fn vote_rows_of_different_chains_and_tips_differ(one: [u8; 32], other: [u8; 32], height in 1u64..) {
            let tip = Tip { block: Some(one), next_height: height };
            let row = vote_row(ChainId(one), &tip);
            prop_assert_eq!(row.len(), 196);
            prop_assert_ne!(&row, &vote_row(ChainId(one), &Tip { next_height: height - 1, ..tip }));
            if one != other {
                prop_assert_ne!(&row, &vote_row(ChainId(other), &tip));
                prop_assert_ne!(&row, &vote_row(ChainId(one), &Tip { block: Some(other), ..tip }));
            }
        }
    }
}
