//! What an operator does in a year, on S3.

use serde_json::Value;

use crate::place::{CHANGING, Place, s3};

/// The digest of the fixture, whatever holds it.
const FIXTURE_DIGEST: &str = "0540dc3d700e";
const REPO: &str = "s3://backups/validator_0";

fn assert_fixture(report: &Value) {
    assert!(report["digest"].as_str().unwrap().starts_with(FIXTURE_DIGEST), "{report}");
}

#[test]
fn a_year_of_backups_on_s3_with_prune_a_copy_and_a_drill() {
    let place = Place::new();
    let server = s3(&place);
    let variables = server.variables();
    let done = |arguments: &[&str]| place.done(&variables, arguments);
    let probed = place.exits(0, &variables, &["probe", REPO]);
    assert!(probed.stdout.contains("one creator        holds"), "{probed}");

    assert_fixture(&done(&["backup", "rocksdb:db/validator_0", REPO]));
    assert_eq!(done(&["backup", "rocksdb:db/validator_0", REPO])["new_objects"], 0);
    assert_eq!(done(&["list", REPO])["dumps"].as_array().unwrap().len(), 2);
    assert_fixture(&done(&["verify", REPO]));
    done(&["verify", REPO, "--all"]);
    done(&["verify", REPO, "--against", "rocksdb:db/validator_0"]);

    // Off site: another bucket of the same server.
    server.create_bucket("elsewhere").unwrap();
    done(&["copy", REPO, "s3://elsewhere/copy", "--all"]);
    assert_fixture(&done(&["verify", "s3://elsewhere/copy"]));
    // The drill.
    assert_fixture(&done(&["restore", "s3://elsewhere/copy", "rocksdb:drill/validator_0"]));
    assert_fixture(&done(&["digest", "rocksdb:drill/validator_0"]));

    let rules = ["forget", REPO, "--keep-last", "1", "--allow-most"];
    place.exits(0, &variables, &[&rules[..], &["--dry-run"]].concat());
    place.exits(0, &variables, &rules);
    place.exits(0, &variables, &["prune", REPO, "--grace", "0"]);
    assert_eq!(done(&["list", REPO])["dumps"].as_array().unwrap().len(), 1);
    assert_fixture(&done(&["verify", REPO]));
    done(&["stats", REPO]);
}

#[test]
fn a_month_of_changes_leaves_no_more_in_the_bucket_than_the_dumps_that_stay() {
    let place = Place::new();
    let server = s3(&place);
    let variables = server.variables();
    let done = |arguments: &[&str]| place.done(&variables, arguments);
    let bytes = || {
        let packs = std::fs::read_dir(place.path("server/buckets/backups/validator_0/packs")).unwrap();
        packs.map(|pack| pack.unwrap().metadata().unwrap().len()).sum::<u64>()
    };
    for version in ["1", "2"] {
        place.change(0);
        done(&["init", REPO, "--version", version]);
        done(&["backup", CHANGING, REPO]);
        let first = bytes();
        for day in 1..8 {
            place.change(day);
            done(&["backup", CHANGING, REPO]);
            place.exits(0, &variables, &["forget", REPO, "--keep-last", "2", "--allow-most"]);
            place.exits(0, &variables, &["prune", REPO, "--grace", "0", "--max-unused", "0"]);
            done(&["verify", REPO, "--all"]);
        }
        done(&["verify", REPO, "--against", CHANGING]);
        let left = bytes();
        assert!(
            left < 5 * first / 2,
            "version {version}: {left} bytes for two dumps, and {first} for the first"
        );
        std::fs::remove_dir_all(place.path("server/buckets/backups/validator_0")).unwrap();
        std::fs::remove_dir_all(place.path("changing")).unwrap();
    }
}
