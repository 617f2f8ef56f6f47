//! Repositories that are damaged, strange or hostile.

use std::fs;
use std::path::{Path, PathBuf};

use backup_format::ObjectId;
use rocksdb::{DB, Options};
use serde_json::Value;

use crate::program::{Place, copy};

fn change(path: &Path, edit: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    edit(&mut bytes);
    fs::write(path, bytes).unwrap();
}

fn swap(left: &Path, right: &Path) {
    let (left_bytes, right_bytes) = (fs::read(left).unwrap(), fs::read(right).unwrap());
    fs::write(left, right_bytes).unwrap();
    fs::write(right, left_bytes).unwrap();
}

/// Gives a dump another manifest, under the name that it must have.
fn rewrite_manifest(path: &Path, edit: impl FnOnce(&mut Value)) -> PathBuf {
    let mut manifest: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    edit(&mut manifest);
    let bytes = serde_json::to_vec_pretty(&manifest).unwrap();
    fs::remove_file(path).unwrap();
    let renamed = path.with_file_name(format!("{}.json", ObjectId::of_file(&bytes)));
    fs::write(&renamed, bytes).unwrap();
    renamed
}

/// A repository with two dumps of different content, so that there are files to be swapped.
fn two_dumps() -> Place {
    let place = Place::with_dump();
    let database = DB::open(&Options::default(), place.path("db/validator_0")).unwrap();
    let row = [&[0][..], &[1], &[7; 32], &[0x5b], &[0; 4]].concat();
    database.put(row, b"\0\0\0\x01another certificate").unwrap();
    database.put([&[1, 1][..], &[7; 32]].concat(), []).unwrap();
    drop(database);
    place.done(&["backup", "rocksdb:db/validator_0", "repo"]);
    assert_eq!(place.manifests().len(), 2);
    place
}

/// Returns a pack of segments: the largest ones.
fn pack(place: &Place, number: usize) -> PathBuf {
    let mut packs = place.packs();
    packs.sort_by_key(|path| std::cmp::Reverse(fs::metadata(path).unwrap().len()));
    packs.remove(number)
}

/// What is done to a repository with two packs and two manifests.
type Damage = (&'static str, fn(&Place));

/// How a manifest is changed, and what the refusal names.
type Edit = (fn(&mut Value), &'static str);

const DAMAGE: &[Damage] = &[
    ("a truncated pack", |place| change(&pack(place, 0), |bytes| bytes.truncate(bytes.len() - 1))),
    ("a pack cut in half", |place| change(&pack(place, 0), |bytes| bytes.truncate(bytes.len() / 2))),
    ("an empty pack", |place| change(&pack(place, 0), Vec::clear)),
    ("an extended pack", |place| change(&pack(place, 0), |bytes| bytes.push(0))),
    ("a flipped bit in a pack", |place| change(&pack(place, 0), |bytes| bytes[1_000] ^= 1)),
    ("a flipped bit in a table", |place| {
        change(&pack(place, 0), |bytes| {
            let end = bytes.len();
            bytes[end - 40] ^= 1;
        });
    }),
    ("a table that claims 4 GiB", |place| {
        change(&pack(place, 0), |bytes| {
            let end = bytes.len();
            bytes[end - 16..end - 12].fill(0xff);
        });
    }),
    ("swapped packs", |place| swap(&pack(place, 0), &pack(place, 1))),
    ("a missing pack", |place| fs::remove_file(pack(place, 0)).unwrap()),
    ("the other pack missing", |place| fs::remove_file(pack(place, 1)).unwrap()),
    ("a truncated manifest", |place| change(&place.manifests()[0], |bytes| bytes.truncate(bytes.len() / 2))),
    ("an extended manifest", |place| change(&place.manifests()[0], |bytes| bytes.push(b'\n'))),
    ("a flipped bit in a manifest", |place| change(&place.manifests()[0], |bytes| bytes[100] ^= 1)),
    ("swapped manifests", |place| swap(&place.manifests()[0], &place.manifests()[1])),
    ("a huge manifest", |place| change(&place.manifests()[0], |bytes| bytes.resize(2 << 20, b' '))),
];

#[test]
fn damage_is_found_and_never_restored() {
    let sound = two_dumps();
    for (what, damage) in DAMAGE {
        let place = Place::empty();
        copy(&sound.path("repo"), &place.path("repo"));
        let ids: Vec<_> = place.manifests().iter().map(|path| id_of(path)).collect();
        damage(&place);
        let codes: Vec<_> =
            ids.iter().map(|id| place.run(&["verify", "repo", "--dump", id]).code.unwrap()).collect();
        assert!(codes.contains(&3) && codes.iter().all(|code| matches!(code, 0 | 3)), "{what}: {codes:?}");
        for (id, code) in ids.iter().zip(codes) {
            let target = format!("rocksdb:copy-{id}/x");
            let restored = place.run(&["restore", "repo", &target, "--dump", id]);
            let whole = place.path(&format!("copy-{id}/x")).exists();
            assert_eq!(whole, restored.code == Some(0), "{what}: {restored}");
            if whole {
                // A pack that only the other dump needs, or bytes that no dump refers to.
                let source = place.done(&["digest", &target]);
                assert_eq!(
                    source["digest"],
                    sound.done(&["inspect", "repo", "--dump", id])["digest"],
                    "{what}"
                );
            } else {
                assert_eq!((restored.code, code), (Some(3), 3), "{what}: {restored}");
            }
        }
    }
}

fn id_of(manifest: &Path) -> String {
    manifest.file_stem().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn the_latest_dump_is_not_guessed_while_a_manifest_is_damaged() {
    let place = two_dumps();
    change(&place.manifests()[0], |bytes| bytes[100] ^= 1);
    place.exits(3, &["restore", "repo", "memory:"]).says("not certain");
    let run = place.exits(3, &["list", "repo"]);
    assert!(run.stdout.contains("DAMAGED"), "{run}");
    let json = place.exits(3, &["list", "repo", "--json"]).json();
    let count = |field: &str| json[field].as_array().unwrap().len();
    assert_eq!((count("dumps"), count("damaged")), (1, 1));
    let good = json["dumps"][0]["dump"].as_str().unwrap().to_owned();
    place.done(&["verify", "repo", "--dump", &good]);
}

#[test]
fn manifests_of_a_later_version_are_refused_by_what_they_need() {
    let edits: [Edit; 4] = [
        (|manifest| manifest["version"] = 2.into(), "version 2"),
        (|manifest| manifest["format"] = "other".into(), "other"),
        (|manifest| manifest["requires"] = vec!["teleport"].into(), "teleport"),
        (|manifest| manifest["source"]["layout"] = "linera-0.99".into(), "linera-0.99"),
    ];
    for (edit, named) in edits {
        let place = Place::with_dump();
        rewrite_manifest(&place.manifests()[0], edit);
        let run = place.run(&["restore", "repo", "rocksdb:copy/x"]);
        assert_eq!(run.code, Some(4), "{run}");
        run.says(named);
        assert!(!place.path("copy").exists(), "{run}");
    }
}

#[test]
fn a_config_of_a_later_version_is_refused_by_what_it_needs() {
    let edits: [(&str, &str, &str); 4] = [
        ("\"version\": 1", "\"version\": 3", "version 3"),
        ("\"requires\": []", "\"requires\": [\"teleport\"]", "teleport"),
        ("\"encrypted\": false", "\"encrypted\": true", "encrypted"),
        ("norm1", "norm2", "norm2"),
    ];
    for (from, to, named) in edits {
        let place = Place::with_dump();
        let path = place.path("repo/config.json");
        let config = fs::read_to_string(&path).unwrap();
        assert!(config.contains(from), "{config}");
        fs::write(&path, config.replace(from, to)).unwrap();
        place.exits(4, &["list", "repo"]).says(named);
        place.exits(4, &["backup", "rocksdb:db/validator_0", "repo"]).says(named);
    }
}

#[test]
fn names_that_are_no_ids_are_ignored_wherever_they_point() {
    let place = Place::with_dump();
    let outside = place.path("secret.json");
    fs::write(&outside, "{}").unwrap();
    for name in
        ["..%2f..%2fsecret.json", "secret.json", "ABCD", "packs#1", &"AB".repeat(32), &"ab".repeat(33)]
    {
        fs::write(place.path("repo/manifests").join(format!("{name}.json")), "{}").unwrap();
        fs::write(place.path("repo/packs").join(name), "junk").unwrap();
    }
    let listed = place.done(&["list", "repo"]);
    assert_eq!(listed["dumps"].as_array().unwrap().len(), 1);
    assert_eq!(listed["damaged"].as_array().unwrap().len(), 0);
    place.done(&["verify", "repo"]);
}

#[test]
fn a_namespace_name_from_a_dump_leads_nowhere() {
    let place = Place::with_dump();
    rewrite_manifest(&place.manifests()[0], |manifest| manifest["namespace"] = "../../evil".into());
    place.done(&["restore", "repo", "rocksdb:copy/x"]);
    place.done(&["restore", "repo", "memory:"]);
    place.done(&["export", "repo", "out.bcs"]);
    assert_eq!(fs::read_dir(place.path("copy")).unwrap().count(), 1);
    assert!(!place.path("evil").exists() && !place.path("../evil").exists());
}

#[test]
fn control_characters_from_a_manifest_do_not_reach_the_terminal() {
    let place = Place::with_dump();
    rewrite_manifest(&place.manifests()[0], |manifest| manifest["namespace"] = "\u{1b}[2Jgone".into());
    let run = place.run(&["list", "repo"]);
    assert_eq!(run.code, Some(3), "{run}");
    assert!(!run.stdout.contains('\u{1b}') && !run.stderr.contains('\u{1b}'), "{run}");
}

#[test]
fn what_a_later_version_wrote_is_not_called_damaged() {
    let place = Place::with_dump();
    rewrite_manifest(&place.manifests()[0], |manifest| manifest["version"] = 2.into());
    let run = place.exits(4, &["list", "repo"]);
    assert!(run.stdout.contains("UNSUPPORTED") && !run.stdout.contains("DAMAGED"), "{run}");
    let json = place.exits(4, &["list", "repo", "--json"]).json();
    let count = |field: &str| json[field].as_array().unwrap().len();
    assert_eq!((count("dumps"), count("damaged"), count("unsupported")), (0, 0, 1));
    let run = place.exits(4, &["restore", "repo", "memory:"]);
    run.says("1 manifest is of a later version").says("version 2").says("--dump ID");
}

#[test]
fn the_latest_of_several_namespaces_is_not_chosen() {
    let place = Place::with_dump();
    let dump = place.done(&["list", "repo"])["dumps"][0]["dump"].as_str().unwrap().to_owned();
    place.done(&["export", "repo", "other.bcs"]);
    place.done(&["import", "other.bcs", "repo", "--layout", "linera-0.15"]);
    for arguments in [&["verify", "repo"][..], &["restore", "repo", "memory:"], &["export", "repo", "x"]] {
        place.exits(4, arguments).says("other, validator_0").says("--dump ID");
    }
    place.done(&["verify", "repo", "--dump", &dump]);
}

#[test]
fn a_directory_that_is_no_repository_is_named_as_it_was_given() {
    let place = Place::with_fixture();
    let run = place.exits(1, &["list", "db"]);
    assert!(run.stderr.starts_with("error: opening repository db: there is no config.json"), "{run}");
    fs::create_dir(place.path("other")).unwrap();
    fs::write(place.path("other/file"), "something").unwrap();
    let run = place.exits(1, &["backup", "rocksdb:db/validator_0", "other"]);
    assert!(!run.stderr.contains('{') && run.stderr.contains(" other"), "{run}");
}

#[test]
fn damage_of_a_pack_is_told_once() {
    let place = Place::with_dump();
    change(&pack(&place, 0), |bytes| bytes.truncate(bytes.len() - 1));
    let run = place.exits(3, &["verify", "repo"]);
    assert_eq!(run.stderr.matches("malformed pack").count(), 1, "{run}");
}
