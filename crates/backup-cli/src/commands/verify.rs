//! `verify`: whether a dump is what it was, and whether a namespace holds the same.

use std::ffi::OsString;

use anyhow::Result;
use backup_console::{
    AttestArgs, DumpArgs, Problem, ReadArgs, Report, RepositoryLocation, Session, SourceArgs, count,
};
use backup_format::{Digest, Proven};
use backup_repository::{
    DigestOptions, Dump, Progress, Proof, Repository, RestoreOptions, Signed, Subset, VerifyLevel,
    VerifyOptions, VerifyReport,
};
use backup_sources::{Opening, Source};
use clap::{Args, ValueEnum};

use super::verify_all;
use crate::against;
use crate::attested;
use crate::difference::{Difference, Side};
use crate::outcome::Run;
use crate::report;
use crate::repository;
use crate::state::State;
use crate::textfile::RecordArgs;

/// Verify a dump, or compare it with a namespace
///
/// Level 1 reads the manifest, the tables of all packs and all pages, and checks that every segment is there. Level 2 reads
/// everything and computes the digest anew. Level 4 also restores into memory and reads that back: it needs memory for
/// all entries. --against is level 3: the digest of a namespace, read in the layout of the dump unless another one is named,
/// is compared with that of the dump. --all verifies all dumps, reads what they share once, and does not stop at damage.
///
/// With a key to sign, or --attest, what was proven is attested in the repository: `list`, `report` and `metrics` show it, and
/// `restore --require verified` asks for it. A part (--subset), and content that is sealed, is attested as level 1.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  kvbackup verify /backup/validator
  kvbackup verify /backup/validator --subset 3/7        a seventh of it, for example each Wednesday
  kvbackup verify /backup/validator --all --subset 1/30 all dumps in a month
  kvbackup verify /backup/validator --sign-key operator.key --trust node.key.pub --trust operator.key.pub
  kvbackup verify /backup/validator --against rocksdb:/var/lib/copy/validator_0")]
pub(crate) struct VerifyArgs {
    /// The repository: a directory or a URL
    repository: RepositoryLocation,
    #[command(flatten)]
    dump: DumpArgs,
    /// Verify all dumps
    #[arg(long, conflicts_with_all = ["choice", "against"])]
    all: bool,
    /// How thoroughly [default: 2, or 1 with --against]
    #[arg(long, value_enum)]
    level: Option<Level>,
    /// Read only part I of N at level 2, so that the work is spread over N days; with --all, the dumps and packs whose
    /// names are in that part
    #[arg(long, value_name = "I/N")]
    subset: Option<Subset>,
    /// Fail (code 3) if the newest dump of the namespace, with --all of each namespace, has a smaller sequence than this
    #[arg(long, value_name = "N")]
    expect_sequence: Option<u64>,
    /// Compare the digest of this namespace with that of the dump
    #[arg(long, value_name = "SOURCE")]
    against: Option<OsString>,
    #[command(flatten)]
    open: SourceArgs,
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    attest: AttestArgs,
    #[command(flatten)]
    record: RecordArgs,
}

impl VerifyArgs {
    pub(crate) fn recorded(&self) -> Run<'_> {
        Run {
            command: "verify",
            record: &self.record,
            repository: &self.repository,
            source: self.against.as_deref(),
            target: None,
            dry_run: false,
        }
    }
}

/// How thoroughly a dump is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Level {
    /// Structure and existence
    #[value(name = "1")]
    Structure,
    /// Everything is read
    #[value(name = "2")]
    Content,
    /// Everything is read, and restored into memory
    #[value(name = "4")]
    Rehearsal,
}

impl Level {
    fn number(self) -> u8 {
        match self {
            Self::Structure => 1,
            Self::Content => 2,
            Self::Rehearsal => 4,
        }
    }
}

pub(crate) async fn run(args: VerifyArgs, session: &Session) -> Result<Report> {
    let level = choose_level(&args)?;
    let opening = args.open.opening(&session.opening, &args.read);
    let named = (args.against.as_deref(), &args.open);
    let source = against::find(named, &opening, &args.repository, session)?;
    let attester = args.attest.attester(session)?;
    let repository = attester.of(session.repository(&args.repository).await?)?;
    let options = VerifyOptions {
        level: if level == Level::Structure { VerifyLevel::Structure } else { VerifyLevel::Content },
        subset: args.subset,
        workers: args.read.workers(),
        limits: args.read.limits(),
        progress: session.progress.clone(),
    };
    State::of(session, &args.repository).check(&repository).await?;
    if args.all {
        return verify_all::run(&repository, &options, &attester, args.expect_sequence).await;
    }
    let dump = repository::find(&repository, &args.dump).await?;
    repository::check_sequence(&repository, &dump, args.expect_sequence).await?;
    if source.is_some() || level == Level::Rehearsal {
        // Before hours are spent on what cannot be compared.
        dump.inventory()?;
    }
    let verified = repository.verify(&dump, &options).await?;
    if level == Level::Rehearsal {
        rehearse(&repository, &dump, &args.read, session.progress.clone()).await?;
    }
    let signed = repository.signed(dump.id).await?;
    let mut report = describe(level, &dump, &verified, signed);
    report.field("subset", args.subset.map(|subset| subset.to_string()));
    if let Some(source) = &source {
        let progress = session.progress.clone();
        let options = DigestOptions { workers: args.read.workers(), limits: args.read.limits(), progress };
        let digest = compare(source, &opening, &dump, &options).await?;
        report.field("digest", digest);
        report.field("against", source.to_string());
        report.line("against", format_args!("{source} holds the same"));
    }
    attester.attest(&mut report, &repository, &[proof(level, &dump, &verified)]).await;
    Ok(report.timed())
}

/// Returns what was proven of a dump.
fn proof(level: Level, dump: &Dump, verified: &VerifyReport) -> Proof {
    let digest = verified.digest.as_ref().map(|state| state.digest());
    let proven = match (level, digest) {
        (Level::Rehearsal, Some(_)) => Proven::Restored,
        (_, Some(_)) => Proven::Content,
        (_, None) => Proven::Structure,
    };
    attested::proof(proven, [(dump.id, digest)])
}

fn choose_level(args: &VerifyArgs) -> Result<Level> {
    let level = match (args.level, &args.against, args.subset) {
        (Some(level), ..) => level,
        (None, Some(_), None) => Level::Structure,
        (None, ..) => Level::Content,
    };
    if args.subset.is_some() && level != Level::Content {
        let text = format!("--subset goes with --level 2, not with --level {}", level.number());
        return Err(Problem::Usage(text).into());
    }
    if args.all && level == Level::Rehearsal {
        let text = "--level 4 restores one dump into memory, so it does not go with --all".to_owned();
        return Err(Problem::Usage(text).into());
    }
    Ok(level)
}

/// Restores into memory, and reads that back.
async fn rehearse(repository: &Repository, dump: &Dump, read: &ReadArgs, progress: Progress) -> Result<()> {
    let options = RestoreOptions {
        workers: read.workers(),
        limits: read.limits(),
        progress,
        ..RestoreOptions::default()
    };
    let target = backup_memory::MemoryNamespace::new(&dump.manifest.namespace);
    repository.restore(dump, &target, &options).await?;
    Ok(())
}

/// Compares a namespace with a dump; returns the digest of the namespace.
async fn compare(source: &Source, opening: &Opening, dump: &Dump, options: &DigestOptions) -> Result<Digest> {
    let opened = source.open_compared(&dump.manifest, opening).await?;
    let found = backup_repository::digest(&opened, options).await?;
    let inventory = dump.inventory()?;
    let expected = inventory.digest_state();
    if found.state == expected {
        return Ok(found.state.digest());
    }
    Err(Problem::from(Difference {
        what: format!(
            "{source} (layout {}; the dump is in {})",
            opened.source().layout,
            dump.manifest.source.layout
        ),
        expected: Side { state: expected, contents: inventory.contents.clone() },
        found: Side { state: found.state, contents: found.contents },
    })
    .into())
}

fn describe(level: Level, dump: &Dump, verified: &VerifyReport, signed: Signed) -> Report {
    let mut report = Report::default();
    report::add_dump(&mut report, dump.id, &dump.manifest);
    report::add_signed(&mut report, signed);
    report.field("level", level.number());
    report.field("pages_checked", verified.pages);
    report.field("packs_read", verified.packs_read);
    report.field("segments_read", verified.segments_read);
    report.field("digest_recomputed", verified.digest.is_some());
    if let Some(state) = &verified.digest {
        report.field("digest", state.digest());
    }
    let pages = count(verified.pages, "page");
    report.line("structure", format_args!("good: {pages}, and all segments are there"));
    report.field("content_checked", level != Level::Structure && !verified.is_sealed);
    if verified.is_sealed && level != Level::Structure {
        let packs = count(verified.packs_read, "pack");
        report.line("packs", format_args!("good: {packs} are what their names say"));
        report.line("content", "not checked: it is sealed, and --identity names nothing that opens it");
    } else if level != Level::Structure {
        let (packs, segments) =
            (count(verified.packs_read, "pack"), count(verified.segments_read, "segment"));
        let digest = if verified.digest.is_some() { "; the digest is right" } else { " of this part" };
        report.line("content", format_args!("good: {packs}, {segments}{digest}"));
    }
    if level == Level::Rehearsal {
        report.line("rehearsal", "good: restored into memory, the digest is right");
    }
    report
}
