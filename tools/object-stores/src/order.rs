//! What `cargo xtask stores` is asked for.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::programs::run;
use crate::{Azure, Programs, S3, Variables};

/// Ports of the servers that outlive the program. Tests start servers of their own on free ones.
const PORTS: [u16; 2] = [7070, 10_001];
/// The bucket and the container that are created.
const BUCKET: &str = "backups";

impl Programs {
    /// Runs one command line: `install`, `start` or `stop`.
    ///
    /// # Errors
    ///
    /// Another word, or what [`Programs::install`] and the servers say.
    pub fn run(&self, options: &[String]) -> Result<()> {
        match options {
            [verb] if verb == "install" => self.install(),
            [verb] if verb == "start" => self.start(),
            [verb] if verb == "stop" => self.stop(),
            _ => bail!("expected `stores install`, `stores start` or `stores stop`"),
        }
    }

    fn start(&self) -> Result<()> {
        self.install()?;
        self.stop()?;
        let folder = self.servers();
        if folder.is_dir() {
            fs::remove_dir_all(&folder).with_context(|| format!("could not remove {folder:?}"))?;
        }
        let s3 = S3::start_at(self, &folder.join("s3"), PORTS[0])?;
        s3.create_bucket(BUCKET)?;
        let azure = Azure::start_at(self, &folder.join("azure"), PORTS[1])?;
        azure.create_container(BUCKET)?;
        print("s3", &s3.variables());
        print("az", &azure.variables());
        let processes = [s3.leave(), azure.leave()].into_iter().flatten();
        let lines: Vec<String> = processes.map(|process| process.to_string()).collect();
        let path = folder.join("processes");
        fs::write(&path, lines.join("\n")).with_context(|| format!("could not write {path:?}"))
    }

    fn stop(&self) -> Result<()> {
        let path = self.servers().join("processes");
        let Ok(processes) = fs::read_to_string(&path) else { return Ok(()) };
        for id in processes.lines() {
            // It may have ended, and another program have its number.
            let command = fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default();
            if command.contains("/stores/") {
                run(Command::new("kill").arg(id), "kill")?;
            }
        }
        println!("stores: stopped the servers");
        fs::remove_file(&path).with_context(|| format!("could not remove {path:?}"))
    }

    fn servers(&self) -> PathBuf {
        self.folder().join("servers")
    }
}

fn print(scheme: &str, variables: &Variables) {
    println!("\n# for {scheme}://{BUCKET}/PREFIX; the files are gone at the next start");
    variables.iter().for_each(|(name, value)| println!("export {name}={value}"));
}
