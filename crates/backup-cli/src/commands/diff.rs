//! `diff`: how a dump differs from another one, or from a namespace.

use std::ffi::OsString;

use anyhow::Result;
use backup_console::{Problem, ReadArgs, Report, RepositoryLocation, Session, SourceArgs, count};
use backup_format::ObjectId;
use backup_repository::{CompareReport, Dump, DumpChoice, Repository};
use clap::Args;
use serde_json::{Map, Value, json};

use crate::against;
use crate::diff_lines::{DiffLines, Shown, changes_as_json};
use crate::list_filter::predecessor;
use crate::looking;
use crate::report::to_the_second;

/// Show how a dump differs from another one, or from a namespace
///
/// With two dumps it shows what became of the first one in the second one, and with one dump what became of the dump before it. With --against it
/// shows what is other in a namespace, which is read whole. Without --dump it is the latest dump. Pages and segments that both have are not read, so the
/// difference of a day costs what changed in that day. Entries are compared one by one, and it does not matter where segments end.
///
/// The text sums up by kind of partition, and names the first partitions that differ, in the words of the layout. `+` was added, `-` removed, and
/// `~` changed. With --json each partition is an object on a line, and with --entries each entry too; the last line sums up. The exit code
/// is 0 when nothing differs, and 3 when something does.
///
/// Dumps of RocksDB, of tables, and of files have their entries in other orders. Such dumps cannot be compared entry by entry; this is refused
/// (code 4) unless they are equal.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  kvbackup diff /backup/validator                                   since the dump before the latest
  kvbackup diff /backup/validator --dump 3f2a0c11 --dump 77aa0192 --show 100
  kvbackup diff /backup/validator --against rocksdb:/var/lib/copy/validator_0 --entries
  kvbackup diff /backup/validator --json | jq -r 'select(.kind == \"chain_state\") | .words'")]
pub(crate) struct DiffArgs {
    /// The repository: a directory or a URL
    repository: RepositoryLocation,
    /// A dump: `latest`, or the first 4 to 64 digits of its id; twice for two dumps, the earlier one first [default: latest]
    #[arg(long = "dump", value_name = "ID")]
    dumps: Vec<DumpChoice>,
    /// Compare one dump with this namespace, read in the layout of the dump unless another one is named
    #[arg(long, value_name = "SOURCE")]
    against: Option<OsString>,
    /// Show also each entry that differs
    #[arg(long)]
    entries: bool,
    /// How many partitions, and with --entries how many entries, the text names; --json names all
    #[arg(long, value_name = "N", default_value_t = 20)]
    show: usize,
    #[command(flatten)]
    open: SourceArgs,
    #[command(flatten)]
    read: ReadArgs,
}

pub(crate) async fn run(args: DiffArgs, session: &Session) -> Result<Report> {
    let opening = args.open.opening(&session.opening, &args.read);
    let named = (args.against.as_deref(), &args.open);
    let source = against::find(named, &opening, &args.repository, session)?;
    let repository = session.repository(&args.repository).await?;
    let dumps = choose(&repository, &args, source.is_some()).await?;
    let (before, after) = (dumps.0, dumps.1);
    let options = looking::options(&before.manifest, &args.read, session);
    let shown = Shown { most: args.show, entries: args.entries };
    let changes = DiffLines::new(looking::layout_of(&before.manifest), shown, session.output());
    let (what, compared) = match (&source, &after) {
        (Some(source), _) => {
            let opened = source.open_compared(&before.manifest, &opening).await?;
            (source.to_string(), repository.compare_with(&before, &opened, changes, &options).await?)
        }
        (None, Some(after)) => {
            (format!("dump {:.12}", after.id), repository.compare(&before, after, changes, &options).await?)
        }
        (None, None) => return Err(looking::usage("name two dumps, or one and --against SOURCE")),
    };
    let (found, changes) = compared;
    let sides = (side(&before), after.as_ref().map(side));
    describe(changes, &found, sides, &what, before.id)
}

/// Finds the dumps that are meant: the second one is missing where a namespace is compared.
async fn choose(repository: &Repository, args: &DiffArgs, has_source: bool) -> Result<(Dump, Option<Dump>)> {
    let latest = DumpChoice::default();
    match (args.dumps.as_slice(), has_source) {
        ([], true) => Ok((repository.dump(&latest).await?, None)),
        ([one], true) => Ok((repository.dump(one).await?, None)),
        ([first, second], false) => {
            let (first, second) = (repository.dump(first).await?, repository.dump(second).await?);
            Ok((first, Some(second)))
        }
        ([], false) => with_previous(repository, &latest).await,
        ([one], false) => with_previous(repository, one).await,
        (_, true) => Err(looking::usage("--against compares one dump with a namespace: give one --dump")),
        _ => Err(looking::usage("at most two dumps can be compared: give --dump once or twice")),
    }
}

/// Finds a dump and the one before it.
async fn with_previous(repository: &Repository, choice: &DumpChoice) -> Result<(Dump, Option<Dump>)> {
    let dump = repository.dump(choice).await?;
    let all = repository.dumps().await?.good;
    match predecessor(&dump, &all) {
        Some(previous) => Ok((previous.clone(), Some(dump))),
        None => Err(looking::usage(&format!(
            "no dump is there that dump {:.12} follows; name two with --dump, or a namespace with --against",
            dump.id
        ))),
    }
}

fn side(dump: &Dump) -> Value {
    let manifest = &dump.manifest;
    let inventory = manifest.inventory.as_ref();
    json!({
        "dump": dump.id,
        "namespace": manifest.namespace,
        "finished": to_the_second(&manifest.finished),
        "digest": inventory.map(|inventory| inventory.digest),
        "partitions": inventory.map(|inventory| inventory.partitions),
        "entries": inventory.map(|inventory| inventory.entries),
    })
}

fn describe(
    changes: DiffLines,
    found: &CompareReport,
    (before, after): (Value, Option<Value>),
    what: &str,
    id: ObjectId,
) -> Result<Report> {
    let mut report = Report::default();
    report.field("type", "summary");
    report.field("before", &before);
    report.field("after", after.unwrap_or_else(|| json!({ "source": what })));
    report.field("equal", found.is_equal());
    report.field("by_digest", found.by_digest);
    report.field("partitions", changes_as_json(&found.partitions));
    report.field("entries", changes_as_json(&found.entries));
    report.line("before", format_args!("dump {id:.12}"));
    report.line("after", what);
    changes.finish(&mut report)?;
    looking::add_count(&mut report, &found.count);
    if found.is_equal() {
        let how = if found.by_digest { ": their digests are equal" } else { "" };
        report.line("equal", format_args!("nothing differs{how}"));
        return Ok(report.timed());
    }
    let sum = |count: &backup_repository::ChangeCount| count.added + count.removed + count.changed;
    let (entries, partitions) =
        (count(sum(&found.entries), "entry"), count(sum(&found.partitions), "partition"));
    let text = format!("{what} differs from dump {id:.12} in {entries} of {partitions}");
    report.failure = Some(Problem::Difference { text, fields: Map::new() });
    Ok(report.timed())
}
