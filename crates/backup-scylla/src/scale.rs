//! Keys of a partition on a scale, so that they can be divided.

/// Bytes of a key that are its place.
const PLACE_BYTES: usize = size_of::<u128>();

/// Keys as numbers: those of their bytes that follow what two keys, and so all between them, begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scale {
    prefix: Vec<u8>,
}

impl Scale {
    /// Makes the scale for the keys between these two.
    pub(crate) fn between(first: &[u8], last: &[u8]) -> Self {
        let same = first.iter().zip(last).take_while(|(one, other)| one == other).count();
        Self { prefix: first.iter().take(same).copied().collect() }
    }

    /// Returns the place of a key; of keys beyond the scale the nearest one.
    pub(crate) fn place(&self, key: &[u8]) -> u128 {
        let Some(rest) = key.strip_prefix(&*self.prefix) else {
            return if key < &*self.prefix { 0 } else { u128::MAX };
        };
        let mut bytes = [0; PLACE_BYTES];
        bytes.iter_mut().zip(rest).for_each(|(byte, of_key)| *byte = *of_key);
        u128::from_be_bytes(bytes)
    }

    /// Returns the length of [`Scale::key`], in bytes.
    pub(crate) fn key_bytes(&self) -> usize {
        self.prefix.len() + PLACE_BYTES
    }

    /// Returns the first key at a place. It is after each key whose place is before it.
    pub(crate) fn key(&self, place: u128) -> Vec<u8> {
        [&*self.prefix, &place.to_be_bytes()].concat()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn places_are_counted_behind_what_the_keys_share() {
        let scale = Scale::between(b"ab1", b"ab9x");
        assert_eq!(scale, Scale { prefix: b"ab".to_vec() });
        assert_eq!(scale.place(b"ab1") >> 120, u128::from(b'1'));
        assert_eq!(scale.key(scale.place(b"ab1")), [b"ab1", &[0; 15][..]].concat());
        assert_eq!((scale.place(b"aa"), scale.place(b""), scale.place(b"b")), (0, 0, u128::MAX));
        assert_eq!(Scale::between(b"k", b"k").place(b"k"), 0);
    }

    proptest! {
        #[test]
        fn places_are_in_the_order_of_keys_and_divide_them(
            mut keys in prop::collection::vec(prop::collection::vec(0u8..4, 0..24), 2..20),
            part in 0.0..1.0,
        ) {
            keys.sort();
            let scale = Scale::between(&keys[0], keys.last().unwrap());
            let places: Vec<u128> = keys.iter().map(|key| scale.place(key)).collect();
            prop_assert!(places.is_sorted());
            let middle = (u128::MAX as f64 * part) as u128;
            for (key, place) in keys.iter().zip(places) {
                if place < middle {
                    prop_assert!(*key < scale.key(middle));
                } else if place > middle {
                    prop_assert!(*key > scale.key(middle));
                }
            }
        }
    }
}
