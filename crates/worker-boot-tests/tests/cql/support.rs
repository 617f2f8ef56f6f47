//! Tables as linera's own store reads and writes them, and as plain CQL does.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use backup_format::Digest;
use backup_layout::cql::partition_key;
use linera_views::batch::Batch;
use linera_views::store::{ReadableKeyValueStore, WritableKeyValueStore};
use scylla::client::session::Session;
use validator_network::places::{Place, Scylla};
use validator_network::worker::WorkerDatabase;
use worker_boot_tests::content::{Content, EntryKey};
use worker_boot_tests::engines::Restorable;

/// Values by root key and key.
pub type Entries = BTreeMap<EntryKey, Vec<u8>>;

/// Root key of a chain state: linera opens it as its only owner.
pub const CHAIN: [u8; 33] = [0; 33];

/// Root key of a blob, which linera shares.
pub const BLOB: [u8; 34] = [2; 34];

/// Returns the network description, without which nobody believes that a database is linera's.
pub fn network() -> (EntryKey, Vec<u8>) {
    ((vec![5], vec![0x77]), b"some network".to_vec())
}

/// Returns true if linera opens a partition exclusively.
pub fn is_exclusive(root_key: &[u8]) -> bool {
    matches!(root_key.first(), Some(0 | 6))
}

/// Opens a partition as linera does.
pub fn open<D: WorkerDatabase>(database: &D, root_key: &[u8]) -> Result<D::Store> {
    let opened = match is_exclusive(root_key) {
        true => database.open_exclusive(root_key),
        false => database.open_shared(root_key),
    };
    opened.context("opening a partition")
}

/// Writes entries through linera's stores, a batch for each partition.
pub async fn fill<D: WorkerDatabase>(database: &D, entries: &Entries) -> Result<()> {
    let entries: Vec<_> = entries.iter().collect();
    for partition in entries.chunk_by(|((one, _), _), ((next, _), _)| one == next) {
        let mut batch = Batch::new();
        let ((root_key, _), _) = partition[0];
        for ((_, key), value) in partition {
            batch.put_key_value_bytes(key.clone(), (*value).clone());
        }
        open(database, root_key)?.write_batch(batch).await.context("writing a partition")?;
    }
    Ok(())
}

/// Reads all entries as linera does: by scanning each partition that it lists, and once more key by key.
pub async fn read<D: WorkerDatabase>(database: &D) -> Result<Entries> {
    let mut entries = Entries::new();
    for root_key in database.list_root_keys().await.context("listing root keys")? {
        let store = open(database, &root_key)?;
        let scanned = store.find_key_values_by_prefix(&[]).await.context("scanning a partition")?;
        let keys: Vec<_> = scanned.iter().map(|(key, _)| key.clone()).collect();
        let values = store.read_multi_values_bytes(&keys).await.context("reading values")?;
        for ((key, scanned), value) in scanned.into_iter().zip(values) {
            ensure!(value.as_ref() == Some(&scanned), "linera's scan and its reading differ");
            entries.insert((root_key.clone(), key), scanned);
        }
    }
    Ok(entries)
}

/// Reads a table by a new connection of linera's, whose caches are empty, and by our engine; both must see the same.
pub async fn read_table(table: &Scylla) -> Result<(Entries, Digest)> {
    let found = read(&table.open().await?).await?;
    let Content { digest, entries } = Content::read(&*table.namespace().await?.source).await?;
    ensure!(entries == found, "linera sees other entries than our engine");
    Ok((found, digest))
}

/// Lists keys, lengths of values and times of writing of a partition's rows.
pub async fn rows(session: &Session, table: &Scylla, root_key: &[u8]) -> Result<Vec<(Vec<u8>, usize, i64)>> {
    let text = format!("SELECT k, v, WRITETIME(v) FROM {} WHERE root_key = ?", table.full_name());
    let found = session.query_unpaged(text, (partition_key(root_key),)).await.context("reading rows")?;
    let found = found.into_rows_result().context("reading rows")?;
    let mut rows = Vec::new();
    for row in found.rows::<(Vec<u8>, Vec<u8>, i64)>().context("reading rows")? {
        let (key, value, time) = row.context("reading a row")?;
        rows.push((key, value.len(), time));
    }
    Ok(rows)
}
