#![doc = include_str!("../README.md")]
#![warn(clippy::indexing_slicing, clippy::unwrap_used)]

mod args;
mod command_line;
mod ended;
mod errors;
mod exit;
mod help;
mod keys;
mod limits;
mod location;
mod memory;
mod output;
mod places;
mod problem;
mod progress;
mod quote;
mod report;
mod run;
mod secret_file;
mod secrets;
mod session;
mod signals;
mod times;

pub use args::{ConsoleArgs, DumpArgs, LayoutArgs, ReadArgs, SourceArgs};
pub use command_line::{CommandLine, parse, with_engines};
pub use ended::{Ended, Record};
pub use exit::Exit;
pub use help::{ENVIRONMENT, REPOSITORIES, exit_codes, sources, targets};
pub use keys::{SignArgs, Signer};
pub use location::RepositoryLocation;
pub use output::Output;
pub use places::Places;
pub use problem::Problem;
pub use progress::{Counter, Meter};
pub use quote::quoted;
pub use report::{Report, bytes, count};
pub use run::{run, run_recorded};
pub use secrets::{read_identities, read_repository_key, recipients};
pub use session::Session;
pub use signals::Interruption;
pub use times::{Times, parse_moment};
