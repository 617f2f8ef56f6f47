//! Positions in the stream of messages from one chain to another.

use anyhow::{Context, Result};
use linera_chain::data_types::MessageBundle;
use serde::{Deserialize, Serialize};

/// A bundle of messages: the height of its block and the index of its transaction there. Cursors into inboxes point one
/// behind the last bundle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cursor {
    /// Height of the block.
    pub height: u64,
    /// Index of the transaction.
    pub index: u32,
}

impl Cursor {
    /// Returns the place of a bundle.
    #[must_use]
    pub fn of(bundle: &MessageBundle) -> Self {
        Self { height: bundle.height.0, index: bundle.transaction_index }
    }

    /// Takes linera's cursor, whose fields are private, by way of its BCS form.
    ///
    /// # Errors
    ///
    /// When linera changed that form.
    pub fn from_linera(cursor: &impl Serialize) -> Result<Self> {
        let bytes = bcs::to_bytes(cursor).context("encoding an inbox's cursor")?;
        bcs::from_bytes(&bytes).context("decoding an inbox's cursor")
    }

    /// Returns the cursor behind a bundle at this place.
    #[must_use]
    pub fn behind(self) -> Self {
        Self { index: self.index.saturating_add(1), ..self }
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "height {}, transaction {}", self.height, self.index)
    }
}
