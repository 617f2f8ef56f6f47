//! Repositories of version 2, in which segments are stored as patches.

use std::fs;

use crate::program::{Place, names_of};

/// An upstream file of 400 partitions, one of which has another value each day.
fn upstream_file(day: u32) -> Vec<u8> {
    let mut file = vec![0x90, 0x03];
    for number in 0..400_u32 {
        let salt = if number == 77 { day } else { 0 };
        let mut state = u64::from(number) << 8 | u64::from(salt);
        let value = (0..40).flat_map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state.to_be_bytes()
        });
        file.push(4);
        // A file of which all root keys begin with 0 would pass for rows of ScyllaDB.
        file.extend_from_slice(&(number | 4 << 24).to_be_bytes());
        file.extend_from_slice(&[1, 1, b'k', 0xc0, 0x02]);
        file.extend(value);
    }
    file
}

#[test]
fn init_makes_a_repository_of_either_version_and_nothing_where_one_is() {
    let place = Place::empty();
    assert_eq!(place.done(&["init", "one"])["version"], 1);
    assert_eq!(place.done(&["init", "two", "--version", "2"])["version"], 2);
    for (name, version) in [("one", 1), ("two", 2)] {
        let config = fs::read_to_string(place.path(name).join("config.json")).unwrap();
        assert!(config.contains(&format!("\"version\": {version}")), "{config}");
        place.exits(4, &["init", name]).says(&format!("{name} is a repository of version {version} already"));
        place.exits(0, &["list", name]);
    }
    place.exits(2, &["init", "three", "--version", "3"]);
    assert!(!place.path("three").exists());
    fs::create_dir(place.path("other")).unwrap();
    fs::write(place.path("other/file"), "").unwrap();
    place.exits(1, &["init", "other"]).says("choose an empty place");
}

#[test]
fn the_next_dump_takes_the_room_of_what_changed() {
    let place = Place::empty();
    place.done(&["init", "two", "--version", "2"]);
    place.done(&["init", "whole", "--version", "2"]);
    let import = |day: u32, repository: &str, more: &[&str]| {
        fs::write(place.path("file.bcs"), upstream_file(day)).unwrap();
        let arguments = ["import", "file.bcs", repository, "--allow-implausible"];
        place.done(&[&arguments[..], more].concat())
    };
    for day in 0..3 {
        for (repository, magic) in [("one", b"KVB1PACK"), ("two", b"KVB2PACK"), ("whole", b"KVB2PACK")] {
            let more: &[&str] = if repository == "whole" { &["--whole"] } else { &[] };
            let made = import(day, repository, more);
            let stored = made["stored_bytes"].as_u64().unwrap();
            let is_patch = day > 0 && repository == "two";
            assert_eq!(stored < 8_000, is_patch, "{repository}, day {day}: {stored} bytes");
            for pack in names_of(&place.path(repository).join("packs")) {
                assert_eq!(&fs::read(pack).unwrap()[..8], magic);
            }
        }
    }
    let stats = place.done(&["stats", "two"]);
    assert_eq!((&stats["patches"]["number"], &stats["longest_chain"]), (&2.into(), &2.into()));
    assert_eq!(stats["unreferenced"]["number"], 0);
    place.exits(0, &["stats", "two"]);
    assert!(place.exits(0, &["stats", "two"]).stdout.contains("in 2 objects, at most 2 in a chain"));
    assert_eq!(place.done(&["stats", "whole"])["longest_chain"], 0);
    for repository in ["one", "two", "whole"] {
        place.exits(0, &["verify", repository]);
        place.exits(0, &["export", repository, "out.bcs"]);
        assert!(fs::read(place.path("out.bcs")).unwrap() == upstream_file(2), "{repository}");
        fs::remove_file(place.path("out.bcs")).unwrap();
    }
    let manifests = names_of(&place.path("two/manifests"));
    let patched = manifests.iter().filter(|path| fs::read_to_string(path).unwrap().contains("\"patch1\""));
    assert_eq!((manifests.len(), patched.count()), (3, 2));
}
