//! Damages of blobs and of the network description.

use bootproof::Kind;

use crate::damage::Damage;
use crate::keys::{self, BLOB, BLOB_STATE, NETWORK_DESCRIPTION};

pub const DAMAGES: &[Damage] = &[
    Damage::new(
        "deleted content of a chain description",
        |entries, past| entries.delete(&keys::chain_description(past.sender), BLOB),
        Kind::BlobMissing,
        "ChainDescription:SENDER",
    ),
    Damage::new(
        "deleted content of the committee",
        |entries, past| entries.delete(&keys::committee(past.committee()), BLOB),
        Kind::Committee,
        "committee of epoch 0",
    )
    .also(&[Kind::BootFailed]),
    Damage::new(
        "flipped bit in a chain description",
        |entries, past| entries.flip(&keys::chain_description(past.receiver), BLOB, 0),
        Kind::BlobDamaged,
        "blob ChainDescription:RECEIVER",
    ),
    Damage::new(
        "flipped bit in the committee",
        |entries, past| entries.flip(&keys::committee(past.committee()), BLOB, 0),
        Kind::BlobDamaged,
        "blob Committee:",
    )
    .also(&[Kind::Committee]),
    Damage::new(
        "deleted state of a blob",
        |entries, past| entries.delete(&keys::chain_description(past.sender), BLOB_STATE),
        Kind::BlobState,
        "ChainDescription:SENDER",
    ),
    Damage::new(
        "state of a blob that names a block that is not there",
        |entries, past| entries.value(&keys::chain_description(past.sender), BLOB_STATE)[5] ^= 1,
        Kind::BlobState,
        "ChainDescription:SENDER",
    ),
    Damage::new(
        "missing network description",
        |entries, _| entries.delete(&keys::network(), NETWORK_DESCRIPTION),
        Kind::NetworkDescription,
        "network description",
    )
    .also(&[Kind::BootFailed]),
    Damage::new(
        "network description cut short",
        |entries, _| entries.value(&keys::network(), NETWORK_DESCRIPTION).truncate(50),
        Kind::NetworkDescription,
        "network description",
    )
    .also(&[Kind::BootFailed]),
];
