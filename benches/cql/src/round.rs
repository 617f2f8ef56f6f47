//! Rounds: all steps after each other, several times, so that what disturbs one disturbs all.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use kvbackup_bench_content::Written;

use crate::content;
use crate::process::{self, Cost};
use crate::server::Server;
use crate::tools::{Places, Task, Tools, Way};

/// The table that is read.
const SOURCE: &str = "source";
/// The table that is written.
const TARGET: &str = "target";

/// What the rounds with one data set gave.
#[derive(Debug)]
pub(crate) struct Results {
    pub(crate) megabytes: u64,
    pub(crate) written: Written,
    pub(crate) rows: Vec<Row>,
}

/// The costs of a step, in the order of rounds.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) task: Task,
    pub(crate) way: Way,
    pub(crate) steps: Vec<Step>,
}

/// What a step took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Step {
    pub(crate) client: Cost,
    /// Time that the server had on all cores meanwhile.
    pub(crate) server_seconds: f64,
    /// The same from then on until it was quiet.
    pub(crate) owed_seconds: f64,
}

/// Measures all ways with so many megabytes, in a folder that is there.
pub(crate) async fn measure(
    server: &Server,
    tools: &Tools,
    megabytes: u64,
    rounds: usize,
    warm: bool,
    folder: &Path,
) -> Result<Results> {
    let repository = folder.join("repository");
    let written = content::generate(&repository, megabytes).await?;
    let places = Places { folder, repository: &repository };
    let place = Place { server, tools, places, megabytes };
    place.run(Task::Write, Way::Kvbackup, SOURCE).await?;
    if warm {
        eprintln!("{megabytes} MB, a round that is not counted");
        for (task, way) in steps().filter(|(_, way)| *way != Way::Copy) {
            place.step(task, way).await?;
        }
    }
    let mut rows: Vec<Row> = steps().map(|(task, way)| Row { task, way, steps: Vec::new() }).collect();
    for round in 1..=rounds {
        let mut now: Vec<&mut Row> =
            rows.iter_mut().filter(|row| round == 1 || row.way != Way::Copy).collect();
        // The first step finds a server that has just written, and whose code has not run for a while.
        if round % 2 == 0 {
            now.reverse();
        }
        for row in now {
            eprint!("{megabytes} MB, round {round}: ");
            row.steps.extend(place.step(row.task, row.way).await?);
        }
    }
    rows.retain(|row| !row.steps.is_empty());
    server.drop_table(SOURCE).await?;
    Ok(Results { megabytes, written, rows })
}

fn steps() -> impl Iterator<Item = (Task, Way)> {
    [Task::Read, Task::Write].into_iter().flat_map(|task| Way::ALL.map(|way| (task, way)))
}

struct Place<'a> {
    server: &'a Server,
    tools: &'a Tools,
    places: Places<'a>,
    megabytes: u64,
}

impl Place<'_> {
    /// Reads the source, or writes a target that goes again.
    async fn step(&self, task: Task, way: Way) -> Result<Option<Step>> {
        match task {
            Task::Read => {
                remove(&self.places.read_by(way))?;
                self.run(task, way, SOURCE).await
            }
            Task::Write => {
                if way != Way::Kvbackup {
                    self.server.create_like(TARGET).await?;
                }
                let step = self.run(task, way, TARGET).await?;
                self.server.drop_table(TARGET).await?;
                self.server.settle().await?;
                Ok(step)
            }
        }
    }

    async fn run(&self, task: Task, way: Way, table: &str) -> Result<Option<Step>> {
        let Some(mut command) = way.command(task, table, &self.places, (self.server, self.tools))? else {
            eprintln!("{}: the tool is not there", way.name(task));
            return Ok(None);
        };
        self.server.settle().await?;
        let before = self.server.cpu_seconds()?;
        let client = process::run(&mut command).with_context(|| way.name(task))?;
        let server_seconds = self.server.cpu_seconds()? - before;
        let owed_seconds = self.server.settle().await?;
        eprintln!("{}: {:.2} s, {} MB", way.name(task), client.seconds, self.megabytes);
        Ok(Some(Step { client, server_seconds, owed_seconds }))
    }
}

fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}
