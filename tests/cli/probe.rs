//! What a store keeps.

use backup_testkit::fault_server::Request;
use backup_testkit::{FaultServer, Mishap};

use crate::program::{Place, Run};

#[test]
fn a_directory_keeps_all_rules_with_and_without_a_repository_and_stays_as_it_was() {
    let place = Place::with_dump();
    std::fs::create_dir(place.path("empty")).unwrap();
    for name in ["repo", "empty"] {
        let found = place.done(&["probe", name, "--big-object", "1MiB"]);
        let rules = found["rules"].as_array().unwrap();
        assert!(rules.len() >= 6 && rules.iter().all(|rule| rule["holds"] == true), "{found}");
        assert_eq!(found["left"], serde_json::json!([]));
    }
    assert_eq!(std::fs::read_dir(place.path("empty")).unwrap().count(), 0);
    place.done(&["verify", "repo"]);
    let text = place.exits(0, &["probe", "repo", "--big-object", "1MiB"]);
    assert!(text.stdout.contains("read after write") && text.stdout.contains("holds"), "{text}");
    place.exits(1, &["probe", "missing"]).says("is the path right?");
    assert!(!place.path("missing").exists());
}

#[test]
fn a_store_that_lacks_something_is_refused_with_a_sentence_about_each_rule() {
    let place = Place::empty();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let refuses = |request: &Request| match request.method.as_str() {
        "DELETE" | "POST" => Mishap::Refused(403, "AccessDenied"),
        _ => Mishap::None,
    };
    let server = runtime.block_on(FaultServer::start(refuses)).unwrap();
    let arguments = ["probe", "s3://kvb/r", "--big-object", "1MiB"];
    let mut command = place.command(&arguments);
    let found = Run::new(&arguments, command.envs(server.variables()).output().unwrap());
    assert_eq!(found.code, Some(4), "{found}");
    found.says("delete does not hold").says("dumps cannot be forgotten");
    assert!(
        found.stdout.contains("DOES NOT HOLD") && found.stdout.contains("could not be removed"),
        "{found}"
    );
    assert_eq!(found.stdout.matches("  holds").count(), 4, "{found}");
}
