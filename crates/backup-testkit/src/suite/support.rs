//! What several checks need.

use std::error::Error;
use std::num::NonZeroUsize;
use std::time::Duration;

use backup_format::{
    DatabaseBackup, DigestBuilder, EngineError, EntryBatch, ErrorClass, Order, OrderCheck, Range, ReadPlan,
    Restore, RestoreSink, RestoreTarget, RestoreWriter, Restored, Snapshot,
};
use futures::TryStreamExt;

use crate::cases::CASES;
use crate::content::Content;
use crate::engine::{Engine, Namespace};
use crate::seed::seed;
use crate::spec::Spec;
use crate::units::{Unit, Units};

/// When waiting counts as hanging.
const PATIENCE: Duration = Duration::from_secs(30);

/// Unwraps a result, with all causes in the message.
#[track_caller]
pub fn ok<T, E: Error + 'static>(result: Result<T, E>, doing: &str) -> T {
    result.unwrap_or_else(|error| panic!("{doing}: {}", causes(&error)))
}

/// Unwraps the error of something that must not succeed.
#[track_caller]
pub fn refused<T>(result: Result<T, EngineError>, doing: &str) -> EngineError {
    match result {
        Ok(_) => panic!("{doing} must be refused, and was not"),
        Err(error) => error,
    }
}

/// Checks that something was refused for safety's sake.
#[track_caller]
pub fn refused_for_safety<T>(result: Result<T, EngineError>, doing: &str) {
    let error = refused(result, doing);
    assert_eq!(error.class(), ErrorClass::Refused, "{doing}: wrong class of error {}", causes(&error));
}

/// Returns an error with all its causes, on one line.
pub fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}

/// Waits for something that must not hang.
pub async fn soon<T>(doing: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{doing}: nothing happens for {PATIENCE:?}"),
    }
}

pub fn count(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN)
}

/// The cases that the engine can hold, at least one of them; says which are left out.
pub fn cases(engine: &dyn Engine) -> Vec<(&'static str, Content)> {
    let capabilities = engine.capabilities();
    let mut cases = Vec::new();
    for case in CASES {
        let content = (case.make)(seed());
        match capabilities.objection(&content) {
            None => cases.push((case.name, content)),
            Some(objection) => {
                eprintln!("left out, {} cannot hold {objection}: {}", engine.name(), case.name)
            }
        }
    }
    assert!(!cases.is_empty(), "{} can hold none of the cases", engine.name());
    cases
}

/// A content of some hundreds of kilobytes that the engine can hold.
pub fn mixture(engine: &dyn Engine) -> Content {
    engine.capabilities().fit(&Content::seeded(seed(), &Spec::default()))
}

/// A content of a few megabytes that the engine can hold, so that no stream is ready at once.
pub fn larger_mixture(engine: &dyn Engine) -> Content {
    let spec = Spec { partitions: 24, entries: 40..=80, value_bytes: 1_000..=5_000, ..Spec::default() };
    engine.capabilities().fit(&Content::seeded(seed(), &spec))
}

/// A mixture with partitions that linera's layouts, and the [`Ring`](crate::Ring), read in their first phase.
pub fn mixture_of_phases(engine: &dyn Engine) -> Content {
    let mut content = Content::seeded(seed(), &Spec::default());
    for number in 0..20 {
        let chain = [&[0][..], &[number; 32]].concat();
        (0..3).for_each(|key| content.put(&chain, &[key], &[number; 20]));
    }
    engine.capabilities().fit(&content)
}

pub async fn open(database: &dyn DatabaseBackup) -> Box<dyn Snapshot> {
    ok(database.snapshot().await, "opening a snapshot")
}

/// Plans, and checks the rules that a plan alone can break.
pub async fn plan(snapshot: &dyn Snapshot, ranges_max: usize) -> ReadPlan {
    let plan = ok(snapshot.plan(count(ranges_max)).await, "planning");
    let (phases, most) = (plan.phases.len(), if snapshot.order() == Order::Token { 2 } else { 1 });
    assert!((1..=most).contains(&phases), "{phases} phases were planned, the order allows 1 to {most}");
    assert!(plan.ranges() > 0, "there must be a range, also of an empty namespace");
    for ranges in plan.phases.iter().map(Vec::len) {
        assert!(
            ranges <= ranges_max,
            "{ranges} ranges were planned for a phase instead of at most {ranges_max}"
        );
    }
    let must_start_pages = phases > 1 || plan.identity.is_some();
    assert!(plan.starts_pages || !must_start_pages, "ranges must start pages, and do not");
    plan
}

/// The ranges of all phases, in the order of the dump.
pub async fn ranges(snapshot: &dyn Snapshot, ranges_max: usize) -> Vec<Range> {
    plan(snapshot, ranges_max).await.phases.concat()
}

/// Reads a range to its end. A stream that does not move on would otherwise fill the memory.
pub async fn batches(snapshot: &dyn Snapshot, range: &Range) -> Vec<EntryBatch> {
    let mut stream = ok(snapshot.entries(range).await, "opening a range");
    let mut batches = Vec::new();
    let mut last_first = None;
    while let Some(batch) = ok(stream.try_next().await, "reading a range") {
        let first = batch.iter().next().map(|(root_key, entry)| (root_key.to_vec(), entry.key.to_vec()));
        assert!(first.is_none() || first != last_first, "two batches begin with the same entry");
        last_first = first;
        batches.push(batch);
    }
    batches
}

/// Reads all ranges of each phase, one after the other.
pub async fn read_phases(snapshot: &dyn Snapshot, ranges_max: usize) -> Vec<Vec<EntryBatch>> {
    let mut phases = Vec::new();
    for ranges in plan(snapshot, ranges_max).await.phases {
        let mut phase = Vec::new();
        for range in &ranges {
            phase.extend(batches(snapshot, range).await);
        }
        phases.push(phase);
    }
    phases
}

/// Reads all ranges of all phases, one after the other.
pub async fn read(snapshot: &dyn Snapshot, ranges_max: usize) -> Vec<EntryBatch> {
    read_phases(snapshot, ranges_max).await.concat()
}

pub fn builder(batches: &[EntryBatch]) -> DigestBuilder {
    let mut builder = DigestBuilder::default();
    batches.iter().flat_map(EntryBatch::groups).for_each(|group| builder.push(&group));
    builder
}

/// Checks that these batches are the content: each entry once, and by digest.
#[track_caller]
pub fn check_content(what: &str, expected: &Content, batches: &[EntryBatch]) {
    let mut found = Content::default();
    batches.iter().for_each(|batch| found.extend(batch));
    if let Some(difference) = expected.difference(&found) {
        panic!("{what}: {difference}");
    }
    let number: u64 = batches.iter().map(EntryBatch::entries).sum();
    assert_eq!(number, expected.entries(), "{what}: some entries come more than once");
    let state = builder(batches).finish();
    assert_eq!(state.partitions, expected.partitions(), "{what}: some partitions come in several pieces");
    assert_eq!(state.digest(), expected.digest(), "{what}: wrong digest");
}

/// Checks that the entries of each phase strictly increase in the order.
#[track_caller]
pub fn check_order(what: &str, order: Order, phases: &[Vec<EntryBatch>]) {
    for phase in phases {
        let mut check = OrderCheck::new(order);
        for (root_key, entry) in phase.iter().flat_map(EntryBatch::iter) {
            let at = (root_key, entry.key);
            ok(check.advance(at, at, false), what);
        }
    }
}

/// Opens a snapshot, and checks that it holds exactly the content, in order.
pub async fn check_database(what: &str, database: &dyn DatabaseBackup, expected: &Content) {
    let snapshot = open(database).await;
    check_snapshot(what, &*snapshot, expected).await;
}

pub async fn check_snapshot(what: &str, snapshot: &dyn Snapshot, expected: &Content) {
    let phases = read_phases(snapshot, 1).await;
    check_order(what, snapshot.order(), &phases);
    check_content(what, expected, &phases.concat());
}

/// Some units of some segments, of a content of some hundreds of kilobytes.
pub fn units(content: &Content, order: Order) -> Units {
    Units::cut(content, order, 8 << 10, 3)
}

/// The restore of some other dump.
pub fn other_restore() -> Restore {
    Units::cut(&Content::of(&[(b"other", b"key", b"value")]), Order::Plain, 1, 1).restore
}

pub async fn begin(target: &dyn RestoreTarget, units: &Units) -> Box<dyn RestoreSink> {
    ok(target.begin(&units.restore).await, "beginning a restore")
}

/// Opens a writer for a unit that was not written yet.
pub async fn writer(sink: &dyn RestoreSink, unit: &Unit) -> Box<dyn RestoreWriter> {
    let writer = ok(sink.writer(&unit.unit).await, "opening a writer");
    writer.unwrap_or_else(|| panic!("page {} must be written, and counts as written", unit.unit.page))
}

/// Writes a unit, unless it was written before; returns whether it wrote.
pub async fn write(sink: &dyn RestoreSink, unit: &Unit) -> bool {
    let Some(mut writer) = ok(sink.writer(&unit.unit).await, "opening a writer") else { return false };
    for segment in &unit.segments {
        ok(writer.write(segment.clone()).await, "writing a segment");
    }
    ok(writer.finish().await, "completing a unit");
    true
}

/// Writes units that were not written before.
pub async fn write_all<'a>(sink: &dyn RestoreSink, units: impl IntoIterator<Item = &'a Unit>) {
    for unit in units {
        assert!(write(sink, unit).await, "page {} counts as written before it was", unit.unit.page);
    }
}

pub async fn finish(sink: Box<dyn RestoreSink>) -> Box<dyn Restored> {
    ok(sink.finish().await, "finishing a restore")
}

pub async fn finish_and_publish(sink: Box<dyn RestoreSink>) {
    ok(finish(sink).await.publish().await, "publishing a restore");
}

/// Restores a content into a new target, and returns that.
pub async fn restored(engine: &dyn Engine, units: &Units) -> Namespace {
    let namespace = engine.empty().await;
    let sink = begin(&*namespace.target, units).await;
    write_all(&*sink, &units.units).await;
    finish_and_publish(sink).await;
    namespace
}
