//! Files of repository keys: what is decoded is what was encoded, and whatever else is refused.

use backup_seal::{RepositoryKey, SealError};
use proptest::prelude::*;

const REPOSITORY: [u8; 16] = [7; 16];

fn strings(recipients: &[&str]) -> Vec<String> {
    recipients.iter().map(ToString::to_string).collect()
}

fn key() -> RepositoryKey {
    RepositoryKey::generate(REPOSITORY, strings(&["age1one", "age1two"])).unwrap()
}

fn decode(text: &str) -> Result<RepositoryKey, SealError> {
    RepositoryKey::decode(text.as_bytes())
}

/// A file of this secret, written by hand.
fn file(secret: &str, rest: &str) -> String {
    format!("repository {}\nkey {secret}\n{rest}", "07".repeat(16))
}

#[test]
fn a_file_comes_back_as_it_was() {
    let key = key();
    let again = decode(&key.encode()).unwrap();
    assert_eq!(again, key);
    assert_eq!((again.repository(), again.secret()), (REPOSITORY, key.secret()));
    assert_eq!(again.recipients(), ["age1one", "age1two"]);
    let other = again.with_recipients(strings(&["age1three"])).unwrap();
    assert_eq!((other.secret(), other.recipients().len()), (key.secret(), 1));
    assert_ne!(self::key().secret(), key.secret());
    let shown = format!("{key:?}");
    assert!(!shown.contains(&hex::encode(&key.secret()[..4])) && shown.contains("age1two"), "{shown}");
}

#[test]
fn a_file_by_hand_and_its_check_stay_what_they_are() {
    let text = file(&"0b".repeat(32), "\n# A comment.\nrecipient age1one\nend\n");
    let key = decode(&text).unwrap();
    assert_eq!(
        (key.secret(), hex::encode(key.check()).as_str()),
        (&[11; 32], "b5a7d9e57da88a3e9592302ed818cf02")
    );
    assert!(key.encode().ends_with(&file(&"0b".repeat(32), "recipient age1one\nend\n")));
}

#[test]
fn every_file_that_is_cut_short_is_refused() {
    let good = key().encode();
    for len in 0..good.len() {
        assert!(RepositoryKey::decode(&good.as_bytes()[..len]).is_err(), "{len} bytes of {}", good.len());
    }
}

#[test]
fn hostile_lines_are_refused_and_not_quoted() {
    let good = "0b".repeat(32);
    let one = "recipient age1one\nend\n";
    assert!(decode(&file(&good, one)).is_ok());
    let long = "a".repeat(4_097);
    let many: String = (0..65).map(|number| format!("recipient age1{number}\n")).collect();
    let bad = [
        file(&good[2..], one),
        file(&(good.clone() + "0b"), one),
        file(&good.to_uppercase(), one),
        file(&good.replace('b', "g"), one),
        file(&good, "end\n"),
        file(&good, "recipient \nend\n"),
        file(&good, "recipient a b\nend\n"),
        file(&good, "recipient a\tb\nend\n"),
        file(&good, "recipient age1\u{fc}\nend\n"),
        file(&good, "recipient age1one\r\nend\n"),
        file(&good, "recipient age1one\nrecipient age1one\nend\n"),
        file(&good, "recipients age1one\nend\n"),
        file(&good, " recipient age1one\nend\n"),
        file(&good, &format!("recipient {long}\nend\n")),
        file(&good, &(many + "end\n")),
        file(&good, &format!("{one}recipient age1two\n")),
        file(&good, &format!("{one}end\n")),
        file(&good, &format!("key {good}\n{one}")),
        file(&good, one).replace("repository", "Repository"),
        format!("key {good}\nrepository {}\n{one}", "07".repeat(16)),
        "\n".repeat(1_000),
        String::new(),
    ];
    for text in bad {
        let error = decode(&text).expect_err(&text);
        assert!(!format!("{error} {error:?}").contains(&good[2..]), "{error}");
    }
    assert!(RepositoryKey::decode(&[b"\xff\n", file(&good, one).as_bytes()].concat()).is_err());
}

#[test]
fn a_huge_file_is_refused_by_its_length_alone() {
    let text = file(&"0b".repeat(32), "recipient age1one\nend\n");
    let fill = |len: usize| text.clone() + &"\n".repeat(len - text.len());
    assert!(decode(&fill(RepositoryKey::FILE_BYTES_MAX)).is_ok());
    for len in [RepositoryKey::FILE_BYTES_MAX + 1, 10 << 20] {
        assert!(matches!(decode(&fill(len)), Err(SealError::TooLong { len: found, .. }) if found == len));
    }
}

#[test]
fn the_largest_key_that_is_made_has_a_file_that_is_read() {
    let recipient = |number: usize, len: usize| format!("age1{number:0>len$}");
    let recipients = |len: usize| (0..64).map(|number| recipient(number, len - 4)).collect::<Vec<_>>();
    let largest = RepositoryKey::generate(REPOSITORY, recipients(960)).unwrap();
    let file = largest.encode();
    assert!(file.len() <= RepositoryKey::FILE_BYTES_MAX, "{}", file.len());
    assert_eq!(decode(&file).unwrap(), largest);
    assert!(matches!(RepositoryKey::generate(REPOSITORY, recipients(961)), Err(SealError::TooLong { .. })));
    let many = (0..65).map(|number| recipient(number, 60)).collect();
    assert!(matches!(RepositoryKey::generate(REPOSITORY, many), Err(SealError::Recipients { .. })));
    assert!(matches!(key().with_recipients(Vec::new()), Err(SealError::Recipients { .. })));
}

proptest! {
    #[test]
    fn any_key_comes_back(recipients in prop::collection::hash_set("[!-~]{1,100}", 1..64), id: [u8; 16]) {
        let key = RepositoryKey::generate(id, recipients.into_iter().collect()).unwrap();
        prop_assert_eq!(decode(&key.encode()), Ok(key));
    }

    #[test]
    fn any_bytes_make_no_panic(bytes: Vec<u8>, text: String) {
        prop_assert!(RepositoryKey::decode(&bytes).is_err());
        prop_assert!(decode(&text).is_err());
    }

    /// What is decoded from an altered file is a file that is read again as the same.
    #[test]
    fn an_altered_file_is_refused_or_means_what_it_says(at in 0_usize..400, byte: u8) {
        let mut bytes = key().encode().as_bytes().to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(key) = RepositoryKey::decode(&bytes) {
            prop_assert_eq!(decode(&key.encode()), Ok(key));
        }
    }
}
