//! Data keys in age files: only the right identity, repository and id open them, and no altered file does.

use backup_seal::{AgeIdentities, AgeRecipients, DataKey, Identities, Recipients, RepositoryKey, SealError};

const REPOSITORY: [u8; 16] = [7; 16];

/// A new identity and its recipient.
fn pair() -> (AgeIdentities, String) {
    let (file, recipient) = AgeIdentities::generate();
    (AgeIdentities::decode(file.as_bytes()).unwrap(), recipient)
}

fn recipients(given: &[&String]) -> AgeRecipients {
    AgeRecipients::parse(&given.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
}

#[test]
fn each_recipient_unwraps_and_nobody_else() {
    let ((one, to_one), (two, to_two), (other, _)) = (pair(), pair(), pair());
    let key = DataKey::generate().unwrap();
    let wrapped = key.wrap(&recipients(&[&to_one, &to_two]), &REPOSITORY).unwrap();
    for identities in [&one, &two] {
        let opened = DataKey::unwrap(identities, &REPOSITORY, key.id(), &wrapped).unwrap();
        assert_eq!(opened.id(), key.id());
    }
    let refused = DataKey::unwrap(&other, &REPOSITORY, key.id(), &wrapped).unwrap_err();
    assert_eq!(refused, SealError::NoIdentity);
    // Among several identities, one is enough.
    let joined = other.join(one).unwrap();
    assert!(DataKey::unwrap(&joined, &REPOSITORY, key.id(), &wrapped).is_ok());
}

#[test]
fn another_repository_and_another_key_are_refused_by_name() {
    let (identity, recipient) = pair();
    let (key, other) = (DataKey::generate().unwrap(), DataKey::generate().unwrap());
    let wrapped = key.wrap(&recipients(&[&recipient]), &REPOSITORY).unwrap();
    let unwrap = |repository, id| DataKey::unwrap(&identity, &repository, id, &wrapped).unwrap_err();
    let (expected, found) = ("08".repeat(16), "07".repeat(16));
    assert_eq!(unwrap([8; 16], key.id()), SealError::OtherRepository { expected, found });
    let (expected, found) = (other.id().to_string(), key.id().to_string());
    assert_eq!(unwrap(REPOSITORY, other.id()), SealError::OtherKey { expected, found });
}

#[test]
fn every_byte_of_a_wrapped_key_counts() {
    let (identity, recipient) = pair();
    let key = DataKey::generate().unwrap();
    let good = key.wrap(&recipients(&[&recipient]), &REPOSITORY).unwrap();
    let unwrap = |wrapped: &[u8]| DataKey::unwrap(&identity, &REPOSITORY, key.id(), wrapped);
    let refused = |wrapped: &[u8], what: String| match unwrap(wrapped) {
        Err(SealError::AgeFile { .. } | SealError::NoIdentity) => {}
        other => panic!("{what}: {other:?}"),
    };
    for at in 0..good.len() {
        for flip in [1, 0x20, 0x80] {
            let mut bad = good.clone();
            bad[at] ^= flip;
            refused(&bad, format!("byte {at} xor {flip}"));
        }
        refused(&good[..at], format!("{at} bytes"));
    }
    refused(&[&good[..], b"\n"].concat(), "one more byte".to_owned());
    assert!(unwrap(&good).is_ok());
}

#[test]
fn what_is_wrapped_must_be_a_data_key() {
    let (identity, recipient) = pair();
    let recipients = recipients(&[&recipient]);
    let start = [b"kvb2 key\n", &REPOSITORY[..]].concat();
    for secret in [
        Vec::new(),
        b"kvb2 key\n".to_vec(),
        start.clone(),
        [&start[..], &[1; 31]].concat(),
        [&start[..], &[1; 33]].concat(),
        [&b"kvb2 kez\n"[..], &REPOSITORY, &[1; 32]].concat(),
        key_file(),
    ] {
        let wrapped = recipients.wrap(&secret).unwrap();
        let id = DataKey::from_bytes([1; 32].into()).id();
        let refused = DataKey::unwrap(&identity, &REPOSITORY, id, &wrapped).unwrap_err();
        assert!(matches!(refused, SealError::Malformed { .. }), "{refused}");
    }
    let wrapped = recipients.wrap(&[&start[..], &[1; 32]].concat()).unwrap();
    let id = DataKey::from_bytes([1; 32].into()).id();
    assert!(DataKey::unwrap(&identity, &REPOSITORY, id, &wrapped).is_ok());
}

fn key_file() -> Vec<u8> {
    let key = RepositoryKey::generate(REPOSITORY, vec!["age1one".to_owned()]).unwrap();
    key.encode().as_bytes().to_vec()
}

#[test]
fn both_sides_have_a_limit() {
    let (identity, recipient) = pair();
    let recipients = recipients(&[&recipient]);
    for len in [65_536, 65_537, 1 << 20] {
        let refused = recipients.wrap(&vec![0; len]).unwrap_err();
        assert!(matches!(refused, SealError::TooLong { .. }), "{len}: {refused}");
        let id = DataKey::generate().unwrap().id();
        let refused = DataKey::unwrap(&identity, &REPOSITORY, id, &vec![b'a'; len + 1]).unwrap_err();
        assert!(matches!(refused, SealError::TooLong { .. }), "{len}: {refused}");
    }
    let largest = recipients.wrap(&[7; 65_000]).unwrap();
    assert_eq!(*identity.unwrap(&largest).unwrap(), [7; 65_000]);
}

#[test]
fn a_repository_key_comes_back_from_an_age_file_for_all_its_recipients() {
    let pairs: Vec<_> = (0..64).map(|_| pair()).collect();
    let to_all = pairs.iter().map(|(_, recipient)| recipient.clone()).collect();
    let key = RepositoryKey::generate(REPOSITORY, to_all).unwrap();
    let stored = AgeRecipients::parse(key.recipients()).unwrap().wrap(key.encode().as_bytes()).unwrap();
    for (identity, _) in [&pairs[0], &pairs[63]] {
        assert_eq!(RepositoryKey::decode(&identity.unwrap(&stored).unwrap()).unwrap(), key);
    }
}

#[test]
fn keys_that_are_wrapped_together_come_back_in_their_order() {
    let ((one, to_one), (other, _)) = (pair(), pair());
    let to_one = recipients(&[&to_one]);
    for count in [0, 1, 2, DataKey::TOGETHER_MAX] {
        let keys: Vec<_> = (0..count).map(|_| DataKey::generate().unwrap()).collect();
        let wrapped = DataKey::wrap_all(&keys, &to_one, &REPOSITORY).unwrap();
        let opened = DataKey::unwrap_all(&one, &REPOSITORY, &wrapped).unwrap();
        let ids = |keys: &[DataKey]| keys.iter().map(DataKey::id).collect::<Vec<_>>();
        assert_eq!(ids(&opened), ids(&keys));
        assert_eq!(DataKey::unwrap_all(&other, &REPOSITORY, &wrapped).unwrap_err(), SealError::NoIdentity);
        let refused = DataKey::unwrap_all(&one, &[8; 16], &wrapped).unwrap_err();
        assert!(matches!(refused, SealError::OtherRepository { .. }), "{refused}");
    }
    let many = vec![DataKey::generate().unwrap(); DataKey::TOGETHER_MAX + 1];
    let refused = DataKey::wrap_all(&many, &to_one, &REPOSITORY).unwrap_err();
    assert!(matches!(refused, SealError::TooLong { .. }), "{refused}");
}

#[test]
fn one_key_is_no_list_of_keys_and_a_list_is_no_key() {
    let (identity, recipient) = pair();
    let to = recipients(&[&recipient]);
    let key = DataKey::generate().unwrap();
    let one = key.wrap(&to, &REPOSITORY).unwrap();
    let list = DataKey::wrap_all(std::slice::from_ref(&key), &to, &REPOSITORY).unwrap();
    assert!(DataKey::unwrap_all(&identity, &REPOSITORY, &one).is_err());
    assert!(DataKey::unwrap(&identity, &REPOSITORY, key.id(), &list).is_err());
    let odd = to.wrap(&[b"kvb2 keys\n", &REPOSITORY[..], &[0; 31]].concat()).unwrap();
    let refused = DataKey::unwrap_all(&identity, &REPOSITORY, &odd).unwrap_err();
    assert!(refused.to_string().contains("31 bytes are left"), "{refused}");
}
