//! The jars of Apache Cassandra and of dsbulk, resolved by Maven.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The version of Apache Cassandra. The pom of its parent pins its dependencies.
pub(crate) const VERSION: &str = "5.0.8";

/// The version of dsbulk, which `cargo xtask bench-cql` compares with kvbackup.
const DSBULK_VERSION: &str = "1.10.0";
const DSBULK_PARTS: [&str; 8] = [
    "runner",
    "workflow-unload",
    "workflow-load",
    "connectors-csv",
    "batcher-reactor",
    "executor-reactor",
    "codecs-text",
    "codecs-jdk",
];

/// Returns the folder with all jars of the server, and resolves them into `cache` first if necessary.
pub(crate) fn jars(cache: &Path) -> Result<PathBuf> {
    let artifact = ("org.apache.cassandra", "cassandra-all".to_owned(), VERSION);
    resolved(cache, &format!("cassandra-{VERSION}"), "Apache Cassandra", &[artifact])
}

/// Returns the folder with all jars of dsbulk, likewise.
pub(crate) fn dsbulk_jars(cache: &Path) -> Result<PathBuf> {
    let artifact = |part| ("com.datastax.oss", format!("dsbulk-{part}"), DSBULK_VERSION);
    resolved(cache, &format!("dsbulk-{DSBULK_VERSION}"), "dsbulk", &DSBULK_PARTS.map(artifact))
}

/// Group, name and version.
type Artifact = (&'static str, String, &'static str);

fn resolved(cache: &Path, name: &str, what: &str, artifacts: &[Artifact]) -> Result<PathBuf> {
    let folder = cache.join(name);
    if folder.is_dir() {
        return Ok(folder);
    }
    println!("cql: resolving {what} with Maven, some 70 MB once");
    let work = cache.join("maven");
    let lib = work.join("lib");
    if lib.is_dir() {
        fs::remove_dir_all(&lib).with_context(|| format!("could not remove {lib:?}"))?;
    }
    fs::create_dir_all(&work).with_context(|| format!("could not create {work:?}"))?;
    let pom = work.join("pom.xml");
    fs::write(&pom, pom_text(artifacts)).with_context(|| format!("could not write {pom:?}"))?;
    let mut command = Command::new("mvn");
    command.args(["--quiet", "--batch-mode", "dependency:copy-dependencies", "-DincludeScope=runtime"]);
    command.arg(format!("-DoutputDirectory={}", lib.display()));
    command.arg(format!("-Dmaven.repo.local={}", work.join("repository").display()));
    let status = command.current_dir(&work).status().context("could not start Maven's `mvn`")?;
    if !status.success() {
        bail!("Maven could not resolve {what}: {status}");
    }
    // The name appears when all jars are there: after an interruption Maven runs again.
    fs::rename(&lib, &folder).with_context(|| format!("could not move {lib:?} to {folder:?}"))?;
    Ok(folder)
}

fn pom_text(artifacts: &[Artifact]) -> String {
    let dependency = |(group, name, version): &Artifact| {
        format!(
            "<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId>\
             <version>{version}</version></dependency>"
        )
    };
    let dependencies: String = artifacts.iter().map(dependency).collect();
    format!(
        "<project><modelVersion>4.0.0</modelVersion>\
         <groupId>kvbackup</groupId><artifactId>cql</artifactId><version>1</version>\
         <dependencies>{dependencies}</dependencies></project>\n"
    )
}
