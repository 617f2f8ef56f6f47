//! Rights, credentials and certificates.

use crate::place::{CHANGING, Place, s3};

const REPO: &str = "s3://backups/validator_0";

#[test]
fn a_node_that_may_only_add_makes_dumps_and_cannot_take_them_away() {
    let place = Place::new();
    let server = s3(&place);
    server.allow_node("backups").unwrap();
    let (node, owner) = (server.node_variables(), server.variables());
    for day in 0..2 {
        place.change(day);
        place.done(&node, &["backup", CHANGING, REPO]);
    }
    place.done(&node, &["verify", REPO, "--against", CHANGING]);
    let dumps = place.done(&node, &["list", REPO]);
    let forget = ["forget", REPO, "--keep-last", "1", "--allow-most"];
    // What it staged is left, too.
    let prune = ["prune", REPO, "--grace", "0", "--discard-staged"];
    let lacks = |arguments: &[&str]| {
        let refused = place.exits(1, &node, arguments);
        assert!(
            refused.stderr.contains("lack a right") && refused.stderr.contains("s3:DeleteObject"),
            "{refused}"
        );
    };
    lacks(&forget);
    assert_eq!(place.done(&node, &["list", REPO])["dumps"], dumps["dumps"]);
    place.exits(0, &owner, &forget);
    lacks(&prune);
    place.done(&owner, &["verify", REPO, "--all"]);
    place.exits(0, &owner, &prune);
    place.done(&node, &["verify", REPO, "--against", CHANGING]);
}

#[test]
fn what_is_wrong_is_told_at_once() {
    let place = Place::new();
    let server = s3(&place);
    let good = server.variables();
    let with = |name: &'static str, value: &str| {
        let mut changed = good.clone();
        changed.retain(|(found, _)| *found != name);
        changed.push((name, value.to_owned()));
        changed
    };
    let untrusted = good.iter().filter(|(name, _)| *name != "SSL_CERT_FILE").cloned().collect();
    for (variables, location, says) in [
        (with("AWS_SECRET_ACCESS_KEY", "wrong"), REPO, "does not accept the credentials"),
        (with("AWS_ACCESS_KEY_ID", "nobody"), REPO, "does not accept the credentials"),
        (good.clone(), "s3://missing/x", "missing"),
        (untrusted, REPO, "certificate"),
    ] {
        for arguments in [&["list", location][..], &["backup", "rocksdb:db/validator_0", location]] {
            let found = place.exits(1, &variables, arguments);
            assert!(found.stderr.contains(says), "expected {says:?}: {found}");
            assert!(!found.stderr.contains("<?xml"), "{found}");
        }
    }
    let found = place.exits(1, &good, &["list", REPO]);
    assert!(found.stderr.contains("repository"), "{found}");
}
