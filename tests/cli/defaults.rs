//! What stands in every call: the repository in the environment, and profiles.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::program::{Place, Run, names_of};

const SOURCE: &str = "rocksdb:db/validator_0";

/// Runs the program with variables of the environment.
fn run_with(place: &Place, variables: &[(&str, &str)], arguments: &[&str]) -> Run {
    let mut command = place.command(arguments);
    Run::new(arguments, command.envs(variables.iter().copied()).output().unwrap())
}

/// Does the same; the program must exit with this code.
fn exits(place: &Place, code: i32, variables: &[(&str, &str)], arguments: &[&str]) -> Run {
    let run = run_with(place, variables, arguments);
    assert_eq!(run.code, Some(code), "{run}");
    run
}

const REPO: &[(&str, &str)] = &[("KVBACKUP_REPOSITORY", "repo")];

#[test]
fn a_repository_that_is_left_out_is_the_one_of_the_option_or_of_the_environment() {
    let place = Place::with_fixture();
    exits(&place, 0, REPO, &["backup", SOURCE]);
    exits(&place, 0, REPO, &["verify"]);
    exits(&place, 0, REPO, &["inspect"]);
    exits(&place, 0, REPO, &["restore", "rocksdb:copy/a", "--dump", "latest"]);
    exits(&place, 0, REPO, &["restore", "--dump", "latest", "--", "memory:"]);
    exits(&place, 0, REPO, &["copy", "other", "--all"]);
    exits(&place, 0, REPO, &["export", "out.bcs"]);
    exits(&place, 0, REPO, &["import", "out.bcs", "--layout", "linera-0.15"]);
    assert_eq!((place.manifests().len(), names_of(&place.path("other/manifests")).len()), (2, 1));
    // The option comes before the variable, and stands anywhere.
    for line in [&["list", "--repository", "other"], &["--repository", "other", "list"]] {
        let listed = exits(&place, 0, REPO, &[&line[..], &["--json"]].concat()).json();
        assert_eq!(listed["dumps"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn what_a_call_meant_without_the_variable_it_means_with_it() {
    let place = Place::with_dump();
    let elsewhere = &[("KVBACKUP_REPOSITORY", "elsewhere")];
    exits(&place, 0, elsewhere, &["list", "repo"]);
    exits(&place, 0, elsewhere, &["restore", "repo", "--dump", "latest", "memory:"]);
    exits(&place, 0, elsewhere, &["backup", SOURCE, "repo", "--dry-run"]);
    exits(&place, 0, elsewhere, &["inspect", SOURCE]);
    exits(&place, 0, elsewhere, &["digest", SOURCE]);
    assert!(!place.path("elsewhere").exists());
    exits(&place, 1, elsewhere, &["list"]).says("elsewhere");
    // A variable that is empty is none.
    exits(&place, 2, &[("KVBACKUP_REPOSITORY", "")], &["list"]).says("<REPOSITORY>");
}

#[test]
fn no_argument_is_taken_for_another_one() {
    let place = Place::with_dump();
    exits(&place, 2, REPO, &["restore", "repo"]).says("<TARGET>");
    exits(&place, 2, REPO, &["restore"]).says("<TARGET>");
    exits(&place, 2, REPO, &["backup"]).says("<SOURCE>");
    exits(&place, 2, REPO, &["backup", "repo"]).says("<SOURCE>");
    exits(&place, 2, REPO, &["copy"]).says("<TARGET>");
    exits(&place, 2, REPO, &["copy", "repo"]).says("copied to itself");
    exits(&place, 2, REPO, &["restore", "rocksdb:copy/a", "repo"]).says("names a namespace");
    exits(&place, 2, REPO, &["list", "--repository", "repo", "repo"]).says("named twice");
    exits(&place, 2, REPO, &["restore", "--repository", "repo", "repo", "memory:"]).says("named twice");
    exits(&place, 2, REPO, &["digest", SOURCE, "--repository", "repo"]).says("takes no repository");
    let namespace = &[("KVBACKUP_REPOSITORY", "cql://me:secret@db/kv/t")];
    for command in ["list", "inspect"] {
        let run = exits(&place, 2, namespace, &[command, "--json"]);
        run.says("KVBACKUP_REPOSITORY: cql://me:***@db/kv/t names a namespace");
    }
    assert_eq!(place.manifests().len(), 1);
    assert!(!place.path("copy").exists());
}

/// Writes a file of profiles that only its owner can write.
fn profiles(place: &Place, text: &str) {
    fs::write(place.path("profiles.toml"), text).unwrap();
    fs::set_permissions(place.path("profiles.toml"), fs::Permissions::from_mode(0o600)).unwrap();
}

const NODE: &[(&str, &str)] = &[("KVBACKUP_PROFILE", "node"), ("KVBACKUP_PROFILE_FILE", "profiles.toml")];

#[test]
fn a_profile_holds_what_stands_in_every_call() {
    let place = Place::with_fixture();
    place.done(&["key", "generate", "--sign", "node.key"]);
    let text = r#"
        [node]
        repository = "repo"
        trust = ["node.key.pub"]
        password-file = "of-another-engine"
        [node.backup]
        sign-key = "node.key"
        annotate = ["a=b", "c=d"]
        textfile = "backup.prom"
        [node.forget]
        keep-last = 1
        prune = true
        sign-key = "node.key"
        [node.verify]
        level = 1
        [other]
        repository = "elsewhere"
    "#;
    profiles(&place, text);
    let made = exits(&place, 0, NODE, &["backup", SOURCE, "--json"]).json();
    assert_eq!(made["annotations"], serde_json::json!({"a": "b", "c": "d"}));
    assert!(made["signed_by"].is_string());
    assert!(fs::read_to_string(place.path("backup.prom")).unwrap().contains("command=\"backup\""));
    // A dry run records nothing, with a profile as well.
    let dry = exits(&place, 0, NODE, &["backup", SOURCE, "--dry-run", "--annotate", "e=f", "--json"]).json();
    assert_eq!(dry["annotations"], serde_json::json!({"e": "f"}));
    let verified = exits(&place, 0, NODE, &["verify", "--json"]).json();
    assert_eq!((&verified["level"], &verified["signature"]), (&1.into(), &"good".into()));
    assert_eq!(exits(&place, 0, NODE, &["verify", "--level", "2", "--json"]).json()["level"], 2);
    exits(&place, 0, NODE, &["restore", "memory:"]);
    exits(&place, 0, NODE, &["backup", SOURCE]);
    let forgotten = exits(&place, 0, NODE, &["forget", "--json"]).json();
    assert_eq!((&forgotten["forgotten"], forgotten["removed"].is_object()), (&1.into(), true));
    // What excludes an option of the profile comes before it.
    let dry = exits(&place, 0, NODE, &["forget", "--dry-run", "--json"]).json();
    assert!(dry["removed"].is_null(), "{dry}");
    exits(&place, 1, NODE, &["list", "--profile", "other"]).says("elsewhere");
    exits(&place, 0, &[], &["list", "--profile", "node", "--profile-file", "profiles.toml"]);
}

#[test]
fn the_command_line_comes_before_the_environment_and_that_before_a_profile() {
    let place = Place::with_dump();
    place.done(&["key", "generate", "--sign", "node.key"]);
    profiles(&place, "[node]\nrepository = \"of-profile\"\ntrust = \"node.key.pub\"\n");
    exits(&place, 1, NODE, &["list"]).says("of-profile");
    let both = [NODE, REPO].concat();
    exits(&place, 4, &both, &["list"]).says("not signed by a trusted key");
    // A variable that is empty is a mistake, which the profile does not hide.
    exits(&place, 2, &[&both[..], &[("KVBACKUP_TRUST", "")]].concat(), &["list"])
        .says("KVBACKUP_TRUST is set");
    exits(&place, 1, &both, &["list", "--repository", "of-line"]).says("of-line");
}

#[test]
fn what_is_wrong_in_a_profile_is_named_with_its_line() {
    let place = Place::with_dump();
    let cases = [
        ("[node]\nrepo = \"x\"\n", "profiles.toml:2: repo is no option of any command"),
        (
            "[node.list]\n\nkeep-daily = 7\n",
            "profiles.toml:3: keep-daily is no option of \"list\"; these are: annotation,",
        ),
        ("[node.lst]\n", "profiles.toml:1: lst is no command"),
        ("[node]\nquiet = \"yes\"\n", "profiles.toml:2: quiet: expected true or false, found a text"),
        ("[node]\ntrust = true\n", "profiles.toml:2: trust: expected a text in quotes, or a list"),
        (
            "[node]\nstate = [\"a\"]\n",
            "profiles.toml:2: state: expected a text in quotes, or a whole number, found a list",
        ),
        ("[node.list]\nsince = 2026-01-31\n", "found a time without quotes"),
        ("[node]\nstore-patience = \"soon\"\n", "profiles.toml:2: store-patience: "),
        ("[node]\nrepository = \"memory:\"\n", "profiles.toml:2: memory: names a namespace"),
        (
            "[node.restore]\naccept-stale-own-key = true\n",
            "profiles.toml:2: accept-stale-own-key is for one call",
        ),
        ("[node]\ndry-run = true\n", "profiles.toml:2: dry-run is for one call"),
        (
            "[node]\nidentity = \"age-secret-key-1qqq\"\n",
            "profiles.toml:2: identity: a key itself stands here",
        ),
        ("repository = \"x\"\n", "profiles.toml:1: repository stands in no profile"),
        ("[node]\nquiet = true\nquiet = false\n", "profiles.toml:3: this is no TOML: "),
        ("[node]\ntrust = secret word\n", "profiles.toml:2: this is no TOML: "),
        ("[other]\n[third]\n", "there is no profile \"node\": profiles.toml holds other, third"),
    ];
    for (text, said) in cases {
        profiles(&place, text);
        let run = exits(&place, 2, NODE, &["list", "--json"]);
        run.says(&said.replace('"', "\\\""));
        assert!(!run.stderr.contains("1qqq") && !run.stderr.contains("secret word"), "{run}");
        assert_eq!(run.error()["exit_code"], 2);
    }
    // Without its name it does not count.
    exits(&place, 0, &[("KVBACKUP_PROFILE_FILE", "profiles.toml")], &["list", "repo"]);
    place.exits(2, &["list", "repo", "--profile-file", "profiles.toml"]).says("no profile is named");
    place.exits(2, &["list", "repo", "--profile", "x", "--profile-file", "none.toml"]).says("none.toml");
    profiles(&place, &format!("[node]\n#{}\n", "x".repeat(1 << 20)));
    exits(&place, 2, NODE, &["list", "repo"]).says("longer than 1 MiB");
    profiles(&place, "[node]\n");
    fs::set_permissions(place.path("profiles.toml"), fs::Permissions::from_mode(0o646)).unwrap();
    exits(&place, 2, NODE, &["list", "repo"]).says("written by everybody");
    exits(&place, 2, &[("KVBACKUP_PROFILE", "x"), ("KVBACKUP_PROFILE_FILE", "/dev/zero")], &["list", "repo"])
        .says("no file");
}

#[test]
fn profiles_are_looked_for_in_a_fixed_order() {
    let place = Place::with_dump();
    let config = place.path("config/kvbackup");
    let home = place.path("home/.config/kvbackup");
    for (directory, repository) in [(&config, "of-config"), (&home, "of-home")] {
        fs::create_dir_all(directory).unwrap();
        let text = format!("[node]\nrepository = {repository:?}\n[{repository}]\nrepository = \"repo\"\n");
        fs::write(directory.join("profiles.toml"), text).unwrap();
    }
    let (config, home) = (place.path("config"), place.path("home"));
    let variables = [("XDG_CONFIG_HOME", config.to_str().unwrap()), ("HOME", home.to_str().unwrap())];
    exits(&place, 1, &variables, &["list", "--profile", "node"]).says("of-config");
    exits(&place, 0, &variables, &["list", "--profile", "of-config"]);
    exits(&place, 2, &variables, &["list", "--profile", "of-home"])
        .says("config/kvbackup/profiles.toml holds node, of-config");
    // A path that is not absolute does not count.
    let relative = [("XDG_CONFIG_HOME", "config"), variables[1]];
    exits(&place, 1, &relative, &["list", "--profile", "node"]).says("of-home");
    let nothing = [("XDG_CONFIG_HOME", "/nowhere"), variables[1]];
    let run = exits(&place, 2, &nothing, &["list", "--profile", "node"]);
    run.says("/nowhere/kvbackup/profiles.toml is not there; /etc/kvbackup/profiles.toml is not there");
}

#[test]
fn the_help_says_where_what_is_left_out_comes_from() {
    let place = Place::empty();
    let help = place.exits(0, &["--help"]).stdout;
    for words in ["KVBACKUP_REPOSITORY", "KVBACKUP_PROFILE", "/etc/kvbackup/profiles.toml", "[node.forget]"] {
        assert!(help.contains(words), "{words}");
    }
    let help = place.exits(0, &["restore", "--help"]).stdout;
    assert!(help.contains("[default: --repository, KVBACKUP_REPOSITORY or a profile]"), "{help}");
    assert!(help.contains("Usage: kvbackup restore [OPTIONS] <REPOSITORY> <TARGET>"), "{help}");
    assert!(help.contains("--profile <NAME>"), "{help}");
}
