//! The program `bootproof`: proves, or refutes, that a dump boots.

use std::process::ExitCode;

fn main() -> ExitCode {
    worker_boot_tests::proof::cli::main()
}
