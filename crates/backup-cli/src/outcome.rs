//! What a run leaves for those who watch it: how it ended, and when.

use std::ffi::OsStr;
use std::time::SystemTime;

use anyhow::Result;
use backup_console::{Ended, Exit, Problem, Record, RepositoryLocation};
use backup_sources::{Engines, Opening};
use serde_json::{Number, Value};

use crate::args::{Cli, Command};
use crate::exposition::{Exposition, Labels, Metric, fraction};
use crate::textfile::{RecordArgs, Textfile};

const INFO: Metric = Metric {
    name: "kvbackup_run_info",
    help: "A run that this file is of, with the version of the program; always 1.",
};
const EXIT_CODE: Metric = Metric {
    name: "kvbackup_run_exit_code",
    help: "Exit code of the last run: 0 done, 1 failed, 2 wrong usage, 3 damage or a difference, 4 refused, 130 interrupted.",
};
const START: Metric =
    Metric { name: "kvbackup_run_start_timestamp_seconds", help: "When the last run began." };
const END: Metric = Metric { name: "kvbackup_run_end_timestamp_seconds", help: "When the last run ended." };
const SUCCESS: Metric = Metric {
    name: "kvbackup_run_last_success_timestamp_seconds",
    help: "When the last run with exit code 0 ended; kept while later ones fail.",
};
const STORED_BYTES: Metric =
    Metric { name: "kvbackup_run_stored_bytes", help: "Bytes that the run wrote to the repository." };
const PLAIN_BYTES: Metric = Metric {
    name: "kvbackup_run_plain_bytes",
    help: "Bytes before compression of the dump that the run made, verified or restored.",
};
const FREED_BYTES: Metric =
    Metric { name: "kvbackup_run_freed_bytes", help: "Bytes of packs that the run removed." };

/// The families that a report has values for, and where it has them.
const BYTES: [(Metric, &str); 3] =
    [(STORED_BYTES, "/stored_bytes"), (PLAIN_BYTES, "/plain_bytes"), (FREED_BYTES, "/removed/bytes")];

/// A run that is to be recorded.
pub(crate) struct Run<'a> {
    /// The command.
    pub(crate) command: &'static str,
    /// Where its end is recorded.
    pub(crate) record: &'a RecordArgs,
    /// The repository.
    pub(crate) repository: &'a RepositoryLocation,
    /// The namespace that is read, if there is one.
    pub(crate) source: Option<&'a OsStr>,
    /// The namespace that is written, if there is one.
    pub(crate) target: Option<&'a OsStr>,
    /// Whether nothing is done.
    pub(crate) dry_run: bool,
}

impl Command {
    /// Returns what is to be recorded of a run, if the command can record.
    fn recorded(&self) -> Option<Run<'_>> {
        match self {
            Self::Backup(args) => Some(args.recorded()),
            Self::Restore(args) => Some(args.recorded()),
            Self::Verify(args) => Some(args.recorded()),
            Self::Forget(args) => Some(args.recorded()),
            Self::Prune(args) => Some(args.recorded()),
            Self::Copy(args) => Some(args.recorded()),
            Self::Finish(args) => Some(args.recorded()),
            _ => None,
        }
    }
}

/// Returns what records the end of a run, if a file for that was named.
pub(crate) fn recorder(cli: &Cli, engines: &Engines, opening: &Opening) -> Result<Option<Record>> {
    let Some(run) = cli.command.recorded() else { return Ok(None) };
    let Some(path) = &run.record.textfile else { return Ok(None) };
    if run.dry_run {
        let text = "--textfile records what was done, and --dry-run does nothing".to_owned();
        return Err(Problem::Usage(text).into());
    }
    // What the locator of a namespace should be is said by the command itself.
    let source = run.source.and_then(|source| engines.source(source).ok());
    let target = run.target.and_then(|target| engines.target(target).ok());
    let mut places: Vec<_> =
        run.repository.directory().map(|place| ("the repository", place)).into_iter().collect();
    if let Command::Copy(args) = &cli.command {
        places.extend(args.target().directory().map(|place| ("the second repository", place)));
    }
    places.extend(
        source.iter().flat_map(|source| source.directories(opening)).map(|place| ("the source", place)),
    );
    places.extend(target.iter().flat_map(|target| target.directories()).map(|place| ("the target", place)));
    let command = run.command;
    let file = Textfile::new(path, format!("{}{{command=\"{command}\",", INFO.name), &places)?;
    let labels = vec![
        ("command", command.to_owned()),
        ("run", file.stem()),
        ("repository", repository_label(run.repository)),
    ];
    Ok(Some(Box::new(move |ended: &Ended| {
        file.write(|before| {
            describe(ended, SystemTime::now(), last_success(before, &labels), &labels).render()
        })
    })))
}

/// Returns the label that tells a repository from others: its place, a directory by its whole path.
pub(crate) fn repository_label(location: &RepositoryLocation) -> String {
    match location.directory() {
        Some(directory) => std::path::absolute(&directory).unwrap_or(directory).display().to_string(),
        None => location.to_string(),
    }
}

/// Finds when the last good run of these labels ended, in what earlier runs left.
fn last_success(text: &str, labels: &Labels) -> Option<Number> {
    let mut line = Exposition::default();
    line.add(SUCCESS, labels, 0);
    let line = line.render();
    let line =
        line.lines().find_map(|line| line.starts_with(SUCCESS.name).then(|| line.strip_suffix('0')))??;
    let value = text.lines().find_map(|found| found.strip_prefix(line))?;
    value.parse().ok().filter(|value: &f64| value.is_finite()).map(fraction)
}

fn describe(ended: &Ended, now: SystemTime, before: Option<Number>, labels: &Labels) -> Exposition {
    let mut metrics = Exposition::default();
    let version = ("version", env!("CARGO_PKG_VERSION").to_owned());
    metrics.add(INFO, &[labels.clone(), vec![version]].concat(), 1);
    metrics.add(EXIT_CODE, labels, ended.exit.code());
    metrics.add(START, labels, unix_seconds(ended.started));
    metrics.add(END, labels, unix_seconds(now));
    let success = if ended.exit == Exit::Done { Some(unix_seconds(now)) } else { before };
    if let Some(success) = success {
        metrics.add(SUCCESS, labels, success);
    }
    let fields = Value::Object(ended.fields.clone());
    for (metric, place) in BYTES {
        if let Some(bytes) = fields.pointer(place).and_then(Value::as_u64) {
            metrics.add(metric, labels, bytes);
        }
    }
    metrics
}

/// Returns a time as Prometheus has it: seconds since 1970, as a fraction.
pub(crate) fn unix_seconds(time: SystemTime) -> Number {
    fraction(match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => after.as_secs_f64(),
        Err(before) => -before.duration().as_secs_f64(),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_last_good_run_is_found_by_all_labels() {
        let labels = |run: &str| vec![("command", "backup".to_owned()), ("run", run.to_owned())];
        let mut metrics = Exposition::default();
        metrics.add(SUCCESS, &labels("x\"y"), fraction(1_769_832_000.5));
        let text = metrics.render();
        assert_eq!(last_success(&text, &labels("x\"y")), Some(fraction(1_769_832_000.5)));
        assert_eq!(last_success(&text, &labels("x")), None);
        assert_eq!(last_success(&text.replace("1769832000.5", "NaN"), &labels("x\"y")), None);
        assert_eq!(last_success("", &labels("x")), None);
    }

    #[test]
    fn times_are_seconds_since_1970_and_may_lie_before() {
        assert_eq!(unix_seconds(SystemTime::UNIX_EPOCH + Duration::from_micros(1_500_499)), fraction(1.5));
        assert_eq!(unix_seconds(SystemTime::UNIX_EPOCH - Duration::from_secs(2)), fraction(-2.0));
    }
}
