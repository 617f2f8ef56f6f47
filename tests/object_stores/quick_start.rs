//! The quick start for object stores, run on S3.

use crate::place::{Place, s3};

#[test]
fn the_quick_start_for_object_stores_ends_with_an_equal_copy() {
    let place = Place::new();
    let server = s3(&place);
    let variables = server.variables();
    let places = [
        ("/var/lib/linera/db/validator_0", "db/validator_0"),
        ("/var/lib/linera/restored", "restored"),
        (" /backups/validator_0", " repo"),
    ];
    let run = crate::page::run(place.local(), "docs/quick-start/object-store.md", &places, &variables);
    assert!(run.stdout.contains("one creator        holds"), "{run}");
    let digest = |locator: &str| place.done(&variables, &["digest", locator])["digest"].clone();
    assert_eq!(digest("rocksdb:restored/validator_0"), digest("rocksdb:db/validator_0"));
}
