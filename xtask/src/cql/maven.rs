//! Apache Cassandra's jars, as Maven resolves them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// The version that is run. Its parent's pom pins all that it needs.
pub(super) const VERSION: &str = "5.0.8";

/// Returns the folder with all jars, resolved into `cache` if they are not there yet.
pub(super) fn jars(cache: &Path) -> Result<PathBuf> {
    let folder = cache.join(format!("cassandra-{VERSION}"));
    if folder.is_dir() {
        return Ok(folder);
    }
    println!("cql: resolving Apache Cassandra {VERSION} with Maven, 70 MB once");
    let work = cache.join("maven");
    let lib = work.join("lib");
    if lib.is_dir() {
        fs::remove_dir_all(&lib).with_context(|| format!("could not remove {lib:?}"))?;
    }
    fs::create_dir_all(&work).with_context(|| format!("could not create {work:?}"))?;
    let pom = work.join("pom.xml");
    fs::write(&pom, pom_text()).with_context(|| format!("could not write {pom:?}"))?;
    let mut command = Command::new("mvn");
    command.args(["--quiet", "--batch-mode", "dependency:copy-dependencies", "-DincludeScope=runtime"]);
    command.arg(format!("-DoutputDirectory={}", lib.display()));
    command.arg(format!("-Dmaven.repo.local={}", work.join("repository").display()));
    process::run(command.current_dir(&work))?;
    // The name appears when all is there: a resolution that was interrupted begins anew.
    fs::rename(&lib, &folder).with_context(|| format!("could not move {lib:?} to {folder:?}"))?;
    Ok(folder)
}

fn pom_text() -> String {
    format!(
        "<project><modelVersion>4.0.0</modelVersion>\
         <groupId>kvbackup</groupId><artifactId>cql</artifactId><version>1</version>\
         <dependencies><dependency><groupId>org.apache.cassandra</groupId>\
         <artifactId>cassandra-all</artifactId><version>{VERSION}</version></dependency></dependencies></project>\n"
    )
}
