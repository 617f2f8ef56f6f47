//! Lists of recipients and files of identities; age files that ask for work.

use backup_seal::{AgeIdentities, AgeRecipients, Identities, Recipients, SealError};
use proptest::prelude::*;

/// Made for a plugin `age-plugin-kvbackupnone`, which does not exist.
const OF_PLUGIN: &str = "age1kvbackupnone1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0sxpldca";
const PLUGIN_IDENTITY: &str = "AGE-PLUGIN-KVBACKUPNONE-1DUYRH5";

fn parse(recipients: &[&str]) -> Result<AgeRecipients, SealError> {
    AgeRecipients::parse(&recipients.iter().map(ToString::to_string).collect::<Vec<_>>())
}

/// Asserts that it is refused for this reason.
fn assert_refused<T: std::fmt::Debug>(result: Result<T, SealError>, reason: &str) {
    let error = result.unwrap_err().to_string();
    assert!(error.contains(reason), "{error}");
}

#[test]
fn recipients_are_refused_for_a_reason() {
    let (_, one) = AgeIdentities::generate();
    assert_eq!(parse(&[&one, OF_PLUGIN]).unwrap().recipients(), [&one, OF_PLUGIN]);
    assert_refused(parse(&[]), "there is none");
    assert_refused(parse(&[&one, &one]), "stands there twice");
    assert_refused(parse(&["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI"]), "keys of SSH are not taken");
    assert_refused(parse(&["operator@example.com"]), "begin with `age1`");
    assert_refused(parse(&[""]), "begin with `age1`");
    for bad in [&one[..61], &(one.clone() + "q"), &one.replace("age1", "age1q"), "age1"] {
        assert_refused(parse(&[bad]), "it is damaged");
    }
    // 31 bytes with a good checksum.
    assert!(parse(&["age1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc535lh4"]).is_err());
    let many: Vec<String> = (0..65).map(|_| AgeIdentities::generate().1).collect();
    assert_refused(AgeRecipients::parse(&many), "more than 64");
}

#[test]
fn an_identity_among_recipients_is_not_quoted() {
    let (file, _) = AgeIdentities::generate();
    let secret = file.lines().last().unwrap();
    for given in [secret, &secret.to_lowercase(), &secret[..30], PLUGIN_IDENTITY] {
        let error = parse(&[given]).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(&given[16..]), "{error}");
        assert_refused(parse(&[given]), "is an identity, which is secret");
    }
}

#[test]
fn identity_files_are_refused_for_a_reason_and_not_quoted() {
    let (file, recipient) = AgeIdentities::generate();
    let secret = file.lines().last().unwrap();
    let decode = |text: &str| AgeIdentities::decode(text.as_bytes());
    let decoded = decode(&format!("# x\n\n{secret}\r\n{PLUGIN_IDENTITY}\n")).unwrap();
    let shown = format!("{decoded:?}");
    assert!(shown.contains(&recipient) && shown.contains("kvbackupnone"), "{shown}");
    assert!(!shown.contains(&secret[16..30]), "{shown}");
    for (text, reason) in [
        (String::new(), "it has no identity"),
        ("# only a comment\n".to_owned(), "it has no identity"),
        (recipient, "line 1 is a recipient"),
        (format!("{secret}Q"), "line 1 is damaged"),
        (format!("\n{}", &secret[..70]), "line 2 is damaged"),
        (format!("{secret} {secret}"), "line 1 is damaged"),
        ("age-encryption.org/v1\n-> scrypt".to_owned(), "line 1 begins an age file"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----".to_owned(), "such as SSH"),
        (
            "AGE-SECRET-KEY-PQ-1QQQSYQCYQ5RQWZQFPG9SCRGWPUGPZYSNZS23V9CCRYDPK8QARC0S5DYVQQ".to_owned(),
            "`age-plugin-pq -identity`",
        ),
        ("AGE-SECRET-KEY-NEW-1QQQSYQ".to_owned(), "not known here"),
        ("password".to_owned(), "line 1 is no identity"),
        (format!("{secret}\n").repeat(65), "more than 64"),
        ("\n".repeat(65_537), "at most 65536 bytes"),
    ] {
        let error = decode(&text).unwrap_err();
        assert!(!format!("{error:?}").contains(&secret[16..70]), "{error:?}");
        assert_refused(decode(&text), reason);
    }
    assert!(AgeIdentities::decode(b"\xff").is_err());
    let most = || decode(&format!("{secret}\n").repeat(64)).unwrap();
    assert_refused(most().join(decode(secret).unwrap()), "more than 64");
}

#[test]
fn a_plugin_that_is_missing_is_named_when_it_is_needed() {
    let (file, one) = AgeIdentities::generate();
    let refused = parse(&[&one, OF_PLUGIN]).unwrap().wrap(b"secret").unwrap_err();
    assert!(matches!(refused, SealError::Plugin { .. }), "{refused:?}");
    assert!(refused.to_string().contains("age-plugin-kvbackupnone"), "{refused}");
    let both = AgeIdentities::decode(format!("{PLUGIN_IDENTITY}\n{}", *file).as_bytes()).unwrap();
    let wrapped = parse(&[&one]).unwrap().wrap(b"secret").unwrap();
    assert_eq!(*both.unwrap(&wrapped).unwrap(), b"secret", "another identity opens it");
    let alone = AgeIdentities::decode(PLUGIN_IDENTITY.as_bytes()).unwrap();
    assert!(alone.unwrap(&wrapped).unwrap_err().to_string().contains("age-plugin-kvbackupnone"));
}

/// An age file of these stanzas, with a MAC that no key made.
fn age_file(stanzas: &str) -> Vec<u8> {
    format!("age-encryption.org/v1\n{stanzas}--- {}\n{}", "A".repeat(43), "x".repeat(48)).into_bytes()
}

#[test]
fn a_passphrase_or_too_many_stanzas_are_refused_before_any_work() {
    let identities = AgeIdentities::decode(AgeIdentities::generate().0.as_bytes()).unwrap();
    let unwrap = |stanzas: &str| identities.unwrap(&age_file(stanzas)).unwrap_err();
    // It asks for 2^30 blocks of scrypt.
    let scrypt = format!("-> scrypt {} 30\n{}\n", "A".repeat(22), "A".repeat(43));
    assert_eq!(unwrap(&scrypt), SealError::Passphrase);
    let one = "-> x\n\n";
    assert_eq!(unwrap(&(one.repeat(2) + &scrypt)), SealError::Passphrase);
    assert_eq!(unwrap(&one.repeat(160)), SealError::NoIdentity);
    for many in [161, 10_000] {
        assert!(unwrap(&one.repeat(many)).to_string().contains("more than 160"));
    }
    assert!(unwrap(&one.repeat(11_000)).to_string().contains("more than 65536"));
}

#[test]
fn what_is_no_age_file_is_refused() {
    let identities = AgeIdentities::decode(AgeIdentities::generate().0.as_bytes()).unwrap();
    for file in [
        &b""[..],
        b"age-encryption.org/v1",
        b"age-encryption.org/v1\n",
        b"age-encryption.org/v1\n--- \n",
        b"age-encryption.org/v2\n-> X25519 a\n\n---",
        b"age-encryption.org/v1\r\n-> X25519 a\r\n",
        b"-----BEGIN AGE ENCRYPTED FILE-----\n",
        &[b'\n'; 65_536],
        &[0; 65_536],
    ] {
        let refused = identities.unwrap(file).unwrap_err();
        assert!(matches!(refused, SealError::AgeFile { .. }), "{refused:?}");
    }
    // A stanza that is not canonical, and would be ours.
    let refused = identities.unwrap(&age_file("-> X25519 AAAA\nAAAA\n")).unwrap_err();
    assert!(matches!(refused, SealError::AgeFile { .. }), "{refused:?}");
}

/// Pieces of which files are made that look like identity files and age files.
fn piece() -> impl Strategy<Value = String> {
    let (file, recipient) = AgeIdentities::generate();
    let known = [
        file.as_str(),
        &recipient,
        PLUGIN_IDENTITY,
        OF_PLUGIN,
        "AGE-SECRET-KEY-1",
        "AGE-PLUGIN-",
        "age-encryption.org/v1\n",
        "-> X25519 ",
        "-> scrypt ",
        "--- ",
        "#",
        "\n",
        "\r",
        "\0",
    ];
    let known = prop::sample::select(known.map(str::to_owned).to_vec());
    prop_oneof![known, "[A-Za-z0-9+/]{0,50}", any::<String>()]
}

proptest! {
    #[test]
    fn any_text_makes_no_panic_and_no_list_that_is_empty(pieces in prop::collection::vec(piece(), 0..12)) {
        let text = pieces.concat();
        if let Ok(identities) = AgeIdentities::decode(text.as_bytes()) {
            let shown = format!("{identities:?}");
            prop_assert!(!shown.contains("[]"), "{}", shown);
        }
        let identities = AgeIdentities::decode(AgeIdentities::generate().0.as_bytes()).unwrap();
        prop_assert!(identities.unwrap(text.as_bytes()).is_err());
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if let Ok(recipients) = AgeRecipients::parse(&lines) {
            prop_assert_eq!(recipients.recipients(), lines);
        }
    }
}
