//! The program `cassandra`: starts, stops, kills and revives nodes of Apache Cassandra for tests.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use kvbackup_cassandra::Clusters;

const HELP: &str = "\
Usage: cassandra start [--name NAME] [--nodes 1..5] [--secured]
       cassandra stop [--name NAME]
       cassandra status
       cassandra kill NODE [--name NAME]
       cassandra revive NODE [--name NAME]

tools/cassandra/README.md explains them. Files are below `cql` in CARGO_TARGET_DIR, or in the
target folder of the workspace.
";

fn main() -> ExitCode {
    let options: Vec<String> = std::env::args().skip(1).collect();
    if options.is_empty() || options.iter().any(|option| option == "--help" || option == "-h") {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    match Clusters::below(&target_folder()).run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn target_folder() -> PathBuf {
    let workspace =
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("tools/cassandra is below it");
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from)
}
