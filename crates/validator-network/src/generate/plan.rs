//! What a generated database is to hold.

/// Numbers that say what a generated database is to hold. The same numbers give the same content, but for the times at which
/// linera executed blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Chains beside the one that administers the network; at least 1.
    pub chains: u32,
    /// Rounds, in each of which every chain receives what it was sent and sends to the next chain: one block each.
    pub rounds: u32,
    /// Changes of the committee, which publish one event each.
    pub epochs: u32,
    /// Data blobs that are published, each in a block of its own.
    pub blobs: u64,
    /// Bytes of each of them.
    pub blob_bytes: usize,
    /// What the contents of the blobs depend on.
    pub seed: u64,
}

impl Default for Plan {
    /// 20 chains, 3 rounds, 2 changes of the committee, 100 blobs of 64 KiB: some 7 MB.
    fn default() -> Self {
        Self { chains: 20, rounds: 3, epochs: 2, blobs: 100, blob_bytes: 64 << 10, seed: 1 }
    }
}

impl Plan {
    /// Publishes as many blobs as take so many bytes together.
    #[must_use]
    pub fn with_bytes(self, bytes: u64) -> Self {
        Self { blobs: bytes.div_ceil(self.blob_bytes.max(1) as u64), ..self }
    }

    /// Returns the number of blocks that this takes.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        u64::from(self.chains)
            + u64::from(self.chains) * u64::from(self.rounds)
            + 2 * u64::from(self.epochs)
            + self.blobs
    }
}
