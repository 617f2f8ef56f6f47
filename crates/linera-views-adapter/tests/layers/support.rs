//! Reading namespaces and rows.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use backup_format::{
    DatabaseBackup, Digest, DigestBuilder, EngineError, EntryBatch, Limits, Order, RestoreSink, RestoreTarget,
};
use backup_layout::rocksdb::Decoder;
use backup_layout::{Layout, LayoutError};
use backup_testkit::{Content, Units, read_phases};
use rand::Rng;
use rand::rngs::SmallRng;

/// Keys and values of one partition, either rows or entries.
pub type Pairs = BTreeMap<Vec<u8>, Vec<u8>>;

/// Root key of a chain state.
pub const CHAIN: [u8; 33] = [0; 33];

/// Reads all entries, with their digest.
pub async fn read(database: &dyn DatabaseBackup) -> Result<(Content, Digest), EngineError> {
    let snapshot = database.snapshot().await?;
    let (mut content, mut digest) = (Content::default(), DigestBuilder::default());
    for batch in read_phases(&*snapshot, NonZeroUsize::MIN).await?.concat() {
        content.extend(&batch);
        batch.groups().for_each(|group| digest.push(&group));
    }
    Ok((content, digest.finish().digest()))
}

/// Begins to restore a content, and writes all of it.
pub async fn begin(target: &dyn RestoreTarget, content: &Content) -> Box<dyn RestoreSink> {
    let units = Units::cut(content, Order::Plain, 64 << 10, 3);
    let sink = target.begin(&units.restore).await.unwrap();
    for unit in &units.units {
        let mut writer = sink.writer(&unit.unit).await.unwrap().unwrap();
        for segment in &unit.segments {
            writer.write(segment.clone()).await.unwrap();
        }
        writer.finish().await.unwrap();
    }
    sink
}

/// Restores a content, and publishes it.
pub async fn restore(target: &dyn RestoreTarget, content: &Content) {
    let sink = begin(target, content).await;
    sink.finish().await.unwrap().publish().await.unwrap();
}

/// Decodes the rows of one partition by our rules for RocksDB, which has the root key before each of them.
pub fn decode(rows: &Pairs) -> Result<Pairs, LayoutError> {
    let roots = vec![CHAIN.to_vec()].into_iter();
    let mut decoder = Decoder::new(Layout::Linera015, Box::new(roots), Limits::default());
    let mut batch = EntryBatch::default();
    for (key, value) in rows {
        decoder.push(&[&[0], &CHAIN[..], key].concat(), value, &mut batch)?;
    }
    decoder.finish(&mut batch)?;
    Ok(batch.iter().map(|(_, entry)| (entry.key.to_vec(), entry.value.to_vec())).collect())
}

/// Draws a key of up to 7 bytes, of which the first and all others come from these: few, so that many keys are prefixes of
/// others.
pub fn key_of(random: &mut SmallRng, first: &[u8], others: &[u8]) -> Vec<u8> {
    let length = random.random_range(0..7);
    let mut key = vec![first[random.random_range(0..first.len())]];
    key.extend((0..length).map(|_| others[random.random_range(0..others.len())]));
    key
}

/// Draws a value: empty, short, or of several segments of 100 bytes.
pub fn value(random: &mut SmallRng) -> Vec<u8> {
    let length = match random.random_range(0..4) {
        0 => 0,
        1 => random.random_range(1..20),
        // About where values are split.
        2 => 100 * random.random_range(1..3) - 4 + random.random_range(0..3) - 1,
        _ => random.random_range(0..350),
    };
    (0..length).map(|_| random.random()).collect()
}
