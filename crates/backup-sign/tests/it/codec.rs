//! What is decoded is what was encoded, and whatever else is refused.

use backup_sign::{KeyId, PublicKey, SecretKey, SignError, Signature, TrustedKeys};
use proptest::prelude::*;

const COMMENT: &str = "kvbackup dump=7 repository=9 sequence=1";

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed(KeyId([number; 8]), [number; 32].into()).unwrap()
}

fn trusted(key: &SecretKey) -> TrustedKeys {
    TrustedKeys::new(vec![key.public().clone()]).unwrap()
}

/// Decodes and checks.
fn check(file: &[u8]) -> Result<(), SignError> {
    trusted(&key(1)).check(b"manifest", &Signature::decode(file)?, COMMENT)
}

fn file() -> Vec<u8> {
    key(1).sign(b"manifest", COMMENT).unwrap().encode().into_bytes()
}

#[test]
fn every_byte_counts_but_those_of_the_untrusted_comment() {
    let good = file();
    assert_eq!(check(&good), Ok(()));
    let comment = b"untrusted comment: ".len()..good.iter().position(|byte| *byte == b'\n').unwrap();
    for at in 0..good.len() {
        for flip in [1, 0x20, 0x80] {
            let mut bad = good.clone();
            bad[at] ^= flip;
            // The line feed at the end may be missing, but nothing else may stand there.
            assert!(check(&bad).is_err() || comment.contains(&at), "byte {at} xor {flip}");
        }
    }
}

#[test]
fn what_is_cut_short_or_too_long_is_refused() {
    let good = file();
    for len in 0..good.len() - 1 {
        assert!(check(&good[..len]).is_err(), "{len} bytes");
    }
    assert_eq!(check(&good[..good.len() - 1]), Ok(()));
    let more: [&[u8]; 4] = [b"\n", b"x", b"\r\n", &[b'A'; 1 << 20]];
    for more in more {
        assert!(matches!(check(&[&good, more].concat()), Err(SignError::Malformed { .. })));
    }
    assert!(matches!(Signature::decode(&vec![b'\n'; 1 << 20]), Err(SignError::Malformed { .. })));
    // Lines that would be right, but for their length.
    let long =
        [b"untrusted comment: ".to_vec(), vec![b'x'; 4_000], good[b"untrusted comment: ".len()..].to_vec()];
    let error = check(&long.concat()).unwrap_err();
    assert!(error.to_string().contains("more than 4096"), "{error}");
}

#[test]
fn another_key_message_or_comment_is_refused_with_its_reason() {
    let sign = |key: &SecretKey, message: &[u8], comment: &str| key.sign(message, comment).unwrap();
    let check = |signature: &Signature| trusted(&key(1)).check(b"manifest", signature, COMMENT);
    assert!(matches!(check(&sign(&key(2), b"manifest", COMMENT)), Err(SignError::Foreign { .. })));
    assert!(matches!(check(&sign(&key(1), b"manifesto", COMMENT)), Err(SignError::Forged { .. })));
    assert!(matches!(check(&sign(&key(1), b"manifest", "dump=8")), Err(SignError::Moved { .. })));
    // A foreign key that bears the id of a trusted one.
    let imposter = SecretKey::from_seed(KeyId([1; 8]), [2; 32].into()).unwrap();
    assert!(matches!(check(&sign(&imposter, b"manifest", COMMENT)), Err(SignError::Forged { .. })));
    // The comment of one signature beside another one.
    let (one, two) = (sign(&key(1), b"manifest", "x").encode(), sign(&key(1), b"other", COMMENT).encode());
    let lines: Vec<&str> = one.lines().take(2).chain(two.lines().skip(2)).collect();
    let mixed = Signature::decode(lines.join("\n").as_bytes()).unwrap();
    assert!(matches!(check(&mixed), Err(SignError::Forged { .. })));
}

#[test]
fn other_algorithms_are_refused_by_name() {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let text = String::from_utf8(file()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let mut bytes = STANDARD.decode(lines[1]).unwrap();
    bytes[1] = b'd';
    let old = STANDARD.encode(bytes);
    let error = Signature::decode([lines[0], &old, lines[2], lines[3]].join("\n").as_bytes()).unwrap_err();
    assert_eq!(error, SignError::Algorithm { what: "signature", expected: "ED", found: "Ed".to_owned() });
    let secret = key(1).encode();
    let mut bytes = STANDARD.decode(secret.lines().nth(1).unwrap()).unwrap();
    bytes[2..4].copy_from_slice(b"Sc");
    let protected = format!("untrusted comment: x\n{}\n", STANDARD.encode(&bytes));
    assert_eq!(SecretKey::decode(protected.as_bytes()).unwrap_err(), SignError::Protected);
    bytes[2..4].copy_from_slice(b"Xx");
    let unknown = format!("untrusted comment: x\n{}\n", STANDARD.encode(&bytes));
    assert!(matches!(SecretKey::decode(unknown.as_bytes()), Err(SignError::Malformed { .. })));
}

#[test]
fn keys_come_back_as_they_were() {
    let key = SecretKey::generate().unwrap();
    let again = SecretKey::decode(key.encode().as_bytes()).unwrap();
    assert_eq!(again.public(), key.public());
    assert_eq!(again.sign(b"a", "b").unwrap(), key.sign(b"a", "b").unwrap());
    let public = PublicKey::decode(key.public().encode().as_bytes()).unwrap();
    assert_eq!(&public, key.public());
    assert_eq!(TrustedKeys::parse(&key.public().to_string()).unwrap(), [public]);
    let other = self::key(3);
    let two = key.public().encode() + "\n" + &other.public().encode();
    assert_eq!(TrustedKeys::parse(&two).unwrap().len(), 2);
    assert_ne!(SecretKey::generate().unwrap().public(), key.public());
    assert!(!format!("{key:?}").contains(&hex::encode(&key.public().bytes()[..4])));
}

#[test]
fn damaged_keys_are_refused() {
    let secret = key(1).encode();
    let mut bytes = secret.as_bytes().to_vec();
    let start = secret.find('\n').unwrap() + 1;
    // All but the salt and limits of scrypt and the checksum, which mean nothing without a password, and the id.
    let halves = start + 62_usize.div_ceil(3) * 4..start + 126 / 3 * 4;
    for at in halves {
        let before = bytes[at];
        bytes[at] = if before == b'A' { b'B' } else { b'A' };
        assert!(SecretKey::decode(&bytes).is_err(), "byte {at}");
        bytes[at] = before;
    }
    assert!(SecretKey::decode(&bytes).is_ok());
    for text in ["", "RW", "untrusted comment: x", "untrusted comment: x\nRWR", &"A".repeat(56)] {
        assert!(TrustedKeys::parse(text).is_err(), "{text}");
    }
    assert_eq!(TrustedKeys::new(Vec::new()), Err(SignError::NoKeys));
    let imposter = SecretKey::from_seed(KeyId([1; 8]), [2; 32].into()).unwrap();
    let both = TrustedKeys::new(vec![key(1).public().clone(), imposter.public().clone()]);
    assert!(matches!(both, Err(SignError::SameId { .. })));
    let twice = TrustedKeys::new(vec![key(1).public().clone(), key(1).public().clone()]).unwrap();
    assert_eq!(twice.keys().len(), 1);
}

#[test]
fn a_comment_must_fit_on_a_line() {
    for comment in ["a\nb", "a\rb", &"x".repeat(1_025)] {
        assert_eq!(key(1).sign(b"", comment), Err(SignError::Comment));
    }
}

proptest! {
    #[test]
    fn any_message_and_comment_come_back(message: Vec<u8>, comment in "[ -~]{0,200}", seed: [u8; 32], id: [u8; 8]) {
        let key = SecretKey::from_seed(KeyId(id), seed.into()).unwrap();
        let made = key.sign(&message, &comment).unwrap();
        let read = Signature::decode(made.encode().as_bytes()).unwrap();
        prop_assert_eq!(&read, &made);
        prop_assert_eq!(read.check(key.public(), &message, &comment), Ok(()));
    }

    #[test]
    fn any_bytes_make_no_panic(bytes: Vec<u8>, text: String) {
        prop_assert!(Signature::decode(&bytes).is_err());
        prop_assert!(SecretKey::decode(&bytes).is_err());
        prop_assert!(PublicKey::decode(&bytes).is_err());
        prop_assert!(TrustedKeys::parse(&text).is_err());
    }
}
