//! Journals that linera left pending at any of its writes, resolved by us and by linera.

use std::convert::Infallible;

use backup_layout::{Journal, JournalKey, Layout, LayoutError};
use backup_testkit::{Content, Spec, seed, suite::block_on};
use linera_views::batch::Batch;
use linera_views::context::{Context, ViewContext};
use linera_views::store::{KeyValueDatabase, ReadableKeyValueStore, WritableKeyValueStore};
use linera_views_adapter::ViewsNamespace;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::limited::{Layers, Limited};
use crate::support::{CHAIN, Pairs, decode, key_of, read, restore, value};

const BATCHES: u64 = 80;
/// Writes that any of the batches needs at most.
const WRITES_MAX: u64 = 1_000;

/// What the comparisons came across, so that they prove something.
#[derive(Debug, Default)]
struct Seen {
    pending: usize,
    garbage: usize,
    clean: usize,
    blocks_max: usize,
    refused_from_above: usize,
}

#[test]
fn a_journal_left_at_any_write_is_resolved_as_linera_does() {
    let mut seen = Seen::default();
    for number in 0..BATCHES {
        block_on(stop_at_every_write(seed() ^ number, &mut seen));
    }
    assert!(seen.pending > 500 && seen.garbage > 200 && seen.clean > 80, "{seen:?}");
    assert!(seen.blocks_max >= 10, "{seen:?}");
    assert!(seen.refused_from_above >= 2 * seen.pending, "{seen:?}");
}

/// Writes the same batch to the same content again and again, each time with one more write that succeeds.
async fn stop_at_every_write(seed: u64, seen: &mut Seen) {
    for writes in 0..WRITES_MAX {
        let mut random = SmallRng::seed_from_u64(seed);
        let database = Limited::new().await;
        let store = database.layers().await.open_exclusive(&CHAIN).unwrap();
        for _ in 0..random.random_range(0..30) {
            let mut batch = Batch::new();
            batch.put_key_value_bytes(key(&mut random), value(&mut random));
            store.write_batch(batch).await.unwrap();
        }
        database.stop_after(writes);
        let written = store.write_batch(batch(&mut random)).await;
        database.stop_after(u64::MAX);
        compare(&database, seen).await;
        if written.is_ok() {
            return;
        }
    }
    panic!("a batch needs more than {WRITES_MAX} writes");
}

/// A key of a view, which no other key comes between the segments of.
fn key(random: &mut SmallRng) -> Vec<u8> {
    key_of(random, &[1, 2, 3], &[1, 2, 0xff])
}

/// A batch that is too long for one write. Sometimes it deletes everything first, as linera does with a view that it clears.
fn batch(random: &mut SmallRng) -> Batch {
    let mut batch = Batch::new();
    for number in 0..random.random_range(10..40) {
        match random.random_range(0..8) {
            0 if number == 0 => batch.delete_key_prefix(Vec::new()),
            0..6 => batch.put_key_value_bytes(key(random), value(random)),
            6 => batch.delete_key(key(random)),
            _ => batch.delete_key_prefix(key(random)),
        }
    }
    batch
}

/// Resolves the journal as our readers do.
fn resolve(rows: &Pairs) -> Result<Pairs, LayoutError> {
    let header = rows.get(&JournalKey::Header.bytes()[..]).map(Vec::as_slice);
    let mut journal = Journal::new(&CHAIN, header, 1 << 20)?;
    for (key, value) in rows {
        if let Some(JournalKey::Block(number)) = JournalKey::of(key) {
            journal.push_block(number, value)?;
        }
    }
    let mut overlay = journal.fold()?;
    let mut found = Pairs::new();
    let mut emit = |key: &[u8], value: &[u8]| {
        found.insert(key.to_vec(), value.to_vec());
        Ok::<_, Infallible>(())
    };
    rows.iter().try_for_each(|(key, value)| overlay.push(key, value, &mut emit)).unwrap();
    overlay.finish(&mut emit).unwrap();
    Ok(found)
}

async fn compare(database: &Limited, seen: &mut Seen) {
    let rows = database.rows().await;
    let layers = database.layers().await;
    let mut from_above = Vec::new();
    for layout in [Layout::Linera015, Layout::Plain] {
        from_above.push(read(&ViewsNamespace::new("test", layout, layers.clone())).await);
    }
    let found = resolve(&rows).unwrap();

    let loaded = load(&layers).await;
    let mut expected = database.rows().await;
    // Blocks without a header stay where they are for ever.
    expected.retain(|key, _| JournalKey::of(key).is_none());
    assert_eq!(found, expected);
    assert_eq!(decode(&found).unwrap(), loaded);
    for read in from_above {
        match read {
            Err(_) => seen.refused_from_above += 1,
            Ok((content, _)) => {
                let entries = content.iter().map(|(_, key, value)| (key.to_vec(), value.to_vec()));
                assert_eq!(entries.collect::<Pairs>(), loaded, "a dump from above is wrong");
            }
        }
    }
    let blocks = rows.keys().filter(|key| matches!(JournalKey::of(key), Some(JournalKey::Block(_)))).count();
    seen.blocks_max = seen.blocks_max.max(blocks);
    match (rows.contains_key(&JournalKey::Header.bytes()[..]), blocks) {
        (true, _) => seen.pending += 1,
        (false, 0) => seen.clean += 1,
        (false, _) => seen.garbage += 1,
    }
}

/// Loads the partition as linera does when it opens a chain, and reads what it holds then. It reads key by key,
/// because linera's scans fail on blocks without a header.
async fn load(layers: &Layers) -> Pairs {
    let store = layers.open_exclusive(&CHAIN).unwrap();
    let context = ViewContext::create_root_context(store, ()).await.unwrap();
    let store = context.store();
    let mut loaded = Pairs::new();
    // Keys of views start with a tag of 1 or more.
    for tag in 1..=u8::MAX {
        for rest in store.find_keys_by_prefix(&[tag]).await.unwrap() {
            let key = [&[tag], &rest[..]].concat();
            let value = store.read_value_bytes(&key).await.unwrap().unwrap();
            loaded.insert(key, value);
        }
    }
    loaded
}

/// Only who opens a partition as its owner may write a batch that needs a journal.
#[test]
fn partitions_with_an_owner_are_restored_by_their_owner() {
    let spec = Spec { partitions: 1, entries: 100..=200, key_bytes: 1..=20, ..Spec::default() };
    let mut content = Content::default();
    for (_, key, value) in Content::seeded(seed(), &spec).iter() {
        content.put(&CHAIN, &[&[1], key].concat(), value);
    }
    block_on(async {
        let database = Limited::new().await;
        let target = ViewsNamespace::new("test", Layout::Linera015, database.layers().await);
        restore(&target, &content).await;
        let (found, digest) = read(&target).await.unwrap();
        assert_eq!(content.difference(&found), None);
        assert_eq!(digest, content.digest());
        assert!(
            decode(&database.rows().await).is_ok_and(|entries| entries.len() as u64 == content.entries())
        );
    });
}
