//! The program `kvbackup` with one more engine: `files:DIR` reads a directory of directories of files.
//!
//! A directory in it is a partition, a file an entry, and the bytes of the file its value. Without arguments the program
//! shows itself at work; with arguments it is `kvbackup`: `cargo run -- digest files:DIR`.

use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{fs, io};

use async_trait::async_trait;
use backup_format::{
    Consistency, ContractError, DatabaseBackup, EngineError, EntryBatch, EntryStream, ErrorClass, Order,
    Range, ReadPlan, Reader, Snapshot, SourceInfo,
};
use backup_sources::{Engine, Engines, Opening, Place, Scheme, SourceError};
use futures::StreamExt;

struct Files;

#[async_trait]
impl Engine for Files {
    fn title(&self) -> &'static str {
        "files"
    }

    fn schemes(&self) -> &'static [Scheme] {
        const DIR: Scheme = Scheme::new(&["files"], "files:DIR").with_source("directories of files");
        &[DIR]
    }

    async fn open_source(&self, place: &Place, _: &Opening) -> Result<Box<dyn DatabaseBackup>, SourceError> {
        let path = place.path()?;
        Ok(Box::new(Directory { name: path.display().to_string(), path }))
    }
}

/// A namespace: a directory, by its path.
struct Directory {
    name: String,
    path: PathBuf,
}

#[async_trait]
impl DatabaseBackup for Directory {
    fn name(&self) -> &str {
        &self.name
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        let mut files = Vec::new();
        for partition in sorted(&self.path).map_err(failed)? {
            files.extend(sorted(&partition).map_err(failed)?);
        }
        let (engine, layout) = ("files".to_owned(), "plain".to_owned());
        let source = SourceInfo { engine, layout, namespace: self.name.clone(), ..SourceInfo::default() };
        Ok(Box::new(View { source, files }))
    }
}

/// A read view: the files that there were, in the order of their partitions and names.
struct View {
    source: SourceInfo,
    files: Vec<PathBuf>,
}

#[async_trait]
impl Snapshot for View {
    fn source(&self) -> &SourceInfo {
        &self.source
    }

    fn order(&self) -> Order {
        Order::Plain
    }

    fn kind(&self, _: &[u8]) -> Option<&'static str> {
        None
    }

    async fn estimate(&self) -> Result<Option<u64>, EngineError> {
        Ok(None)
    }

    async fn plan(&self, _: NonZeroUsize) -> Result<ReadPlan, EngineError> {
        Ok(ReadPlan::of_one_phase(vec![Range { token: Vec::new() }]))
    }

    async fn entries(&self, range: &Range) -> Result<EntryStream, EngineError> {
        let foreign = |source| ContractError::ForeignRange { place: self.source.namespace.clone(), source };
        Reader::new("range", &range.token).end().map_err(foreign)?;
        Ok(futures::stream::iter(self.files.clone()).map(|file| read(&file).map_err(failed)).boxed())
    }

    fn consistency(&self) -> Consistency {
        // Other programs may write to the files while they are read.
        Consistency::Fuzzy
    }
}

/// Lists a directory by the bytes of the names.
fn sorted(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths =
        fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort_by(|left, right| name(left).cmp(name(right)));
    Ok(paths)
}

fn name(path: &Path) -> &[u8] {
    path.file_name().unwrap_or(path.as_os_str()).as_bytes()
}

fn read(file: &Path) -> io::Result<EntryBatch> {
    let mut batch = EntryBatch::default();
    batch.push(file.parent().map_or(&[], name), name(file), &fs::read(file)?);
    Ok(batch)
}

fn failed(error: io::Error) -> EngineError {
    EngineError::new(ErrorClass::Failed, error)
}

fn main() -> anyhow::Result<ExitCode> {
    match std::env::args_os().len() {
        1 => demo().map(|()| ExitCode::SUCCESS),
        _ => Ok(kvbackup::run(&Engines::built_in().with(&Files))),
    }
}

/// Backs two accounts up, verifies the dump, restores it to RocksDB, and compares.
fn demo() -> anyhow::Result<()> {
    let home = tempfile::tempdir()?;
    for (account, balance) in [("alice", "12"), ("bob", "30")] {
        fs::create_dir_all(home.path().join("accounts").join(account))?;
        fs::write(home.path().join("accounts").join(account).join("balance"), balance)?;
    }
    for line in [
        "backup files:accounts repository",
        "verify repository --level 4 --against files:accounts",
        "restore repository rocksdb:copy --for-key none",
        "verify repository --against rocksdb:copy",
    ] {
        let mut command = Command::new(std::env::current_exe()?);
        anyhow::ensure!(command.args(line.split(' ')).current_dir(&home).status()?.success(), "{line}");
    }
    Ok(())
}
