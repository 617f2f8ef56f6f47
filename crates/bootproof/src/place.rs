//! Where in a database something is, in words.

use std::fmt;

use linera_base::crypto::CryptoHash;
use linera_base::data_types::BlockHeight;
use linera_base::identifiers::{BlobId, ChainId};
use serde::Serialize;

/// A place in a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// What is there, like `block` or `received log`.
    pub what: String,
    /// The chain, if it belongs to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
    /// The height in that chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u64>,
    /// The hash of the block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block: Option<String>,
    /// The id of the blob, with its type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blob: Option<String>,
}

impl Place {
    /// Names what is there, and nothing else yet.
    pub fn of(what: impl Into<String>) -> Self {
        Self { what: what.into(), chain: None, height: None, block: None, blob: None }
    }

    /// Adds the chain.
    #[must_use]
    pub fn chain(mut self, chain: ChainId) -> Self {
        self.chain = Some(chain.to_string());
        self
    }

    /// Adds the height.
    #[must_use]
    pub fn height(mut self, height: BlockHeight) -> Self {
        self.height = Some(height.0);
        self
    }

    /// Adds the hash of a block.
    #[must_use]
    pub fn block(mut self, hash: CryptoHash) -> Self {
        self.block = Some(hash.to_string());
        self
    }

    /// Adds the id of a blob.
    #[must_use]
    pub fn blob(mut self, id: BlobId) -> Self {
        self.blob = Some(id.to_string());
        self
    }

    /// Names something else at the same place.
    #[must_use]
    pub fn but(&self, what: impl Into<String>) -> Self {
        Self { what: what.into(), ..self.clone() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.what)?;
        if let Some(blob) = &self.blob {
            write!(out, " {blob}")?;
        }
        if let Some(chain) = &self.chain {
            write!(out, " of chain {chain}")?;
        }
        if let Some(height) = self.height {
            write!(out, " at height {height}")?;
        }
        if let Some(block) = &self.block {
            write!(out, ", block {block}")?;
        }
        Ok(())
    }
}
