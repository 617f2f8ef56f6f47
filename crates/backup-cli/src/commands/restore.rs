//! `restore`: from a repository to a namespace.

use anyhow::Result;
use backup_repository::{Progress, RestoreOptions};
use clap::Args;

use crate::args::{LayoutArgs, ReadArgs};
#[cfg(feature = "scylla")]
use crate::cql::CqlTargetArgs;
use crate::engine::{self, EngineOptions};
use crate::locator::{RepositoryLocation, Target};
use crate::problem::Problem;
use crate::report::{Report, count};
use crate::repository::{self, DumpArgs};
use crate::scenario::{CAUTION, ForKey, Scenario};

/// Restore a dump into a namespace that is empty, or half restored from the same dump
///
/// All objects are known to be there before the first entry is written, each is checked before it is used, and in the end
/// the digest is computed from what the target holds. Only then does the namespace get its name. A restore that was
/// interrupted goes on where it stopped when the same command runs again.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  kvbackup restore /backup/validator rocksdb:/var/lib/copy/validator_0
  kvbackup restore /backup/validator rocksdb:/var/lib/copy/validator_0 --dump 3f2a0c11 --dry-run
  kvbackup restore /backup/validator rocksdb:/var/lib/copy/validator_0 --for-key none
  kvbackup restore /backup/validator scylla://backup@db1,db2/kv/validator_0 --password-file /run/secrets/cql
  kvbackup restore /backup/validator memory:          a rehearsal, which needs memory for all entries")]
pub(crate) struct RestoreArgs {
    /// The repository: a directory or a URL
    repository: RepositoryLocation,
    /// The namespace, like rocksdb:DIR/NAMESPACE, scylla://HOST/KEYSPACE/TABLE, or memory: for a rehearsal
    target: Target,
    #[command(flatten)]
    dump: DumpArgs,
    /// The public key of the validator that will run on the target, or none for one without a key. A key that is, or may
    /// be, that of the validator that the dump comes from is refused: it could sign twice
    #[arg(long, value_name = "PUBLIC_KEY|none")]
    for_key: Option<ForKey>,
    /// Restore for the validator's own key all the same; docs/KEY-SAFETY.md says what must be done before it signs
    #[arg(long, requires = "for_key")]
    accept_stale_own_key: bool,
    /// Check that the dump is whole and the target free, and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    layout: LayoutArgs,
    #[cfg(feature = "scylla")]
    #[command(flatten)]
    cql: CqlTargetArgs,
    #[command(flatten)]
    read: ReadArgs,
}

pub(crate) async fn run(args: RestoreArgs, progress: Progress) -> Result<Report> {
    let repository = repository::open(&args.repository).await?;
    let dump = repository::find(&repository, &args.dump).await?;
    let scenario = args.for_key.as_ref().map(|key| Scenario::of(key, dump.manifest.source.origin.as_deref()));
    if let Some(danger) = scenario.and_then(Scenario::danger).filter(|_| !args.accept_stale_own_key) {
        return Err(Problem::Refused(format!(
            "restoring for this key is refused: {danger}. Restore with --for-key none, start the validator without a \
             key and let it catch up; docs/KEY-SAFETY.md tells the rest"
        ))
        .into());
    }
    let opening = EngineOptions {
        #[cfg(feature = "scylla")]
        cql: args.cql.into(),
        ..args.layout.options(&args.read)
    };
    let target = engine::open_target(&args.target, &dump.manifest, opening)?;
    let options = RestoreOptions {
        workers: args.read.workers,
        limits: args.read.limits(),
        dry_run: args.dry_run,
        progress,
    };
    let restored = repository.restore(&dump, &*target, &options).await?;

    let layout = target.source().layout;
    let mut report = Report::default();
    report.dump(dump.id, &dump.manifest);
    report.field("target", args.target.to_string());
    report.field("target_layout", &layout);
    report.field("pages_resumed", restored.pages_resumed);
    report.field("dry_run", args.dry_run);
    match &restored.restored {
        Some(state) => {
            report.field("digest", state.digest());
            report.line("restored to", format_args!("{}, layout {layout}", args.target));
            report.line("read back", "the digest of the target is that of the dump");
        }
        None => {
            report.line(
                "would write",
                format_args!("to {}, layout {layout}; nothing was written", args.target),
            );
        }
    }
    if restored.pages_resumed > 0 {
        let pages = count(restored.pages_resumed, "page");
        report.line("resumed", format_args!("{pages} had been written by an earlier run"));
    }
    if let Some(scenario) = scenario {
        report.field("scenario", scenario);
        report.line("scenario", scenario);
    } else if restored.restored.is_some() && args.target != Target::Memory {
        report.field("caution", CAUTION);
        report.line("caution", format_args!("{CAUTION}, and say --for-key"));
    }
    Ok(report.timed())
}
