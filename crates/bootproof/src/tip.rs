//! Where a chain is.

use serde::Serialize;

/// The tip of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tip {
    /// The chain.
    pub chain: String,
    /// Height of its next block.
    pub next_height: u64,
    /// Hash of its last block; `None` before the first.
    pub block: Option<String>,
    /// Hash of its execution state, as it is stored beside it.
    pub state: Option<String>,
    /// Its balance, in tokens.
    pub balance: String,
}

impl std::fmt::Display for Tip {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let none = || "none".to_owned();
        let block = self.block.clone().unwrap_or_else(none);
        let state = self.state.clone().unwrap_or_else(none);
        let Self { chain, next_height, balance, .. } = self;
        write!(
            out,
            "chain {chain}: next height {next_height}, block {block}, state {state}, balance {balance}"
        )
    }
}
