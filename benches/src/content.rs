//! Databases of RocksDB with content like a validator's, in layout `linera-0.15`.

use std::path::Path;

use anyhow::{Context, Result};
use backup_layout::Layout;
use backup_layout::rocksdb::Encoder;
use kvbackup_bench_content::{Content, Mix, NETWORK, SEED, Written};
use rocksdb::{DB, WriteBatch, WriteOptions};

use crate::engine;

/// Writes a namespace of so many megabytes (10^6 bytes) of keys and values, and compacts it.
pub(crate) fn generate(path: &Path, megabytes: u64, mix: Mix) -> Result<Written> {
    let db = DB::open(&engine::options(), path).context("creating a database")?;
    let mut writer = Writer::new(&db, mix, SEED);
    writer.partition(NETWORK.0, &[NETWORK.1.to_vec()])?;
    while writer.written.plain_bytes < megabytes * 1_000_000 {
        let (root_key, keys) = writer.content.shape();
        writer.partition(&root_key, &keys)?;
    }
    db.flush().context("flushing")?;
    db.compact_range(None::<&[u8]>, None::<&[u8]>);
    Ok(writer.written)
}

/// Gives every entry of one in `one_in` partitions a new value.
pub(crate) fn change(path: &Path, mix: Mix, one_in: u64) -> Result<u64> {
    let db = DB::open(&engine::options(), path).context("opening the database")?;
    // The same partitions as when they were written, with other values.
    let mut shapes = Content::new(mix, SEED);
    let mut writer = Writer::new(&db, mix, SEED + 1);
    let total = engine::partitions(&db)?;
    let mut changed = 0;
    shapes.skip(NETWORK.0, &[NETWORK.1.to_vec()]);
    for number in 1..total {
        let (root_key, keys) = shapes.shape();
        shapes.skip(&root_key, &keys);
        if number % one_in == 0 {
            writer.partition(&root_key, &keys)?;
            changed += 1;
        }
    }
    db.flush().context("flushing")?;
    Ok(changed)
}

struct Writer<'a> {
    db: &'a DB,
    encoder: Encoder,
    content: Content,
    written: Written,
}

impl<'a> Writer<'a> {
    fn new(db: &'a DB, mix: Mix, seed: u64) -> Self {
        let encoder = Encoder::new(Layout::Linera015);
        Self { db, encoder, content: Content::new(mix, seed), written: Written::default() }
    }

    fn partition(&mut self, root_key: &[u8], keys: &[Vec<u8>]) -> Result<()> {
        let mut batch = WriteBatch::default();
        for key in keys {
            let value = self.content.value(root_key);
            self.written.add(key, &value);
            let mut put = |raw_key: &[u8], raw_value: &[u8]| {
                batch.put(raw_key, raw_value);
                Ok::<_, rocksdb::Error>(())
            };
            self.encoder.encode(root_key, key, &value, &mut put)?;
        }
        if let Some(index) = self.encoder.index_row(root_key) {
            batch.put(index, b"");
        }
        let mut without_log = WriteOptions::default();
        without_log.disable_wal(true);
        self.db.write_opt(batch, &without_log).context("writing a partition")?;
        self.written.partitions += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rocksdb::IteratorMode;

    use super::*;

    fn rows(path: &Path) -> BTreeSet<(Vec<u8>, Vec<u8>)> {
        let db = DB::open_for_read_only(&engine::options(), path, false).unwrap();
        let all = db.full_iterator(IteratorMode::Start);
        all.map(|row| row.map(|(key, value)| (key.to_vec(), value.to_vec())).unwrap()).collect()
    }

    #[test]
    fn a_change_touches_as_many_partitions_as_it_says_and_adds_none() {
        for mix in Mix::ALL {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("namespace");
            let written = generate(&path, 1, mix).unwrap();
            let before = rows(&path);
            let changed = change(&path, mix, 10).unwrap();
            assert_eq!(changed, (written.partitions - 1) / 10, "{mix:?}");
            let after = rows(&path);
            let keys = |rows: &BTreeSet<(Vec<u8>, Vec<u8>)>| {
                rows.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>()
            };
            assert_eq!(keys(&before), keys(&after), "{mix:?}");
            assert!(before.difference(&after).count() as u64 >= changed, "{mix:?}");
        }
    }
}
