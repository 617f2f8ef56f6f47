//! What processes take: Linux tells it below `/proc`.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

const POLL: Duration = Duration::from_millis(20);

/// What a process took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// Wall time, from its start to its end.
    pub(crate) seconds: f64,
    /// Time of all cores, in the program and in the kernel.
    pub(crate) cpu_seconds: f64,
    /// The most memory that was resident at a time.
    pub(crate) peak_kib: u64,
}

/// Runs a program to its end; an error when it fails.
pub(crate) fn run(command: &mut Command) -> Result<Cost> {
    let begun = Instant::now();
    let before = children_cpu_seconds()?;
    let (stdout, stderr) = (tempfile::tempfile()?, tempfile::NamedTempFile::new()?);
    command.stdin(Stdio::null()).stdout(stdout).stderr(stderr.reopen()?);
    let mut child = command.spawn().with_context(|| format!("starting {:?}", command.get_program()))?;
    let mut peak_kib = 0;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        peak_kib = peak_kib.max(self::peak_kib(child.id()));
        std::thread::sleep(POLL);
    };
    if !status.success() {
        let text = fs::read_to_string(stderr.path()).unwrap_or_default();
        bail!("{:?} ended with {status}: {text}", command.get_program());
    }
    let (seconds, after) = (begun.elapsed().as_secs_f64(), children_cpu_seconds()?);
    Ok(Cost { seconds, cpu_seconds: after - before, peak_kib })
}

/// Returns the time that a process had on all cores.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    seconds_of(&stat.with_context(|| format!("process {pid} is not there"))?, [11, 12])
}

/// Returns the time that all processes had that this one started, and that ended.
fn children_cpu_seconds() -> Result<f64> {
    seconds_of(&fs::read_to_string("/proc/self/stat").context("benchmarks need Linux")?, [13, 14])
}

/// Adds up two numbers of ticks.
fn seconds_of(stat: &str, fields: [usize; 2]) -> Result<f64> {
    // The name of the program stands in parentheses, and may hold spaces.
    let all: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = fields.map(|field| all.get(field).and_then(|field| field.parse::<f64>().ok()));
    let ticks: Option<f64> = ticks.into_iter().sum();
    // USER_HZ, which is 100 on all of Linux's common architectures.
    Ok(ticks.context("the kernel does not tell the time of a process")? / 100.0)
}

/// Returns the most memory that a process had resident so far; 0 when it ended.
fn peak_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_takes_is_told_and_its_failure_too() {
        let cost = run(Command::new("sh").args(["-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"]));
        let cost = cost.unwrap();
        assert!(cost.cpu_seconds > 0.0 && cost.seconds > 0.0 && cost.peak_kib > 100, "{cost:?}");
        let error = run(Command::new("sh").args(["-c", "echo why >&2; exit 3"])).unwrap_err().to_string();
        assert!(error.contains("3: why"), "{error}");
        assert!(run(&mut Command::new("/nowhere")).is_err());
        assert!(cpu_seconds(std::process::id()).is_ok() && cpu_seconds(u32::MAX).is_err());
    }

    #[test]
    fn ticks_are_found_whatever_the_program_is_called() {
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 250 50 20 5 9";
        assert_eq!(seconds_of(stat, [11, 12]).unwrap(), 3.0);
        assert_eq!(seconds_of(stat, [13, 14]).unwrap(), 0.25);
        assert!(seconds_of("7 (a) S 1", [11, 12]).is_err());
    }
}
