//! `backup`: from a namespace to a repository.

use std::num::NonZeroUsize;
use std::time::Duration;

use anyhow::{Context, Result};
use backup_repository::{BackupOptions, BackupReport, JobName, JobShare, Progress, ShareReport, Subset};
use clap::Args;

use crate::args::{ReadArgs, SourceArgs, WriteArgs};
use crate::locator::{RepositoryLocation, Source};
use crate::problem::Problem;
use crate::report::{self, Report, count};
use crate::units::parse_time;
use crate::{engine, repository};

/// How often a share that waits for the others looks for them.
const POLL: Duration = Duration::from_secs(2);

/// Dump a namespace into a repository, which is created where nothing is
///
/// Whoever writes to the namespace is not disturbed. Nothing is dumped twice: objects that the repository holds already
/// are used again, and a backup that was interrupted goes on where it stopped when the same command runs again.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  kvbackup backup rocksdb:/var/lib/linera/validator_0 /backup/validator --origin 02ab...
  kvbackup backup rocksdb:/var/lib/linera/validator_0 s3://bucket/validator --codec zstd:3 --json
  kvbackup backup scylla://backup@db1,db2/kv/validator_0 /backup/validator --password-file /run/secrets/cql
  kvbackup backup scylla://db1/kv/validator_0 /backup/validator --share 3/8 --job 2026-01-31
  kvbackup backup rocksdb-backup:/var/lib/engine-backups#7 /backup/validator --annotate ticket=42")]
pub(crate) struct BackupArgs {
    /// The namespace, like rocksdb:DIR/NAMESPACE or scylla://HOST/KEYSPACE/TABLE
    source: Source,
    /// The repository: a directory or a URL
    repository: RepositoryLocation,
    #[command(flatten)]
    write: WriteArgs,
    #[command(flatten)]
    open: SourceArgs,
    #[command(flatten)]
    read: ReadArgs,
    /// Ranges of the namespace that are read at the same time
    ///
    /// By default one for every two cores, but two on two or three, and none of less than 256 MiB; from ScyllaDB, which answers
    /// several requests at a time for each range, one for every four cores. Each takes some 30 MB of memory.
    #[arg(long, value_name = "N", hide_short_help = true)]
    shares: Option<NonZeroUsize>,
    #[command(flatten)]
    together: TogetherArgs,
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
        let foreign = [(write.dry_run, "--dry-run"), (write.allow_implausible, "--allow-implausible")];
        if let Some((_, option)) = foreign.into_iter().find(|(given, _)| *given) {
            let text = format!("{option} does not go with --share; give it to `kvbackup finish`");
            return Err(Problem::Usage(text));
        }
        let wait = self.wait.unwrap_or(Duration::from_secs(3_600));
        Ok(Some(JobShare { job: job.clone(), share, wait, poll: POLL }))
    }
}

pub(crate) async fn run(args: BackupArgs, progress: Progress) -> Result<Report> {
    repository::keep_private();
    let share = args.together.share(&args.write)?;
    let database = engine::open_source(&args.source, args.open.options(&args.read)).await?;
    // A source that cannot be opened shall not leave an empty repository behind.
    let namespace = database.source().namespace;
    drop(database.snapshot().await.with_context(|| format!("opening namespace {namespace}"))?);
    let repository = match args.write.dry_run {
        true => repository::open_for_dry_run(&args.repository).await?,
        false => repository::open_or_create(&args.repository).await?,
    };
    let dry_run = args.write.dry_run;
    let options = BackupOptions { shares: args.shares, ..args.write.options(&args.read, progress) };
    if let Some(share) = share {
        let done = repository.backup_share(&*database, &share, options).await?;
        return Ok(describe_share(&share, &done, &args.repository));
    }
    let made = repository.backup(&*database, options).await?;
    Ok(describe(&made, &args.repository, dry_run))
}

/// Reports a share that is done.
fn describe_share(share: &JobShare, done: &ShareReport, location: &RepositoryLocation) -> Report {
    let mut report = Report::default();
    report.field("job", share.job.as_str());
    report.field("share", share.share.to_string());
    report.field("parts", done.parts);
    report.field("parts_reused", done.parts_reused);
    report.field("entries", done.entries);
    report.field("new_objects", done.new_objects);
    report.field("new_packs", done.new_packs);
    report.field("stored_bytes", done.stored_bytes);
    report.line("share", format_args!("{} of job {}", share.share, share.job));
    let read = count(done.parts - done.parts_reused, "slice");
    report.line("read", format_args!("{read}, {}", count(done.entries, "entry")));
    if done.parts_reused > 0 {
        report.line(
            "resumed",
            format_args!("{} had been read by an earlier run", count(done.parts_reused, "slice")),
        );
    }
    report.line("stored", stored(done.stored_bytes, done.new_objects, done.new_packs));
    report.line(
        "next",
        format_args!("when all shares are done: kvbackup finish {location} --job {}", share.job),
    );
    report.timed()
}

fn stored(bytes: u64, objects: u64, packs: u64) -> String {
    format!("{}: {} in {}", report::bytes(bytes), count(objects, "new object"), count(packs, "pack"))
}

/// Reports a dump that was made, or would be.
pub(super) fn describe(made: &BackupReport, location: &RepositoryLocation, dry_run: bool) -> Report {
    let mut report = Report::default();
    report.dump(made.dump, &made.manifest);
    report.field("new_objects", made.new_objects);
    report.field("new_packs", made.new_packs);
    report.field("stored_bytes", made.stored_bytes);
    report.field("dry_run", dry_run);
    let stored = stored(made.stored_bytes, made.new_objects, made.new_packs);
    if dry_run {
        report.line("would store", stored);
        report.line("dry run", "nothing was written");
    } else {
        report.line("stored", stored);
        report.line("next", format_args!("kvbackup verify {location}"));
    }
    report.timed()
}
