//! What is refused, and not called damage.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use backup_format::{ErrorClass, Limits};
use backup_memory::MemoryNamespace;
use backup_repository::{
    BackupOptions, DumpChoice, Event, Progress, RepositoryError, RestoreOptions, VerifyOptions,
};
use object_store::memory::InMemory;

use crate::support::{back_up, content, files, namespace, options, repository};

#[tokio::test(flavor = "multi_thread")]
async fn a_value_above_the_limit_is_refused_and_no_damage() {
    let repository = repository(&Arc::default()).await;
    let namespace = namespace(&content(41));
    let limits = Limits::default().with_value_bytes_max(10);
    let limited = BackupOptions { limits, ..options(2, 1) };
    let refused = repository.backup(&namespace, limited).await.unwrap_err();
    assert_eq!(refused.class(), ErrorClass::Refused, "{refused:?}");

    back_up(&repository, &namespace).await;
    let dump = repository.dump(&DumpChoice::Latest).await.unwrap();
    let verify = VerifyOptions { limits, ..VerifyOptions::default() };
    let restore = RestoreOptions { limits, ..RestoreOptions::default() };
    let target = MemoryNamespace::new("target");
    for error in [
        repository.verify(&dump, &verify).await.map(drop).unwrap_err(),
        repository.restore(&dump, &target, &restore).await.map(drop).unwrap_err(),
    ] {
        assert!(matches!(error, RepositoryError::AboveLimit { .. }), "{error:?}");
        assert_eq!(error.class(), ErrorClass::Refused);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_stand_in_a_manifest_is_noticed_before_anything_is_read() {
    let store: Arc<InMemory> = Arc::default();
    let repository = repository(&store).await;
    let before = files(&store).await;
    let good = namespace(&content(42));
    let odd = MemoryNamespace::new("two\nlines");
    odd.put(b"root", b"key", b"value").unwrap();
    let cases = [(&good, "a\nb".to_owned()), (&good, "x".repeat(5_000)), (&odd, String::new())];
    for (namespace, remark) in cases {
        let read = Arc::new(AtomicBool::new(false));
        let seen = read.clone();
        let progress = Progress::new(move |event| {
            seen.fetch_or(matches!(event, Event::Advance { .. }), Ordering::Relaxed);
        });
        let annotations = BTreeMap::from([("remark".to_owned(), remark)]);
        let options = BackupOptions { annotations, progress, ..options(2, 1) };
        let error = repository.backup(namespace, options).await.unwrap_err();
        assert!(matches!(error, RepositoryError::Metadata { .. }), "{error:?}");
        assert!(!read.load(Ordering::Relaxed));
        assert_eq!(files(&store).await, before);
    }
}
