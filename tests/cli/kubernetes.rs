//! The scripts in the manifests for Kubernetes, run as its pods would run them, on a real server.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::program::{Place, Run, origin};
use crate::server::{Server, table};

/// Returns the container of a manifest.
fn container(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/kubernetes");
    let object: Value = serde_norway::from_str(&fs::read_to_string(folder.join(name)).unwrap()).unwrap();
    let job =
        if object["kind"] == "CronJob" { &object["spec"]["jobTemplate"]["spec"] } else { &object["spec"] };
    job["template"]["spec"]["containers"][0].clone()
}

/// Starts what a pod would start, with its variables, and with these in place of what an operator has to change.
fn start(place: &Place, manifest: &str, changed: &[(&str, &str)]) -> Child {
    let bin = place.path("bin");
    fs::create_dir_all(&bin).unwrap();
    let program = bin.join("kvbackup");
    if !program.exists() {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kvbackup"), program).unwrap();
    }
    let container = container(manifest);
    let words = |field: &str| {
        let words = container[field].as_array().unwrap().iter();
        words.map(|word| word.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (shell, script) = (words("command"), words("args"));
    let mut command = Command::new(&shell[0]);
    command.args(&shell[1..]).args(script).current_dir(place.path("."));
    for variable in container["env"].as_array().unwrap() {
        command.env(variable["name"].as_str().unwrap(), variable["value"].as_str().unwrap_or_default());
    }
    command.env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()));
    command.env("REPO", "repo").env("PASSWORD_FILE", "password").env("VALIDATOR_PUBLIC_KEY", origin());
    command.envs(changed.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits for a pod that must succeed; returns the objects that it printed, one a line.
fn done(child: Child) -> Vec<Value> {
    let run = Run::new(&["a pod"], child.wait_with_output().unwrap());
    assert_eq!(run.code, Some(0), "{run}");
    run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_pods_make_one_dump_together_and_the_nightly_job_makes_the_same() {
    let _server = Server::connect();
    let place = Place::with_fixture();
    place.done(&["backup", "rocksdb:db/validator_0", "rocksdb"]);
    let target = table("pods");
    place.done(&["restore", "rocksdb", &target]);
    fs::write(place.path("password"), "sesame\n").unwrap();
    let source = target.replace("scylla://", "scylla://backup@");

    let pod =
        |index: &str| start(&place, "shares.yaml", &[("SOURCE", &source), ("JOB_COMPLETION_INDEX", index)]);
    let pods = ["0", "1", "2", "3"].map(pod);
    let reports = pods.map(|pod| done(pod).remove(0));
    assert_eq!(reports.map(|report| report["share"].clone()), ["1/4", "2/4", "3/4", "4/4"]);
    let finished = done(start(&place, "finish.yaml", &[]));
    let nightly = done(start(&place, "nightly.yaml", &[("SOURCE", &source)]));
    assert_eq!((finished.len(), nightly.len()), (2, 2));
    for field in ["digest", "root", "consistency"] {
        assert_eq!(finished[0][field], nightly[0][field], "{field}");
    }
    assert_eq!((&nightly[0]["new_objects"], &finished[0]["consistency"]), (&0.into(), &"causal".into()));
    assert_eq!(place.manifests().len(), 2);
}
