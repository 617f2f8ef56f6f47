//! Restoring into a namespace.

use backup_format::{DatabaseBackup, EngineError, Order, RestoreSink, RestoreUnit};
use backup_memory::{Error, MemoryNamespace};
use backup_testkit::{Content, Units};
use futures::executor::block_on;

fn units() -> Units {
    let content =
        Content::of(&[(b"a", b"1", b"x"), (b"a", b"2", b"x"), (b"b", b"1", b"x"), (b"c", b"1", b"x")]);
    Units::cut(&content, Order::Plain, 1, 2)
}

/// A namespace with the first of two units.
pub fn half_restored() -> MemoryNamespace {
    let namespace = MemoryNamespace::new("test");
    block_on(async {
        let sink = namespace.restore(&units().marker, &units().plan).await.unwrap();
        write(&*sink, 0).await.unwrap();
    });
    namespace
}

async fn write(sink: &dyn RestoreSink, unit: usize) -> Result<(), EngineError> {
    let unit = &units().units[unit];
    let Some(mut writer) = sink.writer(&unit.unit).await? else { return Ok(()) };
    for segment in &unit.segments {
        writer.write(segment.clone()).await?;
    }
    writer.finish().await
}

fn memory_error(error: &EngineError) -> &Error {
    error.get_ref().downcast_ref().expect("an error of this engine")
}

#[tokio::test]
async fn the_marker_is_there_from_the_start_of_a_restore_to_its_end() {
    let namespace = MemoryNamespace::new("test");
    assert_eq!(namespace.marker(), None);
    let mut sink = namespace.restore(&units().marker, &units().plan).await.unwrap();
    assert_eq!(namespace.marker(), Some(units().marker));
    write(&*sink, 0).await.unwrap();
    write(&*sink, 1).await.unwrap();
    sink.finish().await.unwrap();
    assert_eq!(namespace.marker(), Some(units().marker));
    sink.publish().await.unwrap();
    assert_eq!(namespace.marker(), None);
    assert_eq!(namespace.len(), 4);
}

#[tokio::test]
async fn a_discarded_restore_leaves_neither_marker_nor_entries() {
    let namespace = half_restored();
    namespace.restore(&units().marker, &units().plan).await.unwrap().discard().await.unwrap();
    assert_eq!((namespace.marker(), namespace.len(), namespace.partitions()), (None, 0, 0));
}

#[tokio::test]
async fn a_unit_with_another_number_of_entries_is_refused_and_stays_unwritten() {
    let namespace = MemoryNamespace::new("test");
    let sink = namespace.restore(&units().marker, &units().plan).await.unwrap();
    let unit = &units().units[0];
    for entries in [unit.unit.entries - 1, unit.unit.entries + 1] {
        let wrong = RestoreUnit { entries, ..unit.unit.clone() };
        let mut writer = sink.writer(&wrong).await.unwrap().expect("the unit stays unwritten");
        for segment in &unit.segments {
            writer.write(segment.clone()).await.unwrap();
        }
        let error = writer.finish().await.unwrap_err();
        assert!(matches!(memory_error(&error), Error::WrongCount { found: 2, .. }), "{error}");
    }
    write(&*sink, 0).await.unwrap();
}

#[tokio::test]
async fn writing_after_finishing_asks_for_another_finish() {
    let namespace = half_restored();
    let mut sink = namespace.restore(&units().marker, &units().plan).await.unwrap();
    sink.finish().await.unwrap();
    write(&*sink, 1).await.unwrap();
    let Err(error) = sink.snapshot().await else { panic!("read what is not finished") };
    assert!(matches!(memory_error(&error), Error::Unfinished { .. }), "{error}");
    sink.finish().await.unwrap();
    sink.snapshot().await.unwrap();
}

#[tokio::test]
async fn a_handle_of_a_restore_that_ended_elsewhere_can_do_nothing_more() {
    let namespace = half_restored();
    let restore = || async { namespace.restore(&units().marker, &units().plan).await.unwrap() };
    let (mut left, left_too, right) = (restore().await, restore().await, restore().await);
    let writer = left.writer(&units().units[1].unit).await.unwrap().expect("a unit that was not written");
    right.discard().await.unwrap();
    namespace.put(b"own", b"key", b"value").unwrap();
    let ended = |result: Result<(), EngineError>| {
        let error = result.unwrap_err();
        assert!(matches!(memory_error(&error), Error::Ended { .. }), "{error}");
    };
    ended(left.writer(&units().units[0].unit).await.map(|_| ()));
    let mut writer = writer;
    ended(writer.write(units().units[1].segments[0].clone()).await);
    ended(left.finish().await);
    ended(left.snapshot().await.map(|_| ()));
    ended(left.publish().await);
    ended(left_too.discard().await);
    assert_eq!(namespace.len(), 1);
}
