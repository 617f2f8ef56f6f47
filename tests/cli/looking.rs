//! `diff`, `ls` and `get`: looking into dumps.

use std::fs;

use serde_json::Value;

use crate::program::{Place, Run};

fn lines(run: &Run) -> Vec<Value> {
    run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn texts<'a>(lines: &'a [Value], field: &str) -> Vec<&'a str> {
    lines.iter().filter_map(|line| line[field].as_str()).collect()
}

/// An upstream file of these partitions, each with one entry of key `k`.
fn upstream_file(partitions: &[(u8, &[u8])]) -> Vec<u8> {
    let mut file = vec![u8::try_from(partitions.len()).unwrap()];
    for (root, value) in partitions {
        file.extend([1, *root, 1, 1, b'k', u8::try_from(value.len()).unwrap()]);
        file.extend_from_slice(value);
    }
    file
}

/// Imports two such files into a repository.
fn two_dumps(place: &Place) -> [String; 2] {
    let files: [&[(u8, &[u8])]; 2] =
        [&[(1, b"a"), (2, b"b"), (3, b"c")], &[(1, b"a"), (2, b"longer"), (4, b"d")]];
    files.map(|partitions| {
        fs::write(place.path("file.bcs"), upstream_file(partitions)).unwrap();
        let made = place.done(&["import", "file.bcs", "repo", "--allow-implausible", "--max-shrink", "100"]);
        made["dump"].as_str().unwrap().to_owned()
    })
}

#[test]
fn what_a_dump_changed_is_named_and_ends_with_code_3() {
    let place = Place::empty();
    let [first, second] = two_dumps(&place);
    let run = place.exits(3, &["diff", "repo", "--json", "--entries"]);
    let lines = lines(&run);
    let (summary, found) = lines.split_last().unwrap();
    assert_eq!(summary["before"]["dump"], first.as_str());
    assert_eq!(summary["after"]["dump"], second.as_str());
    for what in ["partitions", "entries"] {
        let expected = serde_json::json!({ "added": 1, "removed": 1, "changed": 1 });
        assert_eq!(summary[what], expected, "{summary}");
    }
    assert_eq!((&summary["equal"], &summary["type"]), (&Value::Bool(false), &"summary".into()));
    let pairs: Vec<_> = found.iter().map(|line| (line["type"].as_str(), line["root_key"].as_str())).collect();
    let (entry, partition) = (Some("entry"), Some("partition"));
    let (two, three, four) = (Some("02"), Some("03"), Some("04"));
    assert_eq!(
        pairs,
        [
            (entry, two),
            (partition, two),
            (entry, three),
            (partition, three),
            (entry, four),
            (partition, four)
        ]
    );
    assert_eq!(texts(found, "change"), ["changed", "changed", "removed", "removed", "added", "added"]);
    assert_eq!((&found[0]["bytes_before"], &found[0]["bytes_after"]), (&1.into(), &6.into()));
    run.says("differs from dump");

    let text = place.exits(3, &["diff", "repo", "--dump", &first, "--dump", &second, "--show", "2"]).stdout;
    for line in ["~ root key 02  ~1 entries", "- root key 03  -1 entries", "1 partition more; --show N"] {
        assert!(text.contains(line), "{text}");
    }
    assert!(!text.contains("root key 04"), "{text}");
    let text = place.exits(3, &["diff", "repo", "--entries"]).stdout;
    assert!(text.contains("~ root key 02  ~1 entries\n    ~ key 6b  1 B > 6 B\n- root key 03"), "{text}");
    let backwards = place.exits(3, &["diff", "repo", "--dump", &second, "--dump", &first]).stdout;
    assert!(backwards.contains("+ root key 03  +1 entries"), "{backwards}");
}

#[test]
fn equal_contents_end_with_code_0_and_of_the_dump_no_segment_is_read() {
    let place = Place::with_dump();
    place.done(&["backup", "rocksdb:db/validator_0", "repo"]);
    for arguments in
        [&["diff", "repo"][..], &["diff", "repo", "--dump", "latest", "--against", "rocksdb:db/validator_0"]]
    {
        let summary = place.done(arguments);
        assert_eq!(summary["equal"], true, "{summary}");
        assert_eq!(summary["segments_read"], 0, "{summary}");
    }
    let text = place.exits(0, &["diff", "repo"]).stdout;
    assert!(text.contains("nothing differs"), "{text}");
}

#[test]
fn what_is_missing_or_makes_no_sense_is_said() {
    let place = Place::with_dump();
    place.exits(2, &["diff", "repo"]).says("no dump is there that dump");
    let id = place.done(&["list", "repo"])["dumps"][0]["dump"].as_str().unwrap().to_owned();
    let three = ["diff", "repo", "--dump", &id, "--dump", &id, "--dump", &id];
    place.exits(2, &three).says("at most two dumps");
    let two = ["diff", "repo", "--dump", &id, "--dump", &id, "--against", "rocksdb:db/validator_0"];
    place.exits(2, &two).says("give one --dump");
    place.exits(2, &["get", "repo", "--root-key", "0g"]).says("hex digits");
    place.exits(2, &["get", "repo", "--root-key", "05", "--raw"]).says("--key");
    place.exits(2, &["get", "repo", "--root-key", "05", "--key", "77", "--raw", "--json"]).says("--raw");
    place
        .exits(1, &["get", "repo", "--root-key", "05", "--key", "78"])
        .says("has no entry of root_key=05 key=78");
}

#[test]
fn partitions_are_listed_and_their_entries_printed() {
    let place = Place::with_dump();
    let dump = place.done(&["inspect", "repo"]);
    let run = place.exits(0, &["ls", "repo", "--json"]);
    let all = lines(&run);
    let (summary, found) = all.split_last().unwrap();
    for field in ["partitions", "entries"] {
        assert_eq!(summary[field], dump[field], "{summary}");
    }
    assert_eq!(found.len() as u64, dump["partitions"].as_u64().unwrap());
    for content in dump["contents"].as_array().unwrap() {
        let kind = content["kind"].as_str().unwrap();
        let run = place.exits(0, &["ls", "repo", "--kind", kind, "--json"]);
        let all = lines(&run);
        let (summary, found) = all.split_last().unwrap();
        assert!(found.iter().all(|line| line["kind"] == kind), "{run}");
        assert_eq!(summary["partitions"], content["partitions"], "{run}");
        assert_eq!(summary["entries"], content["entries"], "{run}");
        assert_eq!(summary["bytes"], content["plain_bytes"], "{run}");
        let one = &found[0];
        let root_key = one["root_key"].as_str().unwrap();
        let got = place.exits(0, &["get", "repo", "--root-key", root_key, "--json"]);
        let got = lines(&got);
        let (summary, entries) = got.split_last().unwrap();
        assert_eq!(
            (&summary["entries"], entries.len() as u64),
            (&one["entries"], one["entries"].as_u64().unwrap())
        );
        assert_eq!(summary["words"], one["words"]);
        assert!(one["words"].is_string(), "{one}");
    }
    let chains = place.exits(0, &["ls", "repo", "--kind", "chain_state"]).stdout;
    assert!(chains.lines().next().unwrap().contains("  chain "), "{chains}");

    let text = place.exits(0, &["get", "repo", "--root-key", "05"]).stdout;
    let (key, value) = text.trim_end().split_once("  ").unwrap();
    assert_eq!(key, "77");
    let raw = place.command(&["get", "repo", "--root-key", "05", "--key", "77", "--raw"]).output().unwrap();
    assert!(raw.status.success());
    let raw: String = raw.stdout.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(raw, value);
}

#[test]
fn dumps_are_listed_that_options_let_through() {
    let place = Place::with_dump();
    let source = "rocksdb:db/validator_0";
    place.done(&["backup", source, "repo", "--annotate", "release=1.0"]);
    place.done(&["backup", source, "repo", "--annotate", "release=1.1", "--annotate", "ticket=7"]);
    let shown = |options: &[&str]| {
        let listed = place.done(&[&["list", "repo"], options].concat());
        let sequences =
            listed["dumps"].as_array().unwrap().iter().map(|dump| dump["sequence"].as_u64().unwrap());
        sequences.collect::<Vec<_>>()
    };
    assert_eq!(shown(&[]), [1, 2, 3]);
    assert_eq!(shown(&["--annotation", "release"]), [2, 3]);
    assert_eq!(shown(&["--annotation", "release=1.0"]), [2]);
    assert_eq!(shown(&["--annotation", "release", "--annotation", "ticket"]), [3]);
    assert_eq!(shown(&["--latest", "2"]), [2, 3]);
    assert_eq!(shown(&["--annotation", "release", "--latest", "1"]), [3]);
    assert_eq!(shown(&["--since", "1h"]), [1, 2, 3]);
    assert_eq!(shown(&["--since", "9999-01-01"]), [0; 0]);
    assert_eq!(shown(&["--namespace", "validator_0"]), [1, 2, 3]);
    assert_eq!(shown(&["--namespace", "other"]), [0; 0]);
    let key = format!("02{}", "ab".repeat(32));
    assert_eq!(shown(&["--origin", &key]), [0; 0]);
    place.exits(2, &["list", "repo", "--since", "yesterday"]).says("2026-01-31");
    // What is checked does not depend on what is shown, but for the namespace.
    place.exits(3, &["list", "repo", "--latest", "1", "--expect-sequence", "4"]);
    place.exits(0, &["list", "repo", "--since", "9999-01-01", "--expect-sequence", "3"]);
    place.exits(3, &["list", "repo", "--namespace", "other", "--expect-sequence", "1"]);
    let listed = place.done(&["list", "repo"]);
    assert_eq!(listed["dumps"][1]["since"]["dump"], listed["dumps"][0]["dump"]);
    assert_eq!(listed["dumps"][1]["since"]["entries"], 0);
    assert!(place.exits(0, &["list", "repo"]).stdout.contains("  +0  "));
}
