//! `list`: the dumps of a repository.

use anyhow::Result;
use backup_console::{Problem, Report, RepositoryLocation, Session, bytes, count};
use backup_repository::{Attestations, Dump, Dumps, RepositoryError, Signed};
use clap::Args;
use indicatif::HumanCount;
use serde_json::{Value, json};

use crate::attested;
use crate::fresh::FreshArgs;
use crate::keep_args::parse_annotation;
use crate::list_filter::{ListFilter, Since, predecessor};
use crate::origin;
use crate::report::{self, full_text};
use crate::state::State;
use crate::table;

/// List the dumps of a repository, the newest of each namespace last
///
/// The order is that of their sequence, which does not rest on clocks. A dump that claims to be of the future is marked.
/// Damaged manifests are listed as such, and make the exit code 3; those of a later version make it 4. So do dumps that
/// are not signed by a trusted key, where keys are trusted. A dump that others came after, and that is neither there nor known
/// to be forgotten, makes it 3.
///
/// Options choose which dumps are shown. What is checked does not depend on them, but for --namespace: --max-age and
/// --expect-sequence then are about that namespace alone. Column `change` has the entries that a dump holds more, or fewer, than the one that
/// it follows; `kvbackup diff` says which. Columns `verified` and `boot-proven` say when that was last attested, with a question mark where no
/// trusted key signed it.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  kvbackup list /backup/validator
  kvbackup list /backup/validator --latest 5 --since 14d
  kvbackup list /backup/validator --annotation release --json | jq -r '.dumps[].dump'
  kvbackup list /backup/validator --trust node.key.pub --max-age 36h --expect-sequence 212")]
pub(crate) struct ListArgs {
    /// The repository: a directory or a URL
    repository: RepositoryLocation,
    #[command(flatten)]
    fresh: FreshArgs,
    /// Only dumps of this namespace
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// Only dumps that say that they are of this validator
    #[arg(long, value_name = "VALIDATOR_PUBLIC_KEY", value_parser = origin::parse)]
    origin: Option<String>,
    /// Only dumps with this annotation; may be repeated, and then all of them are needed
    #[arg(long, value_name = "NAME[=VALUE]", value_parser = parse_annotation)]
    annotation: Vec<(String, Option<String>)>,
    /// Only dumps that were finished since then: a time like 36h, 14d, 8w, 1y, or a moment in UTC like 2026-01-31 or 2026-01-31T04:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,
    /// Only the newest N dumps of each namespace, of those that are left
    #[arg(long, value_name = "N")]
    latest: Option<usize>,
}

/// Digits of an id in the table; `--dump` takes them.
const ID_DIGITS: usize = 12;

pub(crate) async fn run(args: ListArgs, session: &Session) -> Result<Report> {
    let repository = session.repository(&args.repository).await?;
    let mut dumps = repository.dumps().await?;
    let missing = repository.missing(&dumps).await?;
    let (all, has_dumps) = (dumps.good.clone(), !dumps.good.is_empty());
    let remembered = State::of(session, &args.repository).check_dumps(&repository, &dumps);
    if let Some(namespace) = &args.namespace {
        dumps.good.retain(|dump| dump.manifest.namespace == *namespace);
    }
    let stale = args.fresh.stale(&dumps, args.namespace.as_deref());
    let state = remembered.err().map(anyhow::Error::downcast::<Problem>).transpose()?;
    args.filter().apply(&mut dumps.good);
    let attestations = repository.attestations(&dumps.good).await?;
    let known = Known { dumps: &dumps, all: &all, attestations: &attestations };
    let mut report = Report::default();
    report.field("dumps", dumps.good.iter().map(|dump| as_json(dump, &known)).collect::<Vec<_>>());
    report.field("attestations_ignored", attestations.ignored());
    let lists =
        [("damaged", &dumps.damaged), ("unsupported", &dumps.unsupported), ("untrusted", &dumps.untrusted)];
    for (name, list) in lists {
        let list = list.iter().map(|(id, error)| json!({ "dump": id, "error": full_text(error) }));
        report.field(name, list.collect::<Vec<_>>());
    }
    report.field("missing", missing.iter().map(full_text).collect::<Vec<_>>());
    let is_empty = !has_dumps && lists.iter().all(|(_, list)| list.is_empty());
    if is_empty {
        let (packs, pack_bytes) = repository.packs().await?;
        report.field("packs", packs);
        report.field("pack_bytes", pack_bytes);
        report.text(&no_dumps(packs, pack_bytes));
    } else {
        report.text(&table(&known));
    }
    missing.iter().for_each(|error| report.text(&format!("MISSING: {}\n", full_text(error))));
    report.failure = failure(&dumps, &args.repository, missing.into_iter().chain(stale)).or(state);
    Ok(report)
}

impl ListArgs {
    fn filter(&self) -> ListFilter<'_> {
        ListFilter {
            origin: self.origin.as_deref(),
            annotations: &self.annotation,
            since: self.since.as_ref(),
            latest: self.latest,
        }
    }
}

/// Says what is wrong: first of all that manifests are damaged or dumps are missing.
pub(super) fn failure(
    dumps: &Dumps,
    repository: &RepositoryLocation,
    mut missing: impl Iterator<Item = RepositoryError>,
) -> Option<Problem> {
    let manifests =
        |number: usize| format!("{} of repository {repository}", count(number as u64, "manifest"));
    if !dumps.damaged.is_empty() {
        let manifests = manifests(dumps.damaged.len());
        let text = format!("{manifests} cannot be used; restore the files from a copy of the repository");
        return Some(Problem::Damage(text));
    }
    if let Some(error) = missing.next() {
        return Some(Problem::Damage(full_text(&error)));
    }
    if !dumps.unsupported.is_empty() {
        let manifests = manifests(dumps.unsupported.len());
        let text = format!("{manifests} cannot be read by this version of the program; use a newer one");
        return Some(Problem::Refused(text));
    }
    let (_, error) = dumps.untrusted.first()?;
    Some(Problem::Refused(format!(
        "{} not signed by a trusted key, the first: {}",
        manifests(dumps.untrusted.len()),
        full_text(error)
    )))
}

/// What is known of the dumps that are shown.
struct Known<'a> {
    dumps: &'a Dumps,
    /// Those that are not shown, too.
    all: &'a [Dump],
    attestations: &'a Attestations,
}

fn as_json(dump: &Dump, known: &Known<'_>) -> Value {
    let Known { dumps, all, attestations } = *known;
    let mut fields = report::dump_as_json(dump);
    // Those of earlier programs have none.
    fields["sequence"] = json!(dump.manifest.sequence);
    fields["previous"] = json!(dump.manifest.previous);
    if let Some(signed) = dumps.signed.get(&dump.id) {
        fields["signed_by"] = json!(report::signed_by(*signed));
        fields["signature"] = json!(report::signature(*signed));
    }
    for (name, attested) in attested::fields(attestations, dump.id) {
        fields[name] = attested;
    }
    fields["future"] = json!(dumps.future.contains(&dump.id));
    fields["since"] = predecessor(dump, all).map_or(Value::Null, |previous| {
        let change = |now: u64, before: u64| i128::from(now) - i128::from(before);
        let (now, before) = (&dump.manifest, &previous.manifest);
        let mut since = json!({
            "dump": previous.id,
            "plain_bytes": change(now.plain_bytes, before.plain_bytes) as i64,
        });
        if let (Some(now), Some(before)) = (&now.inventory, &before.inventory) {
            since["entries"] = json!(change(now.entries, before.entries) as i64);
            since["partitions"] = json!(change(now.partitions, before.partitions) as i64);
        }
        since
    });
    fields
}

/// Says what is there where no dump is.
fn no_dumps(packs: u64, pack_bytes: u64) -> String {
    if packs == 0 {
        return "no dumps\n".to_owned();
    }
    let (packs, bytes) = (count(packs, "pack"), bytes(pack_bytes));
    format!(
        "no dumps; {packs}, {bytes} of an unfinished backup are kept: run the backup again, and it uses them\n"
    )
}

fn table(known: &Known<'_>) -> String {
    let Known { dumps, all, attestations } = *known;
    let header = [
        "dump",
        "seq",
        "finished",
        "namespace",
        "engine",
        "layout",
        "consistency",
        "origin",
        "signed by",
        "verified",
        "boot-proven",
        "entries",
        "change",
        "size",
    ];
    let rows = dumps.good.iter().map(|dump| {
        let manifest = &dump.manifest;
        [
            format!("{:.ID_DIGITS$}", dump.id),
            sequence(manifest.sequence),
            manifest.finished.clone(),
            manifest.namespace.clone(),
            manifest.source.engine.clone(),
            manifest.source.layout.clone(),
            manifest.consistency.to_string(),
            manifest
                .source
                .origin
                .as_deref()
                .map_or("-".to_owned(), |origin| format!("{origin:.ID_DIGITS$}")),
            signer(dumps.signed.get(&dump.id).copied()),
            attested::cell(attested::verified(attestations, dump.id)),
            attested::cell(attested::boot_proven(attestations, dump.id)),
            manifest
                .inventory
                .as_ref()
                .map_or("sealed".to_owned(), |inventory| HumanCount(inventory.entries).to_string()),
            predecessor(dump, all).map_or_else(|| "-".to_owned(), |previous| change(dump, previous)),
            bytes(manifest.plain_bytes),
        ]
    });
    let mut text = table::table(std::iter::once(header.map(str::to_owned)).chain(rows).collect(), 0, 11);
    for dump in dumps.good.iter().filter(|dump| dumps.future.contains(&dump.id)) {
        text += &format!(
            "{:.ID_DIGITS$}  FUTURE: it says that it was finished after now; a clock was wrong, and dumps made since then \
             come after it all the same\n",
            dump.id
        );
    }
    for (title, list) in
        [("DAMAGED", &dumps.damaged), ("UNSUPPORTED", &dumps.unsupported), ("REFUSED", &dumps.untrusted)]
    {
        for (id, error) in list {
            text += &format!("{id:.ID_DIGITS$}  {title}: {}\n", full_text(error));
        }
    }
    text
}

/// Names the key that signed a dump, with a question mark where that was not checked.
fn signer(signed: Option<Signed>) -> String {
    match signed {
        Some(Signed::By(key)) => key.to_string(),
        Some(Signed::Unchecked(key)) => format!("{key}?"),
        Some(Signed::Unreadable) => "?".to_owned(),
        _ => "-".to_owned(),
    }
}

/// Says how many entries a dump holds more or fewer than another one.
fn change(dump: &Dump, previous: &Dump) -> String {
    let (Some(now), Some(before)) = (&dump.manifest.inventory, &previous.manifest.inventory) else {
        return "-".to_owned();
    };
    let (now, before) = (now.entries, before.entries);
    let sign = if now < before { '-' } else { '+' };
    format!("{sign}{}", HumanCount(now.abs_diff(before)))
}

/// Writes a place in the order; dumps of earlier programs have none.
fn sequence(number: u64) -> String {
    if number == 0 { "-".to_owned() } else { number.to_string() }
}
