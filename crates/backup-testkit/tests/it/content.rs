//! Contents, capabilities and units.

use std::collections::BTreeSet;

use backup_format::{DigestBuilder, Order, OrderCheck, Segment};
use backup_testkit::{CASES, Capabilities, Content, RootKeys, Spec, Units, seed};

/// The digest as the format computes it.
fn digest_of(content: &Content, order: Order) -> backup_format::Digest {
    let mut builder = DigestBuilder::default();
    for unit in &Units::cut(content, order, 1_000, 3).units {
        unit.segments.iter().flat_map(Segment::groups).for_each(|group| builder.push(&group));
    }
    builder.finish().digest()
}

#[test]
fn the_digest_by_definition_is_that_of_the_format_in_every_order() {
    for case in CASES {
        let content = (case.make)(seed());
        for order in [Order::Prefixed, Order::Plain, Order::Token] {
            assert_eq!(digest_of(&content, order), content.digest(), "{}", case.name);
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_content_and_another_one_another() {
    let spec = Spec::default();
    assert_eq!(Content::seeded(7, &spec), Content::seeded(7, &spec));
    assert_ne!(Content::seeded(7, &spec), Content::seeded(8, &spec));
    let content = Content::seeded(seed(), &spec);
    assert!(content.partitions() > 10 && content.entries() > 100, "{} entries", content.entries());
}

#[test]
fn a_partition_has_exactly_as_many_entries_as_asked_for() {
    for entries in [0, 1, 5_000] {
        let content = Content::partition(seed(), b"root", entries, 0..=3);
        assert_eq!((content.entries(), content.partitions()), (entries, entries.min(1)));
    }
}

#[test]
fn seeded_contents_fit_every_engine() {
    let strict = Capabilities {
        root_keys: RootKeys::PrefixFree,
        empty_root_key: false,
        empty_key: false,
        segment_like_keys: false,
        partitions_max: 3,
        root_key_bytes_max: 255,
        key_bytes_max: 1_000,
        value_bytes_max: 10_000,
        ..Capabilities::default()
    };
    let single = Capabilities { root_keys: RootKeys::OnlyEmpty, ..Capabilities::default() };
    let content = Content::seeded(seed(), &Spec::default());
    for capabilities in [strict, single] {
        let fitted = capabilities.fit(&content);
        assert_eq!(capabilities.objection(&fitted), None);
        assert!(fitted.entries() > content.entries() / 2);
    }
    assert_eq!(Capabilities::default().fit(&content), content);
}

#[test]
fn an_engine_objects_to_what_it_cannot_hold() {
    let any = Capabilities::default();
    let objections = [
        (
            Capabilities { root_keys: RootKeys::PrefixFree, ..any.clone() },
            "a root key that is a prefix of another",
        ),
        (Capabilities { root_keys: RootKeys::OnlyEmpty, ..any.clone() }, "a root key that is not empty"),
        (Capabilities { empty_root_key: false, ..any.clone() }, "an empty root key"),
        (Capabilities { empty_key: false, ..any.clone() }, "an empty key"),
        (Capabilities { segment_like_keys: false, ..any.clone() }, "a key like that of a value's segment"),
        (Capabilities { partitions_max: 100, ..any.clone() }, "too many partitions"),
        (Capabilities { root_key_bytes_max: 1_000, ..any.clone() }, "too long a root key"),
        (Capabilities { key_bytes_max: 9_000, ..any.clone() }, "too long a key"),
        (Capabilities { value_bytes_max: 1 << 20, ..any.clone() }, "too long a value"),
    ];
    let contents: Vec<_> = CASES.iter().map(|case| (case.make)(seed())).collect();
    assert!(contents.iter().all(|content| any.objection(content).is_none()));
    for (capabilities, objection) in objections {
        let found: BTreeSet<_> =
            contents.iter().filter_map(|content| capabilities.objection(content)).collect();
        assert_eq!(found, BTreeSet::from([objection]));
    }
}

#[test]
fn a_root_key_is_a_prefix_of_another_also_when_it_is_empty_or_others_lie_between() {
    let capabilities = Capabilities { root_keys: RootKeys::PrefixFree, ..Capabilities::default() };
    let objects = |root_keys: &[&[u8]]| {
        let entries: Vec<_> = root_keys.iter().map(|root_key| (*root_key, &b"k"[..], &b"v"[..])).collect();
        capabilities.objection(&Content::of(&entries)).is_some()
    };
    assert!(objects(&[b"", b"x"]));
    assert!(objects(&[b"a", b"aa", b"ab"]));
    assert!(objects(&[b"a", b"a\0", b"a\0\0", b"b"]));
    assert!(!objects(&[b""]));
    assert!(!objects(&[b"ab", b"ac", b"b"]));
}

#[test]
fn a_difference_names_the_entry() {
    let content = Content::of(&[(b"r", b"a", b"1"), (b"r", b"b", b"2")]);
    let difference = |entries: &[(&[u8], &[u8], &[u8])]| content.difference(&Content::of(entries));
    assert_eq!(difference(&[(b"r", b"a", b"1"), (b"r", b"b", b"2")]), None);
    let texts = [
        (difference(&[(b"r", b"b", b"2")]), "root_key=72 key=61 is missing"),
        (
            difference(&[(b"r", b"a", b"1"), (b"r", b"b", b"3")]),
            "root_key=72 key=62: expected value 32, found 33",
        ),
        (
            difference(&[(b"r", b"a", b"1"), (b"r", b"b", b"2"), (b"s", b"", b"")]),
            "root_key=73 key=(empty) should not be there",
        ),
    ];
    texts.into_iter().for_each(|(found, text)| assert_eq!(found.as_deref(), Some(text)));
}

#[test]
fn units_hold_the_content_once_and_in_order() {
    let content = Content::seeded(seed(), &Spec::default());
    for order in [Order::Prefixed, Order::Plain, Order::Token] {
        let units = Units::cut(&content, order, 2_000, 4);
        let mut found = Content::default();
        let mut check = OrderCheck::new(order);
        for unit in &units.units {
            assert!((1..=4).contains(&unit.segments.len()));
            assert_eq!(unit.unit.entries, unit.segments.iter().map(Segment::entries).sum::<u64>());
            for (root_key, entry) in unit.segments.iter().flat_map(Segment::iter) {
                check.advance((root_key, entry.key), (root_key, entry.key), false).unwrap();
                found.put(root_key, entry.key, entry.value);
            }
        }
        assert_eq!(found, content);
        assert_eq!((units.restore.entries, units.restore.order), (content.entries(), order));
        let pages: BTreeSet<_> = units.units.iter().map(|unit| unit.unit.page).collect();
        assert_eq!(pages.len(), units.units.len());
        assert!(units.units.len() > 10);
    }
}
