//! A server, a copy of the fixture, and runs of the program with the server's variables.

use std::path::{Path, PathBuf};
use std::process::Command;

use kvbackup_object_stores::{Azure, Programs, S3, Variables};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;

use crate::program::{self, Run};

/// The bucket and the container of all tests.
pub const BUCKET: &str = "backups";

pub fn programs() -> Programs {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    Programs::below(target)
}

/// How a server that does not start is explained.
const HINT: &str = "these tests start servers: run `cargo xtask stores install` before them, or `cargo xtask test -p backup-cli`";

/// Starts an S3 server with a bucket.
pub fn s3(place: &Place) -> S3 {
    let server = S3::start(&programs(), &place.path("server"));
    let server = server.unwrap_or_else(|error| panic!("{error:#}; {HINT}"));
    server.create_bucket(BUCKET).unwrap();
    server
}

/// Starts an Azure server with a container.
pub fn azure(place: &Place) -> Azure {
    let server = Azure::start(&programs(), &place.path("server"));
    let server = server.unwrap_or_else(|error| panic!("{error:#}; {HINT}"));
    server.create_container(BUCKET).unwrap();
    server
}

/// The database that [`Place::change`] writes, 4 MB.
pub const CHANGING: &str = "rocksdb:changing?layout=plain";

/// A scratch directory with a copy of the namespace that linera wrote, as `db/validator_0`.
pub struct Place(program::Place);

impl Place {
    pub fn new() -> Self {
        Self(program::Place::with_fixture())
    }

    /// Overwrites every tenth of 20,000 entries of a database of its own, [`CHANGING`], and makes it first. The day says which, and their values.
    pub fn change(&self, day: u8) {
        let mut options = rocksdb::Options::default();
        options.create_if_missing(true);
        let is_new = !self.path("changing").exists();
        let database = rocksdb::DB::open(&options, self.path("changing")).unwrap();
        let mut random = SmallRng::seed_from_u64(day.into());
        let mut value = [0; 200];
        for number in 0..20_000_u32 {
            if is_new || number % 10 == u32::from(day % 10) {
                random.fill(&mut value[..]);
                database.put(number.wrapping_mul(2_654_435_761).to_be_bytes(), value).unwrap();
            }
        }
        database.flush().unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    /// Prepares a run of the program that knows no store but this one.
    pub fn command(&self, variables: &Variables, arguments: &[&str]) -> Command {
        let mut command = self.0.command(arguments);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["AWS_", "GOOGLE_", "AZURE_", "KVBACKUP_", "SSL_"]
                .iter()
                .any(|prefix| text.starts_with(prefix))
            {
                command.env_remove(name);
            }
        }
        command.env("HOME", self.path("")).envs(variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs the program, which must exit with this code.
    pub fn exits(&self, code: i32, variables: &Variables, arguments: &[&str]) -> Run {
        let run = Run::new(arguments, self.command(variables, arguments).output().unwrap());
        assert_eq!(run.code, Some(code), "{run}");
        run
    }

    /// Runs the program with `--json`, which must succeed, and returns what it printed.
    pub fn done(&self, variables: &Variables, arguments: &[&str]) -> Value {
        self.exits(0, variables, &[arguments, &["--json"]].concat()).json()
    }
}
