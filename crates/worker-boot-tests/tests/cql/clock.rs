//! Clocks decide between writes in a CQL table. Rows are restored with a time before that of any clock. So nothing that
//! linera writes later is lost, even if clocks were ahead during the restore.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use backup_layout::cql::{Encoder, SENTINEL, partition_key};
use backup_layout::{Layout, LayoutError};
use backup_scylla::RESTORED_AT;
use linera_views::batch::Batch;
use linera_views::store::WritableKeyValueStore;
use validator_network::cql::connect;
use validator_network::places::{Place, RocksDb, Scylla};
use validator_network::runtime::block_on;
use worker_boot_tests::backup::Backup;
use worker_boot_tests::engines::Restorable;

use crate::support::{BLOB, CHAIN, Entries, fill, network, open, read_table, rows};

/// A key and its value.
type Pair = (&'static [u8], &'static [u8]);

/// What each partition holds before linera writes to it.
const BEFORE: [Pair; 5] = [
    (b"\x01overwritten", b"old"),
    (b"\x01deleted", b"old"),
    (b"\x01untouched", b"old"),
    (b"\x02one", b"old"),
    (b"\x02two", b"old"),
];

/// What it has to hold afterwards.
const AFTER: [Pair; 4] = [
    (b"\x01overwritten", b"new"),
    (b"\x01untouched", b"old"),
    (b"\x01added", b"newer"),
    (b"\x02one", b"new"),
];

/// What it holds when each row of before wins over all that linera writes: only a new key is not lost.
const LOST: [Pair; 6] = [
    (b"\x01overwritten", b"old"),
    (b"\x01deleted", b"old"),
    (b"\x01untouched", b"old"),
    (b"\x01added", b"newer"),
    (b"\x02one", b"old"),
    (b"\x02two", b"old"),
];

fn entries(chain: &[Pair], blob: &[Pair]) -> Entries {
    let of = |root_key: Vec<u8>, pairs: &[Pair]| {
        let entry = |(key, value): &Pair| ((root_key.clone(), key.to_vec()), value.to_vec());
        pairs.iter().map(entry).collect::<Vec<_>>()
    };
    let partitions = [of(CHAIN.to_vec(), chain), of(BLOB.to_vec(), blob), vec![network()]];
    partitions.into_iter().flatten().collect()
}

/// Overwrites, deletes and adds, in both ways in which linera writes; then once more after a restart.
async fn work(table: &Scylla) -> Result<()> {
    let mut first = Batch::new();
    first.put_key_value_bytes(b"\x01overwritten".to_vec(), b"new".to_vec());
    first.delete_key(b"\x01deleted".to_vec());
    first.delete_key_prefix(b"\x02".to_vec());
    first.put_key_value_bytes(b"\x01added".to_vec(), b"new".to_vec());
    first.put_key_value_bytes(b"\x02three".to_vec(), b"new".to_vec());
    let mut second = Batch::new();
    second.put_key_value_bytes(b"\x02one".to_vec(), b"new".to_vec());
    second.put_key_value_bytes(b"\x01added".to_vec(), b"newer".to_vec());
    second.delete_key(b"\x02three".to_vec());
    for batch in [first, second] {
        let database = table.open().await?;
        for root_key in [&CHAIN[..], &BLOB] {
            open(&database, root_key)?.write_batch(batch.clone()).await.context("writing a batch")?;
        }
    }
    Ok(())
}

#[test]
fn nothing_that_linera_writes_after_a_restore_is_lost() -> Result<()> {
    let (source, table) = (RocksDb::new()?, Scylla::new()?);
    block_on(|| async {
        fill(&source.create().await?, &entries(&BEFORE, &BEFORE)).await?;
        Backup::take(&*source.namespace().await?.source)
            .await?
            .restore(&*table.namespace().await?.target)
            .await?;
        ensure!(read_table(&table).await?.0 == entries(&BEFORE, &BEFORE), "the restore is wrong");
        let session = connect().await?;
        for (root_key, count) in [(&CHAIN[..], BEFORE.len() + 1), (&BLOB, BEFORE.len())] {
            let rows = rows(&session, &table, root_key).await?;
            ensure!(rows.len() == count && rows.iter().all(|(.., time)| *time == RESTORED_AT), "{rows:?}");
        }
        work(&table).await?;
        let (found, _) = read_table(&table).await?;
        ensure!(found == entries(&AFTER, &AFTER), "found {found:x?}");
        Ok(())
    })
}

/// What a restore with the time of a server whose clock is an hour ahead would leave. linera loses what it writes, without
/// an error; the sentinel saves those partitions of which it is the only owner.
#[test]
fn over_rows_from_the_future_linera_loses_what_it_writes() -> Result<()> {
    let tables = [Scylla::new()?, Scylla::new()?];
    let expected = [entries(&LOST, &LOST), entries(&AFTER, &LOST)];
    block_on(|| async {
        for ((table, expected), with_sentinel) in tables.iter().zip(expected).zip([false, true]) {
            table.create_table()?;
            put_in_an_hour(table, with_sentinel).await?;
            ensure!(read_table(table).await?.0 == entries(&BEFORE, &BEFORE), "other entries than expected");
            work(table).await?;
            let (found, _) = read_table(table).await?;
            ensure!(found == expected, "sentinel: {with_sentinel}; found {found:x?}");
        }
        Ok(())
    })
}

async fn put_in_an_hour(table: &Scylla, with_sentinel: bool) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
    let time = i64::try_from(now)? + 3_600_000_000;
    let (mut rows, mut encoder) = (Vec::new(), Encoder::new(Layout::Linera015));
    for ((root_key, key), value) in entries(&BEFORE, &BEFORE) {
        encoder.encode(&root_key, &key, &value, &mut |key: &[u8], value: &[u8]| {
            rows.push((partition_key(&root_key), key.to_vec(), value.to_vec()));
            Ok::<_, LayoutError>(())
        })?;
    }
    if with_sentinel {
        rows.push((partition_key(&CHAIN), SENTINEL.0.to_vec(), SENTINEL.1.to_vec()));
    }
    let session = connect().await?;
    let text =
        format!("INSERT INTO {} (root_key, k, v) VALUES (?, ?, ?) USING TIMESTAMP {time}", table.full_name());
    for row in rows {
        session.query_unpaged(text.as_str(), row).await.context("writing a row")?;
    }
    Ok(())
}
