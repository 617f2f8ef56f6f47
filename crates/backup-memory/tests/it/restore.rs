//! Restoring into a namespace.

use backup_format::{
    ContractError, DatabaseBackup, EngineError, ObjectId, Order, Restore, RestoreSink, RestoreTarget,
};
use backup_memory::MemoryNamespace;
use backup_testkit::{Content, Unit, Units};
use futures::executor::block_on;

const RESTORE: Restore = Restore { dump: ObjectId([1; 32]), order: Order::Plain, entries: 4 };

fn units() -> Vec<Unit> {
    let content =
        Content::of(&[(b"a", b"1", b"x"), (b"a", b"2", b"x"), (b"b", b"1", b"x"), (b"c", b"1", b"x")]);
    Units::cut(&content, Order::Plain, 1, 2).units
}

/// A namespace with the first of two units.
pub fn half_restored() -> MemoryNamespace {
    let namespace = MemoryNamespace::new("test");
    block_on(async {
        let sink = namespace.begin(&RESTORE).await.unwrap();
        write(&*sink, 0).await.unwrap();
    });
    namespace
}

async fn write(sink: &dyn RestoreSink, unit: usize) -> Result<(), EngineError> {
    let unit = &units()[unit];
    let Some(mut writer) = sink.writer(&unit.unit).await? else { return Ok(()) };
    for segment in &unit.segments {
        writer.write(segment.clone()).await?;
    }
    writer.finish().await
}

#[tokio::test]
async fn the_marker_is_there_from_the_start_of_a_restore_to_its_end() {
    let namespace = MemoryNamespace::new("test");
    assert_eq!(namespace.marker(), None);
    let sink = namespace.begin(&RESTORE).await.unwrap();
    assert_eq!(namespace.marker(), Some(RESTORE.dump));
    write(&*sink, 0).await.unwrap();
    write(&*sink, 1).await.unwrap();
    let restored = sink.finish().await.unwrap();
    assert_eq!(namespace.marker(), Some(RESTORE.dump));
    restored.publish().await.unwrap();
    assert_eq!(namespace.marker(), None);
    assert_eq!(namespace.len(), 4);
}

#[tokio::test]
async fn a_discarded_restore_leaves_neither_marker_nor_entries() {
    for finish in [false, true] {
        let namespace = half_restored();
        let sink = namespace.begin(&RESTORE).await.unwrap();
        match finish {
            true => sink.finish().await.unwrap().discard().await.unwrap(),
            false => sink.discard().await.unwrap(),
        }
        assert_eq!((namespace.marker(), namespace.len(), namespace.partitions()), (None, 0, 0));
    }
}

#[tokio::test]
async fn what_was_written_is_not_written_again_after_a_discarded_restore() {
    let namespace = half_restored();
    let unit = &units()[0].unit;
    let sink = namespace.begin(&RESTORE).await.unwrap();
    assert!(sink.writer(unit).await.unwrap().is_none());
    sink.discard().await.unwrap();
    let sink = namespace.begin(&RESTORE).await.unwrap();
    assert!(sink.writer(unit).await.unwrap().is_some());
}

#[tokio::test]
async fn a_handle_of_a_restore_that_ended_elsewhere_can_do_nothing_more() {
    let namespace = half_restored();
    let begin = || async { namespace.begin(&RESTORE).await.unwrap() };
    let (left, finished, discarded) = (begin().await, begin().await, begin().await);
    let (published, removed) = (begin().await.finish().await.unwrap(), begin().await.finish().await.unwrap());
    let mut writer = left.writer(&units()[1].unit).await.unwrap().expect("a unit that was not written");
    begin().await.discard().await.unwrap();
    namespace.put(b"own", b"key", b"value").unwrap();
    let ended = |result: Result<(), EngineError>| {
        let error = result.unwrap_err();
        let found = error.get_ref().downcast_ref();
        assert!(matches!(found, Some(ContractError::Ended { .. })), "{error}");
    };
    ended(left.writer(&units()[0].unit).await.map(drop));
    ended(writer.write(units()[1].segments[0].clone()).await);
    ended(writer.finish().await);
    ended(finished.finish().await.map(drop));
    ended(discarded.discard().await);
    ended(published.snapshot().await.map(drop));
    ended(published.publish().await);
    ended(removed.discard().await);
    assert_eq!(namespace.len(), 1);
}

#[tokio::test]
async fn another_restore_and_a_namespace_that_is_not_empty_are_refused() {
    let namespace = half_restored();
    let other = Restore { dump: ObjectId([2; 32]), ..RESTORE };
    let refused = |result: Result<(), EngineError>| {
        let error = result.unwrap_err();
        error.get_ref().downcast_ref::<ContractError>().expect("an error of the contract").to_string()
    };
    for text in [refused(namespace.check(&other).await), refused(namespace.begin(&other).await.map(drop))] {
        assert!(text.contains(&RESTORE.dump.to_string()) && text.contains("namespace test"), "{text}");
    }
    namespace.begin(&RESTORE).await.unwrap().discard().await.unwrap();
    namespace.put(b"own", b"key", b"value").unwrap();
    let text = refused(namespace.check(&RESTORE).await);
    assert!(text.contains("not empty, 1 entries"), "{text}");
    let Err(error) = half_restored().snapshot().await else { panic!("read what is half restored") };
    let found = error.get_ref().downcast_ref();
    assert!(matches!(found, Some(ContractError::HalfRestored { .. })), "{error}");
}
