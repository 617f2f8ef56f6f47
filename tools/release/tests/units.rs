//! The units of systemd, looked at by systemd's own program.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SERVICES: [&str; 2] = ["kvbackup.service", "kvbackup-verify.service"];
const TIMERS: [&str; 2] = ["kvbackup.timer", "kvbackup-verify.timer"];

/// Exposure in tenths. deploy/systemd/README.md names it. Versions of systemd rate differently: 252 says 14.
const EXPOSURE_MAX: &str = "20";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/systemd")
}

fn read(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap()
}

/// Copies the units, which then start a program that is there.
fn units() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    for name in [SERVICES, TIMERS].concat() {
        let text = read(name).replace("/usr/bin/kvbackup ", "/bin/true ");
        fs::write(place.path().join(name), text).unwrap();
    }
    place
}

fn analyze(place: &Path, arguments: &[&str], names: &[&str]) -> Output {
    let mut command = Command::new("systemd-analyze");
    command.args(arguments).args(names.iter().map(|name| place.join(name)));
    command.output().expect("`cargo xtask setup` installs systemd-analyze")
}

/// Returns what systemd finds wrong: it tells, and does not fail for all of it.
fn complaints(place: &Path) -> String {
    let found =
        analyze(place, &["verify", "--man=no", "--recursive-errors=no"], &[SERVICES, TIMERS].concat());
    let text = String::from_utf8(found.stderr).unwrap();
    let text: Vec<_> = text.lines().filter(|line| line.contains("kvbackup")).collect();
    if found.status.success() { text.join("\n") } else { format!("{}\n{}", found.status, text.join("\n")) }
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units_and_finds_what_is_wrong() {
    let place = units();
    assert_eq!(complaints(place.path()), "");
    let service = place.path().join("kvbackup.service");
    let good = fs::read_to_string(&service).unwrap();
    for (from, to) in
        [("PrivateTmp=yes", "PrivateTemp=yes"), ("Nice=10", "Nice=100"), ("/bin/true", "/bin/tru")]
    {
        fs::write(&service, good.replace(from, to)).unwrap();
        assert!(complaints(place.path()).contains("kvbackup.service"), "{to}");
    }
}

#[test]
fn the_services_are_exposed_as_little_as_the_document_says() {
    let place = units();
    let threshold = format!("--threshold={EXPOSURE_MAX}");
    for name in SERVICES {
        let found = analyze(place.path(), &["security", "--offline=true", "--no-pager", &threshold], &[name]);
        assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stdout));
    }
    assert!(read("README.md").contains("exposure below 2 on"));
}

/// The settings of a service but those that say what it does.
fn confinement(name: &str) -> BTreeSet<String> {
    let own = ["Description", "ExecStart", "Restart", "RestartSec", "RestartPreventExitStatus", "StartLimit"];
    let text = read(name);
    let settings = text.lines().filter(|line| line.contains('=') && !line.starts_with('#'));
    let settings = settings.filter(|line| !own.iter().any(|own| line.starts_with(own)));
    settings.map(str::to_owned).collect()
}

#[test]
fn both_services_are_confined_in_the_same_way() {
    let [backup, verify] = SERVICES.map(confinement);
    assert!(backup.len() > 30 && backup.contains("NoNewPrivileges=yes"), "{backup:?}");
    assert_eq!(backup, verify);
}

#[test]
fn every_variable_of_the_services_is_in_the_file_of_settings() {
    let settings = read("kvbackup.env");
    for name in SERVICES {
        for word in
            read(name).lines().filter(|line| line.starts_with("ExecStart=")).flat_map(str::split_whitespace)
        {
            let Some(name) = word.strip_prefix('$') else { continue };
            let name = name.trim_matches(['{', '}']);
            assert!(settings.lines().any(|line| line.starts_with(&format!("{name}="))), "{name}");
        }
    }
}
