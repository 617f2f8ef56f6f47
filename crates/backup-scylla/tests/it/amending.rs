//! Rows changed in place: with which times of writing, and what shows that somebody else writes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use backup_format::{AmendTarget, AmendedEntry, EngineError, ErrorClass};
use backup_layout::JournalKey;
use backup_layout::Layout;
use backup_layout::cql::partition_key;
use backup_scylla::{CqlNamespace, CqlOptions};

use crate::support::{KEYSPACE, Server};

const KEY: &[u8] = b"\x01a";

fn chain(number: u8) -> Vec<u8> {
    [&[0][..], &[number; 32]].concat()
}

fn options() -> CqlOptions {
    CqlOptions::default().with_layout(Layout::Linera015).with_quiet(Duration::ZERO)
}

fn entry(root_key: &[u8], value: &[u8]) -> AmendedEntry {
    AmendedEntry { root_key: root_key.to_vec(), key: KEY.to_vec(), value: value.to_vec() }
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}

/// A table with two chains, each with an entry and a sentinel that were written at this time.
async fn table(server: &Server, written: i64) -> String {
    let table = server.create_table().await;
    for number in [1, 2] {
        write(server, &table, number, b"old", written).await;
    }
    table
}

/// Writes as a worker of linera does: entry and sentinel in one batch, with one timestamp.
async fn write(server: &Server, table: &str, number: u8, value: &[u8], written: i64) {
    let insert =
        format!("INSERT INTO {KEYSPACE}.{table} (root_key, k, v) VALUES (?, ?, ?) USING TIMESTAMP {written}");
    let partition = partition_key(&chain(number));
    let stored = [KEY, &[0; 4]].concat();
    let segment = [&[0, 0, 0, 1], value].concat();
    for (key, value) in [(stored, segment), (Vec::new(), Vec::new())] {
        server.session.query_unpaged(&*insert, (&partition, key, value)).await.unwrap();
    }
}

/// Value and time of writing of a chain's entry, and the time of writing of its sentinel.
async fn state(server: &Server, table: &str, number: u8) -> (Vec<u8>, i64, Option<i64>) {
    let select = format!("SELECT k, v, WRITETIME(v) FROM {KEYSPACE}.{table} WHERE root_key = ?");
    let rows = server.session.query_unpaged(&*select, (partition_key(&chain(number)),)).await.unwrap();
    let rows = rows.into_rows_result().unwrap();
    let rows: Vec<_> = rows.rows::<(Vec<u8>, Vec<u8>, i64)>().unwrap().map(Result::unwrap).collect();
    let sentinel = rows.iter().find(|(key, ..)| key.is_empty()).map(|(.., written)| *written);
    let (_, value, written) = rows.iter().find(|(key, ..)| !key.is_empty()).unwrap();
    (value[4..].to_vec(), *written, sentinel)
}

async fn value(namespace: &CqlNamespace, number: u8) -> Result<Option<Vec<u8>>, EngineError> {
    let values = namespace.look().await?.values(&[chain(number)], &[KEY.to_vec()]).await?;
    Ok(values.into_iter().flatten().next().flatten())
}

#[tokio::test]
async fn row_and_sentinel_are_later_than_all_that_was_there() {
    let server = Server::connect().await;
    let future = now() + 1_000_000_000_000;
    for written in [backup_scylla::RESTORED_AT, now(), future] {
        let table = table(&server, written).await;
        let namespace = server.borrowed(&table, options());
        for value in [&b"fence"[..], b"fence", b"aaaaa"] {
            let before = state(&server, &table, 1).await.2.unwrap();
            namespace.amend().await.unwrap().write(vec![entry(&chain(1), value)]).await.unwrap();
            let (found, row, sentinel) = state(&server, &table, 1).await;
            assert_eq!((&*found, Some(row)), (value, sentinel));
            assert!(row > before && row >= written, "{row} after {before}");
            if written == future {
                assert_eq!(
                    row,
                    before + 1,
                    "it must not run ahead of the workers' clocks by more than it has to"
                );
            }
        }
        assert_eq!(state(&server, &table, 2).await, (b"old".to_vec(), written, Some(written)));
    }
}

#[tokio::test]
async fn a_partition_without_a_sentinel_gets_one() {
    let server = Server::connect().await;
    let table = server.create_table().await;
    let old: (&[u8], &[u8], &[u8]) = (&chain(1), KEY, b"old");
    server.put(&table, Layout::Linera015, [old]).await;
    let namespace = server.borrowed(&table, options());
    assert_eq!(state(&server, &table, 1).await.2, None);
    namespace.amend().await.unwrap().write(vec![entry(&chain(1), b"fence")]).await.unwrap();
    let (found, row, sentinel) = state(&server, &table, 1).await;
    assert_eq!((&*found, Some(row)), (&b"fence"[..], sentinel));
}

fn check_in_use(error: &EngineError) {
    assert_eq!(error.class(), ErrorClass::Refused);
    assert!(error.to_string().contains("it is in use, the sentinel of partition"), "{error}");
}

#[tokio::test]
async fn a_worker_that_writes_while_an_amendment_begins_is_noticed() {
    let server = Server::connect().await;
    let table = table(&server, now() - 1_000_000).await;
    let namespace = server.borrowed(&table, options().with_quiet(Duration::from_secs(2)));
    // A worker writes again and again, so that some write falls between the two looks.
    let worker = async {
        loop {
            write(&server, &table, 2, b"busy", now()).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let error = tokio::select! {
        amended = namespace.amend() => amended.err().expect("a busy table was opened to amend it"),
        () = worker => unreachable!(),
    };
    check_in_use(&error);
}

#[tokio::test]
async fn a_worker_that_writes_later_is_noticed_and_nothing_is_written() {
    let server = Server::connect().await;
    let both = || vec![entry(&chain(1), b"fence"), entry(&chain(2), b"fence")];
    let table = table(&server, now() - 1_000_000).await;
    let namespace = server.borrowed(&table, options());

    let amendment = namespace.amend().await.unwrap();
    write(&server, &table, 2, b"busy", now()).await;
    check_in_use(&amendment.write(both()).await.unwrap_err());
    assert_eq!(state(&server, &table, 1).await.0, b"old");
    assert_eq!(state(&server, &table, 2).await.0, b"busy");

    // A worker that makes a chain is one, too.
    let amendment = namespace.amend().await.unwrap();
    write(&server, &table, 3, b"new", now()).await;
    check_in_use(&amendment.write(vec![entry(&chain(3), b"fence")]).await.unwrap_err());

    // What an amendment wrote itself does not count.
    let amendment = namespace.amend().await.unwrap();
    amendment.write(both()).await.unwrap();
    amendment.write(both()).await.unwrap();
    assert_eq!(value(&namespace, 2).await.unwrap().unwrap(), b"fence");
}

#[tokio::test]
async fn a_row_that_a_later_deletion_hides_is_not_taken_for_written() {
    let server = Server::connect().await;
    let table = table(&server, now() - 1_000_000).await;
    let namespace = server.borrowed(&table, options());
    let stored = [b"\x01new".as_slice(), &[0; 4]].concat();
    let delete = format!(
        "DELETE FROM {KEYSPACE}.{table} USING TIMESTAMP {} WHERE root_key = ? AND k = ?",
        now() + 1_000_000_000
    );
    server.session.query_unpaged(delete, (partition_key(&chain(1)), stored)).await.unwrap();
    let new = AmendedEntry { key: b"\x01new".to_vec(), ..entry(&chain(1), b"fence") };
    let error = namespace.amend().await.unwrap().write(vec![new]).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Refused);
    assert!(error.to_string().contains("does not read as it was written"), "{error}");
}

#[tokio::test]
async fn a_partition_with_a_journal_is_neither_looked_up_nor_written() {
    let server = Server::connect().await;
    let table = table(&server, now() - 1_000_000).await;
    let namespace = server.borrowed(&table, options());
    let header = (partition_key(&chain(2)), JournalKey::Header.bytes().to_vec(), vec![1, 0, 0, 0]);
    server.put_rows(&table, &[header]).await;
    assert_eq!(value(&namespace, 1).await.unwrap().unwrap(), b"old");
    let looked = value(&namespace, 2).await.unwrap_err();
    let amended = namespace.amend().await.err().unwrap();
    for error in [looked, amended] {
        assert_eq!(error.class(), ErrorClass::Refused);
        assert!(error.to_string().contains("a journal waits in partition 0000"), "{error}");
    }
}

#[tokio::test]
async fn other_layouts_missing_tables_and_long_values_are_told_apart() {
    let server = Server::connect().await;
    for layout in [Layout::Linera016, Layout::Plain] {
        let table = server.create_table().await;
        let root_key = [&[2][..], &[1; 32]].concat();
        server.put(&table, layout, [(&root_key[..], KEY, &b"value"[..])]).await;
        let namespace = server.borrowed(&table, CqlOptions::default().with_layout(layout));
        for error in [namespace.look().await.err().unwrap(), namespace.amend().await.err().unwrap()] {
            assert_eq!(error.class(), ErrorClass::Refused);
            let text = error.to_string();
            assert!(text.contains(&format!("expected layout linera-0.15, found {layout}")), "{text}");
        }
    }
    let missing = server.borrowed(&server.new_name(), options());
    assert!(missing.look().await.err().unwrap().to_string().contains("no table"));

    // A value that linera split.
    let table = table(&server, now()).await;
    let partition = partition_key(&chain(1));
    let segment = |number: u8| [KEY, &[0, 0, 0, number]].concat();
    let rows = [(0, &[0, 0, 0, 3, b'x'][..]), (1, b"y"), (2, b"z")];
    let rows = rows.map(|(number, value)| (partition.clone(), segment(number), value.to_vec()));
    server.put_rows(&table, &rows[..2]).await;
    let namespace = server.borrowed(&table, options());
    assert_eq!(value(&namespace, 1).await.unwrap_err().class(), ErrorClass::Damaged);
    server.put_rows(&table, &rows[2..]).await;
    assert_eq!(value(&namespace, 1).await.unwrap().unwrap(), b"xyz");
}
