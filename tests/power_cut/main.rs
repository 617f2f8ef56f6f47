//! Power cuts: whatever was never synced is lost. Each command is killed, or its disk fails, at each call that makes
//! something durable. Then it is run again, and then the power is cut. What a command said was done must be there.
//!
//! This needs Linux: the calls are caught by a library that is loaded before libc.

#![cfg(target_os = "linux")]

#[expect(dead_code, reason = "other tests of the program use all of it")]
#[path = "../cli/large.rs"]
mod large;
#[expect(dead_code, reason = "other tests of the program use all of it")]
#[path = "../cli/program.rs"]
mod program;

mod disk;
mod fence;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use backup_testkit::sample;
use disk::Disk;
use program::{Place, Run};
use serde_json::Value;

/// A dump of some 400 kB has several packs.
const CONFIG: &str = r#"{"format":"kvbackup-repository","version":1,"repository":"000102030405060708090a0b0c0d0e0f",
"rule":"norm1","segment_target":16384,"page_target":131072,"pack_target":65536,
"cut_salt":"101112131415161718191a1b1c1d1e1f","encrypted":false,"requires":[]}"#;

/// Of so many calls one fails in a run that is not exhaustive.
const STRIDE: u64 = 4;

/// The exit code of what was refused.
const REFUSED: i32 = 4;

/// Commands that refuse to continue where their result is. What was killed last of all never said that it was durable.
const ONCE: [&str; 3] = ["restore", "native-restore", "export"];

const BACKUP: &[&str] = &["backup", "rocksdb:db/small", "repo"];
const RESTORE: &[&str] = &["restore", "repo", "rocksdb:copies/of/small"];

/// A command, and what is there before it.
struct Scenario<'a> {
    /// What `db` is a copy of.
    databases: &'a Path,
    before: &'a [&'a [&'a str]],
    command: &'a [&'a str],
    /// Reads what the command made, after the power cut.
    read: &'a [&'a str],
}

#[test]
fn a_first_backup_is_durable_whatever_an_earlier_run_left() {
    check(&Scenario {
        databases: databases(),
        before: &[],
        command: BACKUP,
        read: &["verify", "repo", "--level", "2"],
    });
}

#[test]
fn a_second_backup_is_durable_whatever_an_earlier_run_left() {
    let earlier: &[&str] = &["backup", "rocksdb:db/earlier/small", "repo"];
    check(&Scenario {
        databases: databases(),
        before: &[earlier],
        command: BACKUP,
        read: &["verify", "repo", "--level", "2"],
    });
}

#[test]
fn an_import_is_durable_whatever_an_earlier_run_left() {
    let export: &[&str] = &["export", "repo", "file.kvbackup"];
    let command = &["import", "file.kvbackup", "imported"];
    check(&Scenario {
        databases: databases(),
        before: &[BACKUP, export],
        command,
        read: &["verify", "imported", "--level", "2"],
    });
}

#[test]
fn a_restore_is_durable_whatever_an_earlier_run_left() {
    check(&Scenario {
        databases: databases(),
        before: &[BACKUP],
        command: RESTORE,
        read: &["digest", "rocksdb:copies/of/small"],
    });
}

#[test]
fn a_native_backup_is_durable_whatever_an_earlier_run_left() {
    let command = &["native-backup", "rocksdb:db/small", "backups/of/small"];
    let read = &["native-restore", "backups/of/small", "rocksdb:copy/small"];
    check(&Scenario { databases: databases(), before: &[], command, read });
}

#[test]
fn a_native_restore_is_durable_whatever_an_earlier_run_left() {
    let backup: &[&str] = &["native-backup", "rocksdb:db/small", "backups"];
    let command = &["native-restore", "backups", "rocksdb:copies/of/small"];
    check(&Scenario {
        databases: databases(),
        before: &[backup],
        command,
        read: &["digest", "rocksdb:copies/of/small"],
    });
}

#[test]
fn an_export_is_durable_whatever_an_earlier_run_left() {
    let command = &["export", "repo", "file.kvbackup"];
    check(&Scenario {
        databases: databases(),
        before: &[BACKUP],
        command,
        read: &["import", "file.kvbackup", "imported"],
    });
}

#[test]
fn a_prune_is_durable_whatever_an_earlier_run_left() {
    let earlier: &[&str] = &["backup", "rocksdb:db/earlier/small", "repo"];
    let forget: &[&str] = &["forget", "repo", "--keep-last", "1"];
    let command = &["prune", "repo", "--grace", "0", "--max-unused", "0%"];
    let read = &["verify", "repo", "--level", "2"];
    check(&Scenario { databases: databases(), before: &[earlier, BACKUP, forget], command, read });
}

/// A failure at one call.
#[derive(Clone, Copy, Debug)]
struct Fault {
    call: usize,
    /// The call fails; otherwise it kills the process.
    fails: bool,
}

fn check(scenario: &Scenario) {
    let (calls, digest) = {
        let bench = Bench::new(scenario);
        let run = bench.run(scenario.command, None);
        assert_eq!(run.code, Some(0), "{run}");
        (bench.calls(), bench.digest_after_power_cut(scenario, &run))
    };
    assert!(calls > 1, "{:?} makes {calls} calls that sync", scenario.command);
    for fails in [false, true] {
        for call in sample(0..calls as u64, STRIDE).map(|call| call as usize) {
            let bench = Bench::new(scenario);
            let fault = Fault { call, fails };
            let mut run = bench.run(scenario.command, Some(fault));
            if run.code != Some(0) {
                run = bench.run(scenario.command, None);
                if run.code == Some(REFUSED) && ONCE.contains(&scenario.command[0]) {
                    continue;
                }
                assert_eq!(run.code, Some(0), "again after {fault:?}: {run}");
            }
            let found = bench.digest_after_power_cut(scenario, &run);
            assert_eq!(found, digest, "after {fault:?} of {calls}, and {run}");
        }
    }
}

/// A directory in which commands run, and what is durable of it.
struct Bench {
    place: Place,
    disk: tempfile::TempDir,
}

impl Bench {
    fn new(scenario: &Scenario) -> Self {
        let place = Place::empty();
        program::copy(scenario.databases, &place.path("db"));
        fs::create_dir(place.path("repo")).unwrap();
        fs::write(place.path("repo/config.json"), CONFIG).unwrap();
        for command in scenario.before {
            place.exits(0, command);
        }
        let disk = tempfile::tempdir().unwrap();
        Disk(disk.path()).record_all(&place.path("")).unwrap();
        Self { place, disk }
    }

    fn run(&self, arguments: &[&str], fault: Option<Fault>) -> Run {
        let mut command = self.place.command(&[arguments, &["--json"]].concat());
        command.env("LD_PRELOAD", shim()).env("POWER_CUT_DISK", self.disk.path());
        command.env("POWER_CUT_BELOW", self.place.path("").canonicalize().unwrap());
        if let Some(Fault { call, fails }) = fault {
            command.env("POWER_CUT_AT", call.to_string()).envs(fails.then_some(("POWER_CUT_FAILS", "1")));
        }
        Run::new(arguments, command.output().unwrap())
    }

    fn calls(&self) -> usize {
        fs::read_to_string(self.disk.path().join("calls")).unwrap().parse().unwrap()
    }

    /// Cuts the power after a run that was said to be good, and reads what it made.
    fn digest_after_power_cut(&self, scenario: &Scenario, run: &Run) -> Value {
        let after = Place::empty();
        fs::remove_dir(after.path("")).unwrap();
        Disk(self.disk.path()).cut_power(&self.place.path(""), &after.path("")).unwrap();
        let read = after.run(&[scenario.read, &["--json"]].concat());
        assert_eq!(read.code, Some(0), "after the power was cut: {read}\nwhich followed {run}");
        read.json()["digest"].clone()
    }
}

/// Returns a directory with two small databases, which are made once.
fn databases() -> &'static Path {
    static MADE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let made = tempfile::tempdir().unwrap();
        large::create_blocks(&made.path().join("small"), 3, (40, 10_000));
        large::create_blocks(&made.path().join("earlier/small"), 3, (35, 10_000));
        made
    });
    made.path()
}

/// Returns the library that stands between the program and libc, which is compiled once.
fn shim() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| compile("shim"))
}

/// Compiles a library of this directory.
fn compile(name: &str) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../tests/power_cut/{name}.rs"));
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("libpower_cut_{name}.so"));
    let mut compiler = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    compiler.args(["--edition", "2024", "-O", "--crate-type", "cdylib", "--crate-name", "power_cut", "-o"]);
    let status = compiler.arg(&library).arg(source).status().unwrap();
    assert!(status.success(), "the library does not compile");
    library
}
