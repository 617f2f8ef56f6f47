//! `list`: the dumps of a repository.

use anyhow::Result;
use backup_repository::{Dump, Dumps, RepositoryError};
use clap::Args;
use indicatif::HumanCount;
use serde_json::{Value, json};

use crate::locator::RepositoryLocation;
use crate::problem::Problem;
use crate::report::{self, Report, count};
use crate::repository;

/// List the dumps of a repository, the newest last
///
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

pub(crate) async fn run(args: ListArgs) -> Result<Report> {
    let repository = repository::open(&args.repository).await?;
    let dumps = repository.dumps().await?;
    let mut report = Report::default();
    report.field("dumps", dumps.good.iter().map(as_json).collect::<Vec<_>>());
    for (name, list) in [("damaged", &dumps.damaged), ("unsupported", &dumps.unsupported)] {
        let list = list.iter().map(|(id, error)| json!({ "dump": id, "error": full_text(error) }));
        report.field(name, list.collect::<Vec<_>>());
    }
    report.text(&table(&dumps));
    report.failure = failure(&dumps, &args.repository);
    Ok(report)
}

/// Tells what is wrong with the manifests: first of all that some are damaged.
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

fn as_json(dump: &Dump) -> Value {
    let mut fields = report::manifest_fields(&dump.manifest);
    fields.insert("dump".to_owned(), json!(dump.id));
    Value::Object(fields)
}

fn table(dumps: &Dumps) -> String {
    if dumps.good.is_empty() && dumps.damaged.is_empty() && dumps.unsupported.is_empty() {
        return "no dumps\n".to_owned();
    }
    let header =
        ["dump", "finished", "namespace", "engine", "layout", "consistency", "origin", "entries", "size"];
    let rows = dumps.good.iter().map(|dump| {
        let manifest = &dump.manifest;
        [
            format!("{:.ID_DIGITS$}", dump.id),
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
            report::bytes(manifest.plain_bytes),
        ]
    });
    let mut text = report::table(std::iter::once(header.map(str::to_owned)).chain(rows).collect(), 0, 7);
    for (title, list) in [("DAMAGED", &dumps.damaged), ("UNSUPPORTED", &dumps.unsupported)] {
        for (id, error) in list {
            text += &format!("{id:.ID_DIGITS$}  {title}: {}\n", full_text(error));
        }
    }
    text
}

/// Writes an error with its causes on one line.
fn full_text(error: &RepositoryError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}
