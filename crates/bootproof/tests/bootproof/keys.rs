//! Root keys and keys of linera's own, as they are in a database.

/// A hash, or the id of a chain.
pub type Hash = [u8; 32];

/// Fields of a chain's state, by their numbers.
pub const EXECUTION_STATE: u32 = 0;
pub const EXECUTION_STATE_HASH: u32 = 1;
pub const TIP: u32 = 2;
pub const CONFIRMED_LOG: u32 = 6;
pub const RECEIVED_LOG: u32 = 7;
pub const INBOXES: u32 = 9;
pub const LAST_MESSAGES: u32 = 12;
pub const OUTBOXES: u32 = 14;
pub const OUTBOX_COUNTERS: u32 = 15;
pub const NONEMPTY_OUTBOXES: u32 = 16;
pub const NONEMPTY_INBOXES: u32 = 19;

/// Number of the balance in the system's state.
const BALANCE: u32 = 5;

pub const BLOCK: &[u8] = &[0xdd];
pub const CERTIFICATE: &[u8] = &[0x5b];
pub const BLOB: &[u8] = &[0x2a];
pub const BLOB_STATE: &[u8] = &[0x31];
pub const NETWORK_DESCRIPTION: &[u8] = &[0x77];

pub fn chain_state(chain: Hash) -> Vec<u8> {
    root_key(0, &chain)
}

pub fn block(hash: Hash) -> Vec<u8> {
    root_key(1, &hash)
}

pub fn chain_description(chain: Hash) -> Vec<u8> {
    [root_key(2, &chain), vec![6]].concat()
}

pub fn committee(hash: Hash) -> Vec<u8> {
    [root_key(2, &hash), vec![5]].concat()
}

pub fn events(chain: Hash) -> Vec<u8> {
    root_key(3, &chain)
}

pub fn network() -> Vec<u8> {
    vec![5]
}

pub fn height_index(chain: Hash) -> Vec<u8> {
    root_key(7, &chain)
}

pub fn event_index(chain: Hash) -> Vec<u8> {
    root_key(8, &chain)
}

pub fn height(height: u64) -> Vec<u8> {
    height.to_le_bytes().to_vec()
}

/// A field of a chain's state, and what follows in the key.
pub fn field(number: u32, rest: &[u8]) -> Vec<u8> {
    [&[1], &number.to_le_bytes()[..], rest].concat()
}

/// The balance, or with 2 as last byte the hash that is stored beside it.
pub fn balance(last: u8) -> Vec<u8> {
    field(EXECUTION_STATE, &field(0, &field(BALANCE, &[last])))
}

pub fn log_count(log: u32) -> Vec<u8> {
    field(log, &[1])
}

pub fn log_entry(log: u32, index: u64) -> Vec<u8> {
    field(log, &[&[2], &index.to_le_bytes()[..]].concat())
}

/// A field of the inbox of an origin: cursors of what was added (0) and removed (1), bundles that wait (2) and that were taken
/// early (3).
pub fn inbox(origin: Hash, number: u32) -> Vec<u8> {
    field(INBOXES, &[&[2], &origin[..], &field(number, &[])].concat())
}

/// The states of applications.
pub fn applications() -> Vec<u8> {
    field(EXECUTION_STATE, &field(1, &[1]))
}

/// The hash of the history of an execution state.
pub fn historical_hash() -> Vec<u8> {
    field(EXECUTION_STATE, &field(3, &[]))
}

fn root_key(variant: u8, id: &[u8]) -> Vec<u8> {
    [&[variant], id].concat()
}
