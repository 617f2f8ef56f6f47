#![doc = include_str!("../README.md")]
#![warn(clippy::indexing_slicing, clippy::unwrap_used)]

mod args;
mod attest;
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
mod page_file;
mod places;
mod problem;
mod progress;
mod quote;
mod replace;
mod report;
mod run;
mod secret_file;
mod secrets;
mod session;
mod signals;

pub use args::{ConsoleArgs, DumpArgs, LayoutArgs, ReadArgs, SourceArgs};
pub use attest::{AttestArgs, Attester};
pub use command_line::{CommandLine, parse, with_engines};
pub use ended::{Ended, Record};
pub use exit::Exit;
pub use help::{ENVIRONMENT, REPOSITORIES, exit_codes, sources, targets};
pub use keys::{SignArgs, Signer};
pub use location::RepositoryLocation;
pub use output::Output;
pub use page_file::PageFile;
pub use places::Places;
pub use problem::Problem;
pub use progress::{Counter, Meter};
pub use quote::quoted;
pub use replace::{Readers, directory, replace, replace_durably};
pub use report::{Report, bytes, count};
pub use run::{run, run_recorded};
pub use secrets::{read_identities, read_repository_key, recipients};
pub use session::Session;
pub use signals::Interruption;
