//! The manifests for Kubernetes: each is what its API knows, to the last field.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// File, and the kinds of the objects in it.
const MANIFESTS: [(&str, &str); 5] = [
    ("finish.yaml", "Job"),
    ("nightly.yaml", "CronJob"),
    ("repository.yaml", "PersistentVolumeClaim"),
    ("secret.yaml", "Secret"),
    ("shares.yaml", "Job"),
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy/kubernetes")
}

fn read(name: &str) -> Value {
    let text = fs::read_to_string(folder().join(name)).unwrap();
    serde_norway::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Reads an object as its kind, and names what of it the API does not know.
fn check(object: &Value) -> Result<(), String> {
    let kind = object["kind"].as_str().unwrap_or_default();
    match (object["apiVersion"].as_str().unwrap_or_default(), kind) {
        ("batch/v1", "Job") => check_as::<Job>(object),
        ("batch/v1", "CronJob") => check_as::<CronJob>(object),
        ("v1", "PersistentVolumeClaim") => check_as::<PersistentVolumeClaim>(object),
        ("v1", "Secret") => check_as::<Secret>(object),
        (version, kind) => Err(format!("there is no {kind} in {version}")),
    }
}

fn check_as<T: DeserializeOwned + Serialize>(object: &Value) -> Result<(), String> {
    let known: T = serde_json::from_value(object.clone()).map_err(|error| error.to_string())?;
    // Readers leave out what they do not know; what is missing when it is written again was unknown.
    let known = serde_json::to_value(known).map_err(|error| error.to_string())?;
    compare("", object, &known)
}

fn compare(place: &str, given: &Value, known: &Value) -> Result<(), String> {
    match (given, known) {
        (Value::Object(given), Value::Object(known)) => given.iter().try_for_each(|(name, value)| {
            let place = format!("{place}/{name}");
            compare(&place, value, known.get(name).ok_or_else(|| format!("{place} is unknown"))?)
        }),
        (Value::Array(given), Value::Array(known)) if given.len() == known.len() => {
            let mut pairs = given.iter().zip(known).enumerate();
            pairs.try_for_each(|(index, (given, known))| compare(&format!("{place}/{index}"), given, known))
        }
        _ if given == known => Ok(()),
        _ => Err(format!("{place}: {given} is read as {known}")),
    }
}

#[test]
fn every_manifest_is_what_the_api_knows() {
    let mut names: Vec<_> = fs::read_dir(folder())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.retain(|name| name.ends_with(".yaml"));
    names.sort();
    assert_eq!(names, MANIFESTS.map(|(name, _)| name));
    for (name, kind) in MANIFESTS {
        let object = read(name);
        assert_eq!(object["kind"], kind, "{name}");
        check(&object).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn a_misspelt_field_and_a_value_of_another_type_are_told() {
    let spoil = |path: &str, name: &str, value: Value| {
        let mut object = read("shares.yaml");
        object.pointer_mut(path).unwrap().as_object_mut().unwrap().insert(name.to_owned(), value);
        check(&object)
    };
    let container = "/spec/template/spec/containers/0";
    for (path, name, value) in [
        ("", "specification", Value::Null),
        ("/spec", "completionmode", "Indexed".into()),
        ("/spec", "completions", "4".into()),
        ("/spec/template/spec", "restartpolicy", "Never".into()),
        (container, "comand", Value::Array(vec![])),
        (container, "args", "a b".into()),
        ("/spec/podFailurePolicy/rules/0/onExitCodes", "value", 4.into()),
        ("", "kind", "Jobs".into()),
    ] {
        assert!(spoil(path, name, value).is_err(), "{path}/{name}");
    }
    assert_eq!(spoil("/spec", "suspend", true.into()), Ok(()));
}

/// The pod of a manifest.
fn pod(name: &str) -> Value {
    let object = read(name);
    let job =
        if object["kind"] == "CronJob" { &object["spec"]["jobTemplate"]["spec"] } else { &object["spec"] };
    job["template"]["spec"].clone()
}

fn variables(name: &str) -> BTreeMap<String, Value> {
    let pod = pod(name);
    let env = pod["containers"][0]["env"].as_array().unwrap().clone();
    env.into_iter()
        .map(|entry| (entry["name"].as_str().unwrap().to_owned(), entry["value"].clone()))
        .collect()
}

#[test]
fn what_the_manifests_say_of_each_other_fits() {
    let shares = read("shares.yaml");
    assert_eq!(variables("shares.yaml")["SHARES"], shares["spec"]["completions"].to_string());
    assert_eq!(shares["spec"]["completionMode"], "Indexed");
    for name in ["JOB", "REPO"] {
        assert_eq!(variables("shares.yaml")[name], variables("finish.yaml")[name], "{name}");
    }
    for name in ["shares.yaml", "finish.yaml", "nightly.yaml"] {
        let pod = pod(name);
        assert_eq!(pod["restartPolicy"], "Never", "{name}: a policy for failures needs it");
        let volumes = pod["volumes"].as_array().unwrap();
        for mount in pod["containers"][0]["volumeMounts"].as_array().unwrap() {
            assert!(volumes.iter().any(|volume| volume["name"] == mount["name"]), "{name}: {mount}");
        }
        let volume = |field: &str| volumes.iter().find_map(|volume| volume.get(field)).unwrap().clone();
        let claim = volume("persistentVolumeClaim");
        assert_eq!(claim["claimName"], read("repository.yaml")["metadata"]["name"], "{name}");
        let secret = volume("secret");
        assert_eq!(secret["secretName"], read("secret.yaml")["metadata"]["name"], "{name}");
        for item in secret["items"].as_array().unwrap() {
            assert!(
                read("secret.yaml")["stringData"][item["key"].as_str().unwrap()].is_string(),
                "{name}: {item}"
            );
        }
    }
}
