//! `restore`: from a repository to a namespace.

use std::ffi::OsString;
use std::fmt;

use anyhow::Result;
use backup_console::{
    DumpArgs, LayoutArgs, Places, Problem, ReadArgs, Report, RepositoryLocation, Session, count,
};
use backup_repository::{Claim, RestoreOptions, RestoreReport};
use backup_sources::Target;
use clap::Args;

use crate::outcome::Run;
use crate::owner::{Owner, Transfer};
use crate::report;
use crate::repository;
use crate::require::RequireArgs;
use crate::scenario::{CAUTION, ForKey, Scenario};
use crate::state::State;
use crate::textfile::RecordArgs;

/// Restore a dump into a namespace that is empty, or half restored from the same dump
///
/// All objects are known to be there before the first entry is written, and each is checked before it is used. In the end
/// the digest is computed from what the target holds. Only then does the namespace get its name. A restore that was
/// interrupted resumes when the same command runs again.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  kvbackup restore /backup/validator rocksdb:/var/lib/copy/validator_0
  kvbackup restore /backup/validator rocksdb:/var/lib/copy/validator_0 --dump 3f2a0c11 --dry-run
  kvbackup restore /backup/validator rocksdb:/var/lib/copy/validator_0 --for-key none
  kvbackup restore /backup/validator rocksdb:/var/lib/copy/validator_0 --trust keys.pub --require verified,boot-proven
  kvbackup restore /backup/validator rocksdb:/new/validator_0 --for-key 02ab...     the dump of `backup --last`, once
  kvbackup restore /backup/validator scylla://backup@db1,db2/kv/validator_0 --password-file /run/secrets/cql
  kvbackup restore /backup/validator memory:          a rehearsal, which needs memory for all entries")]
pub(crate) struct RestoreArgs {
    /// The repository: a directory or a URL
    repository: RepositoryLocation,
    /// The namespace, like rocksdb:DIR/NAMESPACE, scylla://HOST/KEYSPACE/TABLE, or memory: for a rehearsal
    target: OsString,
    #[command(flatten)]
    dump: DumpArgs,
    /// The public key of the validator that will run on the target, or none for one without a key. A key that is, or may
    /// be, that of the validator that the dump comes from is refused: it could sign twice. A last dump (`backup --last`) is restored for it, once
    #[arg(long, value_name = "PUBLIC_KEY|none")]
    for_key: Option<ForKey>,
    /// Restore for the validator's own key all the same; docs/KEY-SAFETY.md says what must be done before it signs
    #[arg(long, requires = "for_key")]
    accept_stale_own_key: bool,
    /// Who shall own the restored directory, like validator:validator or 1000:1000 [default for root: the owner of the directory above]
    #[arg(long, value_name = "USER:GROUP")]
    chown: Option<Owner>,
    /// Refuse (code 3) if the newest dump of the namespace has a smaller sequence than this: who remembers it notices when the end was taken away
    #[arg(long, value_name = "N")]
    expect_sequence: Option<u64>,
    #[command(flatten)]
    require: RequireArgs,
    /// Check that the dump is whole and the target free, and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    layout: LayoutArgs,
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    record: RecordArgs,
}

impl RestoreArgs {
    pub(crate) fn recorded(&self) -> Run<'_> {
        Run {
            command: "restore",
            record: &self.record,
            repository: &self.repository,
            source: None,
            target: Some(&self.target),
            dry_run: self.dry_run,
        }
    }
}

pub(crate) async fn run(args: RestoreArgs, session: &Session) -> Result<Report> {
    let target = session.target(&args.target)?;
    Places::default().with_target(&target)?.with_repository(&args.repository)?.check()?;
    args.require.check_trust(session)?;
    let repository = session.repository(&args.repository).await?;
    let dump = repository::find(&repository, &args.dump).await?;
    repository::check_sequence(&repository, &dump, args.expect_sequence).await?;
    State::of(session, &args.repository).check(&repository).await?;
    args.require.check(&repository, &dump, &args.repository).await?;
    let scenario = args
        .for_key
        .as_ref()
        .map(|key| Scenario::of(key, dump.manifest.source.origin.as_deref(), dump.manifest.last));
    if let Some(danger) = scenario.and_then(Scenario::danger).filter(|_| !args.accept_stale_own_key) {
        return Err(Problem::Refused(format!(
            "restoring for this key is refused: {danger}. Restore with --for-key none, start the validator without a \
             key and let it catch up. Then `kvbackup fence raise TARGET --survey FILE` makes it unable to sign twice, and \
             `kvbackup fence status TARGET` shows that; docs/KEY-SAFETY.md says the rest"
        ))
        .into());
    }
    let opening = args.layout.opening(&session.opening, &args.read);
    let opened = target.open(&dump.manifest, &opening).await?;
    let options = RestoreOptions {
        workers: args.read.workers(),
        limits: args.read.limits(),
        claim: claim(&args, scenario, &target),
        dry_run: args.dry_run,
        progress: session.progress.clone(),
    };
    let transfers = plan_owner(&target, args.chown)?;
    let restored = repository.restore(&dump, &*opened, &options).await?;

    let layout = target.layout(&dump.manifest, &opening)?;
    let mut report = Report::default();
    report::add_dump(&mut report, dump.id, &dump.manifest);
    report.field("target", target.to_string());
    report.field("target_layout", layout.name());
    report.field("dry_run", args.dry_run);
    args.require.describe(&mut report);
    describe(&mut report, &restored, format_args!("{target}, layout {layout}"));
    for transfer in transfers {
        give(&mut report, &transfer, args.dry_run)?;
    }
    warn(&mut report, scenario, restored.restored.is_some() && target.is_kept());
    Ok(report.timed())
}

/// Says who restores a last dump for its validator's key. A rehearsal claims nothing, nor does who accepts the danger.
fn claim(args: &RestoreArgs, scenario: Option<Scenario>, target: &Target) -> Option<Claim> {
    match (&args.for_key, scenario) {
        (Some(ForKey::Public(key)), Some(Scenario::LastOwnKey))
            if target.is_kept() && !args.accept_stale_own_key =>
        {
            Some(Claim { key: key.clone(), target: target.to_string() })
        }
        _ => None,
    }
}

/// Decides who shall own what is restored.
fn plan_owner(target: &Target, named: Option<Owner>) -> Result<Vec<Transfer>> {
    let directories = target.directories();
    if named.is_some() && directories.is_empty() {
        let text = format!("--chown is for targets in a directory, and {target} is none");
        return Err(Problem::Usage(text).into());
    }
    let plans = directories.iter().map(|directory| Transfer::plan(directory, named));
    plans.filter_map(Result::transpose).collect()
}

/// Gives what was restored to its owner, and says so.
fn give(report: &mut Report, transfer: &Transfer, dry_run: bool) -> Result<()> {
    let Transfer { owner, like, .. } = transfer;
    if !dry_run {
        transfer.run()?;
    }
    report.field("owner", owner.to_string());
    match like {
        Some(like) => report.line(
            "owner",
            format_args!("{owner}, like {}; --chown USER:GROUP names another", like.display()),
        ),
        None => report.line("owner", owner),
    }
    Ok(())
}

/// Reports what was written, or would be.
fn describe(report: &mut Report, restored: &RestoreReport, target: impl fmt::Display) {
    report.field("pages_resumed", restored.pages_resumed);
    match &restored.restored {
        Some(state) => {
            report.field("digest", state.digest());
            report.line("restored to", target);
            report.line("read back", "the digest of the target is that of the dump");
        }
        None => report.line("would write", format_args!("to {target}; nothing was written")),
    }
    if restored.pages_resumed > 0 {
        let pages = count(restored.pages_resumed, "page");
        report.line("resumed", format_args!("{pages} had been written by an earlier run"));
    }
}

/// Says what the key of the restored validator means, or that nobody said which it is.
fn warn(report: &mut Report, scenario: Option<Scenario>, is_kept: bool) {
    if let Some(scenario) = scenario {
        report.field("scenario", scenario);
        report.line("scenario", scenario);
    } else if is_kept {
        report.field("caution", CAUTION);
        report.line("caution", format_args!("{CAUTION}, and say --for-key"));
    }
}
