//! `copy`: dumps from one repository to another one.

use anyhow::Result;
use backup_console::{
    Places, Problem, ReadArgs, Report, RepositoryLocation, Session, SignArgs, bytes, count,
};
use backup_format::ErrorClass;
use backup_layout::Layout;
use backup_repository::{
    Compression, CopyOptions, CopyOutcome, CopyReport, Dump, DumpChoice, Repository, RepositoryError,
};
use backup_sources::kinds_of;
use clap::Args;
use serde_json::json;

use super::forget::parse_id;
use crate::outcome::Run;
use crate::report::full_text;
use crate::repository::{self, Destination};
use crate::table;
use crate::textfile::RecordArgs;

/// Digits of an id in the table; `--dump` takes them.
const ID_DIGITS: usize = 12;

/// Copy dumps from a repository to another one
///
/// A new target takes the config of the source. Then, and where both have the same salt and targets, packs and manifests are copied as
/// they are, after each was checked against its name; dumps keep their ids. Otherwise each dump is decoded and made anew, its
/// digest is compared, and its annotation `copied-from` names the old one. What is there is not copied again, so the same command
/// resumes a copy that was interrupted.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  kvbackup copy /backup/validator s3://bucket/validator              the latest dump
  kvbackup copy /backup/validator s3://bucket/validator --all --dry-run
  kvbackup copy /backup/validator /mnt/usb/validator --dump 3f2a0c11 --dump 77aa0192
  kvbackup copy /backup/validator /backup/encrypted --all --repository-key repository.key")]
pub(crate) struct CopyArgs {
    /// The repository that is read: a directory or a URL
    repository: RepositoryLocation,
    /// The repository that is written: a directory or a URL; a new one where nothing is
    #[arg(id = "target_repository", value_name = "TARGET")]
    target: RepositoryLocation,
    /// A dump: the first 4 to 64 digits of its id; may be repeated [default: the latest]
    #[arg(long = "dump", value_name = "ID", value_parser = parse_id)]
    dumps: Vec<String>,
    /// Copy all dumps, but those that were forgotten in the target
    #[arg(long, conflicts_with = "dumps")]
    all: bool,
    /// How new objects are stored where dumps are made anew: none, zstd or zstd:LEVEL with a level up to 22
    #[arg(long, value_name = "CODEC", default_value_t)]
    codec: Compression,
    #[command(flatten)]
    sign: SignArgs,
    /// Find out what would be copied, and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    record: RecordArgs,
}

impl CopyArgs {
    pub(crate) fn recorded(&self) -> Run<'_> {
        Run {
            command: "copy",
            record: &self.record,
            repository: &self.repository,
            source: None,
            target: None,
            dry_run: self.dry_run,
        }
    }

    /// Returns the repository that is written.
    pub(crate) fn target(&self) -> &RepositoryLocation {
        &self.target
    }
}

pub(crate) async fn run(args: CopyArgs, session: &Session) -> Result<Report> {
    if args.repository == args.target {
        let text = format!("{} would be copied to itself", args.repository);
        return Err(Problem::Usage(text).into());
    }
    Places::default().with_repository(&args.repository)?.with_second_repository(&args.target)?.check()?;
    repository::keep_private();
    let signer = args.sign.signer(session)?;
    let source = session.repository_to_read(&args.repository).await?;
    let (dumps, unreadable) = choose(&source, &args).await?;
    let place = Destination::open_like(&args.target, args.dry_run, &source, session).await?;
    let place = place.signed_by(&signer);
    let options = CopyOptions {
        compression: args.codec,
        workers: args.read.workers(),
        limits: args.read.limits(),
        tool: crate::TOOL.to_owned(),
        kinds: kinds_of_name,
        skip_forgotten: args.all,
        dry_run: args.dry_run,
        progress: session.progress.clone(),
    };
    let copied = source.copy_to(&place.repository, &dumps, &options).await;
    let copied = place.keep_or_remove(copied).await?;
    let mut report = describe(&copied, &args);
    report.failure = failure(&unreadable);
    Ok(report.timed())
}

/// Returns how a layout names kinds of partition; one that this version does not know has none.
fn kinds_of_name(layout: &str) -> fn(&[u8]) -> Option<&'static str> {
    kinds_of(layout.parse().unwrap_or(Layout::Plain))
}

/// Returns the dumps that are meant, and what is wrong with manifests that cannot be read when all are.
async fn choose(source: &Repository, args: &CopyArgs) -> Result<(Vec<Dump>, Vec<RepositoryError>)> {
    if args.all {
        let dumps = source.dumps().await?;
        let unreadable = dumps.damaged.into_iter().chain(dumps.unsupported).chain(dumps.untrusted);
        let unreadable = unreadable.map(|(_, error)| error);
        return Ok((dumps.good, unreadable.collect()));
    }
    if args.dumps.is_empty() {
        return Ok((vec![source.dump(&DumpChoice::Latest).await?], Vec::new()));
    }
    let mut dumps: Vec<Dump> = Vec::new();
    for digits in &args.dumps {
        let dump = source.dump(&DumpChoice::Id(digits.clone())).await?;
        if dumps.iter().all(|chosen| chosen.id != dump.id) {
            dumps.push(dump);
        }
    }
    Ok((dumps, Vec::new()))
}

fn describe(copied: &CopyReport, args: &CopyArgs) -> Report {
    let mut report = Report::default();
    let name = |outcome: CopyOutcome| match outcome {
        CopyOutcome::There => "there",
        CopyOutcome::Forgotten => "forgotten",
        _ if args.dry_run => "would be copied",
        _ => "copied",
    };
    let dumps = copied.dumps.iter();
    let dumps = dumps.map(|dump| json!({ "from": dump.from, "to": dump.to, "outcome": name(dump.outcome) }));
    report.field("repository", args.repository.to_string());
    report.field("target", args.target.to_string());
    report.field("dry_run", args.dry_run);
    report.field("whole", copied.whole);
    report.field("dumps", dumps.collect::<Vec<_>>());
    report.field("packs", copied.packs);
    report.field("packs_there", copied.packs_there);
    report.field("stored_bytes", copied.stored_bytes);
    let rows = copied.dumps.iter().map(|dump| {
        let to = dump.to.map_or("-".to_owned(), |id| format!("{id:.ID_DIGITS$}"));
        [format!("{:.ID_DIGITS$}", dump.from), to, name(dump.outcome).to_owned()]
    });
    let header = ["dump", "in the target", "outcome"].map(str::to_owned);
    report.text(&table::table(std::iter::once(header).chain(rows).collect(), 0, usize::MAX));
    let how = if copied.whole { "packs as they are" } else { "dumps made anew" };
    let doing = if args.dry_run { "would write" } else { "written" };
    let (packs, bytes) = (count(copied.packs, "pack"), bytes(copied.stored_bytes));
    report.line(doing, format_args!("{packs}, {bytes}: {how}; {} there", count(copied.packs_there, "pack")));
    report
}

fn failure(unreadable: &[RepositoryError]) -> Option<Problem> {
    let first = unreadable.first()?;
    let text = format!(
        "{} of the source cannot be used, and were not copied, the first: {}",
        count(unreadable.len() as u64, "manifest"),
        full_text(first)
    );
    let is_damage = unreadable.iter().any(|error| error.class() == ErrorClass::Damaged);
    Some(if is_damage { Problem::Damage(text) } else { Problem::Refused(text) })
}
