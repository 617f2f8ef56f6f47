//! `ls`: the partitions of a dump.

use anyhow::Result;
use backup_console::{DumpArgs, Output, ReadArgs, Report, RepositoryLocation, Session, bytes, count};
use backup_layout::Layout;
use backup_repository::{PartitionSize, Wanted};
use backup_sources::kinds_of;
use clap::Args;
use serde_json::json;

use crate::looking::{self, HexBytes, Printed, hex_or_none, typed, usage};
use crate::repository;

/// List the partitions of a dump, with their entries and bytes
///
/// Each line has the kind of a partition, its entries, its bytes before compression, and its root key as hex digits, which `kvbackup get` takes.
/// It ends with what the root key means in the layout of the dump. With --json each partition is an object on a line, and the last line sums up.
///
/// Segments are read to find where partitions end, so a large dump takes as long as a verify at level 2. With --root-key a dump of RocksDB
/// is read only where such root keys can be. Segments that hold nothing but a part of one partition are never read.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  kvbackup ls /backup/validator --kind chain_state
  kvbackup ls /backup/validator --dump 3f2a0c11 --root-key 00e476187f
  kvbackup ls /backup/validator --kind blob --json | jq -r 'select(.bytes > 1000000) | .root_key'")]
pub(crate) struct LsArgs {
    /// The repository: a directory or a URL
    repository: RepositoryLocation,
    #[command(flatten)]
    dump: DumpArgs,
    /// Only partitions of this kind, as `kvbackup inspect` names them: chain_state, block, blob, event, ..; may be repeated
    #[arg(long = "kind", value_name = "KIND")]
    kinds: Vec<String>,
    /// Only partitions whose root keys begin with these bytes; may be repeated
    #[arg(long, value_name = "HEX")]
    root_key: Vec<HexBytes>,
    #[command(flatten)]
    read: ReadArgs,
}

/// What was listed so far.
struct Listed {
    layout: Layout,
    output: Output,
    printed: Printed,
    partitions: u64,
    entries: u64,
    bytes: u64,
}

pub(crate) async fn run(args: LsArgs, session: &Session) -> Result<Report> {
    let repository = session.repository(&args.repository).await?;
    let dump = repository::find(&repository, &args.dump).await?;
    let kind = kinds_of(looking::layout_of(&dump.manifest));
    if let (false, true) = (args.kinds.is_empty(), dump.inventory()?.contents.is_empty()) {
        let layout = &dump.manifest.source.layout;
        return Err(usage(&format!("--kind: the layout of the dump, {layout}, knows no kinds of partition")));
    }
    let kinds = args.kinds;
    let prefixes = args.root_key.into_iter().map(|HexBytes(prefix)| prefix).collect();
    let wanted = Wanted::default().with_prefixes(prefixes).that(move |root_key| {
        kinds.is_empty() || kind(root_key).is_some_and(|kind| kinds.iter().any(|wanted| wanted == kind))
    });
    let options = looking::options(&dump.manifest, &args.read, session);
    let listed = Listed {
        layout: looking::layout_of(&dump.manifest),
        output: session.output(),
        printed: Printed::default(),
        partitions: 0,
        entries: 0,
        bytes: 0,
    };
    let found = (listed, Listed::take as fn(&mut Listed, PartitionSize<'_>));
    let (read, listed) = repository.partitions(&dump, &wanted, &options, found).await?;
    let Listed { partitions, entries, bytes: size, printed, .. } = listed;
    printed.finish()?;
    let mut report = Report::default();
    report.field("type", "summary");
    report.field("dump", dump.id);
    report.field("partitions", partitions);
    report.field("entries", entries);
    report.field("bytes", size);
    report.text("\n");
    report.line("dump", dump.id);
    let (partitions, entries) = (count(partitions, "partition"), count(entries, "entry"));
    report.line("listed", format_args!("{entries} in {partitions}, {}", bytes(size)));
    looking::add_count(&mut report, &read);
    Ok(report.timed())
}

impl Listed {
    fn take(&mut self, size: PartitionSize<'_>) {
        let PartitionSize { root_key, entries, plain_bytes } = size;
        self.partitions += 1;
        self.entries = self.entries.saturating_add(entries);
        self.bytes = self.bytes.saturating_add(plain_bytes);
        if !self.printed.is_good() {
            return;
        }
        let (kind, words) = (self.layout.kind(root_key), self.layout.words(root_key));
        let printed = if self.output.is_json() {
            self.output.object(&typed(
                "partition",
                json!({
                    "kind": kind,
                    "root_key": hex::encode(root_key),
                    "words": words,
                    "entries": entries,
                    "bytes": plain_bytes,
                }),
            ))
        } else {
            let (kind, words) = (kind.unwrap_or("-"), words.unwrap_or_default());
            let (root_key, size) = (hex_or_none(root_key), bytes(plain_bytes));
            let line = format!("{kind:<19}  {entries:>10}  {size:>12}  {root_key}  {words}");
            self.output.line(line.trim_end())
        };
        self.printed.note(printed);
    }
}
