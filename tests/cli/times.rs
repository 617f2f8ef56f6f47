//! Times in text: in the zone of the machine, or in UTC.

use std::fs;

use crate::program::{Place, Run};

/// Runs the program in a zone; it must succeed. Returns what it printed.
fn shown(place: &Place, zone: &str, arguments: &[&str]) -> String {
    let run = Run::new(arguments, place.command(arguments).env("TZ", zone).output().unwrap());
    assert_eq!(run.code, Some(0), "{run}");
    run.stdout
}

/// Gives the one dump of a repository another time, and returns its new id.
fn finished_at(place: &Place, time: &str) -> String {
    let path = place.manifests().remove(0);
    let mut manifest = backup_format::Manifest::decode(&fs::read(&path).unwrap()).unwrap();
    (manifest.started, manifest.finished) = (time.to_owned(), time.to_owned());
    let (id, json) = manifest.encode().unwrap();
    let id = id.to_string();
    fs::remove_file(path).unwrap();
    fs::write(place.path(&format!("repo/manifests/{id}.json")), json).unwrap();
    id
}

#[test]
fn text_is_in_the_zone_of_the_machine_and_json_in_utc() {
    let place = Place::with_dump();
    let id = finished_at(&place, "2026-01-31T23:30:00.955Z");
    // Rules that need no database of zones.
    let (berlin, nepal) = ("CET-1CEST,M3.5.0,M10.5.0/3", "NPT-5:45");
    let local = "2026-02-01 00:30:00 +01:00";
    let commands: [&[&str]; 5] = [
        &["list", "repo"],
        &["inspect", "repo"],
        &["stats", "repo"],
        &["verify", "repo", "--all"],
        &["forget", "repo", "--keep-last", "1", "--dry-run"],
    ];
    for command in commands {
        assert!(shown(&place, berlin, command).contains(local), "{command:?}");
        assert!(shown(&place, nepal, command).contains("2026-02-01 05:15:00 +05:45"), "{command:?}");
        for (zone, utc) in [(berlin, &["--utc"][..]), ("UTC0", &[]), ("", &[])] {
            let text = shown(&place, zone, &[command, utc].concat());
            assert!(text.contains("2026-01-31 23:30:00Z"), "{command:?} {zone}: {text}");
        }
        let json = shown(&place, berlin, &[command, &["--json"]].concat());
        assert!(json.contains("2026-01-31T23:30:00Z") && !json.contains("+01:00"), "{json}");
    }
    // What is shown can be given back.
    for (since, dumps) in [(local, 1), ("2026-01-31 23:30:00Z", 1), ("2026-02-01 00:30:01 +01:00", 0)] {
        let listed = place.done(&["list", "repo", "--since", since]);
        assert_eq!(listed["dumps"].as_array().unwrap().len(), dumps, "{since}");
    }
    place.done(&["backup", "rocksdb:db/validator_0", "repo"]);
    place.done(&["forget", "repo", "--dump", &id]);
    assert!(shown(&place, berlin, &["unforget", "repo"]).contains(local));
}

#[test]
fn no_time_of_a_manifest_and_no_zone_ends_the_program() {
    let place = Place::with_dump();
    for time in ["0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-03-29T01:00:00Z"] {
        finished_at(&place, time);
        for zone in ["CET-1CEST,M3.5.0,M10.5.0/3", "XXX+24", "YYY-14", "No/Such", ":No/Such", "\u{fc}"] {
            assert!(shown(&place, zone, &["list", "repo"]).contains("validator_0"), "{time} {zone}");
        }
    }
}
