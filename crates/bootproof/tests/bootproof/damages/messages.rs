//! Damages of inboxes and outboxes.

use bootproof::Kind;

use crate::damage::Damage;
use crate::histories::History;
use crate::keys::{
    self, BLOCK, LAST_MESSAGES, NONEMPTY_INBOXES, NONEMPTY_OUTBOXES, OUTBOX_COUNTERS, OUTBOXES,
};

pub const DAMAGES: &[Damage] = &[
    Damage::new(
        "last message of the sender",
        |entries, past| {
            let field = keys::field(LAST_MESSAGES, &[]);
            let (root_key, key) = past.find(&keys::chain_state(past.sender), &field, &past.receiver);
            entries.add(&root_key, &key, -1);
        },
        Kind::PreviousBlocks,
        "last message to chain RECEIVER of chain SENDER",
    ),
    Damage::new(
        "inbox that was set back",
        |entries, past| {
            let key = keys::inbox(past.sender, 0);
            entries.value(&keys::chain_state(past.receiver), &key)[0] -= 1;
        },
        Kind::MessageLost,
        "messages to chain RECEIVER of chain SENDER at height 11",
    )
    .also(&[Kind::Inbox, Kind::ReceivedLog]),
    Damage::new(
        "inbox that removed less than its blocks",
        |entries, past| {
            let key = keys::inbox(past.sender, 1);
            entries.value(&keys::chain_state(past.receiver), &key)[0] -= 1;
        },
        Kind::Inbox,
        "inbox of chain SENDER of chain RECEIVER",
    ),
    Damage::new(
        "set of non-empty inboxes",
        |entries, past| {
            let value = [&[1, 1], &past.sender[..]].concat();
            *entries.value(&keys::chain_state(past.receiver), &keys::field(NONEMPTY_INBOXES, &[])) = value;
        },
        Kind::Inbox,
        "origins of messages that wait to be received of chain RECEIVER",
    ),
    Damage::new(
        "set of non-empty outboxes",
        |entries, past| {
            let value = [&[1], &past.receiver[..]].concat();
            *entries.value(&keys::chain_state(past.sender), &keys::field(NONEMPTY_OUTBOXES, &[])) = value;
        },
        Kind::Outbox,
        "recipients that messages wait for of chain SENDER",
    )
    .also(&[Kind::BootFailed]),
    Damage::new(
        "deleted outbox",
        |entries, past| {
            let (root_key, field) = (keys::chain_state(past.sender), keys::field(OUTBOXES, &[]));
            entries.0.retain(|(root, key), _| *root != root_key || !key.starts_with(&field));
        },
        Kind::MessageLost,
        "messages to chain RECEIVER of chain SENDER at height 1",
    )
    .also(&[Kind::Outbox])
    .after(History::MessageInOutbox),
    Damage::new(
        "counter of messages that wait",
        |entries, past| entries.flip(&keys::chain_state(past.sender), &keys::field(OUTBOX_COUNTERS, &[]), 0),
        Kind::Outbox,
        "counters of messages that wait of chain SENDER",
    )
    .after(History::MessageInOutbox),
    Damage::new(
        "outbox with another height",
        |entries, past| {
            let begin = keys::field(OUTBOXES, &[&[2], &past.receiver[..], &keys::field(1, &[])].concat());
            let value = past.entries.0.iter().find(|((root, key), value)| {
                *root == keys::chain_state(past.sender)
                    && key.starts_with(&begin)
                    && value.ends_with(&1u64.to_le_bytes())
            });
            let (root_key, key) = value.expect("the height that waits").0;
            let value = entries.value(root_key, key);
            let at = value.len() - 8;
            value[at] = 0;
        },
        Kind::Outbox,
        "outbox to chain RECEIVER of chain SENDER",
    )
    .also(&[Kind::MessageLost])
    .after(History::MessageInOutbox),
    Damage::new(
        "changed message in an inbox",
        |entries, past| {
            let (root_key, key) = past.find(
                &keys::chain_state(past.receiver),
                &keys::inbox(past.sender, 2),
                &0u64.to_le_bytes(),
            );
            entries.flip(&root_key, &key, 3);
        },
        Kind::Inbox,
        "inbox of chain SENDER of chain RECEIVER",
    )
    .after(History::MessagesInInbox),
    Damage::new(
        "changed message that was taken early",
        |entries, past| {
            let (root_key, key) = past.find(
                &keys::chain_state(past.receiver),
                &keys::inbox(past.sender, 3),
                &0u64.to_le_bytes(),
            );
            entries.flip(&root_key, &key, 3);
        },
        Kind::Inbox,
        "inbox of chain SENDER of chain RECEIVER",
    )
    .after(History::MessageTakenEarly),
    Damage::new(
        "deleted block that came before its turn",
        |entries, past| entries.delete(&past.block_key(past.sender, 2), BLOCK),
        Kind::BlockMissing,
        "block of chain SENDER at height 2",
    )
    .after(History::BlockBeforeItsTurn),
    Damage::new(
        "deleted index row of a block that came before its turn",
        |entries, past| entries.delete(&keys::height_index(past.sender), &keys::height(2)),
        Kind::HeightIndex,
        "height index of chain SENDER at height 2",
    )
    .after(History::BlockBeforeItsTurn),
];
