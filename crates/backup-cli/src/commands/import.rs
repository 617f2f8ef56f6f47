//! `import`: from an upstream file to a repository.

use std::fs::{self, File};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use backup_console::{LayoutArgs, Places, ReadArgs, Report, RepositoryLocation, Session, count};
use backup_layout::Layout;
use backup_repository::UpstreamFile;
use backup_sources::kinds_of;
use clap::Args;

use super::backup;
use crate::args::WriteArgs;
use crate::repository::{self, Destination};

/// Dump an upstream file, like linera's memory_backup.bcs, into a repository
///
/// The file does not say what layout its entries were in, so say it with --layout; it is plain otherwise, and is
/// restored as that.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  kvbackup import memory_backup.bcs /backup/validator --layout linera-0.15")]
pub(crate) struct ImportArgs {
    /// The upstream file
    file: PathBuf,
    /// The repository: a directory or a URL
    repository: RepositoryLocation,
    #[command(flatten)]
    write: WriteArgs,
    #[command(flatten)]
    layout: LayoutArgs,
    #[command(flatten)]
    read: ReadArgs,
}

pub(crate) async fn run(args: ImportArgs, session: &Session) -> Result<Report> {
    repository::keep_private();
    let signer = args.write.sign.signer(session)?;
    let source = open(&args)?;
    Places::default().with("the file", &args.file)?.with_repository(&args.repository)?.check()?;
    let place = Destination::open(&args.repository, args.write.dry_run, session).await?.signed_by(&signer);
    let dry_run = args.write.dry_run;
    let options = args.write.options(&args.read, session.progress.clone());
    let made = place.repository.backup(&source, options).await;
    let made = place.keep_or_remove(made).await?;
    let mut report = backup::describe(&made, &args.repository, dry_run, &signer);
    let dropped = source.dropped().count;
    report.field("dropped_partitions", dropped);
    if dropped > 0 {
        report.line("dropped", format_args!("{} without entries", count(dropped, "partition")));
    }
    Ok(report)
}

/// Opens the file as a namespace that bears its name.
fn open(args: &ImportArgs) -> Result<UpstreamFile> {
    let path = args.file.clone();
    let opening = || format!("opening {}", path.display());
    // It is read more than once, and opening a pipe would wait for its writer.
    ensure!(fs::metadata(&path).with_context(opening)?.is_file(), "{} is not a regular file", path.display());
    File::open(&path).with_context(opening)?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let layout = args.layout.named().unwrap_or(Layout::Plain);
    let open = move || Ok(Box::new(File::open(&path)?) as Box<_>);
    Ok(UpstreamFile::new(&name, open)
        .with_layout(layout.name(), kinds_of(layout))
        .with_limits(args.read.limits()))
}
