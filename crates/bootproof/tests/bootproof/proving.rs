//! Proving, inside of the test's own process.

use std::path::Path;

use bootproof::{Args, Finding, Report, prove};
use clap::Parser;
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
    let args = Args::try_parse_from([&["bootproof", "--quiet", subject], arguments].concat()).unwrap();
    prove(&args).unwrap()
}

/// Writes a finding on one line.
pub fn show(finding: &Finding) -> String {
    format!("{} at {}: expected {}, found {}", finding.kind, finding.place, finding.expected, finding.found)
}
