//! Restoring into tables.

use std::sync::Arc;

use backup_format::{Config, Consistency, ErrorClass, Order, RestoreTarget};
use backup_layout::Layout;
use backup_layout::cql::{is_exclusive, partition_key};
use backup_repository::{BackupOptions, Dump, Repository, RestoreOptions, Store};
use backup_scylla::{CqlNamespace, CqlOptions, RESTORED_AT};
use backup_testkit::{Content, Units};
use object_store::memory::InMemory;
use object_store::path::Path;

use crate::reading::{content_of, validator};
use crate::support::{KEYSPACE, Server};

fn options() -> CqlOptions {
    CqlOptions::default().with_layout(Layout::Linera015)
}

async fn restore(namespace: &CqlNamespace, units: &Units) {
    let sink = namespace.begin(&units.restore).await.unwrap();
    for unit in &units.units {
        let mut writer = sink.writer(&unit.unit).await.unwrap().unwrap();
        for segment in &unit.segments {
            writer.write(segment.clone()).await.unwrap();
        }
        writer.finish().await.unwrap();
    }
    sink.finish().await.unwrap().publish().await.unwrap();
}

fn units(content: &Content) -> Units {
    Units::cut(content, Order::Plain, 4 << 10, 2)
}

/// Rows with their times of writing: partition key, key, time.
async fn times(server: &Server, table: &str) -> Vec<(Vec<u8>, Vec<u8>, i64)> {
    let text = format!("SELECT root_key, k, WRITETIME(v) FROM {KEYSPACE}.{table}");
    let rows = server.session.query_unpaged(text, ()).await.unwrap().into_rows_result().unwrap();
    rows.rows::<(Vec<u8>, Vec<u8>, i64)>().unwrap().map(|row| row.unwrap()).collect()
}

/// Tables of the keyspace, with their comments.
async fn tables(server: &Server) -> Vec<(String, String)> {
    let text = "SELECT table_name, comment FROM system_schema.tables WHERE keyspace_name = ?";
    let rows = server.session.query_unpaged(text, (KEYSPACE,)).await.unwrap().into_rows_result().unwrap();
    rows.rows::<(String, String)>().unwrap().map(|row| row.unwrap()).collect()
}

async fn comment(server: &Server, table: &str) -> Option<String> {
    tables(server).await.into_iter().find(|(name, _)| name == table).map(|(_, comment)| comment)
}

#[tokio::test]
async fn every_row_has_the_one_timestamp_and_exclusive_partitions_have_a_sentinel() {
    let server = Server::connect().await;
    let content = validator(6);
    let table = server.new_name();
    restore(&server.borrowed(&table, options()), &units(&content)).await;
    let times = times(&server, &table).await;
    assert!(times.iter().all(|(.., at)| *at == RESTORED_AT));
    let mut sentinels: Vec<_> =
        times.iter().filter(|(_, key, _)| key.is_empty()).map(|row| row.0.clone()).collect();
    sentinels.sort();
    let owned = content.root_keys().filter(|root_key| is_exclusive(Layout::Linera015, root_key));
    assert_eq!(sentinels, owned.map(partition_key).collect::<Vec<_>>());
    assert_eq!(sentinels.len(), 7);
    assert_eq!(times.len() as u64, content.entries() + 7);
    assert_eq!(comment(&server, &table).await.as_deref(), Some(""));
}

#[tokio::test]
async fn whatever_is_written_after_a_restore_wins() {
    let server = Server::connect().await;
    let content = validator(1);
    let table = server.new_name();
    let namespace = server.borrowed(&table, options());
    restore(&namespace, &units(&content)).await;
    let (root_key, key, _) = content.iter().next().unwrap();
    let mut expected = content.clone();
    expected.put(root_key, key, b"");
    server.put(&table, Layout::Linera015, [(root_key, key, &b""[..])]).await;
    let root_key = [&[1][..], &[0; 32]].concat();
    assert!(expected.remove(&root_key, &[0x5b]));
    let partition: String = partition_key(&root_key).iter().map(|byte| format!("{byte:02x}")).collect();
    server
        .run(&format!("DELETE FROM {KEYSPACE}.{table} WHERE root_key = 0x{partition} AND k = 0x5b00000000"))
        .await;
    assert_eq!(expected.difference(&content_of(&namespace).await), None);
}

#[tokio::test]
async fn a_restore_resumes_with_the_timestamp_that_it_was_begun_with() {
    let server = Server::connect().await;
    let content = validator(2);
    let units = units(&content);
    let table = server.new_name();
    let first = server.borrowed(&table, options());
    let sink = first.begin(&units.restore).await.unwrap();
    let mut writer = sink.writer(&units.units[0].unit).await.unwrap().unwrap();
    for segment in &units.units[0].segments {
        writer.write(segment.clone()).await.unwrap();
    }
    writer.finish().await.unwrap();
    drop(sink);
    let marker = comment(&server, &table).await.unwrap();
    assert!(marker.starts_with("kvbackup: half restored, do not use; dump="), "{marker}");
    let second = server.borrowed(&table, options().with_timestamp(RESTORED_AT + 1_000_000));
    let sink = second.begin(&units.restore).await.unwrap();
    for unit in &units.units {
        let Some(mut writer) = sink.writer(&unit.unit).await.unwrap() else { continue };
        for segment in &unit.segments {
            writer.write(segment.clone()).await.unwrap();
        }
        writer.finish().await.unwrap();
    }
    sink.finish().await.unwrap().publish().await.unwrap();
    assert!(times(&server, &table).await.iter().all(|(.., at)| *at == RESTORED_AT));
    assert_eq!(content.difference(&content_of(&second).await), None);
}

#[tokio::test]
async fn a_timestamp_that_is_not_in_the_past_is_refused_and_nothing_is_created() {
    let server = Server::connect().await;
    let units = units(&validator(1));
    let table = server.new_name();
    let namespace = server.borrowed(&table, options().with_timestamp(i64::MAX));
    for error in [
        namespace.check(&units.restore).await.err().unwrap(),
        namespace.begin(&units.restore).await.err().unwrap(),
    ] {
        assert_eq!(error.class(), ErrorClass::Refused);
        assert!(error.to_string().contains("rows from the future would hide"), "{error}");
    }
    assert_eq!(comment(&server, &table).await, None);
}

#[tokio::test]
async fn a_table_that_is_there_is_no_target_even_if_it_is_empty() {
    let server = Server::connect().await;
    let units = units(&validator(1));
    let table = server.create_table().await;
    let namespace = server.borrowed(&table, options());
    for error in [
        namespace.check(&units.restore).await.err().unwrap(),
        namespace.begin(&units.restore).await.err().unwrap(),
    ] {
        assert_eq!(error.class(), ErrorClass::Refused);
        assert!(error.to_string().contains("deleted rows may hide new ones even if none is left"), "{error}");
    }
    let unknown = server.borrowed(&server.new_name(), CqlOptions::default());
    let error = unknown.begin(&units.restore).await.err().unwrap();
    assert!(error.to_string().contains("say which one it is to have"), "{error}");
}

#[tokio::test]
async fn a_restore_leaves_no_other_table_behind() {
    let server = Server::connect().await;
    let units = units(&validator(1));
    let (published, discarded) = (server.new_name(), server.new_name());
    let records = async |target: &str| {
        let text = format!("kvbackup: records of the restore of {target};");
        tables(&server).await.iter().filter(|(_, comment)| comment.starts_with(&text)).count()
    };
    let namespace = server.borrowed(&discarded, options());
    let sink = namespace.begin(&units.restore).await.unwrap();
    assert_eq!(records(&discarded).await, 1);
    sink.discard().await.unwrap();
    restore(&server.borrowed(&published, options()), &units).await;
    assert_eq!((records(&discarded).await, records(&published).await), (0, 0));
    assert_eq!(comment(&server, &discarded).await, None);
    assert_eq!(comment(&server, &published).await.as_deref(), Some(""));
}

#[tokio::test]
async fn what_a_table_cannot_hold_is_named() {
    let server = Server::connect().await;
    let content = Content::of(&[(b"root", &[7; 70_000], b"value")]);
    let units = units(&content);
    let namespace = server.borrowed(&server.new_name(), options());
    let sink = namespace.begin(&units.restore).await.unwrap();
    let mut writer = sink.writer(&units.units[0].unit).await.unwrap().unwrap();
    let error = writer.write(units.units[0].segments[0].clone()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Refused);
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("70000") && source.contains("65531"), "{source}");
    drop(writer);
    sink.discard().await.unwrap();
}

/// A backup and a restore through a repository, as the program does it.
async fn there_and_back(server: &Server, content: &Content) {
    let table = server.create_table().await;
    server.put(&table, Layout::Linera015, content.iter()).await;
    server.put_sentinels(&table, Layout::Linera015, content.root_keys()).await;
    let store = Store::new(Arc::new(InMemory::new()), Path::default());
    let repository = Repository::create(store, Config::new([1; 16], [2; 16])).await.unwrap();
    let source = server.borrowed(&table, CqlOptions::default());
    let report = repository.backup(&source, BackupOptions::default()).await.unwrap();
    assert_eq!(report.manifest.inventory.as_ref().unwrap().digest, content.digest());
    assert_eq!((report.manifest.order, report.manifest.consistency), (Order::Token, Consistency::Causal));
    assert_eq!(report.manifest.source.layout, "linera-0.15");
    let target = server.borrowed(&server.new_name(), options());
    let dump = Dump { id: report.dump, manifest: report.manifest };
    let restored = repository.restore(&dump, &target, &RestoreOptions::default()).await.unwrap();
    assert_eq!(restored.restored.unwrap().digest(), content.digest());
    let again = repository.backup(&target, BackupOptions::default()).await.unwrap();
    assert_eq!((again.manifest.root, again.new_objects), (dump.manifest.root, 0));
}

#[tokio::test(flavor = "current_thread")]
async fn a_runtime_with_one_thread_will_do() {
    let server = Server::connect().await;
    there_and_back(&server, &validator(30)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_running_runtime_with_several_threads_will_do() {
    let server = Server::connect().await;
    let task = tokio::spawn(async move { there_and_back(&server, &validator(30)).await });
    task.await.unwrap();
}
