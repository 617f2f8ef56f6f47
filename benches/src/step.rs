//! What is compared: steps, each of which runs in a process of its own.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::{engine, ours, upstream};

/// One way to do one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// What it does; steps of one task are compared with each other.
    pub(crate) task: Task,
    /// How, for people.
    pub(crate) way: &'static str,
    /// How, for [`run`].
    pub(crate) code: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Backup,
    /// A backup of a database of which one in so many partitions changed since the last; none, if zero.
    Second(u64),
    Verify,
    Restore,
}

const OURS: &str = "kvbackup";
/// First words of the codes of our own steps.
const OURS_CODES: [&str; 3] = ["backup", "verify", "restore"];

impl Task {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Backup => "backup".to_owned(),
            Self::Second(0) => "second backup, nothing changed".to_owned(),
            Self::Second(one_in) => format!("second backup, {} % changed", 100 / one_in),
            Self::Verify => "verify".to_owned(),
            Self::Restore => "restore".to_owned(),
        }
    }
}

const fn step(task: Task, way: &'static str, code: &'static str) -> Step {
    Step { task, way, code }
}

/// All steps. Where there is more than one of a task, the second is what the others are compared with.
pub(crate) const STEPS: [Step; 15] = [
    step(Task::Backup, OURS, "backup"),
    step(Task::Backup, "BackupEngine, one file at a time", "engine-backup 1"),
    step(Task::Backup, "kvbackup --codec none", "backup none"),
    step(Task::Backup, "kvbackup --codec zstd:1", "backup zstd:1"),
    step(Task::Backup, "BackupEngine, two files", "engine-backup 2"),
    step(Task::Backup, "checkpoint and copy", "copy"),
    step(Task::Backup, "one map", "map-backup"),
    step(Task::Second(0), OURS, "backup"),
    step(Task::Second(100), OURS, "backup"),
    step(Task::Second(10), OURS, "backup"),
    step(Task::Verify, OURS, "verify"),
    step(Task::Restore, OURS, "restore"),
    step(Task::Restore, "BackupEngine, one file at a time", "engine-restore 1"),
    step(Task::Restore, "BackupEngine, two files", "engine-restore 2"),
    step(Task::Restore, "one map, a batch for each root key", "map-restore"),
];

impl Step {
    pub(crate) fn is_ours(self) -> bool {
        self.way.starts_with(OURS)
    }

    /// Returns true if the whole database has to fit into memory several times.
    pub(crate) fn is_map(self) -> bool {
        self.code.starts_with("map")
    }
}

/// What a step took.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// Wall time.
    pub(crate) seconds: f64,
    /// Time of all cores, in the program and in the kernel.
    pub(crate) cpu_seconds: f64,
    /// The most memory that was resident at a time.
    pub(crate) peak_kib: u64,
}

/// Returns the number of cores that this process may use.
pub(crate) fn all_cores() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

/// Runs a step in a process of its own, on the first so many cores, or on all.
pub(crate) fn run_apart(code: &str, from: &Path, to: &Path, cores: Option<usize>) -> Result<Cost> {
    let program = std::env::current_exe().context("finding this program")?;
    let mut command = match cores.filter(|cores| *cores < all_cores()) {
        Some(cores) => {
            let mut command = Command::new("taskset");
            command.arg("--cpu-list").arg(format!("0-{}", cores.saturating_sub(1))).arg(program);
            command
        }
        None => Command::new(program),
    };
    // As the program starts itself.
    if OURS_CODES.contains(&code.split(' ').next().unwrap_or_default()) {
        command.env("MALLOC_ARENA_MAX", "1");
    }
    command.arg("step").arg(code).arg(from).arg(to);
    let output = command.output().context("starting a step")?;
    if !output.status.success() {
        bail!("step {code:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    serde_json::from_slice(&output.stdout).with_context(|| format!("step {code:?} printed no result"))
}

/// Runs a step in this process, and tells what the process took so far.
pub(crate) fn run(code: &str, from: &Path, to: &Path) -> Result<Cost> {
    let begun = Instant::now();
    let runtime = tokio::runtime::Runtime::new().context("starting a runtime")?;
    match code {
        "backup" => runtime.block_on(ours::back_up(from, to, None))?,
        "backup none" => runtime.block_on(ours::back_up(from, to, Some("none")))?,
        "backup zstd:1" => runtime.block_on(ours::back_up(from, to, Some("zstd:1")))?,
        "verify" => runtime.block_on(ours::verify(from))?,
        "restore" => runtime.block_on(ours::restore(from, to))?,
        "engine-backup 1" => engine::back_up(from, to, 1)?,
        "engine-backup 2" => engine::back_up(from, to, 2)?,
        "engine-restore 1" => engine::restore(from, to, 1)?,
        "engine-restore 2" => engine::restore(from, to, 2)?,
        "copy" => engine::checkpoint_and_copy(from, to)?,
        "map-backup" => upstream::back_up(from, to)?,
        "map-restore" => upstream::restore(from, to)?,
        _ => bail!("there is no step {code:?}"),
    }
    Ok(Cost { seconds: begun.elapsed().as_secs_f64(), cpu_seconds: cpu_seconds()?, peak_kib: peak_kib()? })
}

/// Returns the most memory that this process had resident.
fn peak_kib() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("benchmarks need Linux")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.context("the kernel does not tell the memory of a process")
}

/// Returns the time that this process had on all cores.
fn cpu_seconds() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat").context("benchmarks need Linux")?;
    // The name of the program stands in parentheses, and may hold spaces.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok());
    let (user, system) =
        ticks(11).zip(ticks(12)).context("the kernel does not tell the time of a process")?;
    // USER_HZ, which is 100 on all of Linux's common architectures.
    Ok((user + system) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kvbackup_bench_content::Mix;

    use crate::content;

    #[test]
    fn every_step_does_what_it_says() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let db = at("namespace");
        let written = content::generate(&db, 2, Mix::Validator).unwrap();
        let partitions = |path: &Path| engine::partitions(&engine::open_read_only(path).unwrap()).unwrap();
        assert_eq!(partitions(&db), written.partitions);
        let backups = [
            ("backup", "restore"),
            ("backup none", "restore"),
            ("backup zstd:1", "restore"),
            ("engine-backup 1", "engine-restore 1"),
            ("engine-backup 2", "engine-restore 2"),
            ("map-backup", "map-restore"),
        ];
        for (backup, restore) in backups {
            let (there, back) = (at(&format!("{backup} there")), at(&format!("{backup} back")));
            let cost = run(backup, &db, &there).unwrap();
            assert!(cost.seconds > 0.0 && cost.peak_kib > 0, "{backup}: {cost:?}");
            run(restore, &there, &back).unwrap();
            assert_eq!(partitions(&back), written.partitions, "{backup}");
        }
        run("verify", &at("backup there"), Path::new("")).unwrap();
        run("copy", &db, &at("copied")).unwrap();
        assert_eq!(partitions(&at("copied")), written.partitions);
        assert!(run("nothing", &db, &at("nowhere")).is_err());
        let codes = backups.iter().flat_map(|(backup, restore)| [*backup, *restore]);
        let known: Vec<&str> = codes.chain(["verify", "copy"]).collect();
        assert!(STEPS.iter().all(|step| known.contains(&step.code)));
    }
}
