//! What is sealed comes back as it was, and whatever else is refused.

use backup_seal::{Aead, DataKey, SealError};
use proptest::prelude::*;

const BOTH: [Aead; 2] = [Aead::XChaCha20Poly1305, Aead::XAes256Gcm];

fn key(byte: u8) -> DataKey {
    DataKey::from_bytes([byte; 32].into())
}

/// A sealed body, and what belongs to it.
#[derive(Clone)]
struct Body {
    context: Vec<u8>,
    clear: Vec<u8>,
    sealed: Vec<u8>,
}

impl Body {
    fn new(aead: Aead) -> Self {
        let (context, clear) = (b"kvb2 segment".to_vec(), b"ids".to_vec());
        let mut sealed = key(1).seal(aead, &context, &clear, b"content").unwrap();
        assert_eq!(sealed.drain(..3).as_slice(), b"ids");
        Self { context, clear, sealed }
    }

    fn open(&self, aead: Aead) -> Result<Vec<u8>, SealError> {
        key(1).open(aead, &self.context, &self.clear, &self.sealed)
    }
}

#[test]
fn every_bit_of_body_context_and_clear_part_counts() {
    for aead in BOTH {
        let good = Body::new(aead);
        assert_eq!(good.open(aead).unwrap(), b"content");
        let parts: [fn(&mut Body) -> &mut Vec<u8>; 3] =
            [|body| &mut body.context, |body| &mut body.clear, |body| &mut body.sealed];
        for (number, part) in parts.into_iter().enumerate() {
            for bit in 0..part(&mut good.clone()).len() * 8 {
                let mut bad = good.clone();
                part(&mut bad)[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(bad.open(aead), Err(SealError::NotAuthentic), "{aead:?} part {number} bit {bit}");
            }
        }
    }
}

#[test]
fn what_is_cut_short_or_too_long_is_refused() {
    for aead in BOTH {
        let good = Body::new(aead);
        for len in 0..good.sealed.len() {
            let bad = Body { sealed: good.sealed[..len].to_vec(), ..good.clone() };
            assert_eq!(bad.open(aead), Err(SealError::NotAuthentic), "{len}");
        }
        let bad = Body { sealed: [&good.sealed[..], &[0]].concat(), ..good };
        assert_eq!(bad.open(aead), Err(SealError::NotAuthentic));
    }
}

#[test]
fn another_key_and_the_other_aead_are_refused() {
    for (aead, other) in [(BOTH[0], BOTH[1]), (BOTH[1], BOTH[0])] {
        let body = Body::new(aead);
        assert_eq!(body.open(other), Err(SealError::NotAuthentic));
        let opened = key(2).open(aead, &body.context, &body.clear, &body.sealed);
        assert_eq!(opened, Err(SealError::NotAuthentic));
    }
}

#[test]
fn nothing_is_sealed_twice_alike() {
    for aead in BOTH {
        let seal = || key(1).seal(aead, b"c", b"", b"content").unwrap();
        let (one, two) = (seal(), seal());
        assert_ne!(one[..24], two[..24], "two nonces are equal");
        assert_ne!(one[24..], two[24..]);
    }
    let (one, two) = (DataKey::generate().unwrap(), DataKey::generate().unwrap());
    assert_ne!(one.id(), two.id());
}

#[test]
fn a_clone_is_the_same_key_and_none_shows_itself() {
    let key = DataKey::from_bytes([0xab; 32].into());
    assert_eq!(key.clone().id(), key.id());
    assert_eq!(format!("{key:?}"), format!("DataKey({})", key.id()));
    assert!(!format!("{key:?}").contains("abab"));
}

proptest! {
    #[test]
    fn any_body_comes_back(
        bytes: [u8; 32],
        context in prop::collection::vec(any::<u8>(), 0..100),
        clear in prop::collection::vec(any::<u8>(), 0..100),
        plaintext in prop::collection::vec(any::<u8>(), 0..5_000),
        number in 1_u8..=2,
    ) {
        let aead = Aead::from_number(number).unwrap();
        let key = DataKey::from_bytes(bytes.into());
        let sealed = key.seal(aead, &context, &clear, &plaintext).unwrap();
        prop_assert_eq!(sealed.len(), clear.len() + plaintext.len() + Aead::OVERHEAD);
        prop_assert_eq!(sealed.capacity(), sealed.len(), "it grew");
        prop_assert_eq!(&sealed[..clear.len()], &clear[..]);
        let opened = key.open(aead, &context, &clear, &sealed[clear.len()..]);
        prop_assert_eq!(opened, Ok(plaintext));
    }

    #[test]
    fn any_bytes_are_refused(sealed: Vec<u8>, number in 1_u8..=2) {
        let aead = Aead::from_number(number).unwrap();
        prop_assert_eq!(key(1).open(aead, b"", b"", &sealed), Err(SealError::NotAuthentic));
    }
}
