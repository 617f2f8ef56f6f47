//! `stores`: real object stores for tests. tools/object-stores does the work.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use kvbackup_object_stores::{Azure, Programs, S3, Variables};

use crate::{cargo, process, setup};

/// Ports of the servers that the task starts. Tests start servers of their own on free ones.
const PORTS: [u16; 2] = [7070, 10_001];
/// The bucket and the container that the task creates.
const BUCKET: &str = "backups";

/// Installs the programs that tests start.
pub(crate) fn install() -> Result<()> {
    setup::ensure(&[setup::For::Stores])?;
    programs()?.install()
}

/// Runs the task.
pub(crate) fn run(options: &[String]) -> Result<()> {
    match options {
        [verb] if verb == "install" => install(),
        [verb] if verb == "start" => start(),
        [verb] if verb == "stop" => stop(),
        _ => bail!("expected `stores install`, `stores start` or `stores stop`"),
    }
}

fn start() -> Result<()> {
    install()?;
    stop()?;
    let (programs, folder) = (programs()?, servers()?);
    if folder.is_dir() {
        fs::remove_dir_all(&folder).with_context(|| format!("could not remove {folder:?}"))?;
    }
    let s3 = S3::start_at(&programs, &folder.join("s3"), PORTS[0])?;
    s3.create_bucket(BUCKET)?;
    let azure = Azure::start_at(&programs, &folder.join("azure"), PORTS[1])?;
    azure.create_container(BUCKET)?;
    print("s3", &s3.variables());
    print("az", &azure.variables());
    let processes = [s3.leave(), azure.leave()].into_iter().flatten();
    let lines: Vec<String> = processes.map(|process| process.to_string()).collect();
    let path = folder.join("processes");
    fs::write(&path, lines.join("\n")).with_context(|| format!("could not write {path:?}"))
}

fn print(scheme: &str, variables: &Variables) {
    println!("\n# for {scheme}://{BUCKET}/PREFIX; the files are gone at the next start");
    variables.iter().for_each(|(name, value)| println!("export {name}={value}"));
}

fn stop() -> Result<()> {
    let path = servers()?.join("processes");
    let Ok(processes) = fs::read_to_string(&path) else { return Ok(()) };
    for id in processes.lines() {
        // It may have ended, and another program have its number.
        let command = fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default();
        if command.contains("/stores/") {
            process::run(Command::new("kill").arg(id))?;
        }
    }
    fs::remove_file(&path).with_context(|| format!("could not remove {path:?}"))
}

fn programs() -> Result<Programs> {
    Ok(Programs::below(&cargo::target_folder()?))
}

fn servers() -> Result<PathBuf> {
    Ok(programs()?.folder().join("servers"))
}
