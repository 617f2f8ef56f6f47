//! Rounds: all steps after each other, several times, so that what disturbs one disturbs all.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::content::{self, Mix, Written};
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
    let place = Place { folder: folder.join(data.name().replace(' ', "-")) };
    let written = place.prepare(data)?;
    let steps = STEPS.into_iter().filter(|step| !step.is_map() || data.megabytes <= MAP_MEGABYTES_MAX);
    let mut rows: Vec<Row> = steps.map(|step| Row { step, costs: Vec::new(), bytes: 0 }).collect();
    for round in 1..=rounds {
        for row in &mut rows {
            let (cost, bytes) = place.run(row.step)?;
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
    remove(&place.folder)?;
    Ok(Results { data, written, rows })
}

/// Where the databases and backups of a data set are.
struct Place {
    folder: PathBuf,
}

impl Place {
    fn at(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn database(&self, one_in: u64) -> PathBuf {
        self.at(&format!("changed-{one_in}")).join("namespace")
    }

    fn prepare(&self, data: DataSet) -> Result<Written> {
        remove(&self.folder)?;
        for step in STEPS {
            if let Task::Second(one_in) = step.task {
                fs::create_dir_all(self.database(one_in).parent().context("a folder")?)?;
            }
        }
        let written = content::generate(&self.database(0), data.megabytes, data.mix)?;
        for step in STEPS {
            match step.task {
                Task::Second(one_in) if one_in > 0 => {
                    copy_directory(&self.database(0), &self.database(one_in))?;
                    content::change(&self.database(one_in), data.mix, one_in)?;
                }
                _ => {}
            }
        }
        Ok(written)
    }

    /// Runs a step; returns what it took, and what it wrote.
    fn run(&self, step: Step) -> Result<(Cost, u64)> {
        let (from, to) = match step.task {
            Task::Backup => (self.database(0), self.at(step.code)),
            Task::Second(one_in) => {
                let repository = self.at("second");
                remove(&repository)?;
                copy_directory(&self.at("backup zstd"), &repository)?;
                (self.database(one_in), repository)
            }
            Task::Verify => (self.at("backup zstd"), PathBuf::new()),
            Task::Restore => (self.at(&backup_for(step)), self.at("restored")),
        };
        if matches!(step.task, Task::Backup | Task::Restore) {
            remove(&to)?;
        }
        // What is read comes from memory in any case, and nothing is written any more by what ran before.
        let before = size(&to)?;
        warm(&from)?;
        let cost = step::run_apart(step.code, &from, &to)?;
        let bytes = size(&to)?.saturating_sub(before);
        if step.task == Task::Restore {
            anyhow::ensure!(engine::partitions(&engine::open_read_only(&to)?)? > 0, "nothing was restored");
            remove(&to)?;
        }
        Ok((cost, bytes))
    }
}

/// Returns the code of the backup that a step restores.
fn backup_for(step: Step) -> String {
    match step.code {
        "restore" => "backup zstd".to_owned(),
        code => code.replace("restore", "backup"),
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
