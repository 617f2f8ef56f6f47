//! Writing to a namespace and reading single entries.

use std::sync::Arc;

use backup_format::{ContractError, DatabaseBackup, Snapshot};
use backup_memory::{Error, MemoryNamespace, WriteBatch};
use backup_testkit::{Content, seed};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::restore::half_restored;
use crate::snapshot::content_of;

#[test]
fn an_entry_is_what_was_put_last() {
    let namespace = MemoryNamespace::new("test");
    assert_eq!(namespace.get(b"root", b"key").unwrap(), None);
    namespace.put(b"root", b"key", b"one").unwrap();
    namespace.put(b"root", b"key", b"two").unwrap();
    assert_eq!(namespace.get(b"root", b"key").unwrap().as_deref(), Some(&b"two"[..]));
    assert_eq!((namespace.len(), namespace.partitions()), (1, 1));
    namespace.delete(b"root", b"key").unwrap();
    namespace.delete(b"root", b"key").unwrap();
    assert_eq!(namespace.get(b"root", b"key").unwrap(), None);
    assert_eq!((namespace.len(), namespace.partitions(), namespace.is_empty()), (0, 0, true));
}

#[test]
fn a_prefix_is_deleted_in_its_own_partition_only() {
    let namespace = MemoryNamespace::new("test");
    let keys: [&[u8]; 6] = [b"", b"a", b"ab", b"a\xff", b"b", b"\xff"];
    for key in keys {
        namespace.put(b"r", key, b"v").unwrap();
        namespace.put(b"ra", key, b"v").unwrap();
    }
    namespace.delete_prefix(b"r", b"a").unwrap();
    let left: Vec<_> = keys.iter().filter(|key| namespace.get(b"r", key).unwrap().is_some()).collect();
    assert_eq!(left, [&b""[..], b"b", b"\xff"].iter().collect::<Vec<_>>());
    assert_eq!(namespace.len(), 9);
    namespace.delete_prefix(b"ra", b"").unwrap();
    assert_eq!((namespace.len(), namespace.partitions()), (3, 1));
}

#[tokio::test]
async fn clones_are_the_same_namespace() {
    let namespace = MemoryNamespace::new("test");
    let clone = namespace.clone().with_layout("linera-0.15", |_| Some("block"));
    clone.put(b"root", b"key", b"value").unwrap();
    assert_eq!(namespace.len(), 1);
    for (namespace, layout) in [(namespace, "plain"), (clone, "linera-0.15")] {
        assert_eq!(namespace.snapshot().await.unwrap().source().layout, layout);
    }
}

#[tokio::test]
async fn a_namespace_keeps_the_layout_and_kinds_it_is_given() {
    let kind = |root_key: &[u8]| match root_key.first() {
        Some(0) => Some("chain_state"),
        Some(1) => Some("block"),
        _ => None,
    };
    let namespace = MemoryNamespace::new("bank").with_layout("linera-0.15", kind);
    let snapshot = namespace.snapshot().await.unwrap();
    let source = snapshot.source();
    assert_eq!((&*source.engine, &*source.layout, &*source.namespace), ("memory", "linera-0.15", "bank"));
    let kinds = [&[0, 7][..], &[1], &[2], &[]].map(|root_key| snapshot.kind(root_key));
    assert_eq!(kinds, [Some("chain_state"), Some("block"), None, None]);
}

#[test]
fn a_batch_is_applied_in_its_order() {
    let namespace = MemoryNamespace::new("test");
    namespace.put(b"r", b"old", b"1").unwrap();
    let mut batch = WriteBatch::default();
    assert!(batch.is_empty());
    batch.put(b"r", b"a", b"1");
    batch.delete_prefix(b"r", b"");
    batch.put(b"r", b"b", b"1");
    batch.put(b"r", b"c", b"1");
    batch.delete(b"r", b"c");
    namespace.write_batch(&batch).unwrap();
    assert_eq!(namespace.get(b"r", b"b").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(namespace.len(), 1);
}

#[test]
fn a_half_restored_namespace_can_neither_be_read_nor_written() {
    let namespace = half_restored();
    let mut batch = WriteBatch::default();
    batch.put(b"r", b"k", b"v");
    let results = [
        namespace.get(b"r", b"k").map(|_| ()),
        namespace.put(b"r", b"k", b"v"),
        namespace.delete(b"r", b"k"),
        namespace.delete_prefix(b"r", b""),
        namespace.write_batch(&batch),
    ];
    for result in results {
        assert!(matches!(result, Err(Error::Contract(ContractError::HalfRestored { .. }))), "{result:?}");
    }
    assert_eq!(namespace.len(), 2);
}

#[tokio::test]
async fn any_series_of_changes_leaves_what_a_plain_map_holds() {
    let mut random = SmallRng::seed_from_u64(seed());
    let namespace = MemoryNamespace::new("test");
    let mut model = Content::default();
    let mut older = Vec::new();
    for step in 0..4_000 {
        // Few different keys, so that many changes meet.
        let root_key = vec![b'r'; random.random_range(0..6)];
        let key = [random.random_range(0..4), random.random_range(0..8)];
        let key = &key[..random.random_range(0..=2)];
        match random.random_range(0..10) {
            0..6 => {
                let value = vec![step as u8; random.random_range(0..9)];
                namespace.put(&root_key, key, &value).unwrap();
                model.put(&root_key, key, &value);
            }
            6..9 => {
                namespace.delete(&root_key, key).unwrap();
                model.remove(&root_key, key);
            }
            _ => {
                namespace.delete_prefix(&root_key, key).unwrap();
                let gone = model.iter().filter(|entry| entry.0 == root_key && entry.1.starts_with(key));
                let gone: Vec<_> = gone.map(|entry| (entry.0.to_vec(), entry.1.to_vec())).collect();
                gone.iter().for_each(|(root_key, key)| assert!(model.remove(root_key, key)));
            }
        }
        assert_eq!((namespace.len(), namespace.partitions()), (model.entries(), model.partitions()));
        if step % 100 == 0 {
            older.push((namespace.snapshot().await.unwrap(), model.clone()));
        }
    }
    for (snapshot, model) in older {
        check_estimate(&*snapshot, &model).await;
        assert_eq!(content_of(&*snapshot).await, model);
    }
}

async fn check_estimate(snapshot: &dyn Snapshot, model: &Content) {
    let bytes: usize = model.iter().map(|(_, key, value)| key.len() + value.len()).sum();
    assert_eq!(snapshot.estimate().await.unwrap(), Some(bytes as u64));
}

#[test]
fn a_value_is_shared_and_not_copied() {
    let namespace = MemoryNamespace::new("test");
    namespace.put(b"r", b"k", &[7; 1_000]).unwrap();
    let (left, right) =
        (namespace.get(b"r", b"k").unwrap().unwrap(), namespace.get(b"r", b"k").unwrap().unwrap());
    assert!(Arc::ptr_eq(&left, &right));
}
