//! The commands, one file each.

pub(crate) mod backup;
pub(crate) mod completions;
pub(crate) mod copy;
pub(crate) mod diff;
pub(crate) mod digest;
pub(crate) mod export;
pub(crate) mod fence;
pub(crate) mod finish;
pub(crate) mod forget;
pub(crate) mod get;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod key;
pub(crate) mod list;
pub(crate) mod ls;
pub(crate) mod metrics;
pub(crate) mod native_backup;
pub(crate) mod native_restore;
pub(crate) mod probe;
pub(crate) mod prune;
pub(crate) mod repair;
#[cfg(feature = "report")]
pub(crate) mod report;
pub(crate) mod restore;
pub(crate) mod sign;
pub(crate) mod stats;
pub(crate) mod unforget;
pub(crate) mod verify;
mod verify_all;

use anyhow::Result;
use backup_console::{Report, Session};

use crate::args::Command;

/// Runs a command.
pub(crate) async fn run(command: Command, session: &Session) -> Result<Report> {
    match command {
        Command::Init(args) => init::run(args, session).await,
        Command::Backup(args) => backup::run(args, session).await,
        Command::Finish(args) => finish::run(args, session).await,
        Command::Restore(args) => restore::run(args, session).await,
        Command::Verify(args) => verify::run(args, session).await,
        Command::Digest(args) => digest::run(args, session).await,
        Command::List(args) => list::run(args, session).await,
        Command::Metrics(args) => metrics::run(args, session).await,
        #[cfg(feature = "report")]
        Command::Report(args) => report::run(args, session).await,
        Command::Forget(args) => forget::run(args, session).await,
        Command::Unforget(args) => unforget::run(args, session).await,
        Command::Prune(args) => prune::run(args, session).await,
        Command::Probe(args) => probe::run(args, session).await,
        Command::Repair(args) => repair::run(args, session).await,
        Command::Stats(args) => stats::run(args, session).await,
        Command::Fence(args) => fence::run(args, session).await,
        Command::Inspect(args) => inspect::run(args, session).await,
        Command::Diff(args) => diff::run(args, session).await,
        Command::Ls(args) => ls::run(args, session).await,
        Command::Get(args) => get::run(args, session).await,
        Command::Key(args) => key::run(args, session).await,
        Command::Sign(args) => sign::run(args, session).await,
        Command::Import(args) => import::run(args, session).await,
        Command::Copy(args) => copy::run(args, session).await,
        Command::Export(args) => export::run(args, session).await,
        Command::NativeBackup(args) => native_backup::run(args, session).await,
        Command::NativeRestore(args) => native_restore::run(args, session).await,
        Command::Completions(args) => Ok(completions::run(&args, &session.engines)),
    }
}
