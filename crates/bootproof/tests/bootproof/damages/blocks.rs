//! Damages of blocks, certificates and the index from heights.

use bootproof::Kind;

use crate::damage::Damage;
use crate::keys::{self, BLOCK, CERTIFICATE};

pub const DAMAGES: &[Damage] = &[
    Damage::new(
        "deleted block",
        |entries, past| entries.delete(&past.block_key(past.sender, 5), BLOCK),
        Kind::BlockMissing,
        "block of chain SENDER at height 5",
    ),
    Damage::new(
        "deleted certificate",
        |entries, past| entries.delete(&past.block_key(past.sender, 5), CERTIFICATE),
        Kind::CertificateMissing,
        "certificate of chain SENDER at height 5",
    ),
    Damage::new(
        "deleted last block and certificate",
        |entries, past| entries.delete_partition(&past.block_key(past.receiver, 11)),
        Kind::BlockMissing,
        "block of chain RECEIVER at height 11",
    )
    .also(&[Kind::CertificateMissing]),
    Damage::new(
        "flipped bit in a block",
        |entries, past| entries.flip(&past.block_key(past.sender, 5), BLOCK, 60),
        Kind::BlockDamaged,
        "block of chain SENDER at height 5",
    ),
    Damage::new(
        "block cut short",
        |entries, past| {
            entries.value(&past.block_key(past.receiver, 5), BLOCK).truncate(40);
        },
        Kind::BlockDamaged,
        "block of chain RECEIVER at height 5",
    ),
    Damage::new(
        "block of another height in place of a block",
        |entries, past| {
            let other = entries.value(&past.block_key(past.sender, 6), BLOCK).clone();
            *entries.value(&past.block_key(past.sender, 5), BLOCK) = other;
        },
        Kind::BlockDamaged,
        "block of chain SENDER at height 5",
    ),
    Damage::new(
        "flipped bit in a signature",
        |entries, past| entries.flip(&past.block_key(past.sender, 5), CERTIFICATE, 3),
        Kind::CertificateInvalid,
        "certificate of chain SENDER at height 5",
    ),
    Damage::new(
        "certificate cut short",
        |entries, past| {
            entries.value(&past.block_key(past.sender, 5), CERTIFICATE).truncate(100);
        },
        Kind::CertificateDamaged,
        "certificate of chain SENDER at height 5",
    ),
    Damage::new(
        "certificate of another block",
        |entries, past| {
            let other = entries.value(&past.block_key(past.sender, 6), CERTIFICATE).clone();
            *entries.value(&past.block_key(past.sender, 5), CERTIFICATE) = other;
        },
        Kind::CertificateDamaged,
        "certificate of chain SENDER at height 5",
    ),
    Damage::new(
        "deleted row of the height index",
        |entries, past| entries.delete(&keys::height_index(past.sender), &keys::height(3)),
        Kind::HeightIndex,
        "height index, heights 3 of chain SENDER at height 3",
    ),
    Damage::new(
        "deleted last row of the height index",
        |entries, past| entries.delete(&keys::height_index(past.sender), &keys::height(11)),
        Kind::HeightIndex,
        "height index, heights 11 of chain SENDER",
    ),
    Damage::new(
        "row of the height index that names another block",
        |entries, past| {
            let other = past.block(past.sender, 4).to_vec();
            *entries.value(&keys::height_index(past.sender), &keys::height(3)) = other;
        },
        Kind::HeightIndex,
        "height index of chain SENDER at height 3",
    ),
];
