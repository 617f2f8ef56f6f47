//! Where chains stand.

use std::collections::BTreeMap;
use std::fmt;

use linera_base::crypto::CryptoHash;
use linera_base::data_types::{Amount, BlockHeight};
use linera_base::identifiers::ChainId;
use linera_core::data_types::ChainInfo;

/// Where a chain stands, as its worker tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Height of the next block: the number of blocks.
    pub next_height: BlockHeight,
    /// Hash of the last block; `None` before the first.
    pub block: Option<CryptoHash>,
    /// Hash of the execution state; `None` before the first block.
    pub state: Option<CryptoHash>,
    /// Balance of the chain's own account.
    pub balance: Amount,
}

/// Where each chain of a network stands.
pub type Tips = BTreeMap<ChainId, Tip>;

impl From<&ChainInfo> for Tip {
    fn from(info: &ChainInfo) -> Self {
        Self {
            next_height: info.next_block_height,
            block: info.block_hash,
            state: info.state_hash,
            balance: info.chain_balance,
        }
    }
}

impl fmt::Display for Tip {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = |hash: Option<CryptoHash>| hash.map_or_else(|| "none".to_owned(), |hash| hash.to_string());
        let Self { next_height, block, state, balance } = self;
        write!(out, "{next_height} blocks, tip {}, state {}, ", hash(*block), hash(*state))?;
        write!(out, "balance {balance}")
    }
}
