//! The example for Docker Compose, the Containerfile and the workflows: what they say of each other.

use std::fs;
use std::path::{Path, PathBuf};

use serde_norway::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml(path: &str) -> Value {
    let mut value: Value =
        serde_norway::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    value.apply_merge().unwrap();
    value
}

#[test]
fn the_services_for_compose_start_only_when_asked_and_write_only_where_they_must() {
    let file = yaml("deploy/compose/docker-compose.kvbackup.yml");
    let services = file["services"].as_mapping().unwrap();
    assert_eq!(services.len(), 2);
    for (name, service) in services {
        for (field, expected) in [("profiles", "[kvbackup]"), ("read_only", "true"), ("cap_drop", "[ALL]")] {
            assert_eq!(
                service[field],
                serde_norway::from_str::<Value>(expected).unwrap(),
                "{name:?} {field}"
            );
        }
        assert_eq!(service["restart"], "no", "a boolean is no policy");
    }
    // Of linera's file: its service of ScyllaDB has a check of its health.
    let backup = &file["services"]["kvbackup-backup"];
    assert_eq!(backup["depends_on"]["scylla"]["condition"], "service_healthy");
    assert!(backup["command"][1].as_str().unwrap().starts_with("scylla://scylla:9042/kv/"));
    let verify = &file["services"]["kvbackup-verify"];
    assert!(verify["volumes"][0].as_str().unwrap().ends_with(":/backups:ro"));
}

#[test]
fn every_variable_of_the_compose_file_is_explained_and_no_other() {
    let (file, readme) =
        (read("deploy/compose/docker-compose.kvbackup.yml"), read("deploy/compose/README.md"));
    let used: Vec<_> = file.split("${").skip(1).filter_map(|rest| rest.split(":-").next()).collect();
    assert!(used.len() >= 4);
    for name in &used {
        assert!(readme.contains(&format!("| `{name}` |")), "{name}");
    }
    for row in readme.lines().filter_map(|line| line.strip_prefix("| `")) {
        let name = row.split('`').next().unwrap();
        assert!(used.contains(&name), "{name}");
    }
}

#[test]
fn every_action_of_a_workflow_is_pinned_to_a_commit_that_a_comment_names() {
    let mut actions = 0;
    for entry in fs::read_dir(root().join(".github/workflows")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        serde_norway::from_str::<Value>(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for line in text.lines().filter(|line| line.contains("uses: ")) {
            let (_, action) = line.split_once("uses: ").unwrap();
            let pin = action.split_once('@').map(|(_, pin)| pin.split_once(" # v"));
            let is_pinned =
                |commit: &str| commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(
                matches!(pin, Some(Some((commit, _))) if is_pinned(commit)),
                "{}: {line}",
                path.display()
            );
            actions += 1;
        }
    }
    assert!(actions > 10, "{actions}");
}

#[test]
fn files_that_documents_and_workflows_name_are_there() {
    let page = read("docs/quick-start/kubernetes.md");
    let mut names: Vec<_> = page
        .split_whitespace()
        .filter(|word| word.ends_with(".yaml"))
        .map(|name| format!("deploy/kubernetes/{name}"))
        .collect();
    names.retain(|name| !name.contains('`'));
    assert!(names.len() >= 2, "{names:?}");
    let container = "deploy/container/Containerfile";
    for text in [&page, &read("deploy/container/README.md"), &read(".github/workflows/release.yml")] {
        assert!(text.contains(container));
    }
    names.push(container.to_owned());
    for name in names {
        assert!(root().join(&name).is_file(), "{name}");
    }
    for stage in ["FROM scratch AS kvbackup", "AS shell", "AS build"] {
        assert!(read(container).contains(stage), "{stage}");
    }
}

#[test]
fn examples_name_the_version_of_the_program() {
    let manifest = read("Cargo.toml");
    let version =
        manifest.lines().find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"')).unwrap();
    for (path, before) in [
        ("deploy/compose/docker-compose.kvbackup.yml", "ghcr.io/kvbackup/kvbackup:"),
        ("docs/quick-start/rocksdb.md", "kvbackup_"),
        ("docs/quick-start/kubernetes.md", "registry.example.com/kvbackup:"),
        ("deploy/kubernetes/nightly.yaml", "registry.example.com/kvbackup:"),
    ] {
        let text = read(path);
        assert!(
            text.split(before).skip(1).all(|rest| rest.starts_with(version)),
            "{path}: {before}{version}"
        );
        assert!(text.contains(before), "{path}");
    }
}
