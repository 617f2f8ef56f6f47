//! `list`: the dumps of a repository.

use anyhow::Result;
use backup_console::{Problem, Report, RepositoryLocation, Session, bytes, count};
use backup_repository::{Dump, Dumps};
use clap::Args;
use indicatif::HumanCount;
use serde_json::{Value, json};

use crate::report::{self, full_text};
use crate::table;

/// List the dumps of a repository, the newest of each namespace last
///
/// The order is that of their sequence, which does not rest on clocks. A dump that claims to be of the future is marked.
/// Damaged manifests are listed as such, and make the exit code 3; those of a later version make it 4.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  kvbackup list /backup/validator")]
pub(crate) struct ListArgs {
    /// The repository: a directory or a URL
    repository: RepositoryLocation,
}

/// Digits of an id in the table; `--dump` takes them.
const ID_DIGITS: usize = 12;

pub(crate) async fn run(args: ListArgs, session: &Session) -> Result<Report> {
    let repository = session.repository(&args.repository).await?;
    let dumps = repository.dumps().await?;
    let mut report = Report::default();
    report.field("dumps", dumps.good.iter().map(|dump| as_json(dump, &dumps)).collect::<Vec<_>>());
    for (name, list) in [("damaged", &dumps.damaged), ("unsupported", &dumps.unsupported)] {
        let list = list.iter().map(|(id, error)| json!({ "dump": id, "error": full_text(error) }));
        report.field(name, list.collect::<Vec<_>>());
    }
    let is_empty = dumps.good.is_empty() && dumps.damaged.is_empty() && dumps.unsupported.is_empty();
    if is_empty {
        let (packs, pack_bytes) = repository.packs().await?;
        report.field("packs", packs);
        report.field("pack_bytes", pack_bytes);
        report.text(&no_dumps(packs, pack_bytes));
    } else {
        report.text(&table(&dumps));
    }
    report.failure = failure(&dumps, &args.repository);
    Ok(report)
}

/// Says what is wrong with the manifests: first of all that some are damaged.
fn failure(dumps: &Dumps, repository: &RepositoryLocation) -> Option<Problem> {
    let manifests =
        |number: usize| format!("{} of repository {repository}", count(number as u64, "manifest"));
    match (dumps.damaged.len(), dumps.unsupported.len()) {
        (0, 0) => None,
        (0, number) => Some(Problem::Refused(format!(
            "{} cannot be read by this version of the program; use a newer one",
            manifests(number)
        ))),
        (number, _) => Some(Problem::Damage(format!(
            "{} cannot be used; restore the files from a copy of the repository",
            manifests(number)
        ))),
    }
}

fn as_json(dump: &Dump, dumps: &Dumps) -> Value {
    let mut fields = report::dump_as_json(dump);
    // Those of earlier programs have none.
    fields["sequence"] = json!(dump.manifest.sequence);
    fields["previous"] = json!(dump.manifest.previous);
    fields["future"] = json!(dumps.future.contains(&dump.id));
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

fn table(dumps: &Dumps) -> String {
    let header = [
        "dump",
        "seq",
        "finished",
        "namespace",
        "engine",
        "layout",
        "consistency",
        "origin",
        "entries",
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
            HumanCount(manifest.entries).to_string(),
            bytes(manifest.plain_bytes),
        ]
    });
    let mut text = table::table(std::iter::once(header.map(str::to_owned)).chain(rows).collect(), 0, 8);
    for dump in dumps.good.iter().filter(|dump| dumps.future.contains(&dump.id)) {
        text += &format!(
            "{:.ID_DIGITS$}  FUTURE: it says that it was finished after now; a clock was wrong, and dumps made since then \
             come after it all the same\n",
            dump.id
        );
    }
    for (title, list) in [("DAMAGED", &dumps.damaged), ("UNSUPPORTED", &dumps.unsupported)] {
        for (id, error) in list {
            text += &format!("{id:.ID_DIGITS$}  {title}: {}\n", full_text(error));
        }
    }
    text
}

/// Writes a place in the order; dumps of earlier programs have none.
fn sequence(number: u64) -> String {
    if number == 0 { "-".to_owned() } else { number.to_string() }
}
