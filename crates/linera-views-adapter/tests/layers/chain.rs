//! The whole chain of wrappers over an engine, read from above by linera's code and from below by ours.

use backup_format::ErrorClass;
use backup_layout::Layout;
use backup_rocksdb::{RocksDbNamespace, RocksDbOptions};
#[cfg(feature = "scylla")]
use backup_scylla::{CqlNamespace, CqlOptions};
use backup_testkit::{Content, Namespace, Spec, seed, suite::block_on};
use linera_views::batch::Batch;
use linera_views::store::{KeyValueDatabase, WritableKeyValueStore};
use linera_views_adapter::{ViewsDatabase, ViewsNamespace};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
#[cfg(feature = "scylla")]
use validator_network::places::Scylla;
use validator_network::places::{Place, RocksDb};

use crate::support::{begin, key_of, read, restore, value};

const ROUNDS: usize = 25;

/// A place that one of our engines reads and writes below linera's stores. Without a layout, what linera and the adapter
/// wrote must be recognised as linera's.
trait Below: Place {
    fn below(&self, layout: Option<Layout>) -> Namespace;
}

impl Below for RocksDb {
    fn below(&self, layout: Option<Layout>) -> Namespace {
        let mut options = RocksDbOptions::default();
        options.layout = layout;
        Namespace::of(RocksDbNamespace::at(self.path(), options))
    }
}

#[cfg(feature = "scylla")]
impl Below for Scylla {
    fn below(&self, layout: Option<Layout>) -> Namespace {
        let options = CqlOptions::default().with_layout(layout);
        Namespace::of(CqlNamespace::at(self.address().parse().unwrap(), options))
    }
}

fn above<D: ViewsDatabase>(database: D) -> ViewsNamespace<D> {
    ViewsNamespace::new("validator_0", Layout::Linera015, database)
}

macro_rules! chain {
    ($place:ty) => {
        #[test]
        fn what_linera_reads_from_above_has_the_digest_of_what_we_read_from_below() {
            read_while_linera_writes::<$place>();
        }

        #[test]
        fn what_is_restored_from_above_reads_from_below() {
            restore_from_above::<$place>();
        }

        #[test]
        fn what_is_restored_from_below_reads_from_above() {
            restore_from_below::<$place>();
        }

        #[test]
        fn what_is_half_restored_from_above_is_refused_from_below() {
            restore_half_from_above::<$place>();
        }
    };
}

mod rocksdb {
    use super::*;
    chain!(RocksDb);
}

#[cfg(feature = "scylla")]
mod scylla {
    use super::*;
    chain!(Scylla);
}

/// Root keys of chain states, blocks, blobs, and of blocks by height.
fn root_key(random: &mut SmallRng) -> Vec<u8> {
    let tag = [0, 0, 1, 2, 7][random.random_range(0..5)];
    let mut root_key = vec![random.random_range(0..6); if tag == 2 { 34 } else { 33 }];
    root_key[0] = tag;
    root_key
}

/// A batch for a partition: keys as views have them, or two that linera writes into blocks and blobs, or heights.
fn batch(random: &mut SmallRng, tag: u8) -> Batch {
    let mut batch = Batch::new();
    for _ in 0..random.random_range(1..10) {
        let key = match tag {
            0 => key_of(random, &[1, 2, 3], &[0, 1, 0xff]),
            1 => vec![[0x5b, 0xdd][random.random_range(0..2)]],
            2 => vec![[0x2a, 0x31][random.random_range(0..2)]],
            _ => u64::to_le_bytes(random.random_range(0..50)).to_vec(),
        };
        match random.random_range(0..8) {
            0..6 => batch.put_key_value_bytes(key, value(random)),
            6 => batch.delete_key(key),
            _ => batch.delete_key_prefix(key),
        }
    }
    batch
}

fn read_while_linera_writes<P: Below>() {
    let place = P::new().unwrap();
    block_on(async {
        let database = place.create().await.unwrap();
        let mut random = SmallRng::seed_from_u64(seed());
        let mut digests = Vec::new();
        for _ in 0..ROUNDS {
            for _ in 0..20 {
                let root_key = root_key(&mut random);
                let store = match root_key[0] {
                    0 => database.open_exclusive(&root_key).unwrap(),
                    _ => database.open_shared(&root_key).unwrap(),
                };
                store.write_batch(batch(&mut random, root_key[0])).await.unwrap();
            }
            let (content, digest) = read(&above(database.clone())).await.unwrap();
            let (from_below, digest_below) = read(&*place.below(None).source).await.unwrap();
            assert_eq!(content.difference(&from_below), None);
            assert_eq!((digest, content.digest()), (digest_below, digest));
            assert!(content.entries() > 20);
            digests.push(digest);
        }
        digests.dedup();
        assert_eq!(digests.len(), ROUNDS, "nothing was written");
    });
}

/// Long enough for linera's cache to have something to do, and for several batches.
fn content() -> Content {
    let mut content = Content::default();
    let spec = Spec {
        partitions: 1,
        entries: 400..=600,
        key_bytes: 1..=30,
        value_bytes: 0..=3_000,
        ..Spec::default()
    };
    for tag in [0, 7] {
        for number in 0..3 {
            let seeded = Content::seeded(seed() ^ number, &spec);
            for (_, key, value) in seeded.iter() {
                let key = if tag == 0 { [&[1], key].concat() } else { [key, &[0; 8]].concat()[..8].to_vec() };
                let mut root_key = [number as u8; 33];
                root_key[0] = tag;
                content.put(&root_key, &key, value);
            }
        }
    }
    content.put(&[5], &[0x77], b"network");
    content
}

fn restore_from_above<P: Below>() {
    let place = P::new().unwrap();
    block_on(async {
        let content = content();
        let target = above(place.create().await.unwrap());
        restore(&target, &content).await;
        let (found, digest) = read(&*place.below(None).source).await.unwrap();
        assert_eq!(content.difference(&found), None);
        assert_eq!(digest, content.digest());
    });
}

fn restore_from_below<P: Below>() {
    let place = P::new().unwrap();
    block_on(async {
        let content = content();
        restore(&*place.below(Some(Layout::Linera015)).target, &content).await;
        let (found, digest) = read(&above(place.open().await.unwrap())).await.unwrap();
        assert_eq!(content.difference(&found), None);
        assert_eq!(digest, content.digest());
    });
}

/// Only for want of a layout that has the marker's entries: who names the layout is not stopped.
fn restore_half_from_above<P: Below>() {
    let place = P::new().unwrap();
    block_on(async {
        let target = above(place.create().await.unwrap());
        let content = Content::of(&[(&[5], &[0x77], b"network")]);
        drop(begin(&target, &content).await);
        let error = read(&*place.below(None).source).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Refused, "{error}");
    });
}
