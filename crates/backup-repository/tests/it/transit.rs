//! Bytes that come wrong from the store, and lie there as they should.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use backup_format::ErrorClass;
use backup_repository::{DumpChoice, Event, Progress, Repository, RepositoryError, Store, VerifyOptions};
use backup_testkit::{Fault, Faults, FaultyStore};
use object_store::memory::InMemory;
use object_store::path::Path;

use crate::support::dumped;

/// Verifies the dump; returns how many files were read again and were good then.
async fn verify(store: &Arc<InMemory>, faults: &Arc<Faults>) -> Result<u64, RepositoryError> {
    let again = Arc::new(AtomicU64::new(0));
    let counter = again.clone();
    let progress = Progress::new(move |event| {
        if let Event::ReadAgain { .. } = event {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    let store = FaultyStore::new(store.clone(), faults.clone());
    let store = Store::new(Arc::new(store), Path::default()).with_progress(progress);
    let repository = Repository::open(store).await?;
    let dump = repository.dump(&DumpChoice::Latest).await?;
    repository.verify(&dump, &VerifyOptions::default()).await?;
    Ok(again.load(Ordering::Relaxed))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_wrong_once_is_read_again_and_told() {
    let store = dumped().await;
    let none = Arc::new(Faults::none());
    assert_eq!(verify(&store, &none).await.unwrap(), 0);
    let mut fired = 0;
    for number in 0..none.operations() {
        for fault in [Fault::Flipped, Fault::Short] {
            let faults = Arc::new(Faults::nth(number, fault));
            let again = verify(&store, &faults).await;
            let again = again.unwrap_or_else(|error| panic!("{fault:?} of reading {number}: {error:?}"));
            match fault {
                Fault::Short => assert_eq!(again, u64::from(faults.fired()), "of reading {number}"),
                // With the table of a small pack some of its bodies are read, and not looked at.
                _ => assert!(again <= u64::from(faults.fired()), "of reading {number}"),
            }
            fired += again;
        }
    }
    assert!(fired > 20, "only {fired} readings were disturbed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_differently_each_time_is_no_damage() {
    let store = dumped().await;
    let none = Arc::new(Faults::none());
    verify(&store, &none).await.unwrap();
    for number in 0..none.operations() {
        let faults = Arc::new(Faults::nth(number, Fault::Flipped).lasting());
        match verify(&store, &faults).await {
            Ok(_) => assert!(number + 1 >= none.operations(), "from reading {number} on"),
            Err(error) => {
                assert!(
                    matches!(error, RepositoryError::Transit { .. }),
                    "from reading {number} on: {error:?}"
                );
                assert_eq!(error.class(), ErrorClass::Transient);
            }
        }
    }
}
