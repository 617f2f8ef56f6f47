//! The commands, one file each.

pub(crate) mod backup;
pub(crate) mod completions;
pub(crate) mod digest;
pub(crate) mod export;
pub(crate) mod finish;
pub(crate) mod import;
pub(crate) mod inspect;
pub(crate) mod list;
pub(crate) mod native_backup;
pub(crate) mod native_restore;
pub(crate) mod restore;
pub(crate) mod verify;

use anyhow::Result;
use backup_repository::Progress;

use crate::args::Command;
use crate::report::Report;

/// Runs a command.
pub(crate) async fn run(command: Command, progress: Progress) -> Result<Report> {
    match command {
        Command::Backup(args) => backup::run(args, progress).await,
        Command::Finish(args) => finish::run(args, progress).await,
        Command::Restore(args) => restore::run(args, progress).await,
        Command::Verify(args) => verify::run(args, progress).await,
        Command::Digest(args) => digest::run(args, progress).await,
        Command::List(args) => list::run(args).await,
        Command::Inspect(args) => inspect::run(args, progress).await,
        Command::Import(args) => import::run(args, progress).await,
        Command::Export(args) => export::run(args, progress).await,
        Command::NativeBackup(args) => native_backup::run(args).await,
        Command::NativeRestore(args) => native_restore::run(args).await,
        Command::Completions(args) => Ok(completions::run(&args)),
    }
}
