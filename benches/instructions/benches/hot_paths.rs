//! What the hot paths cost, in instructions that Callgrind counts. Input is made before, and dropped after what is counted.
//!
//! Each path is measured at two sizes, named `UNIT_NUMBER`: the difference tells the cost of one more.

#![allow(
    missing_docs,
    unused_qualifications,
    reason = "the harness expands to items without docs, and repeats paths"
)]

use std::hint::black_box;
use std::io::Cursor;

use backup_format::upstream::{UpstreamReader, UpstreamWriter};
use backup_format::{
    Cut, Cutter, Digest, DigestBuilder, DigestState, EntryBatch, Keys, Kind, Level, Limits, LtHash, ObjectId,
    Order, Page, Reference, Segment,
};
use backup_layout::{Layout, LayoutError, cql, rocksdb};
use gungraun::prelude::*;
use kvbackup_instructions as content;
use kvbackup_instructions::{CqlRows, RocksdbRows};

#[library_benchmark]
#[bench::entries_512(content::batch(512))]
#[bench::entries_4096(content::batch(4_096))]
fn segment_encode(batch: EntryBatch) -> (EntryBatch, Segment) {
    let segment = Segment::from_batch(black_box(&batch));
    (batch, segment)
}

#[library_benchmark]
#[bench::entries_512(content::plaintext(512))]
#[bench::entries_4096(content::plaintext(4_096))]
fn segment_parse(plaintext: Vec<u8>) -> Segment {
    Segment::decode(black_box(plaintext), Order::Plain, &Limits::default()).expect("it was encoded")
}

#[library_benchmark]
#[bench::entries_512(cutter(), content::batch(512))]
#[bench::entries_4096(cutter(), content::batch(4_096))]
fn cut_rule(mut cutter: Cutter, batch: EntryBatch) -> (EntryBatch, Cutter, usize) {
    let cuts = batch
        .iter()
        .filter(|(root_key, entry)| cutter.next(root_key, entry.key, entry.value.len()) != Cut::None)
        .count();
    (batch, cutter, cuts)
}

fn cutter() -> Cutter {
    let config = content::config();
    Cutter::new(&config, &config.keys().unwrap())
}

#[library_benchmark]
#[bench::kib_16(keys(), vec![7; 16 << 10])]
#[bench::kib_256(keys(), vec![7; 256 << 10])]
fn object_id(keys: Keys, plaintext: Vec<u8>) -> (Keys, Vec<u8>, ObjectId) {
    let id = keys.id(Kind::Segment, black_box(&plaintext));
    (keys, plaintext, id)
}

fn keys() -> Keys {
    content::config().keys().unwrap()
}

#[library_benchmark]
#[bench::entries_512(content::partition(512))]
#[bench::entries_4096(content::partition(4_096))]
fn digest_leaf(batch: EntryBatch) -> (EntryBatch, DigestState) {
    let mut state = DigestState::default();
    black_box(&batch).groups().for_each(|group| state.add_group(&group));
    (batch, state)
}

#[library_benchmark]
#[bench::partitions_64(content::partitions(64))]
#[bench::partitions_512(content::partitions(512))]
fn digest_partitions(batch: EntryBatch) -> (EntryBatch, Digest) {
    let mut builder = DigestBuilder::default();
    black_box(&batch).groups().for_each(|group| builder.push(&group));
    (batch, builder.finish().digest())
}

#[library_benchmark]
#[bench::leaves_64(content::leaves(64))]
#[bench::leaves_512(content::leaves(512))]
fn lattice_add(leaves: Vec<LtHash>) -> (Vec<LtHash>, LtHash) {
    let mut sum = LtHash::default();
    black_box(&leaves).iter().for_each(|leaf| sum.add(leaf));
    (leaves, sum)
}

#[library_benchmark]
#[bench::references_64(page(64))]
#[bench::references_512(page(512))]
fn page_build(page: Page) -> (Page, Vec<u8>) {
    let plaintext = black_box(&page).encode().expect("it is below the ceiling");
    (page, plaintext)
}

#[library_benchmark]
#[bench::references_64(page(64).encode().expect("it is below the ceiling"))]
#[bench::references_512(page(512).encode().expect("it is below the ceiling"))]
fn page_parse(plaintext: Vec<u8>) -> (Vec<u8>, Page) {
    let page = Page::decode(black_box(&plaintext), Level::Segments).expect("it was encoded");
    (plaintext, page)
}

fn page(references: usize) -> Page {
    let references: Vec<Reference> = content::references(references);
    Page { level: Level::Segments, references }
}

#[library_benchmark]
#[bench::rows_512(Layout::Linera015, content::rocksdb_rows(Layout::Linera015, 512))]
#[bench::rows_4096(Layout::Linera015, content::rocksdb_rows(Layout::Linera015, 4_096))]
fn rocksdb_015_decode(layout: Layout, content: RocksdbRows) -> (RocksdbRows, EntryBatch) {
    decode_rocksdb(layout, content)
}

#[library_benchmark]
#[bench::rows_512(Layout::Linera016, content::rocksdb_rows(Layout::Linera016, 512))]
#[bench::rows_4096(Layout::Linera016, content::rocksdb_rows(Layout::Linera016, 4_096))]
fn rocksdb_016_decode(layout: Layout, content: RocksdbRows) -> (RocksdbRows, EntryBatch) {
    decode_rocksdb(layout, content)
}

/// The index moves into the decoder, as an engine's own does.
fn decode_rocksdb(layout: Layout, mut content: RocksdbRows) -> (RocksdbRows, EntryBatch) {
    let roots = std::mem::take(&mut content.roots).into_iter();
    let mut decoder = rocksdb::Decoder::new(layout, Box::new(roots), Limits::default());
    let mut batch = EntryBatch::default();
    for (key, value) in black_box(&content.rows) {
        decoder.push(key, value, &mut batch).expect("the rows follow the layout");
    }
    decoder.finish(&mut batch).expect("no row is missing");
    (content, batch)
}

#[library_benchmark]
#[bench::entries_512(Layout::Linera015, content::batch(512))]
#[bench::entries_4096(Layout::Linera015, content::batch(4_096))]
fn rocksdb_015_encode(layout: Layout, batch: EntryBatch) -> (EntryBatch, usize) {
    encode_rocksdb(layout, batch)
}

#[library_benchmark]
#[bench::entries_512(Layout::Linera016, content::batch(512))]
#[bench::entries_4096(Layout::Linera016, content::batch(4_096))]
fn rocksdb_016_encode(layout: Layout, batch: EntryBatch) -> (EntryBatch, usize) {
    encode_rocksdb(layout, batch)
}

fn encode_rocksdb(layout: Layout, batch: EntryBatch) -> (EntryBatch, usize) {
    let mut encoder = rocksdb::Encoder::new(layout);
    let mut bytes = 0;
    for (root_key, entry) in black_box(&batch).iter() {
        let mut emit = |key: &[u8], value: &[u8]| {
            bytes += black_box(key).len() + black_box(value).len();
            Ok::<_, LayoutError>(())
        };
        encoder.encode(root_key, entry.key, entry.value, &mut emit).expect("counting does not fail");
    }
    (batch, bytes)
}

#[library_benchmark]
#[bench::rows_512(Layout::Linera015, content::cql_rows(Layout::Linera015, 512))]
#[bench::rows_4096(Layout::Linera015, content::cql_rows(Layout::Linera015, 4_096))]
fn cql_015_decode(layout: Layout, content: CqlRows) -> (CqlRows, EntryBatch) {
    decode_cql(layout, content)
}

#[library_benchmark]
#[bench::rows_512(Layout::Linera016, content::cql_rows(Layout::Linera016, 512))]
#[bench::rows_4096(Layout::Linera016, content::cql_rows(Layout::Linera016, 4_096))]
fn cql_016_decode(layout: Layout, content: CqlRows) -> (CqlRows, EntryBatch) {
    decode_cql(layout, content)
}

fn decode_cql(layout: Layout, content: CqlRows) -> (CqlRows, EntryBatch) {
    let mut decoder = cql::Decoder::new(layout, Limits::default(), 1 << 20);
    let mut batch = EntryBatch::default();
    for (partition_key, rows) in black_box(&content) {
        decoder.enter(partition_key).expect("it is a partition of the layout");
        for (key, value) in rows {
            decoder.push(key, value, &mut batch).expect("the rows follow the layout");
        }
        decoder.leave(&mut batch).expect("no row is missing");
    }
    (content, batch)
}

#[library_benchmark]
#[bench::entries_512(content::upstream_file(512))]
#[bench::entries_4096(content::upstream_file(4_096))]
fn upstream_import(file: Vec<u8>) -> u64 {
    let mut reader = UpstreamReader::new(Cursor::new(black_box(file)), &Limits::default()).expect("a file");
    let mut entries = 0;
    while let Some(batch) = reader.next_batch().expect("it was exported") {
        entries += black_box(batch).entries();
    }
    entries
}

#[library_benchmark]
#[bench::entries_512(content::batch(512))]
#[bench::entries_4096(content::batch(4_096))]
fn upstream_export(batch: EntryBatch) -> (EntryBatch, Vec<u8>) {
    let mut writer = UpstreamWriter::new(Vec::new(), content::Memory);
    let mut partitions = 0;
    for group in black_box(&batch).groups() {
        writer.push(&group).expect("memory takes all that is written");
        partitions += 1;
    }
    let file = writer.finish(partitions, batch.entries()).expect("the numbers are those of the batch");
    (batch, file)
}

library_benchmark_group!(
    name = hot_paths,
    benchmarks = [
        segment_encode,
        segment_parse,
        cut_rule,
        object_id,
        digest_leaf,
        digest_partitions,
        lattice_add,
        page_build,
        page_parse,
        rocksdb_015_decode,
        rocksdb_016_decode,
        rocksdb_015_encode,
        rocksdb_016_encode,
        cql_015_decode,
        cql_016_decode,
        upstream_import,
        upstream_export,
    ]
);

mod harness {
    use super::hot_paths;

    gungraun::main!(library_benchmark_groups = hot_paths);

    pub(super) fn start() {
        main();
    }
}

/// Cargo also starts benches as tests; then there is nothing to do.
fn main() {
    let asked = |argument: String| argument == "--bench" || argument == "--gungraun-run";
    if std::env::args().any(asked) {
        harness::start();
    }
}
