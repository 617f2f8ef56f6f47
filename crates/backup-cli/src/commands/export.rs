//! `export`: from a dump to an upstream file.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use backup_console::{DumpArgs, Places, Problem, ReadArgs, Report, RepositoryLocation, Session, bytes};
use backup_format::upstream::{Scratch, ScratchFile};
use backup_repository::{ExportOptions, RepositoryError};
use clap::Args;
use tempfile::{NamedTempFile, PersistError};

use crate::report;
use crate::repository;

/// Write a dump as an upstream file, like linera's memory_backup.bcs
///
/// Sorts with scratch files beside FILE, some twice the size of the dump together. FILE must not exist yet, and appears only
/// when it is whole.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  kvbackup export /backup/validator memory_backup.bcs --dump 3f2a0c11")]
pub(crate) struct ExportArgs {
    /// The repository: a directory or a URL
    repository: RepositoryLocation,
    /// The upstream file
    file: PathBuf,
    #[command(flatten)]
    dump: DumpArgs,
    #[command(flatten)]
    read: ReadArgs,
}

pub(crate) async fn run(args: ExportArgs, session: &Session) -> Result<Report> {
    repository::keep_private();
    let file = &args.file;
    if file.try_exists().with_context(|| format!("looking at {}", file.display()))? {
        return Err(exists(file));
    }
    Places::default().with("the file", file)?.with_repository(&args.repository)?.check()?;
    let repository = session.repository(&args.repository).await?;
    let dump = repository::find(&repository, &args.dump).await?;
    let directory = match file.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let doing = || format!("creating a file in {}", directory.display());
    let out = BufWriter::new(NamedTempFile::new_in(&directory).with_context(doing)?);
    let options = ExportOptions { limits: args.read.limits(), progress: session.progress.clone() };
    let exported = repository.export(&dump, out, ScratchDirectory(directory.clone()), &options).await;
    let out = exported.map_err(|error| failed(error, file, &directory))?;
    let size = publish(out, file, &directory)?;

    let mut report = Report::default();
    report::add_dump(&mut report, dump.id, &dump.manifest);
    report.field("file", file.display().to_string());
    report.field("file_bytes", size);
    report.line("exported", format_args!("{}: {}", file.display(), bytes(size)));
    Ok(report.timed())
}

/// Makes the file durable and gives it its name, unless there is one of that name by now.
fn publish(out: BufWriter<NamedTempFile>, file: &Path, directory: &Path) -> Result<u64> {
    let doing = || format!("writing {}", file.display());
    let out = out.into_inner().map_err(io::IntoInnerError::into_error).with_context(doing)?;
    out.as_file().sync_all().with_context(doing)?;
    let bytes = out.as_file().metadata().with_context(doing)?.len();
    match out.persist_noclobber(file) {
        Ok(_) => {}
        Err(PersistError { error, .. }) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(exists(file));
        }
        Err(PersistError { error, .. }) => return Err(error).with_context(doing),
    }
    File::open(directory).and_then(|directory| directory.sync_all()).with_context(doing)?;
    Ok(bytes)
}

/// Says where was written, if that failed.
fn failed(error: RepositoryError, file: &Path, directory: &Path) -> anyhow::Error {
    match error {
        RepositoryError::Export { .. } => {
            let (file, directory) = (file.display(), directory.display());
            anyhow::Error::from(error).context(format!("writing {file}, with scratch files in {directory}"))
        }
        _ => error.into(),
    }
}

fn exists(file: &Path) -> anyhow::Error {
    Problem::Refused(format!("{} exists already; choose another name, or move it away", file.display()))
        .into()
}

/// Scratch files without a name, in a directory where there is room.
struct ScratchDirectory(PathBuf);

impl Scratch for ScratchDirectory {
    fn create(&mut self) -> io::Result<Box<dyn ScratchFile>> {
        Ok(Box::new(tempfile::tempfile_in(&self.0)?))
    }
}
