//! Layouts of dumps and of what they are restored to or compared with.

use crate::program::Place;

/// Makes a dump of the fixture's rows, as `rows`.
fn with_rows() -> Place {
    let place = Place::with_dump();
    place.done(&["backup", "rocksdb:db/validator_0?layout=plain", "rows", "--allow-implausible"]);
    place
}

#[test]
fn rows_are_not_restored_as_entries_nor_entries_as_rows() {
    let place = with_rows();
    for (repository, layout) in [("rows", "linera-0.15"), ("rows", "linera-0.16"), ("repo", "plain")] {
        for target in ["rocksdb:copy/x", "memory:"] {
            place
                .exits(4, &["restore", repository, target, "--layout", layout])
                .says(&format!("cannot be restored as {layout}"));
        }
    }
    assert!(!place.path("copy").exists(), "a refused restore wrote something");
}

#[test]
fn a_namespace_is_compared_with_a_dump_in_the_layout_of_the_dump() {
    let place = with_rows();
    place.done(&["restore", "rows", "rocksdb:copy/validator_0"]);
    for source in ["rocksdb:copy/validator_0", "rocksdb:db/validator_0"] {
        for repository in ["rows", "repo"] {
            place.done(&["verify", repository, "--against", source]);
        }
    }
    let other = ["verify", "rows", "--against", "rocksdb:db/validator_0?layout=linera-0.15"];
    place.exits(3, &other).says("linera-0.15").says("plain");
}
