//! What a proof proves, and what it does not.

/// What is proven when nothing is found.
pub const PROVEN: &[&str] = &[
    "the dump is restored bit by bit: the digest of the restored namespace is that of the manifest",
    "every block below each chain's next height is there, hashes to its key, follows the block before it, and has a
    certificate that the committee of its epoch signed; the indices of heights and events, and both logs, agree",
    "every blob hashes to its id, and those that blocks need are there; so are the events that blocks published",
    "each chain's execution state (balances and all) hashes, from its content, to what the last block's certified header
    says; hashes that are stored beside the content, which linera trusts, are computed again",
    "no message is lost between two chains of this database: it waits in the outbox, waits in the inbox, or was received",
    "linera's worker boots, reports the same tips, and continues to the blocks of the certificates given",
];

/// What is not proven, and why.
pub const NOT_PROVEN: &[&str] = &[
    "that the network description and its first committee are the right ones, unless --genesis or --network-description
    says which they are: compare them with another validator's",
    "that each chain is in the genesis or was opened by a block, unless --genesis is given",
    "that the dump is recent; a validator that boots from an old dump with its own key may sign twice",
    "the consensus state of each chain (votes, locks, rounds, pending proposals) and what the worker keeps for itself
    (exported heights, synchronization trackers, expected events, block exporters): only the dump's digest covers it",
    "execution states where the committee's policy does not hash the content (FLAG_ZERO_HASH and the like), and chains
    that are not initialized; each is listed under not_proven",
    "certificates whose blocks run applications: this program has no Wasm or EVM runtime, and ends with exit code 1",
];

/// Writes claims as a list for help.
pub fn list(claims: &[&str]) -> String {
    claims.iter().map(|claim| format!("  - {claim}\n")).collect()
}
