//! Damages of events, and of what came with a second committee.

use bootproof::Kind;

use crate::damage::Damage;
use crate::entries::Entries;
use crate::histories::History;
use crate::keys::{self, BLOB};
use crate::past::Past;

pub const DAMAGES: &[Damage] = &[
    Damage::new(
        "deleted event",
        |entries, past| delete(entries, past, &keys::events(past.sender), &[0]),
        Kind::Event,
        "event 0 of stream System:01 of chain SENDER",
    )
    .after(History::Epochs),
    Damage::new(
        "deleted event of a new committee",
        |entries, past| delete(entries, past, &keys::events(past.sender), &[1]),
        Kind::Event,
        "event 1 of stream System:00 of chain SENDER",
    )
    .also(&[Kind::Committee, Kind::BootFailed])
    .after(History::Epochs),
    Damage::new(
        "changed event",
        |entries, past| {
            let (root_key, key) = past.find(&keys::events(past.sender), &[], &[1, 0, 0, 0]);
            entries.flip(&root_key, &key, 0);
        },
        Kind::Event,
        "event 1 of stream System:00 of chain SENDER",
    )
    .also(&[Kind::Committee, Kind::BootFailed])
    .after(History::Epochs),
    Damage::new(
        "deleted row of the event index",
        |entries, past| delete(entries, past, &keys::event_index(past.sender), &[1]),
        Kind::EventIndex,
        "index of event 1 of stream System:00 of chain SENDER",
    )
    .after(History::Epochs),
    Damage::new(
        "row of the event index with another height",
        |entries, past| {
            let (root_key, key) = past.find(&keys::event_index(past.sender), &[], &[1, 0, 0, 0]);
            entries.add(&root_key, &key, 1);
        },
        Kind::EventIndex,
        "index of event 1 of stream System:00 of chain SENDER",
    )
    .after(History::Epochs),
    Damage::new(
        "deleted data blob",
        |entries, _| {
            let blob = entries
                .0
                .keys()
                .find(|(root, key)| root.len() == 34 && root[0] == 2 && root[33] == 0 && key == BLOB);
            let (root_key, key) = blob.expect("the data blob").clone();
            entries.delete(&root_key, &key);
        },
        Kind::BlobMissing,
        "blob needed by block Data:",
    )
    .after(History::Epochs),
];

/// Deletes the entry of an event by the first byte of its index.
fn delete(entries: &mut Entries, past: &Past, root_key: &[u8], index: &[u8]) {
    let (root_key, key) = past.find(root_key, &[], &[index, &[0, 0, 0]].concat());
    entries.delete(&root_key, &key);
}
