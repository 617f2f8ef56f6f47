//! Damages of the two logs.

use bootproof::Kind;

use crate::damage::Damage;
use crate::keys::{self, CONFIRMED_LOG, RECEIVED_LOG};

pub const DAMAGES: &[Damage] = &[
    Damage::new(
        "deleted entry of the confirmed log",
        |entries, past| {
            entries.delete(&keys::chain_state(past.sender), &keys::log_entry(CONFIRMED_LOG, 4));
        },
        Kind::ConfirmedLog,
        "confirmed log, entries 4 to 4 of chain SENDER at height 4",
    ),
    Damage::new(
        "deleted last entry of the confirmed log",
        |entries, past| {
            entries.delete(&keys::chain_state(past.sender), &keys::log_entry(CONFIRMED_LOG, 11));
        },
        Kind::ConfirmedLog,
        "confirmed log, entries 11 to 11 of chain SENDER",
    ),
    Damage::new(
        "count of the confirmed log too small",
        |entries, past| {
            entries.add(&keys::chain_state(past.sender), &keys::log_count(CONFIRMED_LOG), -1);
        },
        Kind::ConfirmedLog,
        "confirmed log of chain SENDER",
    ),
    Damage::new(
        "count of the confirmed log too large",
        |entries, past| {
            entries.add(&keys::chain_state(past.receiver), &keys::log_count(CONFIRMED_LOG), 1 << 60);
        },
        Kind::ConfirmedLog,
        "confirmed log of chain RECEIVER",
    ),
    Damage::new(
        "entry of the confirmed log that names another block",
        |entries, past| {
            let other = past.block(past.sender, 6).to_vec();
            *entries.value(&keys::chain_state(past.sender), &keys::log_entry(CONFIRMED_LOG, 4)) = other;
        },
        Kind::BlockLink,
        "block of chain SENDER at height 4",
    )
    .also(&[Kind::HeightIndex]),
    Damage::new(
        "deleted entry of the received log",
        |entries, past| {
            entries.delete(&keys::chain_state(past.receiver), &keys::log_entry(RECEIVED_LOG, 4));
        },
        Kind::ReceivedLog,
        "received log, entries 4 to 4 of chain RECEIVER",
    ),
    Damage::new(
        "count of the received log too small",
        |entries, past| {
            entries.add(&keys::chain_state(past.receiver), &keys::log_count(RECEIVED_LOG), -2);
        },
        Kind::ReceivedLog,
        "received log, entries 10 to 11 of chain RECEIVER",
    ),
    Damage::new(
        "count of the received log too large",
        |entries, past| {
            entries.add(&keys::chain_state(past.receiver), &keys::log_count(RECEIVED_LOG), 3);
        },
        Kind::ReceivedLog,
        "received log, entries 12 to 14 of chain RECEIVER",
    ),
    Damage::new(
        "received log that ends early, count and all",
        |entries, past| {
            let root_key = keys::chain_state(past.receiver);
            entries.add(&root_key, &keys::log_count(RECEIVED_LOG), -1);
            entries.delete(&root_key, &keys::log_entry(RECEIVED_LOG, 11));
        },
        Kind::ReceivedLog,
        "received log, block of chain SENDER of chain RECEIVER at height 11",
    ),
    Damage::new(
        "entry of the received log with another height",
        |entries, past| {
            let key = keys::log_entry(RECEIVED_LOG, 11);
            entries.value(&keys::chain_state(past.receiver), &key)[32] = 99;
        },
        Kind::ReceivedLog,
        "received log, block of chain SENDER of chain RECEIVER at height 99",
    ),
];
