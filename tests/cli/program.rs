//! Running the program, and the fixture it runs on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A scratch directory in which the program runs, with a copy of the fixture.
pub struct Place {
    directory: TempDir,
}

impl Place {
    /// Makes an empty scratch directory.
    pub fn empty() -> Self {
        let place = Self { directory: tempfile::tempdir().unwrap() };
        fs::create_dir(place.path("")).unwrap();
        fs::create_dir(place.scratch()).unwrap();
        place
    }

    /// Makes one with a copy of the namespace that linera wrote, as `db/validator_0`.
    pub fn with_fixture() -> Self {
        let place = Self::empty();
        copy(&fixture().join("namespace"), &place.path("db"));
        place
    }

    /// Makes one that also has a repository with one dump of that namespace, as `repo`.
    pub fn with_dump() -> Self {
        let place = Self::with_fixture();
        place.done(&["backup", "rocksdb:db/validator_0", "repo"]);
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("work").join(name)
    }

    /// Where the program puts scratch files: what is killed leaves them, and they shall not outlive the test.
    fn scratch(&self) -> PathBuf {
        self.directory.path().join("scratch")
    }

    /// Prepares a run of the program.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kvbackup"));
        command.args(arguments).current_dir(self.path("")).env("TMPDIR", self.scratch()).stdin(Stdio::null());
        for variable in ["KVBACKUP_REPOSITORY", "KVBACKUP_PROFILE", "KVBACKUP_PROFILE_FILE"] {
            command.env_remove(variable);
        }
        command
    }

    /// Runs the program.
    pub fn run(&self, arguments: &[&str]) -> Run {
        Run::new(arguments, self.command(arguments).output().unwrap())
    }

    /// Runs the program, which must exit with this code.
    pub fn exits(&self, code: i32, arguments: &[&str]) -> Run {
        let run = self.run(arguments);
        assert_eq!(run.code, Some(code), "{run}");
        run
    }

    /// Runs the program with `--json`, which must succeed, and returns what it printed.
    pub fn done(&self, arguments: &[&str]) -> Value {
        self.exits(0, &[arguments, &["--json"]].concat()).json()
    }

    /// Lists the packs of repository `repo`.
    pub fn packs(&self) -> Vec<PathBuf> {
        names_of(&self.path("repo/packs"))
    }

    /// Lists the manifests of repository `repo`.
    pub fn manifests(&self) -> Vec<PathBuf> {
        names_of(&self.path("repo/manifests"))
    }
}

/// What a run of the program left.
pub struct Run {
    command: String,
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    pub fn new(arguments: &[&str], output: Output) -> Self {
        Self {
            command: arguments.join(" "),
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Parses stdout, which must be exactly one JSON object on one line.
    pub fn json(&self) -> Value {
        assert_eq!(self.stdout.lines().count(), 1, "{self}");
        let value: Value = serde_json::from_str(&self.stdout).unwrap();
        assert!(value.is_object(), "{self}");
        value
    }

    /// Parses the last line of stderr.
    pub fn error(&self) -> Value {
        serde_json::from_str(self.stderr.lines().last().unwrap_or_default())
            .unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// Checks that stderr says something.
    pub fn says(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "expected {text:?} in the output of {self}");
        self
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { command, code, stdout, stderr } = self;
        write!(out, "kvbackup {command}\nexit code {code:?}\nstdout:\n{stdout}\nstderr:\n{stderr}")
    }
}

/// Returns the directory of the fixture, which must not be changed.
pub fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/linera-0.15.23")
}

/// Reads the public key of the validator that wrote the fixture.
pub fn origin() -> String {
    let info: Value = serde_json::from_slice(&fs::read(fixture().join("info.json")).unwrap()).unwrap();
    info["public_key"].as_str().unwrap().to_owned()
}

/// Copies a directory with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let source = entry.unwrap().path();
        let target = to.join(source.file_name().unwrap());
        if source.is_dir() {
            copy(&source, &target);
        } else {
            fs::copy(&source, &target).unwrap();
        }
    }
}

/// Lists a directory; one that was not made yet has nothing in it.
pub fn names_of(directory: &Path) -> Vec<PathBuf> {
    if !directory.exists() {
        return Vec::new();
    }
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}
