//! Damages of chain states.

use bootproof::Kind;

use crate::damage::Damage;
use crate::entries::Entries;
use crate::histories::History;
use crate::keys::{self, EXECUTION_STATE_HASH, TIP};
use crate::past::Past;

pub const DAMAGES: &[Damage] = &[
    Damage::new(
        "changed balance of the sender",
        |entries, past| entries.value(&keys::chain_state(past.sender), &keys::balance(1))[8] ^= 1,
        Kind::StateHash,
        "execution state: balance of chain SENDER",
    ),
    Damage::new(
        "changed balance of the receiver",
        |entries, past| entries.value(&keys::chain_state(past.receiver), &keys::balance(1))[8] ^= 1,
        Kind::StateHash,
        "execution state: balance of chain RECEIVER",
    ),
    Damage::new(
        "changed balance without its stored hash",
        |entries, past| {
            entries.value(&keys::chain_state(past.sender), &keys::balance(1))[8] ^= 1;
            entries.delete(&keys::chain_state(past.sender), &keys::balance(2));
        },
        Kind::StateHash,
        "execution state of chain SENDER",
    ),
    Damage::new(
        "changed hash beside the balance",
        |entries, past| entries.value(&keys::chain_state(past.sender), &keys::balance(2))[8] ^= 1,
        Kind::StoredHash,
        "execution state: balance of chain SENDER",
    ),
    Damage::new(
        "changed hash of the execution state",
        |entries, past| {
            let key = keys::field(EXECUTION_STATE_HASH, &[]);
            entries.flip(&keys::chain_state(past.sender), &key, 0);
        },
        Kind::StateHash,
        "stored hash of the execution state of chain SENDER",
    ),
    Damage::new(
        "next height too small",
        |entries, past| {
            entries.value(&keys::chain_state(past.sender), &keys::field(TIP, &[]))[33] -= 1;
        },
        Kind::ConfirmedLog,
        "confirmed log of chain SENDER",
    )
    .also(&[Kind::Tip, Kind::StateHash, Kind::PreviousBlocks]),
    Damage::new(
        "next height beyond all blocks",
        |entries, past| {
            entries.value(&keys::chain_state(past.sender), &keys::field(TIP, &[]))[40] = 1;
        },
        Kind::Tip,
        "tip of chain SENDER",
    )
    .also(&[Kind::ConfirmedLog]),
    Damage::new(
        "another last block in the tip",
        |entries, past| {
            entries.value(&keys::chain_state(past.sender), &keys::field(TIP, &[]))[20] ^= 1;
        },
        Kind::Tip,
        "tip of chain SENDER",
    ),
    Damage::new(
        "counters of the tip",
        |entries, past| {
            entries.flip(&keys::chain_state(past.sender), &keys::field(TIP, &[]), 3);
        },
        Kind::Tip,
        "tip counters of chain SENDER",
    ),
    Damage::new(
        "deleted state of a chain",
        |entries, past| entries.delete_partition(&keys::chain_state(past.receiver)),
        Kind::ChainState,
        "chain state of chain RECEIVER",
    ),
    Damage::new(
        "tip that cannot be decoded",
        |entries, past| {
            entries.value(&keys::chain_state(past.sender), &keys::field(TIP, &[])).push(0);
        },
        Kind::ChainState,
        "chain state of chain SENDER",
    ),
    Damage::new(
        "state of a chain that was set back",
        |_, _| {},
        Kind::ChainBehind,
        "chain state of chain SENDER at height 1",
    )
    .after(History::SetBack),
    Damage::new(
        "changed value of an application",
        |entries, past| application(entries, past, b"key"),
        Kind::StateHash,
        "state of application 0101",
    )
    .after(History::Application),
    Damage::new(
        "changed hash beside the state of an application",
        |entries, past| application(entries, past, &[4]),
        Kind::StoredHash,
        "state of application 0101",
    )
    .after(History::Application),
    Damage::new(
        "changed hash of a history",
        |entries, past| entries.flip(&keys::chain_state(past.sender), &keys::historical_hash(), 0),
        Kind::StateHash,
        "execution state of chain SENDER",
    )
    .after(History::HistoricalHash),
    Damage::new(
        "changed balance where a history begins",
        |entries, past| entries.value(&keys::chain_state(past.receiver), &keys::balance(1))[8] ^= 1,
        Kind::StateHash,
        "execution state: balance of chain RECEIVER",
    )
    .after(History::FirstHistoricalBlock),
];

/// Flips a bit in the state of the first application, where the key ends so.
fn application(entries: &mut Entries, past: &Past, end: &[u8]) {
    let begin = [&keys::applications(), &[2][..], &[1; 32]].concat();
    let (root_key, key) = past.find(&keys::chain_state(past.receiver), &begin, end);
    entries.flip(&root_key, &key, 0);
}
