//! The tools that are compared.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::ours::text;
use crate::server::{KEYSPACE, Server};

/// Where the tools are.
#[derive(Clone, Debug)]
pub(crate) struct Tools {
    /// Directory with the jars.
    pub(crate) dsbulk: PathBuf,
    /// The program, if it is there.
    pub(crate) cqlsh: Option<PathBuf>,
}

const DSBULK: &str = "com.datastax.oss.dsbulk.runner.DataStaxBulkLoader";

/// One way to read or write a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Kvbackup,
    Dsbulk,
    Copy,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Read,
    Write,
}

/// Places of a data set: what one way wrote it reads again.
#[derive(Debug)]
pub(crate) struct Places<'a> {
    pub(crate) folder: &'a Path,
    /// The repository that is restored.
    pub(crate) repository: &'a Path,
}

impl Places<'_> {
    /// Returns where a way puts what it read.
    pub(crate) fn read_by(&self, way: Way) -> PathBuf {
        match way {
            Way::Kvbackup => self.folder.join("dump"),
            Way::Dsbulk => self.folder.join("unloaded"),
            Way::Copy => self.folder.join("copied.csv"),
        }
    }
}

impl Way {
    pub(crate) const ALL: [Self; 3] = [Self::Kvbackup, Self::Dsbulk, Self::Copy];

    pub(crate) fn name(self, task: Task) -> &'static str {
        match (self, task) {
            (Self::Kvbackup, Task::Read) => "kvbackup backup",
            (Self::Kvbackup, Task::Write) => "kvbackup restore",
            (Self::Dsbulk, Task::Read) => "dsbulk unload",
            (Self::Dsbulk, Task::Write) => "dsbulk load",
            (Self::Copy, Task::Read) => "cqlsh COPY TO",
            (Self::Copy, Task::Write) => "cqlsh COPY FROM",
        }
    }

    /// Returns the command; `None` when the tool is not there.
    pub(crate) fn command(
        self,
        task: Task,
        table: &str,
        places: &Places<'_>,
        (server, tools): (&Server, &Tools),
    ) -> Result<Option<Command>> {
        let file = places.read_by(self);
        Ok(match self {
            Self::Kvbackup => {
                let mut command = Command::new(std::env::current_exe().context("finding this program")?);
                match task {
                    Task::Read => command.arg("backup").arg(server.address(table)).arg(file),
                    Task::Write => command.arg("restore").arg(places.repository).arg(server.address(table)),
                };
                // As the program starts itself.
                command.env("MALLOC_ARENA_MAX", "1");
                Some(command)
            }
            Self::Dsbulk => Some(dsbulk(task, table, &file, places.folder, server, tools)),
            Self::Copy => match &tools.cqlsh {
                Some(program) => Some(copy(task, table, &file, places.folder, server, program)?),
                None => None,
            },
        })
    }
}

fn dsbulk(task: Task, table: &str, file: &Path, folder: &Path, server: &Server, tools: &Tools) -> Command {
    let (host, port) = server.host.rsplit_once(':').unwrap_or((&server.host, "9042"));
    let mut command = Command::new("java");
    command.arg("-Xmx1g").arg("-cp").arg(tools.dsbulk.join("*")).arg(DSBULK);
    command.arg(if task == Task::Read { "unload" } else { "load" });
    command.args(["-h", host, "-port", port, "-k", KEYSPACE, "-t", table]);
    command.arg("-url").arg(file).arg("-logDir").arg(folder.join("dsbulk-logs"));
    if task == Task::Write {
        // The values are longer than what it takes otherwise.
        command.args(["--connector.csv.maxCharsPerColumn", "-1"]);
    }
    command
}

fn copy(
    task: Task,
    table: &str,
    file: &Path,
    folder: &Path,
    server: &Server,
    program: &Path,
) -> Result<Command> {
    let (host, port) = server.host.rsplit_once(':').unwrap_or((&server.host, "9042"));
    let settings = folder.join("cqlshrc");
    fs::write(&settings, "[csv]\nfield_size_limit = 1000000000\n").context("writing cqlshrc")?;
    // Its batches of several partitions are refused by servers as they come.
    let (word, options) = match task {
        Task::Read => ("TO", ""),
        Task::Write => ("FROM", " WITH MAXBATCHSIZE = 1"),
    };
    let statement = format!("COPY {KEYSPACE}.{table} (root_key, k, v) {word} '{}'{options}", text(file)?);
    let mut command = Command::new(program);
    command.arg("--cqlshrc").arg(settings).args([host, port, "-e", &statement]);
    Ok(command)
}
