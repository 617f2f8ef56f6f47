//! Rounds: all steps after each other, several times, so that what disturbs one disturbs all.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use kvbackup_bench_content::{Mix, Written};

use crate::content;
use crate::engine;
use crate::step::{self, Cost, STEPS, Step, Task};

/// Databases above this are not read into a map.
const MAP_MEGABYTES_MAX: u64 = 2_500;

/// What is measured with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DataSet {
    pub(crate) mix: Mix,
    pub(crate) megabytes: u64,
}

impl DataSet {
    pub(crate) fn name(&self) -> String {
        format!("{} {} MB", self.mix.name(), self.megabytes)
    }
}

/// What the rounds with one data set gave.
#[derive(Debug)]
pub(crate) struct Results {
    pub(crate) data: DataSet,
    pub(crate) written: Written,
    pub(crate) rows: Vec<Row>,
}

/// The costs of a step, in the order of rounds.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) step: Step,
    pub(crate) costs: Vec<Cost>,
    /// Bytes that it wrote.
    pub(crate) bytes: u64,
}

/// Measures all steps with a data set, in `folder`, which is left empty.
pub(crate) fn measure(data: DataSet, rounds: usize, folder: &Path) -> Result<Results> {
    let (place, written) = Place::prepare(data, folder)?;
    let steps = STEPS.into_iter().filter(|step| !step.is_map() || data.megabytes <= MAP_MEGABYTES_MAX);
    let mut rows: Vec<Row> = steps.map(|step| Row { step, costs: Vec::new(), bytes: 0 }).collect();
    for round in 1..=rounds {
        for row in &mut rows {
            let (cost, bytes) = place.run(row.step, None)?;
            eprintln!(
                "{}, round {round}: {}, {}: {:.2} s",
                data.name(),
                row.step.task.name(),
                row.step.way,
                cost.seconds
            );
            row.costs.push(cost);
            row.bytes = bytes;
        }
    }
    place.remove()?;
    Ok(Results { data, written, rows })
}

/// Where the databases and backups of a data set are.
pub(crate) struct Place {
    folder: PathBuf,
}

impl Place {
    fn at(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn database(&self, one_in: u64) -> PathBuf {
        self.at(&format!("changed-{one_in}")).join("namespace")
    }

    /// Makes the databases.
    pub(crate) fn prepare(data: DataSet, folder: &Path) -> Result<(Self, Written)> {
        let place = Self { folder: folder.join(data.name().replace(' ', "-")) };
        remove(&place.folder)?;
        for step in STEPS {
            if let Task::Second(one_in) = step.task {
                fs::create_dir_all(place.database(one_in).parent().context("a folder")?)?;
            }
        }
        let written = content::generate(&place.database(0), data.megabytes, data.mix)?;
        for step in STEPS {
            match step.task {
                Task::Second(one_in) if one_in > 0 => {
                    copy_directory(&place.database(0), &place.database(one_in))?;
                    content::change(&place.database(one_in), data.mix, one_in)?;
                }
                _ => {}
            }
        }
        Ok((place, written))
    }

    /// Removes the databases and what the steps left.
    pub(crate) fn remove(&self) -> Result<()> {
        remove(&self.folder)
    }

    /// Runs a step, on so many cores or on all; returns what it took, and what it wrote.
    pub(crate) fn run(&self, step: Step, cores: Option<usize>) -> Result<(Cost, u64)> {
        let (from, to) = match step.task {
            Task::Backup => (self.database(0), self.at(step.code)),
            Task::Second(one_in) => {
                let repository = self.at("second");
                remove(&repository)?;
                copy_directory(&self.at(step.code), &repository)?;
                (self.database(one_in), repository)
            }
            Task::Verify => (self.at("backup"), PathBuf::new()),
            Task::Restore => (self.at(backup_for(step)), self.at("restored")),
        };
        if matches!(step.task, Task::Backup | Task::Restore) {
            remove(&to)?;
        }
        // What is read comes from memory in any case, and nothing is written any more by what ran before.
        let before = size(&to)?;
        warm(&from)?;
        let cost = step::run_apart(step.code, &from, &to, cores)?;
        let bytes = size(&to)?.saturating_sub(before);
        if step.task == Task::Restore {
            anyhow::ensure!(engine::partitions(&engine::open_read_only(&to)?)? > 0, "nothing was restored");
        }
        if !is_needed(step) {
            remove(&to)?;
        }
        Ok((cost, bytes))
    }
}

/// Returns true if other steps begin with what this one left.
fn is_needed(step: Step) -> bool {
    let restored = |other: &Step| other.task == Task::Restore && backup_for(*other) == step.code;
    step.task == Task::Backup && STEPS.iter().any(restored)
}

/// Returns the code of the backup that a step restores.
fn backup_for(step: Step) -> &'static str {
    match step.code {
        "restore" => "backup",
        "map-restore" => "map-backup",
        _ => "engine-backup 1",
    }
}

fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    if !path.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).with_context(|| format!("listing {}", path.display()))? {
        found.extend(files(&entry?.path())?);
    }
    Ok(found)
}

fn size(path: &Path) -> Result<u64> {
    files(path)?.iter().map(|file| Ok(fs::metadata(file)?.len())).sum()
}

/// Reads all files, so that they are in memory.
fn warm(path: &Path) -> Result<()> {
    for file in files(path)? {
        std::io::copy(&mut fs::File::open(&file)?, &mut std::io::sink())?;
    }
    Ok(())
}

fn copy_directory(from: &Path, to: &Path) -> Result<()> {
    for file in files(from)? {
        let target = to.join(file.strip_prefix(from)?);
        fs::create_dir_all(target.parent().context("a file has a folder")?)?;
        fs::copy(&file, &target).with_context(|| format!("copying {}", file.display()))?;
        fs::File::open(&target)?.sync_all()?;
    }
    Ok(())
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
