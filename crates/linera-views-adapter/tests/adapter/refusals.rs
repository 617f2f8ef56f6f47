//! What must be refused.

use backup_format::{DatabaseBackup, EngineError, ErrorClass, Order, Range, RestoreSink, RestoreTarget};
use backup_testkit::{Content, Units, read_all, suite::block_on};
use linera_views::batch::Batch;
use linera_views::store::{KeyValueDatabase, WritableKeyValueStore};

use crate::engines::{Databases, Memory, RocksDb, fill, namespace};

/// The root key of the marker: that of blocks by height, for an id that no chain has.
const MARKER: &[u8] = b"\x07kvbackup: the marker of restores";

fn nested() -> Content {
    Content::of(&[(b"\x02a", b"k", b"1"), (b"\x02ab", b"k", b"2")])
}

fn units(content: &Content) -> Units {
    Units::cut(content, Order::Token, 1 << 20, 1)
}

async fn begin(target: &dyn RestoreTarget, units: &Units) -> Box<dyn RestoreSink> {
    target.begin(&units.restore).await.unwrap()
}

async fn write(sink: &dyn RestoreSink, units: &Units) -> Result<(), EngineError> {
    for unit in &units.units {
        let Some(mut writer) = sink.writer(&unit.unit).await? else { continue };
        for segment in &unit.segments {
            writer.write(segment.clone()).await?;
        }
        writer.finish().await?;
    }
    Ok(())
}

#[track_caller]
fn assert_refused<T>(result: Result<T, EngineError>, words: &[&str]) {
    let Err(error) = result else { panic!("not refused: {words:?}") };
    let text = error.to_string();
    assert_eq!(error.class(), ErrorClass::Refused, "{text}");
    words.iter().for_each(|word| assert!(text.contains(word), "{word:?} is not in: {text}"));
}

#[test]
fn root_keys_that_rocksdb_cannot_tell_apart_are_named() {
    block_on(async {
        let databases = RocksDb::new();
        let database = databases.open().await;
        fill(&database, &nested()).await;
        assert_refused(namespace(&database).snapshot().await, &["0261 is a prefix of root key 026162"]);

        let target = namespace(&databases.open().await);
        let units = units(&nested());
        let sink = begin(&target, &units).await;
        write(&*sink, &units).await.unwrap();
        assert_refused(sink.finish().await, &["0261 is a prefix of root key 026162"]);
        begin(&target, &units).await.discard().await.unwrap();
        target.check(&units.restore).await.unwrap();

        let memories = Memory::new();
        let memory = memories.open().await;
        fill(&memory, &nested()).await;
        assert!(namespace(&memory).snapshot().await.is_ok());
    });
}

#[test]
fn a_dump_with_entries_where_the_marker_is_kept_is_refused() {
    block_on(async {
        let databases = Memory::new();
        let target = namespace(&databases.open().await);
        let units = units(&Content::of(&[(MARKER, b"k", b"v")]));
        let sink = begin(&target, &units).await;
        assert_refused(write(&*sink, &units).await, &["under the root key of the marker"]);
    });
}

#[test]
fn a_marker_that_no_restore_wrote_is_refused() {
    block_on(async {
        let databases = Memory::new();
        let database = databases.open().await;
        fill(&database, &Content::of(&[(MARKER, &[1], b"too short for an id")])).await;
        let target = namespace(&database);
        assert_refused(target.snapshot().await, &["marker", "damaged"]);
        let units = units(&nested());
        assert_refused(target.begin(&units.restore).await, &["marker", "damaged"]);
    });
}

#[test]
fn a_restore_that_was_discarded_elsewhere_writes_no_more() {
    block_on(async {
        let databases = Memory::new();
        let target = namespace(&databases.open().await);
        let units = units(&nested());
        let (left, right) = (begin(&target, &units).await, begin(&target, &units).await);
        let restored = begin(&target, &units).await.finish().await.unwrap();
        let mut writer = right.writer(&units.units[0].unit).await.unwrap().unwrap();
        left.discard().await.unwrap();
        let ended = ["has ended"];
        assert_refused(writer.write(units.units[0].segments[0].clone()).await, &ended);
        assert_refused(right.writer(&units.units[0].unit).await, &ended);
        assert_refused(right.finish().await, &ended);
        assert_refused(restored.snapshot().await, &ended);
        assert_refused(restored.publish().await, &ended);
        assert!(namespace_is_empty(&target).await);
    });
}

async fn namespace_is_empty(database: &dyn DatabaseBackup) -> bool {
    read_all(&*database.snapshot().await.unwrap()).await.unwrap().is_empty()
}

#[test]
fn a_range_of_another_engine_is_an_error() {
    block_on(async {
        let databases = Memory::new();
        let snapshot = namespace(&databases.open().await).snapshot().await.unwrap();
        for token in [&b""[..], b"\x00", b"\x01\x00", b"\x03\x00\x01", b"\x01\x00\x01\x00"] {
            let range = Range { token: token.to_vec() };
            let error = snapshot.entries(&range).await.err().expect("no such range");
            assert_eq!(error.class(), ErrorClass::Failed, "{error}");
        }
    });
}

#[test]
fn looking_at_a_namespace_makes_no_partition() {
    block_on(async {
        let databases = Memory::new();
        let database = databases.open().await;
        let target = namespace(&database);
        target.check(&units(&nested()).restore).await.unwrap();
        assert!(namespace_is_empty(&target).await);
        assert_eq!(database.list_root_keys().await.unwrap(), Vec::<Vec<u8>>::new());
    });
}

#[test]
fn root_keys_without_entries_are_no_content() {
    block_on(async {
        let databases = RocksDb::new();
        let database = databases.open().await;
        database.open_shared(b"\x05").unwrap().write_batch(Batch::new()).await.unwrap();
        assert_eq!(database.list_root_keys().await.unwrap(), [b"\x05".to_vec()]);
        let target = namespace(&database);
        assert!(namespace_is_empty(&target).await);
        target.check(&units(&nested()).restore).await.unwrap();
    });
}
