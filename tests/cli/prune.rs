//! Removing what no dump needs.

use crate::program::Place;

/// A repository with two dumps, of which the first was forgotten and had all to itself.
fn with_garbage() -> Place {
    let place = Place::with_fixture();
    place.done(&["backup", "rocksdb:db/validator_0", "repo"]);
    // With another codec nothing differs; what was stored is taken away, so that the second dump stores all again.
    let hidden = place.path("hidden");
    std::fs::rename(place.path("repo/packs"), &hidden).unwrap();
    place.done(&["backup", "rocksdb:db/validator_0", "repo", "--annotate", "number=2"]);
    for pack in std::fs::read_dir(&hidden).unwrap() {
        let pack = pack.unwrap();
        std::fs::rename(pack.path(), place.path("repo/packs").join(pack.file_name())).unwrap();
    }
    place.done(&["forget", "repo", "--keep-last", "1"]);
    place
}

fn bytes(place: &Place) -> u64 {
    place.packs().iter().map(|pack| pack.metadata().unwrap().len()).sum()
}

#[test]
fn a_dry_run_says_what_goes_and_a_run_frees_it() {
    let place = with_garbage();
    let before = bytes(&place);
    let dry = place.exits(0, &["prune", "repo", "--grace", "0", "--dry-run"]);
    assert!(dry.stdout.contains("would be removed") && dry.stdout.contains("condemned, empty"), "{dry}");
    assert_eq!(bytes(&place), before);
    assert!(!place.path("repo/pending").exists());

    let report = place.done(&["prune", "repo", "--grace", "0"]);
    let freed = report["removed"]["bytes"].as_u64().unwrap();
    assert!(freed > before / 3, "{report}");
    assert_eq!(bytes(&place), before - freed);
    place.done(&["verify", "repo", "--level", "2"]);
    place.done(&["restore", "repo", "rocksdb:copy/validator_0"]);
    let nothing = place.done(&["prune", "repo", "--grace", "0"]);
    assert_eq!(nothing["removed"]["packs"], 0);
}

#[test]
fn what_was_written_lately_stays_and_forget_prunes_when_asked() {
    let place = with_garbage();
    let before = bytes(&place);
    let report = place.done(&["prune", "repo"]);
    assert_eq!((&report["removed"]["packs"], &report["waiting"]["packs"]), (&0.into(), &0.into()));
    assert_eq!(report["young"], report["left"]);
    place.done(&["backup", "rocksdb:db/validator_0", "repo", "--annotate", "number=3"]);
    let report = place.done(&["forget", "repo", "--keep-last", "1", "--prune"]);
    assert_eq!((&report["forgotten"], &report["removed"]["packs"]), (&1.into(), &0.into()));
    let shown = place.exits(0, &["forget", "repo", "--keep-last", "1", "--prune"]);
    assert!(shown.stdout.contains("freed        0 B in 0 packs"), "{shown}");
    assert_eq!(bytes(&place), before);
}

#[test]
fn a_dump_is_had_back_until_its_packs_are_gone_and_what_is_unknown_is_refused() {
    let place = with_garbage();
    place.done(&["prune", "repo", "--grace", "0"]);
    let forgotten = place.done(&["unforget", "repo"]);
    let id = forgotten["forgotten"][0]["dump"].as_str().unwrap().to_owned();
    // Both dumps are of one content: it can be had back, since all of it is needed by the other one.
    assert_eq!(place.done(&["unforget", "repo", "--dump", &id])["dump"], id.as_str());
    place.done(&["forget", "repo", "--keep-last", "1"]);
    for pack in place.packs() {
        std::fs::remove_file(pack).unwrap();
    }
    place.exits(1, &["unforget", "repo", "--dump", &id]).says("cannot be had back");
    let manifest = &place.manifests()[0];
    std::fs::write(manifest, "{}").unwrap();
    place.exits(4, &["prune", "repo"]).says("nothing was removed");
    place.exits(2, &["prune", "repo", "--grace", "1m"]).says("expected h, d, w or y");
    place.exits(2, &["prune", "repo", "--max-unused", "101%"]).says("0% to 100%");
}
