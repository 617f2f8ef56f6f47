//! `config.json`.

use backup_format::pack::PackVersion;
use backup_format::{Config, Keys};
use proptest::prelude::*;
use serde_json::{Value, json};

fn config() -> Value {
    serde_json::from_slice(&Config::new([1; 16], [2; 16]).encode()).unwrap()
}

fn refusal(field: &str, value: Value) -> String {
    let mut config = config();
    config[field] = value;
    let error = Config::decode(config.to_string().as_bytes()).unwrap_err();
    match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(
        repository: [u8; 16], salt: [u8; 16], segment in 64..=16u64 << 20, page in 16u64 << 20..=1 << 30, pack in 1_024..=512u64 << 20,
    ) {
        let config = Config::new(repository, salt).with_targets(segment, page, pack);
        let decoded = Config::decode(&config.encode()).unwrap();
        prop_assert_eq!(&decoded, &config);
        prop_assert_eq!(decoded.encode(), config.encode());
        let (keys, derived) = (decoded.keys().unwrap(), Keys::derive(&salt));
        prop_assert_eq!(keys.cut_key(), derived.cut_key());
    }
}

#[test]
fn later_versions_and_requirements_are_refused_by_name() {
    let cases = [
        (
            "version",
            json!(3),
            "config.json: format \"kvbackup-repository\" version 3; this program reads \"kvbackup-repository\" up to version 2",
        ),
        (
            "format",
            json!("other"),
            "config.json: format \"other\" version 1; this program reads \"kvbackup-repository\" up to version 2",
        ),
        (
            "requires",
            json!(["index"]),
            "config.json requires \"index\", which this version cannot read; use a newer one",
        ),
        (
            "encrypted",
            json!(true),
            "config.json requires \"encrypted\", which this version cannot read; use a newer one",
        ),
        (
            "rule",
            json!("norm2"),
            "config.json requires \"rule norm2\", which this version cannot read; use a newer one",
        ),
    ];
    for (field, value, expected) in cases {
        assert_eq!(refusal(field, value), expected);
    }
    // A version is looked at before anything else that it may have changed.
    let later = json!({ "format": "kvbackup-repository", "version": 3, "segment_target": "big" }).to_string();
    assert!(Config::decode(later.as_bytes()).unwrap_err().to_string().contains("version 3"));
}

#[test]
fn version_2_differs_in_its_number_and_in_its_packs_alone() {
    let one = Config::new([1; 16], [2; 16]);
    let two = one.clone().with_version(2);
    assert_eq!((one.version(), two.version()), (1, 2));
    assert_eq!((one.pack_version(), two.pack_version()), (PackVersion::V1, PackVersion::V2));
    let decoded = Config::decode(&two.encode()).unwrap();
    assert_eq!((&decoded, decoded.keys().unwrap().cut_key()), (&two, one.keys().unwrap().cut_key()));
    let text = |config: &Config| String::from_utf8(config.encode()).unwrap();
    assert_eq!(text(&one).replace("\"version\": 1", "\"version\": 2"), text(&two));
    assert!(Config::decode(&one.with_version(0).encode()).is_err());
}

#[test]
fn impossible_values_are_refused() {
    let cases = [
        ("segment_target", json!(63), "64 to 16,777,216 bytes"),
        ("segment_target", json!((16 << 20) + 1), "64 to 16,777,216 bytes"),
        ("segment_target", json!(-1), "invalid value: integer `-1`"),
        ("page_target", json!((256 << 10) - 1), "segment_target to 1,073,741,824 bytes"),
        ("page_target", json!((1 << 30) + 1), "segment_target to 1,073,741,824 bytes"),
        ("pack_target", json!(1_023), "1,024 to 536,870,912 bytes"),
        ("pack_target", json!((512 << 20) + 1), "1,024 to 536,870,912 bytes"),
        ("repository", json!("ab"), "16 bytes in hex"),
        ("repository", json!("../".repeat(10) + "ab"), "16 bytes in hex"),
        ("cut_salt", json!("ab"), "config.json is not valid: "),
        ("cut_salt", Value::Null, "true with key_check"),
        ("key_check", json!("00".repeat(16)), "true with key_check"),
    ];
    for (field, value, expected) in cases {
        let found = refusal(field, value);
        assert!(found.contains(expected), "{found}");
    }
}

#[test]
fn unknown_fields_are_ignored_and_missing_ones_are_not() {
    let mut value = config();
    value["later"] = json!({ "a": [1] });
    assert_eq!(Config::decode(value.to_string().as_bytes()).unwrap(), Config::new([1; 16], [2; 16]));
    for field in [
        "format",
        "version",
        "repository",
        "rule",
        "segment_target",
        "page_target",
        "pack_target",
        "cut_salt",
        "encrypted",
    ] {
        let mut value = config();
        value.as_object_mut().unwrap().remove(field).unwrap();
        assert!(Config::decode(value.to_string().as_bytes()).is_err(), "{field}");
    }
}

#[test]
fn what_is_no_json_or_too_long_is_refused() {
    for bytes in [&b""[..], b"{", b"[]", b"\xff", b"null"] {
        assert_eq!(Config::decode(bytes).unwrap_err().to_string(), "config.json is not valid");
    }
    let long = [&Config::new([1; 16], [2; 16]).encode()[..], &vec![b' '; 1 << 20]].concat();
    assert!(
        Config::decode(&long).unwrap_err().to_string().contains("is longer than the limit of 1048576 bytes")
    );
    let deep = "[".repeat(500_000);
    assert!(Config::decode(deep.as_bytes()).is_err());
}

#[test]
fn that_of_an_encrypted_repository_has_no_salt() {
    let config = Config::encrypted([1; 16], [7; 16]);
    let json = config.encode();
    assert!(!String::from_utf8_lossy(&json).contains("cut_salt"));
    let decoded = Config::decode(&json).unwrap();
    assert_eq!(decoded, config);
    assert_eq!((decoded.version(), decoded.repository_id()), (2, [1; 16]));
    assert_eq!((decoded.is_encrypted(), decoded.key_check()), (true, Some([7; 16])));
    assert!(decoded.keys().is_none());
    let whole: Value = serde_json::from_slice(&json).unwrap();
    let changes = [
        ("version", json!(1)),
        ("encrypted", json!(false)),
        ("requires", json!([])),
        ("key_check", Value::Null),
        ("key_check", json!("ab")),
        ("cut_salt", json!("00".repeat(16))),
    ];
    for (field, value) in changes {
        let mut changed = whole.clone();
        changed[field] = value;
        assert!(Config::decode(changed.to_string().as_bytes()).is_err(), "{field}");
    }
}
