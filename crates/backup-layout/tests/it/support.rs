//! Databases made of rows.

use std::collections::BTreeMap;

use backup_format::{EntryBatch, Limits, OrderCheck};
use backup_layout::rocksdb::{Decoder, Encoder, RootIndex};
use backup_layout::{Layout, LayoutError};

pub type Rows = BTreeMap<Vec<u8>, Vec<u8>>;
pub type Entries = BTreeMap<(Vec<u8>, Vec<u8>), Vec<u8>>;

/// Pairs in hex: of key and value, or of stored key and segment.
pub type HexPairs<'a> = &'a [(&'a str, &'a str)];

/// Turns hex with spaces into bytes.
pub fn unhex(text: &str) -> Vec<u8> {
    hex::decode(text.replace(' ', "")).unwrap()
}

/// Data rows of entries, sorted as RocksDB sorts them.
pub fn encode(encoder: &mut Encoder, entries: &Entries) -> Rows {
    let mut rows = Rows::new();
    for ((root_key, key), value) in entries {
        let mut previous: Option<Vec<u8>> = None;
        encoder
            .encode(root_key, key, value, &mut |row_key, stored| {
                assert!(previous.as_deref() < Some(row_key), "rows of an entry ascend");
                previous = Some(row_key.to_vec());
                match rows.insert(row_key.to_vec(), stored.to_vec()) {
                    Some(_) => Err(format!("two entries with row {}", hex::encode(row_key))),
                    None => Ok(()),
                }
            })
            .unwrap();
    }
    rows
}

/// Root keys of entries, ascending.
pub fn roots(entries: &Entries) -> Vec<Vec<u8>> {
    let mut roots: Vec<_> = entries.keys().map(|(root_key, _)| root_key.clone()).collect();
    roots.dedup();
    roots
}

/// Drops entries whose root key starts with the root key of others.
pub fn without_nested(entries: Entries) -> Entries {
    let mut kept: Option<Vec<u8>> = None;
    let keep = |(root_key, _): &(Vec<u8>, Vec<u8>), _: &mut Vec<u8>| match &kept {
        Some(kept) if root_key.starts_with(kept) => root_key == kept,
        _ => {
            kept = Some(root_key.clone());
            true
        }
    };
    let mut entries = entries;
    entries.retain(keep);
    entries
}

pub fn index(roots: Vec<Vec<u8>>) -> Box<dyn RootIndex> {
    Box::new(roots.into_iter())
}

/// Decodes rows that are the whole of a database.
pub fn decode(layout: Layout, roots: Vec<Vec<u8>>, rows: &Rows) -> Result<Entries, LayoutError> {
    let mut decoder = Decoder::new(layout, index(roots), Limits::default());
    run(&mut decoder, rows).map(|batch| collect(layout, &batch))
}

pub fn run(decoder: &mut Decoder, rows: &Rows) -> Result<EntryBatch, LayoutError> {
    let mut batch = EntryBatch::default();
    for (key, value) in rows {
        decoder.push(key, value, &mut batch)?;
    }
    decoder.finish(&mut batch)?;
    Ok(batch)
}

/// Collects a batch, whose entries must strictly increase in the order of the layout.
pub fn collect(layout: Layout, batch: &EntryBatch) -> Entries {
    let mut check = OrderCheck::new(layout.rocksdb_order());
    let mut entries = Entries::new();
    for (root_key, entry) in batch.iter() {
        let name = (root_key, entry.key);
        check.advance(name, name, false).unwrap();
        entries.insert((root_key.to_vec(), entry.key.to_vec()), entry.value.to_vec());
    }
    entries
}
