//! A line of the index in 32 bytes.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use backup_format::Kind;
use backup_format::pack::{Codec, Object};

/// Where an object lies, and how long it is.
///
/// Bits, from the lowest: 2 codec (zstd, patch), 48 address. Then 31 stored length, 31 plain length, and at the top whether it is a
/// page; of a patch 23 stored length, 23 plain length, 32 number of the base.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The first half of the id.
    pub id: u128,
    packed: u128,
}

/// Where lengths begin in [`Place`].
const LENGTHS: u32 = 50;
/// Most bytes of all packs together: 256 TiB.
pub(crate) const ADDRESS_MAX: u64 = 1 << 48;
const PAGE: u128 = 1 << 127;

impl Place {
    pub(crate) fn new(Object { line, base, .. }: &Object, address: u64, base_number: u32) -> Self {
        let codec = u128::from(line.codec == Codec::Zstd) | u128::from(base.is_some()) << 1;
        let (stored, plain) = (u128::from(line.stored_len), u128::from(line.plain_len));
        let lengths = match base {
            // A pack has at most 1 GiB, and a plaintext 512 MiB.
            None => {
                stored << LENGTHS | plain << (LENGTHS + 31) | if line.kind == Kind::Page { PAGE } else { 0 }
            }
            // Both are at most `PATCH_BYTES_MAX`.
            Some(_) => stored << LENGTHS | plain << (LENGTHS + 23) | u128::from(base_number) << 96,
        };
        Self { id: line.id.prefix(), packed: codec | u128::from(address) << 2 | lengths }
    }

    #[expect(clippy::arithmetic_side_effects, reason = "both are constants that fit the packed number")]
    fn bits(&self, from: u32, count: u32) -> u64 {
        (self.packed >> from) as u64 & ((1 << count) - 1)
    }

    pub(crate) fn codec(&self) -> Codec {
        if self.packed & 1 == 0 { Codec::Raw } else { Codec::Zstd }
    }

    pub(crate) fn is_page(&self) -> bool {
        !self.is_patch() && self.packed & PAGE != 0
    }

    pub(crate) fn is_patch(&self) -> bool {
        self.packed & 2 != 0
    }

    /// Returns the number of the base of a patch.
    pub(crate) fn base(&self) -> Option<u32> {
        self.is_patch().then_some((self.packed >> 96) as u32)
    }

    pub(crate) fn set_base(&mut self, number: u32) {
        self.packed = self.packed & !(u128::from(u32::MAX) << 96) | u128::from(number) << 96;
    }

    /// Returns where it lies when all packs lie one after the other.
    pub(crate) fn address(&self) -> u64 {
        self.bits(2, 48)
    }

    pub(crate) fn stored_len(&self) -> u64 {
        self.bits(LENGTHS, if self.is_patch() { 23 } else { 31 })
    }

    pub(crate) fn plain_len(&self) -> u64 {
        if self.is_patch() { self.bits(LENGTHS + 23, 23) } else { self.bits(LENGTHS + 31, 31) }
    }
}

#[cfg(test)]
mod tests {
    use backup_format::pack::TableLine;
    use backup_format::{ObjectId, limits};

    use super::*;

    fn object(kind: Kind, codec: Codec, lengths: [u64; 2], base: Option<ObjectId>) -> Object {
        let [plain_len, stored_len] = lengths;
        let line = TableLine { kind, codec, id: ObjectId([7; 32]), plain_len, stored_len };
        Object { line, base, seal: None }
    }

    #[test]
    fn a_place_has_32_bytes_and_keeps_the_largest_numbers() {
        assert_eq!(size_of::<Place>(), 32);
        let lengths = [limits::OBJECT_BYTES_MAX, limits::PACK_BYTES_MAX];
        for (kind, codec) in [(Kind::Page, Codec::Raw), (Kind::Segment, Codec::Zstd)] {
            let place = Place::new(&object(kind, codec, lengths, None), ADDRESS_MAX - 1, 5);
            assert_eq!([place.plain_len(), place.stored_len()], lengths);
            assert_eq!((place.address(), place.codec()), (ADDRESS_MAX - 1, codec));
            assert_eq!((place.is_page(), place.base()), (kind == Kind::Page, None));
        }
        let lengths = [limits::PATCH_BYTES_MAX, limits::PATCH_BYTES_MAX];
        let patch = object(Kind::Segment, Codec::Zstd, lengths, Some(ObjectId([8; 32])));
        let mut place = Place::new(&patch, ADDRESS_MAX - 1, u32::MAX - 1);
        assert_eq!(place.base(), Some(u32::MAX - 1));
        for base in [0, u32::MAX] {
            place.set_base(base);
            assert_eq!((place.base(), place.is_page()), (Some(base), false));
            assert_eq!([place.plain_len(), place.stored_len()], lengths);
            assert_eq!((place.address(), place.codec()), (ADDRESS_MAX - 1, Codec::Zstd));
            assert_eq!(place.id, ObjectId([7; 32]).prefix());
        }
    }
}
