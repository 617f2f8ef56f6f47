//! `get`: entries of one partition of a dump.

use anyhow::Result;
use backup_console::{DumpArgs, Output, Problem, ReadArgs, Report, RepositoryLocation, Session};
use backup_format::show;
use backup_layout::Layout;
use backup_repository::Dump;
use clap::Args;
use serde_json::json;

use crate::looking::{self, HexBytes, Printed, hex_or_none, typed, usage};
use crate::repository;

/// Print the entries of one partition of a dump
///
/// Each line has a key and its value as hex digits; a hyphen stands for none. With --json each entry is an object on a line, and the last
/// line sums up. Only the pages and segments that may hold the partition are read, and with --key those that may hold the entry.
/// An entry that is not there is code 1.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  kvbackup ls  /backup/validator --kind network_description        shows root keys
  kvbackup get /backup/validator --root-key 05
  kvbackup get /backup/validator --root-key 05 --key 77 --raw > description.bcs
  kvbackup get /backup/validator --dump 3f2a0c11 --root-key 05 --json | jq -r 'select(.key == \"77\") | .value'")]
pub(crate) struct GetArgs {
    /// The repository: a directory or a URL
    repository: RepositoryLocation,
    #[command(flatten)]
    dump: DumpArgs,
    /// The root key of the partition, as hex digits
    #[arg(long, value_name = "HEX")]
    root_key: HexBytes,
    /// Only the entry of this key, as hex digits
    #[arg(long, value_name = "HEX")]
    key: Option<HexBytes>,
    /// Write the value as it is, and nothing else; needs --key
    #[arg(long, requires = "key")]
    raw: bool,
    #[command(flatten)]
    read: ReadArgs,
}

/// What was found so far.
struct Found {
    layout: Layout,
    root_key: Vec<u8>,
    raw: bool,
    output: Output,
    printed: Printed,
    entries: u64,
}

pub(crate) async fn run(args: GetArgs, session: &Session) -> Result<Report> {
    if args.raw && session.output().is_json() {
        return Err(usage("--raw writes the value as it is, so it does not go with --json"));
    }
    let repository = session.repository(&args.repository).await?;
    let dump = repository::find(&repository, &args.dump).await?;
    let (HexBytes(root_key), key) = (args.root_key, args.key.map(|HexBytes(key)| key));
    let options = looking::options(&dump.manifest, &args.read, session);
    let layout = looking::layout_of(&dump.manifest);
    let found = Found {
        layout,
        root_key: root_key.clone(),
        raw: args.raw,
        output: session.output(),
        printed: Printed::default(),
        entries: 0,
    };
    let found = (found, Found::take as fn(&mut Found, &[u8], &[u8]));
    let (read, found) = repository.find_entries(&dump, (&root_key, key.as_deref()), &options, found).await?;
    let entries = found.entries;
    found.printed.finish()?;
    if entries == 0 {
        return Err(not_there(&dump, &root_key, key.as_deref()).into());
    }
    let mut report = Report::default();
    if args.raw || !session.output().is_json() {
        return Ok(report);
    }
    report.field("type", "summary");
    report.field("dump", dump.id);
    report.field("kind", layout.kind(&root_key));
    report.field("root_key", hex::encode(&root_key));
    report.field("words", layout.words(&root_key));
    report.field("entries", entries);
    looking::add_count(&mut report, &read);
    Ok(report)
}

fn not_there(dump: &Dump, root_key: &[u8], key: Option<&[u8]>) -> Problem {
    let key = key.map(|key| format!(" key={}", show(key))).unwrap_or_default();
    Problem::Failed(format!(
        "dump {:.12} has no entry of root_key={}{key}; `kvbackup ls` shows its root keys",
        dump.id,
        show(root_key)
    ))
}

impl Found {
    fn take(&mut self, key: &[u8], value: &[u8]) {
        self.entries += 1;
        if !self.printed.is_good() {
            return;
        }
        let printed = if self.raw {
            self.output.bytes(value)
        } else if self.output.is_json() {
            let words = self.layout.key_words(&self.root_key, key);
            let (key, value) = (hex::encode(key), hex::encode(value));
            self.output.object(&typed("entry", json!({ "key": key, "words": words, "value": value })))
        } else {
            self.output.line(&format!("{}  {}", hex_or_none(key), hex_or_none(value)))
        };
        self.printed.note(printed);
    }
}
