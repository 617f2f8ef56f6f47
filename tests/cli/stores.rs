//! Places of repositories that are none, and object stores that cannot be used.

use crate::program::{Place, Run};

/// Runs the program without any variable of a store, but with these.
fn run(place: &Place, arguments: &[&str], variables: &[(&str, &str)]) -> Run {
    let mut command = place.command(arguments);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if ["AWS_", "GOOGLE_", "AZURE_", "KVBACKUP_"].iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command.env("HOME", place.path("")).envs(variables.iter().copied());
    Run::new(arguments, command.output().unwrap())
}

#[test]
fn a_place_that_is_none_is_wrong_usage_and_becomes_no_directory() {
    let place = Place::with_fixture();
    for (location, instead) in [
        ("s3:bucket/x", "s3://BUCKET/PREFIX"),
        ("sftp:host:/x", "mount it"),
        ("b2:bucket:x", "AWS_ENDPOINT_URL"),
        ("rest:https://host/", "mount it"),
        ("https://host/bucket", "s3://BUCKET/PREFIX"),
        ("backup@host:/x", "mount it"),
        ("s3://bucket/r?region=x", "%3F"),
    ] {
        for arguments in
            [&["backup", "rocksdb:db/validator_0", location][..], &["list", location], &["inspect", location]]
        {
            let found = place.exits(2, arguments);
            assert!(found.stderr.contains(instead), "{found}");
        }
    }
    let names = std::fs::read_dir(place.path("")).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.collect::<Vec<_>>(), ["db"]);
    place.exits(0, &["backup", "rocksdb:db/validator_0", "./s3:bucket"]);
}

#[test]
fn a_secret_in_a_url_is_refused_and_not_printed() {
    let place = Place::with_fixture();
    for location in [
        "s3://user:hunter2@bucket/r",
        "s3://hunter2@bucket/r",
        "s3://user:hunter2/bucket",
        "az://container/r?sig=hunter2",
        "sftp:user:hunter2@host:/x",
        "https://user:hunter2@host/r",
    ] {
        for json in [&["--verbose"][..], &["--json"]] {
            let arguments = [&["backup", "rocksdb:db/validator_0", location], json].concat();
            let found = place.run(&arguments);
            assert_eq!(found.code, Some(2), "{}", found.stderr);
            assert!(
                !found.stderr.contains("hunter2") && !found.stdout.contains("hunter2"),
                "{}",
                found.stderr
            );
        }
    }
}

#[test]
fn missing_credentials_are_told_at_once_and_other_variables_are_none() {
    let place = Place::with_fixture();
    for (location, instead) in [
        ("s3://bucket/r", "AWS_SECRET_ACCESS_KEY"),
        ("gs://bucket/r", "GOOGLE_SERVICE_ACCOUNT"),
        ("az://container/r", "AZURE_STORAGE_ACCOUNT_KEY"),
    ] {
        let variables =
            [("ACCESS_KEY_ID", "x"), ("SECRET_ACCESS_KEY", "x"), ("TOKEN", "x"), ("TIMEOUT", "nothing")];
        let found = run(&place, &["list", location], &variables);
        assert_eq!(found.code, Some(1), "{found}");
        assert!(
            found.stderr.contains("there are no credentials") && found.stderr.contains(instead),
            "{found}"
        );
    }
}

#[test]
fn a_store_that_cannot_be_reached_is_told_with_its_place_when_patience_ends() {
    let place = Place::with_fixture();
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoint = format!("http://127.0.0.1:{port}");
    let variables = [
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
        ("AWS_ENDPOINT_URL", &endpoint),
        ("AWS_ALLOW_HTTP", "true"),
    ];
    let found = run(&place, &["list", "s3://kvb/r", "--store-patience", "1s"], &variables);
    assert_eq!(found.code, Some(1), "{found}");
    for said in ["trying again", "bucket kvb at http://127.0.0.1", "onnection refused", "--store-patience"] {
        assert!(found.stderr.contains(said), "{said}: {found}");
    }
    assert!(!found.stderr.contains("hunter2"), "{found}");
    let found = run(&place, &["list", "s3://kvb/r", "--store-patience", "0", "--verbose"], &variables);
    assert_eq!(found.code, Some(1), "{found}");
    assert!(!found.stderr.contains("trying again") && found.stderr.contains("caused by"), "{found}");
}
