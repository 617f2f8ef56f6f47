//! The program `bootproof`: proves, or refutes, that a dump boots.

use std::process::ExitCode;

fn main() -> ExitCode {
    bootproof::cli::main()
}
