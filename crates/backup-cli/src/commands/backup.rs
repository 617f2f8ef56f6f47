//! `backup`: from a namespace to a repository.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use backup_console::{
    Places, Problem, ReadArgs, Report, RepositoryLocation, Session, Signer, SourceArgs, bytes, count, quoted,
};
use backup_format::Manifest;
use backup_layout::Layout;
use backup_repository::{
    BackupOptions, BackupReport, BackupWarning, Difference, Dump, JobName, JobShare, SegmentCount,
    ShareReport, SketchReport, Subset,
};
use backup_sources::parse_time;
use clap::Args;
use serde_json::{Value, json};

use crate::args::WriteArgs;
use crate::outcome::Run;
use crate::report;
use crate::repository::{self, Destination};
use crate::state::State;
use crate::textfile::RecordArgs;

/// How often a share that waits for the others looks for them.
const POLL: Duration = Duration::from_secs(2);

/// Dump a namespace into a repository, which is created where nothing is
///
/// Programs that write to the namespace are not disturbed. Nothing is dumped twice: objects that the repository holds
/// already are used again, and a backup that was interrupted resumes when the same command runs again.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  kvbackup backup rocksdb:/var/lib/linera/validator_0 /backup/validator --origin 02ab...
  kvbackup backup rocksdb:/var/lib/linera/validator_0 s3://bucket/validator --codec zstd:3 --json
  kvbackup backup scylla://backup@db1,db2/kv/validator_0 /backup/validator --password-file /run/secrets/cql
  kvbackup backup scylla://db1/kv/validator_0 /backup/validator --share 3/8 --job 2026-01-31
  kvbackup backup rocksdb:/var/lib/linera/validator_0 /backup/validator --origin 02ab... --last
  kvbackup backup rocksdb-backup:/var/lib/engine-backups#7 /backup/validator --annotate ticket=42
  kvbackup backup rocksdb:/var/lib/linera/validator_0 /backup/secret --repository-key node.key --sketch /var/lib/kvbackup/sketches")]
pub(crate) struct BackupArgs {
    /// The namespace, like rocksdb:DIR/NAMESPACE or scylla://HOST/KEYSPACE/TABLE
    source: OsString,
    /// The repository: a directory or a URL
    repository: RepositoryLocation,
    #[command(flatten)]
    write: WriteArgs,
    #[command(flatten)]
    open: SourceArgs,
    #[command(flatten)]
    read: ReadArgs,
    /// Name of the namespace in the manifest [default: that of the directory, without links, or of the table]
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// Ranges of the namespace that are read at the same time
    ///
    /// By default one for every two cores, but two on two or three, and none of less than 256 MiB. ScyllaDB answers several
    /// requests at a time for each range, so there it is one for every four cores. Each takes some 30 MB of memory.
    #[arg(long, value_name = "N", hide_short_help = true)]
    ranges: Option<NonZeroUsize>,
    /// Keep sketches in this directory, which is made if it is missing, and make patches of what they know [default: KVBACKUP_SKETCH]
    ///
    /// A sketch has a fingerprint of 16 bytes of each entry of the last dump of a namespace. With it a node that has only the repository key
    /// of an encrypted repository stores what changed, and not whole segments. Nothing is read back from a store that is far. A
    /// sketch that is lost or damaged is a warning. In a repository of version 1 there are no patches, and none is kept
    #[arg(long, value_name = "DIR", conflicts_with = "share", hide_short_help = true)]
    sketch: Option<PathBuf>,
    /// Make the last dump before the validator moves: nothing can open the database after it
    ///
    /// The database must not be open. It is locked, dumped, and retired: RocksDB refuses to open it from then on, and its content stays. So
    /// `restore --for-key` restores the dump for the validator's own key, once. See docs/KEY-SAFETY.md. RocksDB only
    #[arg(long, requires = "origin", conflicts_with = "share")]
    last: bool,
    #[command(flatten)]
    together: TogetherArgs,
    #[command(flatten)]
    record: RecordArgs,
}

impl BackupArgs {
    pub(crate) fn recorded(&self) -> Run<'_> {
        Run {
            command: "backup",
            record: &self.record,
            repository: &self.repository,
            source: Some(&self.source),
            target: None,
            dry_run: self.write.dry_run,
        }
    }
}

/// How several processes make one dump.
#[derive(Args, Debug)]
#[command(next_help_heading = "Several processes, for ScyllaDB and Cassandra")]
pub(crate) struct TogetherArgs {
    /// Dump share I of N of the namespace, each by a process of its own; `kvbackup finish` makes the dump of them
    #[arg(long, value_name = "I/N", requires = "job", hide_short_help = true)]
    share: Option<Subset>,
    /// Name of the job, the same for all shares, and another one for each dump: letters, digits, -, _ and .
    #[arg(long, value_name = "NAME", requires = "share", hide_short_help = true)]
    job: Option<JobName>,
    /// How long to wait until the other shares have read the first phase, like 30m [default: 1h]
    #[arg(long, value_name = "TIME", value_parser = parse_time, requires = "share", hide_short_help = true)]
    wait: Option<Duration>,
}

impl TogetherArgs {
    /// Returns the share, unless one process dumps all. Refuses what only `finish` can do.
    fn share(&self, write: &WriteArgs) -> Result<Option<JobShare>, Problem> {
        let (Some(share), Some(job)) = (self.share, &self.job) else { return Ok(None) };
        let foreign = [
            (write.dry_run, "--dry-run"),
            (write.sign.is_given(), "--sign-key"),
            (write.allow_implausible, "--allow-implausible"),
            (write.shrink.is_given(), "--max-shrink"),
        ];
        if let Some((_, option)) = foreign.into_iter().find(|(given, _)| *given) {
            let text = format!("{option} does not go with --share; give it to `kvbackup finish`");
            return Err(Problem::Usage(text));
        }
        let wait = self.wait.unwrap_or(Duration::from_secs(3_600));
        Ok(Some(JobShare { job: job.clone(), share, wait, poll: POLL }))
    }
}

pub(crate) async fn run(args: BackupArgs, session: &Session) -> Result<Report> {
    repository::keep_private();
    let share = args.together.share(&args.write)?;
    let signer = args.write.sign.signer(session)?;
    let source = session.source(&args.source)?;
    let opening = args.open.opening(&session.opening, &args.read);
    Places::default().with_source(&source, &opening)?.with_repository(&args.repository)?.check()?;
    let lock = match args.last {
        true => Some(Arc::from(source.retire(&opening).await?.lock().await?)),
        false => None,
    };
    // First of all: a source that cannot be opened must not leave an empty repository behind.
    let mut opened = source.open(&opening).await?;
    let is_detected = source.detects_layout(&opening)?;
    if is_detected && opened.source().layout == Layout::Plain.name() && !args.write.allow_implausible {
        return Err(Problem::Refused(format!(
            "{source} is no database of linera: no row looks like linera's; no dump was made. --allow-implausible dumps it row by row, and so \
             does ?layout=plain behind it"
        ))
        .into());
    }
    if let Some(name) = args.namespace {
        opened = opened.with_namespace(name);
    }
    let place = Destination::open(&args.repository, args.write.dry_run, session).await?;
    let dry_run = args.write.dry_run;
    let state = State::of(session, &args.repository);
    if !dry_run && let Err(error) = state.check(&place.repository).await {
        place.remove_if_new().await;
        return Err(error);
    }
    let progress = session.progress.clone();
    let sketch = args.sketch.or_else(sketches);
    let options = BackupOptions { ranges: args.ranges, sketch, ..args.write.options(&args.read, progress) };
    if let Some(share) = share {
        let done = place.repository.backup_share(&opened, &share, options).await;
        let done = place.keep_or_remove(done).await?;
        return Ok(describe_share(&share, &done, &args.repository));
    }
    let place = place.signed_by(&signer);
    let made = match lock {
        Some(lock) => place.repository.backup_last(&opened, lock, options).await,
        None => place.repository.backup(&opened, options).await,
    };
    let repository = place.repository.clone();
    let made = place.keep_or_remove(made).await?;
    if !dry_run {
        state.made(&repository, &Dump { id: made.dump, manifest: made.manifest.clone() })?;
    }
    Ok(describe(&made, &args.repository, dry_run, &signer))
}

/// Returns the directory of sketches that the environment names, if it does.
fn sketches() -> Option<PathBuf> {
    std::env::var_os("KVBACKUP_SKETCH").filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// Reports a share that is done.
fn describe_share(share: &JobShare, done: &ShareReport, location: &RepositoryLocation) -> Report {
    let mut report = Report::default();
    report.field("job", share.job.as_str());
    report.field("share", share.share.to_string());
    report.field("ranges", done.ranges);
    report.field("ranges_reused", done.ranges_reused);
    report.field("entries", done.entries);
    report.field("new_objects", done.new_objects);
    report.field("new_packs", done.new_packs);
    report.field("stored_bytes", done.stored_bytes);
    report.line("share", format_args!("{} of job {}", share.share, share.job));
    let read = count(done.ranges - done.ranges_reused, "range");
    report.line("read", format_args!("{read}, {}", count(done.entries, "entry")));
    if done.ranges_reused > 0 {
        report.line(
            "resumed",
            format_args!("{} had been read by an earlier run", count(done.ranges_reused, "range")),
        );
    }
    report.line("stored", stored(done.stored_bytes, done.new_objects, done.new_packs));
    warn(&mut report, &done.warnings);
    report.line(
        "next",
        format_args!("when all shares are done: kvbackup finish {} --job {}", quoted(location), share.job),
    );
    report.timed()
}

fn stored(size: u64, objects: u64, packs: u64) -> String {
    format!("{}: {} in {}", bytes(size), count(objects, "new object"), count(packs, "pack"))
}

/// Reports a dump that was made, or would be.
pub(super) fn describe(
    made: &BackupReport,
    location: &RepositoryLocation,
    dry_run: bool,
    signer: &Signer,
) -> Report {
    let mut report = Report::default();
    match dry_run {
        true => report::add_unmade_dump(&mut report, &made.manifest),
        false => report::add_dump(&mut report, made.dump, &made.manifest),
    }
    signer.describe(&mut report);
    report.field("new_objects", made.new_objects);
    report.field("new_packs", made.new_packs);
    report.field("stored_bytes", made.stored_bytes);
    report.field("dry_run", dry_run);
    let sketch =
        |sketch: &SketchReport| json!({ "file": sketch.file.display().to_string(), "bytes": sketch.bytes });
    report.field("sketch", made.sketch.as_ref().map(sketch));
    report.field("since", made.since.as_ref().map(|since| since_json(since, &made.manifest)));
    if let Some(since) = &made.since {
        report.line("since", since_text(since, &made.manifest));
    }
    let stored = stored(made.stored_bytes, made.new_objects, made.new_packs);
    if dry_run {
        report.line("would store", stored);
        report.line("dry run", "nothing was written");
    } else {
        report.line("stored", stored);
    }
    if let Some(sketch) = &made.sketch {
        report.line("sketch", format_args!("{} in {}", bytes(sketch.bytes), sketch.file.display()));
    }
    warn(&mut report, &made.warnings);
    if !dry_run {
        report.line("next", format_args!("kvbackup verify {}", quoted(location)));
    }
    if let (false, true, Some(origin)) = (dry_run, made.manifest.last, &made.manifest.source.origin) {
        let dump = made.dump;
        let restore =
            format_args!("kvbackup restore {} TARGET --dump {dump:.12} --for-key {origin}", quoted(location));
        report.line("then", format_args!("{restore}, once"));
    }
    report.timed()
}

/// Reports what was odd, and is no reason to stop.
fn warn(report: &mut Report, warnings: &[BackupWarning]) {
    let texts: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    texts.iter().for_each(|text| report.line("warning", text));
    report.field("warnings", texts);
}

/// Names of numbers of a manifest, and those of the dump and of the one before it. Those that are sealed are left out.
fn numbers(since: &Difference, manifest: &Manifest) -> Vec<(&'static str, u64, u64)> {
    let before = &since.predecessor.manifest;
    let mut numbers = Vec::new();
    if let (Some(now), Some(then)) = (&manifest.inventory, &before.inventory) {
        numbers.push(("entries", now.entries, then.entries));
        numbers.push(("partitions", now.partitions, then.partitions));
    }
    numbers.push(("plain_bytes", manifest.plain_bytes, before.plain_bytes));
    numbers
}

fn since_json(since: &Difference, manifest: &Manifest) -> Value {
    let count = |count: SegmentCount| json!({ "segments": count.segments, "entries": count.entries, "plain_bytes": count.plain_bytes });
    let mut fields = json!({
        "dump": since.predecessor.id,
        "new": since.segments.map(|segments| count(segments.new)),
        "gone": since.segments.map(|segments| count(segments.gone)),
    });
    for (name, found, before) in numbers(since, manifest) {
        fields[name] = json!(i128::from(found) - i128::from(before));
    }
    fields
}

/// Says how many entries more or less there are, and how much of the dump lies in segments that the one before lacks.
fn since_text(since: &Difference, manifest: &Manifest) -> String {
    const ID_DIGITS: usize = 12;
    let mut text = format!("{:.ID_DIGITS$}:", since.predecessor.id);
    for (name, found, before) in numbers(since, manifest) {
        let noun = match name {
            "entries" => "entry",
            "partitions" => "partition",
            _ => continue,
        };
        let sign = if found < before { '-' } else { '+' };
        text += &format!(" {sign}{},", count(found.abs_diff(before), noun));
    }
    let Some(segments) = since.segments else {
        let is_sealed = since.predecessor.manifest.inventory.is_none();
        let problem =
            if is_sealed { " it is sealed, so it was not compared" } else { " its pages cannot be read" };
        return text + problem;
    };
    let percent = segments.new.plain_bytes as f64 * 100.0 / manifest.plain_bytes.max(1) as f64;
    text + &format!(
        " {} in new segments ({percent:.1} %), {} in segments that are gone",
        bytes(segments.new.plain_bytes),
        bytes(segments.gone.plain_bytes)
    )
}
