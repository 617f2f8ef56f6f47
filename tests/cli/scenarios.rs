//! Restoring for a key: which ones are refused, and what nothing of it changes.

use crate::program::{Place, origin};

/// A public key that is nobody's.
const OTHER: &str = "02aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
/// A public key of another kind, which may be a second one of the same validator.
const ED25519: &str = "ed25519:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn place(with_origin: bool) -> Place {
    let place = Place::with_fixture();
    let origin = origin();
    let option = ["--origin", &origin];
    let options = if with_origin { &option[..] } else { &[] };
    place.done(&[&["backup", "rocksdb:db/validator_0", "repo"], options].concat());
    place
}

#[test]
fn the_own_key_is_refused_until_the_danger_is_accepted_and_other_keys_are_not() {
    let own = origin();
    let cases = [
        (true, "none", "no_key", false),
        (true, OTHER, "mismatched_key", false),
        (true, ED25519, "unknown_origin", true),
        (true, own.as_str(), "stale_own_key", true),
        (false, "none", "no_key", false),
        (false, OTHER, "unknown_origin", true),
        (false, own.as_str(), "unknown_origin", true),
    ];
    for (with_origin, key, scenario, refused) in cases {
        let place = place(with_origin);
        let restore = ["restore", "repo", "rocksdb:copy/validator_0", "--for-key", key];
        let accepted = [&restore[..], &["--accept-stale-own-key"]].concat();
        if refused {
            for options in [&[][..], &["--dry-run"]] {
                place
                    .exits(4, &[&restore[..], options].concat())
                    .says("sign a second block")
                    .says("KEY-SAFETY");
            }
            assert!(!place.path("copy").exists(), "a refused restore wrote something");
        } else {
            assert_eq!(place.done(&[&restore[..], &["--dry-run"]].concat())["scenario"], scenario);
        }
        let line = if refused { &accepted[..] } else { &restore[..] };
        let run = place.exits(0, line);
        assert!(run.stdout.contains("\nscenario     "), "{run}");
        assert_eq!(run.stdout.contains("DANGER"), refused, "{run}");
        // Restored already: the same line again is refused, for another reason.
        place.exits(4, line).says("not empty");
    }
}

#[test]
fn without_a_key_named_there_is_a_caution_and_accepting_a_danger_needs_the_key() {
    let place = place(true);
    let run = place.exits(0, &["restore", "repo", "rocksdb:copy/validator_0"]);
    assert!(run.stdout.contains("caution"), "{run}");
    place.exits(2, &["restore", "repo", "rocksdb:other/x", "--accept-stale-own-key"]).says("--for-key");
    place.exits(2, &["restore", "repo", "rocksdb:other/x", "--for-key", "me"]).says("or none");
}

#[test]
fn whatever_a_validator_could_be_started_from_comes_with_a_caution() {
    let place = place(true);
    let restored = place.done(&["restore", "repo", "rocksdb:copy/validator_0"]);
    assert!(restored["caution"].as_str().unwrap().contains("KEY-SAFETY"), "{restored}");
    let named = place.done(&["restore", "repo", "rocksdb:named/validator_0", "--for-key", "none"]);
    let rehearsed = place.done(&["restore", "repo", "memory:"]);
    assert!(named.get("caution").is_none() && rehearsed.get("caution").is_none(), "{named} {rehearsed}");

    let rows = ["backup", "rocksdb:db/validator_0?layout=plain", "rows", "--allow-implausible"];
    place.done(&rows);
    let restored = place.done(&["restore", "rows", "rocksdb:rows-copy/validator_0"]);
    assert!(restored["caution"].is_string(), "{restored}");

    place.done(&["native-backup", "rocksdb:db/validator_0", "engine"]);
    let run = place.exits(0, &["native-restore", "engine", "rocksdb:engine-copy/validator_0"]);
    assert!(run.stdout.contains("\ncaution      "), "{run}");
    let restored = place.done(&["native-restore", "engine", "rocksdb:engine-json/validator_0"]);
    assert!(restored["caution"].as_str().unwrap().contains("KEY-SAFETY"), "{restored}");
}
