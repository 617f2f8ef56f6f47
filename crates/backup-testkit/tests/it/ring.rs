//! The engine of two phases.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use backup_format::DatabaseBackup;
use backup_memory::MemoryNamespace;
use backup_testkit::suite::{block_on, failures};
use backup_testkit::{Content, Engine, Namespace, Ring, read_all_in_order, read_phases};

/// Rings to read. What is restored lies in another kind of namespace.
#[derive(Default)]
struct Rings(AtomicU32);

#[async_trait]
impl Engine for Rings {
    fn name(&self) -> &str {
        "ring"
    }

    async fn create(&self, content: &Content) -> Namespace {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        let ring = Ring { identity: format!("ring {number}"), ..Ring::new() };
        content.iter().for_each(|(root_key, key, value)| ring.put(root_key, key, value));
        Namespace { source: Arc::new(ring), target: Arc::new(MemoryNamespace::new("ring")) }
    }

    async fn empty(&self) -> Namespace {
        Namespace::of(MemoryNamespace::new("ring"))
    }
}

#[test]
fn it_passes_all_checks_of_reading() {
    let engine = Rings::default();
    let failed = block_on(failures(&engine, |check| ["reading", "sharing"].contains(&check.group)));
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn its_dumps_pass_the_checks_of_dumps() {
    let names = [
        "repository::a_dump_verifies_and_restores_to_the_same_digest",
        "repository::a_second_backup_stores_no_new_object",
        "repository::any_number_of_workers_gives_the_same_ids",
    ];
    let failed = block_on(failures(&Rings::default(), |check| names.contains(&check.name)));
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn it_records_what_is_read_and_in_which_phase() {
    let ring = Ring::new();
    (0..=255).for_each(|number| ring.put(&[number % 2, number], b"key", b"value"));
    block_on(async {
        let snapshot = ring.snapshot().await.unwrap();
        assert_eq!(read_all_in_order(&*snapshot).await.unwrap().len(), 256);
        let begun = ring.take_begun();
        assert_eq!(begun, [1, 2].map(|phase| Vec::from_iter((0..8).map(|slice| (phase, slice)))).concat());
        let phases = read_phases(&*snapshot, NonZeroUsize::new(5).unwrap()).await.unwrap();
        assert_eq!(ring.take_begun(), begun);
        let of_phase = |phase: usize, first: u8| {
            phases[phase].iter().flat_map(|batch| batch.groups()).all(|group| group.root_key[0] == first)
        };
        assert!(of_phase(0, 0) && of_phase(1, 1));
    });
}
