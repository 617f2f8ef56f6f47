//! The program `kvbackup`, with the engines of this workspace.

use std::process::ExitCode;

use kvbackup::Engines;

fn main() -> ExitCode {
    kvbackup::run(&Engines::built_in())
}
