//! Manifests.

use std::collections::BTreeMap;

use backup_format::{
    Consistency, Content, DigestState, Inventory, Manifest, ObjectId, Order, SealedInventory, Source,
};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::content::{batch, entries, groups, namespace, order};

fn text() -> impl Strategy<Value = String> {
    "[^\\pC]{0,40}"
}

fn consistency() -> impl Strategy<Value = Consistency> {
    prop::sample::select(&[Consistency::Fuzzy, Consistency::Causal, Consistency::PointInTime][..])
}

fn previous(number: u64) -> Vec<ObjectId> {
    (0..number % 4).map(|byte| ObjectId([byte as u8; 32])).collect()
}

fn manifest() -> impl Strategy<Value = Manifest> {
    let texts = (text(), text(), text(), text(), text(), prop::option::of(text()));
    let rest = (any::<[u8; 32]>(), order(), consistency(), btree_map("[a-z]{1,9}", text(), 0..5));
    (namespace(), texts, rest, vec(any::<u64>(), 3)).prop_map(|(namespace, texts, rest, numbers)| {
        let mut state = DigestState::default();
        let groups = groups(&namespace, Order::Plain);
        batch(entries(&groups)).groups().for_each(|group| state.add_group(&group));
        let (tool, name, engine, engine_version, layout, origin) = texts;
        let (root, order, consistency, annotations) = rest;
        Manifest {
            format: Manifest::FORMAT.to_owned(),
            version: 1,
            requires: Vec::new(),
            tool,
            namespace: name,
            order,
            root: ObjectId(root),
            inventory: Some(Inventory { annotations, ..state.into() }),
            sealed: None,
            plain_bytes: numbers[0],
            segments: numbers[1],
            pages: numbers[2],
            started: "2026-01-31T23:59:58Z".to_owned(),
            finished: "2026-01-31T23:59:59.125Z".to_owned(),
            sequence: numbers[0] % 3,
            previous: previous(numbers[1]),
            last: numbers[2] % 2 == 1,
            consistency,
            source: Source { engine, engine_version, layout: format!("plain{layout}"), origin },
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_encoded_is_decoded(manifest in manifest()) {
        let (id, json) = manifest.encode().unwrap();
        prop_assert_eq!(id.0, *blake3::hash(&json).as_bytes());
        let decoded = Manifest::decode(&json).unwrap();
        prop_assert_eq!(&decoded, &manifest);
        prop_assert_eq!(decoded.encode().unwrap(), (id, json));
    }
}

fn example() -> Manifest {
    let state = DigestState::default();
    Manifest {
        format: Manifest::FORMAT.to_owned(),
        version: 1,
        requires: Vec::new(),
        tool: "kvbackup 1".to_owned(),
        namespace: "example".to_owned(),
        order: Order::Plain,
        root: ObjectId([1; 32]),
        inventory: Some(state.into()),
        sealed: None,
        plain_bytes: 0,
        segments: 0,
        pages: 0,
        started: "2026-01-31T23:59:58Z".to_owned(),
        finished: "2026-01-31T23:59:59Z".to_owned(),
        sequence: 0,
        previous: Vec::new(),
        last: false,
        consistency: Consistency::PointInTime,
        source: Source { layout: "plain".to_owned(), ..Source::default() },
    }
}

fn refusal(field: &str, value: Value) -> String {
    let mut manifest = serde_json::to_value(example()).unwrap();
    match field.split_once('.') {
        Some((outer, inner)) => manifest[outer][inner] = value,
        None => manifest[field] = value,
    }
    let error = Manifest::decode(manifest.to_string().as_bytes()).unwrap_err();
    match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[test]
fn impossible_values_are_refused_by_name() {
    let times = "expected a UTC time like 2026-01-31T23:59:59Z";
    let texts = "expected at most 255 bytes without control characters";
    let ascending = "field previous is ";
    let many: BTreeMap<_, _> = (0..65).map(|number| (number.to_string(), "")).collect();
    let cases = [
        (
            "version",
            json!(2),
            "manifest: format \"kvbackup-dump\" version 2; this program reads \"kvbackup-dump\" up to version 1",
        ),
        ("format", json!("x"), "manifest: format \"x\" version 1"),
        (
            "requires",
            json!(["encryption", "y"]),
            "manifest requires \"encryption\", which this version cannot read",
        ),
        ("digest", json!("ab".repeat(32)), "field digest is abab"),
        ("partitions", json!(1), "expected the one that lthash, partitions and entries give"),
        ("entries", json!(1), "expected the one that lthash, partitions and entries give"),
        ("lthash", json!("AAAA"), "expected 2048 bytes, found 3"),
        ("lthash", json!("*"), "manifest is not valid: "),
        ("root", json!("../".repeat(21) + "a"), "expected 64 lower-case hex digits"),
        ("order", json!(3), "order 3; expected 0, 1 or 2"),
        ("consistency", json!("certain"), "consistency \"certain\"; expected point_in_time, causal or fuzzy"),
        ("consistency", json!("a\u{1b}[2J"), "consistency \"a\\u{1b}[2J\"; expected"),
        ("namespace", json!("a\u{1b}[2J"), texts),
        ("namespace", json!("a".repeat(256)), texts),
        ("tool", json!("a\nb"), texts),
        ("source.engine", json!("a\0"), texts),
        ("source.engine_version", json!("\u{7f}"), texts),
        ("source.layout", json!("\r"), texts),
        ("source.layout", json!(""), "field source.layout is empty; expected the name of a layout"),
        ("source.origin", json!("\t"), texts),
        ("started", json!("2026-01-31 23:59:59Z"), times),
        ("started", json!("2026-01-31T23:59:59+01:00"), times),
        ("finished", json!("2026-1-31T23:59:59Z"), times),
        ("finished", json!("2026-99-99T99:99:99Z"), times),
        ("finished", json!("2026-13-01T00:00:00Z"), times),
        ("finished", json!("2026-00-01T00:00:00Z"), times),
        ("finished", json!("2026-02-29T00:00:00Z"), times),
        ("finished", json!("1900-02-29T00:00:00Z"), times),
        ("finished", json!("2026-04-31T00:00:00Z"), times),
        ("started", json!("2026-01-00T00:00:00Z"), times),
        ("started", json!("2026-01-31T24:00:00Z"), times),
        ("started", json!("2026-01-31T00:60:00Z"), times),
        ("started", json!("2026-01-31T00:00:60Z"), times),
        ("finished", json!("2026-01-31T23:59:59.Z"), times),
        ("finished", json!("2026-01-31T23:59:59.1234567890Z"), times),
        ("sequence", json!(-1), "manifest is not valid: invalid value: integer `-1`"),
        ("sequence", json!(1.5), "manifest is not valid: invalid type: floating point"),
        ("previous", json!(["../x"]), "expected 64 lower-case hex digits"),
        ("previous", json!(["ab".repeat(32), "ab".repeat(32)]), ascending),
        ("previous", json!(["ab".repeat(32), "aa".repeat(32)]), ascending),
        ("previous", json!((0..65).map(|number| format!("{number:064x}")).collect::<Vec<_>>()), ascending),
        ("annotations", json!(many), "at most 64 pairs of 4,096 bytes together"),
        ("annotations", json!({ "a": "b".repeat(4_096) }), "at most 64 pairs of 4,096 bytes together"),
        ("annotations", json!({ "a": "\u{1b}" }), "without control characters"),
        (
            "contents",
            json!([{ "kind": "block", "partitions": 1, "entries": 0, "plain_bytes": 0 }]),
            "field contents is",
        ),
    ];
    for (field, value, expected) in cases {
        let found = refusal(field, value);
        assert!(found.contains(expected), "{field}: {found}");
        assert!(!found.contains(['\u{1b}', '\n', '\r', '\0']), "{found:?}");
    }
}

#[test]
fn contents_must_add_up_without_overflow() {
    let content =
        |partitions, entries| Content { kind: "block".to_owned(), partitions, entries, plain_bytes: 1 };
    let mut manifest = example();
    let state = DigestState { partitions: 3, entries: 7, ..DigestState::default() };
    for (contents, accepted) in [
        (vec![content(3, 7)], true),
        (vec![content(1, 3), content(2, 4)], true),
        (vec![], true),
        (vec![content(3, 6)], false),
        (vec![content(u64::MAX, 7), content(4, 0)], false),
    ] {
        manifest.inventory = Some(Inventory { contents: contents.clone(), ..state.clone().into() });
        assert_eq!(manifest.encode().is_ok(), accepted, "{contents:?}");
    }
}

#[test]
fn unknown_fields_are_ignored_and_missing_ones_are_not() {
    let whole = serde_json::to_value(example()).unwrap();
    let mut value = whole.clone();
    value["later"] = json!([{}]);
    assert_eq!(Manifest::decode(value.to_string().as_bytes()).unwrap(), example());
    for field in whole.as_object().unwrap().keys() {
        let mut value = whole.clone();
        value.as_object_mut().unwrap().remove(field);
        let optional = ["requires", "contents", "annotations"].contains(&field.as_str());
        assert_eq!(Manifest::decode(value.to_string().as_bytes()).is_ok(), optional, "{field}");
    }
}

#[test]
fn a_manifest_that_says_nothing_of_the_order_keeps_its_bytes() {
    let (id, json) = example().encode().unwrap();
    let text = String::from_utf8(json.clone()).unwrap();
    assert!(!text.contains("sequence") && !text.contains("previous"), "{text}");
    let read = Manifest::decode(&json).unwrap();
    assert_eq!((read.sequence, read.previous.len(), read.encode().unwrap()), (0, 0, (id, json)));
    let ordered = Manifest { sequence: u64::MAX, previous: vec![ObjectId([1; 32])], ..example() };
    assert_eq!(Manifest::decode(&ordered.encode().unwrap().1).unwrap(), ordered);
}

#[test]
fn a_manifest_that_could_not_be_read_is_not_encoded() {
    let mut manifest = example();
    manifest.namespace = "a\nb".to_owned();
    assert!(manifest.encode().is_err());
    let mut manifest = example();
    manifest.inventory.as_mut().unwrap().annotations = BTreeMap::from([("a".to_owned(), "b".repeat(5_000))]);
    assert!(manifest.encode().is_err());
}

#[test]
fn what_is_no_json_or_too_long_is_refused() {
    for bytes in [&b""[..], b"{", b"[]", b"\xff", b"null"] {
        assert_eq!(Manifest::decode(bytes).unwrap_err().to_string(), "manifest is not valid");
    }
    let long = [&example().encode().unwrap().1[..], &vec![b' '; 1 << 20]].concat();
    let error = Manifest::decode(&long).unwrap_err().to_string();
    assert!(error.contains("is longer than the limit of 1048576 bytes"), "{error}");
}

#[test]
fn a_weaker_consistency_is_less() {
    assert!(Consistency::Fuzzy < Consistency::Causal && Consistency::Causal < Consistency::PointInTime);
    let texts = [Consistency::Fuzzy, Consistency::Causal, Consistency::PointInTime]
        .map(|consistency| (consistency.to_string(), serde_json::to_value(consistency).unwrap()));
    for (shown, json) in texts {
        assert_eq!(json, shown);
    }
}

fn sealed() -> Manifest {
    let sealed = SealedInventory { aead: 2, key: [3; 32], wrapped: vec![4; 300], body: vec![5; 90] };
    let requires = vec![Manifest::ENCRYPTED.to_owned()];
    Manifest { requires, sealed: Some(sealed), ..example() }
}

#[test]
fn of_a_sealed_inventory_nothing_stands_in_the_file() {
    let (_, json) = sealed().encode().unwrap();
    let fields: Value = serde_json::from_slice(&json).unwrap();
    for field in ["digest", "lthash", "partitions", "entries", "contents", "annotations"] {
        assert!(fields.get(field).is_none(), "{field}");
    }
    let mut read = Manifest::decode(&json).unwrap();
    assert_eq!(read, Manifest { inventory: None, ..sealed() });
    let inventory = example().inventory.unwrap();
    read.open(&inventory.encode()).unwrap();
    assert_eq!(read, sealed());
    let contents = vec![Content { kind: "block".to_owned(), partitions: 1, entries: 1, plain_bytes: 1 }];
    assert!(read.open(&Inventory { contents, ..inventory }.encode()).is_err());
}

#[test]
fn what_is_sealed_says_so_and_nothing_else_does() {
    let whole = serde_json::to_value(sealed()).unwrap();
    let decode = |value: &Value| Manifest::decode(value.to_string().as_bytes());
    decode(&whole).unwrap();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut value = whole.clone();
        change(&mut value);
        decode(&value).unwrap_err().to_string()
    };
    let refused = [
        with(&|value| value["requires"] = json!([])),
        with(&|value| {
            value.as_object_mut().unwrap().remove("sealed");
        }),
        with(&|value| value["sealed"]["aead"] = json!(0)),
        with(&|value| value["sealed"]["aead"] = json!(3)),
        with(&|value| value["sealed"]["kid"] = json!("ab")),
        with(&|value| value["sealed"]["body"] = json!("?")),
        with(&|value| value["sealed"]["wrapped"] = json!("A".repeat(100_000))),
    ];
    assert_eq!(refused.len(), 7);
    let mut plain = serde_json::to_value(example()).unwrap();
    plain["requires"] = json!(["age1"]);
    assert!(decode(&plain).unwrap_err().to_string().contains("sealed"));
}
