//! Looking entries up, and changing some in place.

use std::sync::Arc;

use backup_format::{AmendTarget, AmendedEntry, EngineError, ErrorClass, Lookup, Order};

use super::support::{
    begin, check_database, finish_and_publish, ok, open, read, refused, refused_for_safety, units, write_all,
};
use crate::content::Content;
use crate::engine::{Amendable, Engine};
use crate::faults::{Fault, Faults};
use crate::faulty_amend::FaultyAmendTarget;
use crate::sample::sample;

/// Root keys of chains, as all layouts of linera have them in 0.15.
const CHAINS: [[u8; 33]; 3] = [chain(1), chain(2), chain(0xff)];
/// Root key of the network description, which no worker owns.
const NETWORK: &[u8] = &[5];
/// A chain that is not there.
const NO_CHAIN: [u8; 33] = chain(3);

const fn chain(number: u8) -> [u8; 33] {
    let mut root_key = [number; 33];
    root_key[0] = 0;
    root_key
}

type Entry<'a> = (&'a [u8], &'a [u8], &'a [u8]);

/// What an amendment writes.
struct Scenario {
    name: &'static str,
    entries: &'static [Entry<'static>],
}

const SCENARIOS: &[Scenario] = &[
    Scenario { name: "nothing", entries: &[] },
    Scenario { name: "a new entry", entries: &[(&CHAINS[0], b"\x01new", b"value")] },
    Scenario { name: "a new entry before all others", entries: &[(&CHAINS[0], b"\x01", b"value")] },
    Scenario { name: "another value", entries: &[(&CHAINS[0], b"\x01a", b"other")] },
    Scenario { name: "a longer value", entries: &[(&CHAINS[0], b"\x01a", &[7; 70_000])] },
    Scenario { name: "an empty value", entries: &[(&CHAINS[0], b"\x01ab", b"")] },
    Scenario { name: "a value in place of an empty one", entries: &[(&CHAINS[0], b"\x02", b"full")] },
    Scenario { name: "the value that is there", entries: &[(&CHAINS[0], b"\x01a", b"1")] },
    Scenario { name: "an entry that no worker owns", entries: &[(NETWORK, b"\x77", b"other network")] },
    Scenario {
        name: "one entry twice",
        entries: &[(&CHAINS[1], b"\x01a", b"z"), (&CHAINS[1], b"\x01a", b"b")],
    },
    Scenario {
        name: "some of several partitions",
        entries: &[
            (&CHAINS[2], b"\x01a", b"x"),
            (&CHAINS[2], b"\x01new", b"y"),
            (&CHAINS[0], b"\x01ab", b"z"),
            (NETWORK, b"\x77", b""),
        ],
    },
    Scenario {
        name: "some of partitions that take turns",
        entries: &[
            (&CHAINS[0], b"\x01a", b"x"),
            (&CHAINS[1], b"\x01a", b"y"),
            (&CHAINS[0], b"\x01new", b"z"),
        ],
    },
];

fn content() -> Content {
    let mut content = Content::default();
    for root_key in &CHAINS {
        for (key, value) in [(&b"\x01a"[..], &b"1"[..]), (b"\x01ab", b"2"), (b"\x01b", b"3"), (b"\x02", b"")]
        {
            content.put(root_key, key, value);
        }
    }
    content.put(NETWORK, b"\x77", b"network");
    let block = [&[1][..], &[9; 32]].concat();
    content.put(&block, b"\xdd", b"block");
    content
}

/// Makes a namespace with this content; `None`, and a message, when the engine has no amendments.
async fn amendable(engine: &dyn Engine, content: &Content) -> Option<Amendable> {
    let made = engine.amendable(content).await;
    if made.is_none() {
        eprintln!("left out, {} changes no entries in place", engine.name());
    }
    made
}

fn amended(entries: &[Entry<'_>]) -> Vec<AmendedEntry> {
    let amended = |(root_key, key, value): &Entry<'_>| AmendedEntry {
        root_key: root_key.to_vec(),
        key: key.to_vec(),
        value: value.to_vec(),
    };
    entries.iter().map(amended).collect()
}

async fn amend(target: &dyn AmendTarget, entries: &[Entry<'_>]) -> Result<(), EngineError> {
    target.amend().await?.write(amended(entries)).await
}

/// Checks that each entry is found, and that keys and partitions which are not there are not.
async fn check_lookup(what: &str, lookup: &dyn Lookup, expected: &Content) {
    let mut root_keys: Vec<_> = expected.root_keys().map(<[u8]>::to_vec).collect();
    root_keys.push(NO_CHAIN.to_vec());
    // Neither the order nor the number of questions matters.
    root_keys.reverse();
    root_keys.push(CHAINS[0].to_vec());
    let mut keys: Vec<_> = expected.iter().map(|(_, key, _)| key.to_vec()).collect();
    keys.extend([b"\x01abc".to_vec(), b"\x00".to_vec(), b"\xff".to_vec()]);
    let found = ok(lookup.values(&root_keys, &keys).await, what);
    assert_eq!(found.len(), root_keys.len(), "{what}: one answer for each root key");
    for (root_key, values) in root_keys.iter().zip(found) {
        let expected: Vec<_> =
            keys.iter().map(|key| expected.get(root_key, key).map(<[u8]>::to_vec)).collect();
        assert_eq!(values, expected, "{what}: root key {root_key:02x?}");
    }
}

pub(super) async fn entries_that_are_there_and_others_are_looked_up(engine: &dyn Engine) {
    let content = content();
    let Some(made) = amendable(engine, &content).await else { return };
    let lookup = ok(made.amend.look().await, "opening to look entries up");
    check_lookup("looking up", &*lookup, &content).await;
    let nothing = ok(lookup.values(&[], &[b"\x01a".to_vec()]).await, "asking for no partition");
    assert!(nothing.is_empty(), "no partition was asked for");
    let no_keys = ok(lookup.values(&[CHAINS[0].to_vec()], &[]).await, "asking for no key");
    assert_eq!(no_keys, [vec![]], "no key was asked for");
    drop(lookup);
    let amendment = ok(made.amend.amend().await, "opening to amend");
    check_lookup("looking up while amending", &*amendment, &content).await;
}

pub(super) async fn root_keys_are_listed_by_their_prefix(engine: &dyn Engine) {
    let content = content();
    let Some(made) = amendable(engine, &content).await else { return };
    let lookup = ok(made.amend.look().await, "opening to look entries up");
    for prefix in [&b""[..], &[0], &[0, 1], &CHAINS[1], &NO_CHAIN, NETWORK, &[0xff], &[1, 9, 9]] {
        let found = ok(lookup.root_keys(prefix).await, "listing root keys");
        let chosen = content.root_keys().filter(|root_key| root_key.starts_with(prefix));
        assert_eq!(
            found,
            chosen.map(<[u8]>::to_vec).collect::<Vec<_>>(),
            "root keys that begin with {prefix:02x?}"
        );
    }
}

pub(super) async fn an_amendment_changes_what_it_names_and_nothing_else(engine: &dyn Engine) {
    for Scenario { name, entries } in SCENARIOS {
        let mut expected = content();
        let Some(made) = amendable(engine, &expected).await else { return };
        entries.iter().for_each(|(root_key, key, value)| expected.put(root_key, key, value));
        // The second time it changes nothing.
        for time in ["once", "twice"] {
            let what = format!("{name}, written {time}");
            let amendment = ok(made.amend.amend().await, "opening to amend");
            ok(amendment.write(amended(entries)).await, &what);
            check_lookup(&what, &*amendment, &expected).await;
            drop(amendment);
            let lookup = ok(made.amend.look().await, "opening to look entries up");
            check_lookup(&what, &*lookup, &expected).await;
            drop(lookup);
            check_database(&what, &*made.namespace.source, &expected).await;
        }
    }
}

pub(super) async fn an_amendment_makes_no_partition(engine: &dyn Engine) {
    let content = content();
    let Some(made) = amendable(engine, &content).await else { return };
    let (there, not_there) =
        ((&CHAINS[0][..], &b"\x01a"[..], &b"other"[..]), (&NO_CHAIN[..], &b"\x01a"[..], &b"1"[..]));
    for entries in [&[not_there][..], &[there, not_there], &[not_there, there]] {
        let result = amend(&*made.amend, entries).await;
        refused_for_safety(result, "writing into a partition that is not there");
        check_database("a write that was refused", &*made.namespace.source, &content).await;
    }
    ok(amend(&*made.amend, &[there]).await, "writing after a refusal");
}

pub(super) async fn opening_changes_nothing(engine: &dyn Engine) {
    let content = content();
    let Some(made) = amendable(engine, &content).await else { return };
    for _ in 0..2 {
        drop(ok(made.amend.look().await, "opening to look entries up"));
        drop(ok(made.amend.amend().await, "opening to amend"));
    }
    check_database("a namespace that was opened", &*made.namespace.source, &content).await;
}

pub(super) async fn a_second_amendment_waits_for_the_end_of_the_first(engine: &dyn Engine) {
    let content = content();
    let Some(made) = amendable(engine, &content).await else { return };
    if !made.has_lock {
        eprintln!("left out, {} has no lock", engine.name());
        return;
    }
    let first = ok(made.amend.amend().await, "opening to amend");
    refused_for_safety(made.amend.amend().await, "opening to amend a second time");
    // A lookup disturbs nobody.
    drop(ok(made.amend.look().await, "opening to look entries up beside an amendment"));
    ok(
        first.write(amended(&[(&CHAINS[0], b"\x01a", b"first")])).await,
        "writing after a second one was refused",
    );
    drop(first);
    ok(amend(&*made.amend, &[(&CHAINS[0], b"\x01a", b"second")]).await, "amending after the first has ended");
}

pub(super) async fn a_half_restored_namespace_is_neither_looked_up_nor_amended(engine: &dyn Engine) {
    let Some(made) = amendable(engine, &Content::default()).await else { return };
    let content = content();
    let units = units(&content, Order::Plain);
    let sink = begin(&*made.namespace.target, &units).await;
    write_all(&*sink, &units.units).await;
    refused(made.amend.look().await, "looking entries up in a half restored namespace");
    refused(made.amend.amend().await, "amending a half restored namespace");
    finish_and_publish(sink).await;
    let lookup = ok(made.amend.look().await, "opening what was restored to look entries up");
    check_lookup("looking up what was restored", &*lookup, &content).await;
    drop(lookup);
    ok(amend(&*made.amend, &[(&CHAINS[0], b"\x01a", b"other")]).await, "amending what was restored");
}

/// What is written while operations fail: entries of several partitions, two of each chain.
fn rows() -> Vec<Entry<'static>> {
    let of = |root_key: &'static [u8; 33]| {
        [(&root_key[..], &b"\x01a"[..], &b"new"[..]), (&root_key[..], &b"\x01new"[..], &b"new"[..])]
    };
    CHAINS.iter().flat_map(of).collect()
}

/// All that is done with a namespace to amend it.
async fn everything(target: &dyn AmendTarget) -> Result<(), EngineError> {
    drop(target.look().await?);
    let amendment = target.amend().await?;
    let root_keys = amendment.root_keys(&[0]).await?;
    amendment.values(&root_keys, &[b"\x01a".to_vec()]).await?;
    amendment.write(amended(&rows())).await
}

pub(super) async fn whichever_operation_fails_a_partition_is_amended_or_not(engine: &dyn Engine) {
    let before = content();
    let mut after = before.clone();
    rows().iter().for_each(|(root_key, key, value)| after.put(root_key, key, value));
    let Some(counted) = amendable(engine, &before).await else { return };
    let faulty = |made: &Amendable, faults: &Arc<Faults>| {
        FaultyAmendTarget::new(Arc::clone(&made.amend), Arc::clone(faults), ErrorClass::Transient)
    };
    let none = Arc::new(Faults::none());
    ok(everything(&faulty(&counted, &none)).await, "amending");
    assert_eq!(none.operations(), 4 + CHAINS.len() as u64, "look, amend, list, look up, three partitions");
    for fault in [Fault::Before, Fault::After] {
        for number in sample(0..none.operations(), engine.capabilities().stride) {
            let Some(made) = amendable(engine, &before).await else { return };
            let faults = Arc::new(Faults::nth(number, fault));
            let result = everything(&faulty(&made, &faults)).await;
            let error = refused(result, "an operation that fails");
            assert_eq!(error.class(), ErrorClass::Transient, "operation {number}");
            let mut found = Content::default();
            let snapshot = open(&*made.namespace.source).await;
            read(&*snapshot, 1).await.iter().for_each(|batch| found.extend(batch));
            drop(snapshot);
            for root_key in found.root_keys() {
                let is = |state: &Content| {
                    let of = |content: &Content| {
                        let entries = content.iter().filter(|(of, ..)| *of == root_key);
                        entries.map(|(_, key, value)| (key.to_vec(), value.to_vec())).collect::<Vec<_>>()
                    };
                    of(state) == of(&found)
                };
                assert!(
                    is(&before) || is(&after),
                    "root key {root_key:02x?} is half amended, operation {number}"
                );
            }
            ok(everything(&*made.amend).await, "amending again");
            check_database(&format!("amended, operation {number}"), &*made.namespace.source, &after).await;
        }
    }
}
