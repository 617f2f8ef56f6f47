//! Proving, inside of the test's own process.

use std::path::Path;

use anyhow::Result;
use backup_console::{Meter, Session};
use backup_sources::Engines;
use bootproof::{Finding, Report};
use validator_network::runtime::block_on;

use crate::entries::Entries;

/// Makes a dump of entries and proves it.
pub fn prove_entries(entries: &Entries, arguments: &[&str]) -> Report {
    let repository = tempfile::tempdir().unwrap();
    dump(entries, repository.path());
    prove_at(repository.path().to_str().unwrap(), arguments)
}

/// Makes a dump of entries of layout linera-0.15.
pub fn dump(entries: &Entries, repository: &Path) {
    let dumped = || async {
        entries.dump(repository, "linera-0.15").await;
        Ok(())
    };
    block_on(dumped).unwrap();
}

/// Proves what is named on a command line.
pub fn prove_at(subject: &str, arguments: &[&str]) -> Report {
    prove(subject, arguments).unwrap()
}

/// Proves what is named on a command line, which may be impossible.
pub fn prove(subject: &str, arguments: &[&str]) -> Result<Report> {
    let engines = Engines::built_in();
    let (args, opening) = bootproof::parse(&engines, [&["bootproof", subject], arguments].concat()).unwrap();
    let session = Session::new(&engines, opening, args.as_ref(), &Meter::start(true, false))?;
    bootproof::prove(&args, &session)
}

/// Writes a finding on one line.
pub fn show(finding: &Finding) -> String {
    format!("{} at {}: expected {}, found {}", finding.kind, finding.place, finding.expected, finding.found)
}
