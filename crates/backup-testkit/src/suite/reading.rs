//! Reading a namespace that nobody writes to.

use backup_format::{EntryBatch, Range, Snapshot};
use futures::{StreamExt, TryStreamExt};

use super::support::{
    batches, cases, check_content, check_order, larger_mixture, mixture, ok, open, ranges, read, read_phases,
};
use crate::engine::{Engine, Namespace};
use crate::read::owned;

/// Bytes that a batch may have beside its longest entry: what "some megabytes" means at most.
const BATCH_BYTES_MAX: usize = 8 << 20;

pub(super) async fn every_content_reads_back_as_it_was_written(engine: &dyn Engine) {
    for (name, content) in cases(engine) {
        let database = engine.create(&content).await.source;
        let snapshot = open(&*database).await;
        check_content(name, &content, &read(&*snapshot, 1).await);
    }
}

pub(super) async fn entries_strictly_increase_and_partitions_are_contiguous(engine: &dyn Engine) {
    for (name, content) in cases(engine) {
        let database = engine.create(&content).await.source;
        let snapshot = open(&*database).await;
        check_order(name, snapshot.order(), &read_phases(&*snapshot, 1).await);
        check_order(name, snapshot.order(), &read_phases(&*snapshot, 5).await);
    }
}

pub(super) async fn batches_are_bounded_and_never_empty(engine: &dyn Engine) {
    for (name, content) in cases(engine) {
        let database = engine.create(&content).await.source;
        let snapshot = open(&*database).await;
        for batch in read(&*snapshot, 1).await {
            assert!(!batch.is_empty(), "{name}: a batch is empty");
            let longest = batch.iter().map(|(_, entry)| entry.encoded.len()).max().unwrap_or_default();
            let (number, bytes) = (batch.entries(), batch.byte_len());
            let fits = bytes - longest <= BATCH_BYTES_MAX;
            assert!(fits, "{name}: a batch has {number} entries and {bytes} bytes, {longest} in the longest");
        }
    }
}

pub(super) async fn a_stream_that_was_dropped_can_be_read_again(engine: &dyn Engine) {
    let content = larger_mixture(engine);
    let database = engine.create(&content).await.source;
    let snapshot = open(&*database).await;
    for range in ranges(&*snapshot, 3).await {
        let whole = owned(&batches(&*snapshot, &range).await);
        for number in [0, 1, 2] {
            let start = owned(&first_batches(&*snapshot, &range, number).await);
            assert!(whole.starts_with(&start), "a second stream begins elsewhere");
        }
        assert_eq!(owned(&batches(&*snapshot, &range).await), whole, "a range read again differs");
    }
}

/// Reads some batches and drops the stream.
async fn first_batches(snapshot: &dyn Snapshot, range: &Range, number: usize) -> Vec<EntryBatch> {
    let stream = ok(snapshot.entries(range).await, "opening a range");
    ok(stream.take(number).try_collect().await, "reading a range")
}

pub(super) async fn two_streams_of_one_share_do_not_disturb_each_other(engine: &dyn Engine) {
    let content = larger_mixture(engine);
    let database = engine.create(&content).await.source;
    let snapshot = open(&*database).await;
    let (mut from_left, mut from_right) = (Vec::new(), Vec::new());
    for range in ranges(&*snapshot, 1).await {
        let mut left = ok(snapshot.entries(&range).await, "opening a range").fuse();
        let mut right = ok(snapshot.entries(&range).await, "opening a range again").fuse();
        loop {
            let next = ok(left.try_next().await, "reading the first stream");
            let next_right = ok(right.try_next().await, "reading the second stream");
            if next.is_none() && next_right.is_none() {
                break;
            }
            from_left.extend(next);
            from_right.extend(next_right);
        }
    }
    check_content("the first of two streams", &content, &from_left);
    check_content("the second of two streams", &content, &from_right);
}

pub(super) async fn a_second_snapshot_reads_the_same(engine: &dyn Engine) {
    let content = mixture(engine);
    let database = engine.create(&content).await.source;
    let (first, second) = (open(&*database).await, open(&*database).await);
    let from_first = owned(&read(&*first, 1).await);
    drop(first);
    assert_eq!(from_first, owned(&read(&*second, 1).await), "two snapshots differ");
    drop(second);
    check_content("a third snapshot", &content, &read(&*open(&*database).await, 1).await);
}

pub(super) async fn a_namespace_describes_itself_in_words_that_a_manifest_accepts(engine: &dyn Engine) {
    let content = mixture(engine);
    let Namespace { source: database, target } = engine.create(&content).await;
    let snapshot = open(&*database).await;
    let source = snapshot.source();
    let check = |what: &str, word: &str| {
        let good = word.len() <= 255 && !word.chars().any(char::is_control);
        assert!(good, "{what} {word:?} is not accepted by a manifest");
    };
    for (what, word) in
        [("engine", &source.engine), ("layout", &source.layout), ("namespace", &source.namespace)]
    {
        assert!(!word.is_empty(), "{what} is empty");
        check(what, word);
    }
    check("engine_version", &source.engine_version);
    let names = [database.name(), target.name()];
    assert_eq!(names, [source.namespace.as_str(); 2], "the handles of a namespace have other names");
    let other = open(&*database).await;
    assert_eq!(other.source(), source, "a namespace describes itself differently the second time");
    for root_key in content.root_keys() {
        let kind = snapshot.kind(root_key);
        check("kind", kind.unwrap_or_default());
        assert_eq!(kind, snapshot.kind(root_key), "a partition has two kinds");
    }
}
