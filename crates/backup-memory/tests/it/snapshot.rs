//! Reading a namespace.

use backup_format::{ContractError, DatabaseBackup, EntryBatch, ErrorClass, Range, Snapshot};
use backup_memory::{MemoryNamespace, Options};
use backup_testkit::Content;
use futures::TryStreamExt;

/// Reads all ranges of a plan of at most `ranges_max` ranges.
pub async fn batches_of(snapshot: &dyn Snapshot, ranges_max: usize) -> Vec<Vec<EntryBatch>> {
    let mut batches = Vec::new();
    let plan = snapshot.plan(ranges_max.try_into().unwrap()).await.unwrap();
    for range in plan.phases.iter().flatten() {
        batches.push(snapshot.entries(range).await.unwrap().try_collect().await.unwrap());
    }
    batches
}

pub async fn content_of(snapshot: &dyn Snapshot) -> Content {
    let mut content = Content::default();
    batches_of(snapshot, 1).await.iter().flatten().for_each(|batch| content.extend(batch));
    content
}

fn filled(partitions: u8, value_bytes: usize) -> MemoryNamespace {
    let namespace = MemoryNamespace::new("test");
    (0..partitions).for_each(|root| namespace.put(&[root], b"key", &vec![root; value_bytes]).unwrap());
    namespace
}

#[tokio::test]
async fn ranges_are_about_equal_in_bytes() {
    let namespace = filled(200, 500);
    let snapshot = namespace.snapshot().await.unwrap();
    for number in 1..=8 {
        let ranges = batches_of(&*snapshot, number).await;
        let entries = ranges.iter().map(|range| range.iter().map(EntryBatch::entries).sum::<u64>());
        let (least, most) =
            entries.fold((u64::MAX, 0), |(least, most), each| (least.min(each), most.max(each)));
        assert_eq!(ranges.len(), number);
        assert!(most - least <= 1, "{number} ranges have {least} to {most} entries");
    }
}

#[tokio::test]
async fn a_range_begins_with_a_partition_and_no_partition_is_divided() {
    let namespace = filled(3, 10);
    (0..1_000u32).for_each(|key| namespace.put(&[1], &key.to_be_bytes(), &[0; 100]).unwrap());
    let snapshot = namespace.snapshot().await.unwrap();
    let ranges = batches_of(&*snapshot, 8).await;
    let roots = |range: &Vec<EntryBatch>| -> Vec<Vec<u8>> {
        let mut roots: Vec<_> =
            range.iter().flat_map(EntryBatch::groups).map(|group| group.root_key.to_vec()).collect();
        roots.dedup();
        roots
    };
    let roots: Vec<_> = ranges.iter().map(roots).collect();
    assert_eq!(roots, [vec![vec![0], vec![1]], vec![vec![2]]]);
}

#[tokio::test]
async fn a_batch_ends_at_the_bytes_that_were_chosen() {
    for (bytes, expected) in [(0, 20), (1_000, 10), (1 << 20, 1)] {
        let namespace = filled(20, 450).with_options(Options::default().with_batch_bytes(bytes));
        let snapshot = namespace.snapshot().await.unwrap();
        assert_eq!(batches_of(&*snapshot, 1).await[0].len(), expected, "batches of {bytes} bytes");
    }
}

#[tokio::test]
async fn a_range_of_another_engine_is_no_panic() {
    let namespace = filled(2, 10);
    let snapshot = namespace.snapshot().await.unwrap();
    for token in [&b""[..], b"\x05abc", b"\xff\xff\xff\xff\xff\xff", b"\0\0\0", b"\x80\0"] {
        let range = Range { token: token.to_vec() };
        let Err(error) = snapshot.entries(&range).await else { panic!("read token {token:?}") };
        assert_eq!(error.class(), ErrorClass::Failed);
        let found = error.get_ref().downcast_ref();
        assert!(matches!(found, Some(ContractError::ForeignRange { .. })), "{error}");
        assert!(std::error::Error::source(&error).is_some(), "the cause is lost");
    }
}
