//! Azure Blob Storage.

use crate::place::{Place, azure};

#[test]
fn a_dump_goes_into_a_container_and_back() {
    let place = Place::new();
    let server = azure(&place);
    let variables = server.variables();
    let done = |arguments: &[&str]| place.done(&variables, arguments);
    let repo = "az://backups/validator_0";
    place.exits(0, &variables, &["probe", repo]);
    let made = done(&["backup", "rocksdb:db/validator_0", repo]);
    assert_eq!(done(&["backup", "rocksdb:db/validator_0", repo])["new_objects"], 0);
    assert_eq!(done(&["verify", repo, "--against", "rocksdb:db/validator_0"])["digest"], made["digest"]);
    assert_eq!(done(&["restore", repo, "rocksdb:copy/validator_0"])["digest"], made["digest"]);
    place.exits(0, &variables, &["forget", repo, "--keep-last", "1", "--allow-most"]);
    place.exits(0, &variables, &["prune", repo, "--grace", "0"]);
    assert_eq!(done(&["verify", repo, "--all"])["dumps"].as_array().unwrap().len(), 1);

    let mut wrong = variables.clone();
    wrong.retain(|(name, _)| *name != "AZURE_STORAGE_ACCOUNT_KEY");
    wrong.push(("AZURE_STORAGE_ACCOUNT_KEY", "d3Jvbmc=".to_owned()));
    let refused = place.exits(1, &wrong, &["list", repo]);
    assert!(refused.stderr.contains("AZURE_STORAGE_ACCOUNT_KEY"), "{refused}");
}
