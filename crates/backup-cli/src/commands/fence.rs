//! `fence`: keeps a validator that lost its state from signing twice.

use std::ffi::OsString;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use backup_console::{Problem, ReadArgs, Report, Session, SourceArgs, count};
use backup_fence::{Basis, ChainId, FenceError, Survey, Thawed};
use backup_format::AmendTarget;
use backup_sources::SourceError;
use clap::{Args, Subcommand};
use serde_json::json;

/// What holds of a fence that rests on no survey.
const CONDITIONAL: &str = "conditional: this protects only if no client keeps the certificate of a chain's next block from \
                           all other validators; nobody was asked";

/// Keep a validator that lost its state from signing twice
///
/// A database that was restored, or that lost its last writes, does not know all that was signed with the validator's key.
/// A fence is one row for each chain. With it linera refuses to vote at the chain's next height, and votes again
/// after the other validators have confirmed that block. docs/KEY-SAFETY.md says when this is enough.
#[derive(Args, Debug)]
pub(crate) struct FenceArgs {
    #[command(subcommand)]
    command: FenceCommand,
}

#[derive(Debug, Subcommand)]
enum FenceCommand {
    Raise(RaiseArgs),
    Status(StatusArgs),
    Thaw(ThawArgs),
}

/// Fence every chain at its next height
///
/// First the old instance is stopped for good. Then the validator catches up without its key, and is stopped. Then this is
/// run, and only then it starts with its key. The order matters: each block that it applies removes the fence of its
/// chain.
///
/// All chains are checked before anything is written. A chain that stands elsewhere than in the survey, has no state, or
/// rows that are not what they should be refuses the whole (exit code 4). A second run writes nothing; one after an
/// interruption does the rest. Chains that the survey calls open are frozen: the validator refuses everything there.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  kvbackup fence raise rocksdb:/var/lib/linera/validator_0 --survey survey.jsonl
  kvbackup fence raise rocksdb:/var/lib/linera/validator_0 --without-survey --dry-run")]
struct RaiseArgs {
    /// The namespace, like rocksdb:DIR/NAMESPACE or scylla://HOST/KEYSPACE/TABLE; nothing may have it open
    source: OsString,
    /// What the other validators know of the chains, as JSON lines
    #[arg(long, value_name = "FILE", required_unless_present = "without_survey")]
    survey: Option<PathBuf>,
    /// Fence each chain where it stands, and ask nobody: for power failures, with clients that are honest
    #[arg(long, conflicts_with = "survey")]
    without_survey: bool,
    /// Leave chains without a state as they are, and do not fence them: there it may vote at height 0
    ///
    /// A chain that only received messages has no state, and no row can keep linera from voting there. Better let the
    /// validator load it without its key first.
    #[arg(long, requires = "without_survey", conflicts_with = "survey")]
    leave_without_state: bool,
    /// Check everything, and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    open: SourceArgs,
    #[command(flatten)]
    read: ReadArgs,
}

/// Show which chains are fenced; fails with code 4 if one is not
///
/// Works beside a validator that is running. With the survey by which the fence was raised, chains that stand above it
/// count as passed. Without it such a chain looks like one that never had a fence, and counts as bare.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  kvbackup fence status rocksdb:/var/lib/linera/validator_0 --survey survey.jsonl")]
struct StatusArgs {
    /// The namespace, like rocksdb:DIR/NAMESPACE or scylla://HOST/KEYSPACE/TABLE
    source: OsString,
    /// The survey by which the fence was raised
    #[arg(long, value_name = "FILE")]
    survey: Option<PathBuf>,
    #[command(flatten)]
    open: SourceArgs,
    #[command(flatten)]
    read: ReadArgs,
}

/// Thaw a frozen chain that a new survey calls clean
///
/// The chain gets its seed back, and its fence with it. If the survey knows later blocks of it, the validator must apply
/// these without its key, and the fence must be raised again, before it starts with its key.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  kvbackup fence thaw rocksdb:/var/lib/linera/validator_0 --chain 1ee553fa.. --survey survey.jsonl")]
struct ThawArgs {
    /// The namespace, like rocksdb:DIR/NAMESPACE or scylla://HOST/KEYSPACE/TABLE; nothing may have it open
    source: OsString,
    /// The chain: 64 hex digits
    #[arg(long, value_name = "ID", value_parser = parse_chain)]
    chain: ChainId,
    /// A survey that was made after the chain was frozen
    #[arg(long, value_name = "FILE")]
    survey: PathBuf,
    /// Check everything, and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    open: SourceArgs,
    #[command(flatten)]
    read: ReadArgs,
}

fn parse_chain(text: &str) -> Result<ChainId, String> {
    text.parse().map_err(|error: FenceError| error.to_string())
}

pub(crate) async fn run(args: FenceArgs, session: &Session) -> Result<Report> {
    match args.command {
        FenceCommand::Raise(args) => raise(args, session).await,
        FenceCommand::Status(args) => status(args, session).await,
        FenceCommand::Thaw(args) => thaw(args, session).await,
    }
}

async fn target(
    source: &OsString,
    open: &SourceArgs,
    read: &ReadArgs,
    session: &Session,
) -> Result<Box<dyn AmendTarget>> {
    Ok(session.source(source)?.amend(&open.opening(&session.opening, read)).await?)
}

fn read_survey(path: &Path) -> Result<Survey> {
    let opening = || format!("opening the survey {}", path.display());
    let file = File::open(path).with_context(opening)?;
    Survey::read(BufReader::new(file)).with_context(|| format!("the survey {}", path.display()))
}

async fn raise(args: RaiseArgs, session: &Session) -> Result<Report> {
    let survey = args.survey.as_deref().map(read_survey).transpose()?;
    let basis = match &survey {
        Some(survey) => Basis::Survey(survey),
        None if args.leave_without_state => Basis::WithoutSurveyOrStates,
        None => Basis::WithoutSurvey,
    };
    let target = target(&args.source, &args.open, &args.read, session).await?;
    let found = if args.dry_run {
        // A lookup disturbs nobody, and needs no lock.
        backup_fence::rehearse(&*target.look().await?, basis).await?
    } else {
        backup_fence::raise(&*target.amend().await?, basis).await?
    };
    let mut report = Report::default();
    describe(&mut report, target.name(), &found);
    report.field("written", found.written);
    report.field("dry_run", args.dry_run);
    let written = count(found.written, "chain");
    report.line(
        "written",
        if args.dry_run { format!("nothing (dry run); {written} to write") } else { written },
    );
    if found.conditional {
        let caution = match found.without_state {
            0 => CONDITIONAL.to_owned(),
            some => format!(
                "{CONDITIONAL}; and {} without a state {} not fenced: there it may vote at height 0",
                count(some, "chain"),
                if some == 1 { "is" } else { "are" }
            ),
        };
        report.line("caution", &caution);
        report.field("caution", caution);
    }
    if let Some(survey) = &survey {
        report.field("validator", &survey.validator);
        report.line("validator", &survey.validator);
        report.line("statement", &survey.old_instance);
    }
    Ok(report.timed())
}

/// Returns the counts of chains, each with its name and its label.
fn counts(found: &backup_fence::Report) -> [(&'static str, &'static str, u64); 7] {
    [
        ("chains", "chains", found.chains),
        ("fenced", "fenced", found.fenced),
        ("passed", "passed", found.passed),
        ("frozen", "frozen", found.frozen),
        ("without_state", "no state", found.without_state),
        ("bare", "not fenced", found.bare),
        ("refused", "refused", found.refused),
    ]
}

/// Adds to the report of a namespace whether its chains are fenced. Those of other layouts, and what cannot be looked up, are passed over.
pub(super) async fn add_standing(report: &mut Report, target: Result<Box<dyn AmendTarget>, SourceError>) {
    let found = async {
        let lookup = target.ok()?.look().await.ok()?;
        backup_fence::status(&*lookup, None).await.ok()
    };
    let found = found.await;
    if let Some(found) = &found {
        report.line("fence", found.summary());
    }
    let counts = found.map(|found| {
        let counts = counts(&found).into_iter().map(|(name, _, number)| (name.to_owned(), json!(number)));
        counts.collect::<serde_json::Map<_, _>>()
    });
    report.field("fence", counts);
}

fn describe(report: &mut Report, namespace: &str, found: &backup_fence::Report) {
    report.field("namespace", namespace);
    report.line("namespace", namespace);
    report.field("conditional", found.conditional);
    for (name, label, number) in counts(found) {
        report.field(name, number);
        if number > 0 || name == "chains" || name == "fenced" {
            report.line(label, number);
        }
    }
    let problems: Vec<_> = found.problems.iter().map(|(chain, problem)| {
        json!({ "chain": chain.to_string(), "problem": problem.name(), "text": problem.to_string() })
    }).collect();
    report.field("problems", problems);
    for (chain, problem) in &found.problems {
        report.line("chain", format_args!("{chain}: {problem}"));
    }
}

async fn status(args: StatusArgs, session: &Session) -> Result<Report> {
    let survey = args.survey.as_deref().map(read_survey).transpose()?;
    let target = target(&args.source, &args.open, &args.read, session).await?;
    let found = backup_fence::status(&*target.look().await?, survey.as_ref()).await?;
    let mut report = Report::default();
    describe(&mut report, target.name(), &found);
    if !found.is_closed() {
        let open = count(found.bare + found.refused, "chain");
        report.failure = Some(Problem::Refused(format!(
            "not fenced: {open} of {}; do not start a validator with its own key on it before `kvbackup fence raise`",
            found.chains
        )));
    }
    Ok(report.timed())
}

async fn thaw(args: ThawArgs, session: &Session) -> Result<Report> {
    let survey = read_survey(&args.survey)?;
    let target = target(&args.source, &args.open, &args.read, session).await?;
    let thawed = if args.dry_run {
        backup_fence::rehearse_thaw(&*target.look().await?, &survey, args.chain).await?
    } else {
        backup_fence::thaw(&*target.amend().await?, &survey, args.chain).await?
    };
    let mut report = Report::default();
    report.field("namespace", target.name());
    report.field("chain", args.chain.to_string());
    report.field("dry_run", args.dry_run);
    report.line("chain", args.chain);
    let (next_height, behind) = match thawed {
        Thawed::Fenced { next_height } => (next_height, None),
        Thawed::Behind { expected, found } => (found, Some(expected)),
        other => anyhow::bail!("thawing chain {}: unknown outcome {other:?}", args.chain),
    };
    report.field("next_height", next_height);
    report.field("expected_height", behind.unwrap_or(next_height));
    report.line("next height", next_height);
    if let Some(expected) = behind {
        let caution = format!(
            "the survey knows next height {expected}: let the validator apply the missing blocks without its key, then \
             raise the fence again, before it starts with its key"
        );
        report.field("caution", &caution);
        report.line("caution", caution);
    }
    Ok(report.timed())
}
