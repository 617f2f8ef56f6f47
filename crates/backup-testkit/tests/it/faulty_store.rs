//! Object stores that fail on purpose.

use std::sync::Arc;

use backup_testkit::suite::block_on;
use backup_testkit::{Fault, Faults, FaultyStore};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, Result};

/// The operations of [`everything`].
const OPERATIONS: [&str; 14] = [
    "put",
    "put_multipart",
    "put_part",
    "complete",
    "put_multipart",
    "abort",
    "get",
    "get_ranges",
    "copy",
    "rename",
    "list",
    "list",
    "list",
    "delete",
];

struct Stores {
    inner: Arc<InMemory>,
    faulty: FaultyStore,
    faults: Arc<Faults>,
}

impl Stores {
    fn new(faults: Faults) -> Self {
        let (inner, faults) = (Arc::new(InMemory::new()), Arc::new(faults));
        let faulty = FaultyStore::new(Arc::clone(&inner) as Arc<dyn ObjectStore>, Arc::clone(&faults));
        Self { inner, faulty, faults }
    }

    /// Does everything that can be done with a store, and stops at the first error. Returns what was read.
    async fn everything(&self) -> Result<(Bytes, Vec<Bytes>)> {
        let store = &self.faulty;
        let [a, b, c, d] = ["dir/a", "dir/b", "dir/c", "dir/d"].map(Path::from);
        store.put(&a, "0123456789".into()).await?;
        let mut upload = store.put_multipart(&b).await?;
        upload.put_part("part".into()).await?;
        upload.complete().await?;
        store.put_multipart(&c).await?.abort().await?;
        let whole = store.get(&a).await?.bytes().await?;
        let ranges = store.get_ranges(&a, &[0..4, 6..10]).await?;
        store.copy(&a, &c).await?;
        store.rename(&c, &d).await?;
        store.list(None).try_collect::<Vec<_>>().await?;
        store.list_with_offset(None, &a).try_collect::<Vec<_>>().await?;
        store.list_with_delimiter(None).await?;
        store.delete_stream(stream::iter([Ok(a)]).boxed()).try_collect::<Vec<_>>().await?;
        Ok((whole, ranges))
    }

    async fn names(&self) -> Vec<String> {
        let found: Vec<_> = self.inner.list(None).try_collect().await.unwrap();
        let mut names: Vec<_> = found.iter().map(|meta| meta.location.to_string()).collect();
        names.sort();
        names
    }
}

#[test]
fn every_operation_of_a_store_fails_in_its_turn() {
    for fault in [Fault::Before, Fault::After] {
        for (number, operation) in (0..).zip(OPERATIONS) {
            let stores = Stores::new(Faults::nth(number, fault));
            let error = block_on(stores.everything()).unwrap_err();
            let expected = format!("fault injected into operation {number}, {operation}");
            assert!(error.to_string().contains(&expected), "{fault:?} {operation}: {error}");
            assert_eq!(stores.faults.operations(), number + 1);
        }
    }
}

#[test]
fn without_faults_all_operations_are_passed_on_and_counted() {
    let stores = Stores::new(Faults::none());
    let (whole, ranges) = block_on(stores.everything()).unwrap();
    assert_eq!(
        (&whole[..], &ranges[0][..], &ranges[1][..]),
        (&b"0123456789"[..], &b"0123"[..], &b"6789"[..])
    );
    assert_eq!(block_on(stores.names()), ["dir/b", "dir/d"]);
    assert_eq!(stores.faults.operations(), OPERATIONS.len() as u64);
    assert!(!stores.faults.fired());
    assert_eq!(stores.faulty.to_string(), "FaultyStore(InMemory)");
}

#[test]
fn an_operation_that_fails_after_has_done_its_work_and_one_that_fails_before_has_not() {
    let run = |operation, fault| {
        let stores = Stores::new(Faults::nth(0, fault).only(operation));
        block_on(stores.everything()).unwrap_err();
        block_on(stores.names())
    };
    let cases: [(&str, &[&str], &[&str]); 5] = [
        ("put", &[], &["dir/a"]),
        ("complete", &["dir/a"], &["dir/a", "dir/b"]),
        ("copy", &["dir/a", "dir/b"], &["dir/a", "dir/b", "dir/c"]),
        ("rename", &["dir/a", "dir/b", "dir/c"], &["dir/a", "dir/b", "dir/d"]),
        ("delete", &["dir/a", "dir/b", "dir/d"], &["dir/b", "dir/d"]),
    ];
    for (operation, before, after) in cases {
        assert_eq!(run(operation, Fault::Before), before, "{operation}");
        assert_eq!(run(operation, Fault::After), after, "{operation}");
    }
}

#[test]
fn a_short_read_ends_half_way_without_an_error() {
    let stores = Stores::new(Faults::nth(0, Fault::Short).only("get"));
    assert_eq!(&block_on(stores.everything()).unwrap().0[..], b"01234");
    assert!(stores.faults.fired());
    let stores = Stores::new(Faults::nth(0, Fault::Short).only("get_ranges"));
    assert_eq!(block_on(stores.everything()).unwrap().1, ["01", "67"]);
    let stores = Stores::new(Faults::nth(0, Fault::Short).only("put"));
    block_on(stores.everything()).unwrap();
    assert!(!stores.faults.fired());
}

#[test]
fn a_read_that_fails_after_gives_half_of_the_bytes_first() {
    let stores = Stores::new(Faults::nth(0, Fault::After).only("get"));
    let path = Path::from("dir/a");
    block_on(async {
        stores.inner.put(&path, "0123456789".into()).await.unwrap();
        let mut stream = stores.faulty.get(&path).await.unwrap().into_stream();
        assert_eq!(stream.try_next().await.unwrap().as_deref(), Some(&b"01234"[..]));
        assert!(stream.try_next().await.is_err());
    });
}
