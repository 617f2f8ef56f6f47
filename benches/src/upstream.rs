//! The way of linera's own test code: the whole database as one map, written by `bcs` in one piece; back with a batch for each
//! root key.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use rocksdb::{DB, Direction, IteratorMode, ReadOptions, WriteBatch};

use crate::engine;

/// Root keys, keys and values.
type Dump = BTreeMap<Vec<u8>, BTreeMap<Vec<u8>, Vec<u8>>>;

pub(crate) fn back_up(from: &Path, to: &Path) -> Result<()> {
    let db = engine::open_read_only(from)?;
    let mut dump = Dump::new();
    for root_key in engine::root_keys(&db)? {
        let prefix = [&[0], &*root_key].concat();
        let mut values = BTreeMap::new();
        let mut read = ReadOptions::default();
        read.set_total_order_seek(true);
        for row in db.iterator_opt(IteratorMode::From(&prefix, Direction::Forward), read) {
            let (key, value) = row.context("reading")?;
            let Some(key) = key.strip_prefix(&*prefix) else { break };
            values.insert(key.to_vec(), value.to_vec());
        }
        dump.insert(root_key, values);
    }
    let bytes = bcs::to_bytes(&dump).context("encoding the map")?;
    fs::write(to, bytes).context("writing the file")
}

pub(crate) fn restore(from: &Path, to: &Path) -> Result<()> {
    let bytes = fs::read(from).context("reading the file")?;
    let dump: Dump = bcs::from_bytes(&bytes).context("decoding the map")?;
    let db = DB::open(&engine::options(), to).context("creating a database")?;
    for (root_key, values) in dump {
        let mut batch = WriteBatch::default();
        for (key, value) in values {
            batch.put([&[0], &*root_key, &*key].concat(), value);
        }
        batch.put([&[1], &*root_key].concat(), b"");
        db.write(batch).context("writing a partition")?;
    }
    db.flush().context("flushing")
}
