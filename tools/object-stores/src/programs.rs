//! The servers' programs: taken from the registries of their languages, in pinned versions, once for each target folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

const VERSITYGW: &str = "github.com/versity/versitygw/cmd/versitygw";
const VERSITYGW_VERSION: &str = "v1.8.0";
const AZURITE_VERSION: &str = "3.37.0";
const AGE_PLUGIN_PQ: &str = "filippo.io/age/extra/age-plugin-pq";
const AGE_CONVERTS: &str = "filippo.io/age/cmd/age-keygen";
const AGE_VERSION: &str = "v1.3.2";

/// Where the programs are.
#[derive(Clone, Debug)]
pub struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Returns the programs whose files are below `stores` in this target folder.
    #[must_use]
    pub fn below(target: &Path) -> Self {
        Self { folder: target.join("stores") }
    }

    /// Builds or downloads what is missing: some minutes the first time.
    ///
    /// # Errors
    ///
    /// Go or npm is missing, or fails.
    pub fn install(&self) -> Result<()> {
        if !self.versitygw().is_file() {
            println!("stores: building versitygw {VERSITYGW_VERSION}; this takes some minutes, once");
            self.build(&self.bin(), &[&format!("{VERSITYGW}@{VERSITYGW_VERSION}")])?;
        }
        if !self.age().join("age-plugin-pq").is_file() {
            println!("stores: building age-plugin-pq {AGE_VERSION}");
            let programs = [AGE_CONVERTS, AGE_PLUGIN_PQ].map(|program| format!("{program}@{AGE_VERSION}"));
            self.build(&self.age(), &[&programs[0], &programs[1]])?;
        }
        if !self.azurite().is_file() {
            println!("stores: installing Azurite {AZURITE_VERSION}");
            let folder = self.npm();
            fs::create_dir_all(&folder).with_context(|| format!("could not create {folder:?}"))?;
            let mut npm = Command::new("npm");
            npm.args(["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"]);
            npm.arg(&folder).arg(format!("azurite@{AZURITE_VERSION}"));
            run(&mut npm, "npm, which installs Azurite; `cargo xtask setup` installs it")?;
        }
        Ok(())
    }

    /// Builds programs of one version into a folder, all or none.
    fn build(&self, bin: &Path, programs: &[&str]) -> Result<()> {
        let (begun, modules) = (bin.with_extension("begun"), self.folder.join("go"));
        fs::create_dir_all(&begun).with_context(|| format!("could not create {begun:?}"))?;
        let mut go = Command::new(go());
        go.args(["install", "-trimpath", "-ldflags=-s -w"]).args(programs);
        go.env("GOBIN", &begun).env("GOPATH", &modules).env("GOFLAGS", "-modcacherw").env("CGO_ENABLED", "0");
        run(&mut go, "go, which builds programs for tests; `cargo xtask setup` installs it")?;
        fs::rename(&begun, bin).with_context(|| format!("could not rename {begun:?}"))?;
        // Sources and objects are of no more use, and take ten times the room.
        fs::remove_dir_all(&modules).with_context(|| format!("could not remove {modules:?}"))
    }

    /// Returns the folder with `age-keygen` and `age-plugin-pq`.
    #[must_use]
    pub fn age(&self) -> PathBuf {
        self.folder.join(format!("age-{AGE_VERSION}"))
    }

    /// Returns the folder of all files.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn versitygw(&self) -> PathBuf {
        self.bin().join("versitygw")
    }

    pub(crate) fn azurite(&self) -> PathBuf {
        self.npm().join("node_modules/.bin/azurite-blob")
    }

    fn bin(&self) -> PathBuf {
        self.folder.join(format!("versitygw-{VERSITYGW_VERSION}"))
    }

    fn npm(&self) -> PathBuf {
        self.folder.join(format!("azurite-{AZURITE_VERSION}"))
    }
}

/// Returns Go by its name, or where its own installer puts it.
fn go() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("go")).find(|path| path.is_file());
    found.unwrap_or_else(|| "/usr/local/go/bin/go".into())
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command, what: &str) -> Result<()> {
    let output = command.output().with_context(|| format!("could not start {what}"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        bail!("{what}: {}: {}", output.status, text.trim());
    }
    Ok(())
}
