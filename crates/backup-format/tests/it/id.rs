//! Names of objects and the keys they are made with.

use backup_format::{Keys, Kind, ObjectId};
use proptest::prelude::*;

proptest! {
    #[test]
    fn an_id_is_read_back_from_its_text(bytes: [u8; 32]) {
        let id = ObjectId(bytes);
        let text = id.to_string();
        prop_assert_eq!(text.parse::<ObjectId>().unwrap(), id);
        let json = serde_json::to_string(&id).unwrap();
        prop_assert_eq!(&json, &format!("{text:?}"));
        prop_assert_eq!(serde_json::from_str::<ObjectId>(&json).unwrap(), id);
        prop_assert!(bytes.starts_with(&id.prefix().to_le_bytes()));
    }

    #[test]
    fn text_that_is_no_id_is_refused(text in "\\PC{0,70}") {
        prop_assert!(text.parse::<ObjectId>().is_err());
    }
}

#[test]
fn names_that_are_not_64_lower_hex_digits_are_refused() {
    let good = "0123456789abcdef".repeat(4);
    good.parse::<ObjectId>().unwrap();
    let mut names = vec![
        String::new(),
        good.to_uppercase(),
        good[1..].to_owned(),
        format!("{good}0"),
        format!("{good}.json"),
        format!(" {}", &good[1..]),
        format!("../{}", &good[3..]),
        format!("../../../{}", &good[9..]),
        format!("/{}", &good[1..]),
        format!("{}\0", &good[1..]),
        format!("{}\n", &good[1..]),
        format!("{}\\", &good[1..]),
        format!("0x{}", &good[2..]),
        format!("\u{ff10}{}", &good[3..]),
        "..".repeat(32),
    ];
    names.extend((0..64).map(|place| format!("{}g{}", &good[..place], &good[place + 1..])));
    for name in names {
        let error = name.parse::<ObjectId>().unwrap_err().to_string();
        assert!(error.ends_with("; expected 64 lower-case hex digits"), "{error}");
        assert!(error.is_ascii() || !name.is_ascii());
        assert!(!error.contains(['\n', '\0']), "{error:?}");
    }
}

#[test]
fn a_long_name_is_not_repeated_whole() {
    let error = "a".repeat(1 << 20).parse::<ObjectId>().unwrap_err().to_string();
    assert!(error.len() < 200);
}

#[test]
fn the_kind_and_the_salt_are_in_the_id() {
    let (one, other) = (Keys::derive(&[1; 16]), Keys::derive(&[2; 16]));
    let id = one.id(Kind::Segment, b"content");
    assert_ne!(id, one.id(Kind::Page, b"content"));
    assert_ne!(id, other.id(Kind::Segment, b"content"));
    assert_ne!(id, one.id(Kind::Segment, b"contents"));
    assert_ne!(id, ObjectId::of_file(b"content"));
    one.check(Kind::Segment, b"content", id).unwrap();
    let error = one.check(Kind::Page, b"content", id).unwrap_err().to_string();
    assert!(error.starts_with(&format!("page {id}: its content hashes to ")), "{error}");
}

#[test]
fn kinds_have_numbers_and_no_others_are_known() {
    for number in 0..=255 {
        let kind = Kind::from_number(number);
        assert_eq!(kind.map(|kind| kind as u8), Some(number).filter(|number| [1, 2].contains(number)));
    }
}

#[test]
fn keys_do_not_show_themselves() {
    assert_eq!(format!("{:?}", Keys::derive(&[1; 16])), "Keys(..)");
}
