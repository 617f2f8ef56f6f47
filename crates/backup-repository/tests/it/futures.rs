//! The futures of pumps can be spawned, boxed, and dropped.

use backup_format::{DatabaseBackup, RestoreTarget};
use backup_repository::{
    BackupOptions, DigestOptions, Dump, DumpChoice, Repository, RestoreOptions, VerifyOptions, digest,
};
use futures::future::BoxFuture;

type Outcome = Result<(), backup_repository::RepositoryError>;

/// Compiles only while the pumps' futures are `Send` for any lifetimes, which is easily lost.
fn boxed<'a>(
    repository: &'a Repository,
    database: &'a dyn DatabaseBackup,
    target: &'a dyn RestoreTarget,
    dump: &'a Dump,
    restore: &'a RestoreOptions,
    verify: &'a VerifyOptions,
) -> [BoxFuture<'a, Outcome>; 5] {
    [
        Box::pin(async { repository.backup(database, BackupOptions::default()).await.map(drop) }),
        Box::pin(async { repository.restore(dump, target, restore).await.map(drop) }),
        Box::pin(async { repository.verify(dump, verify).await.map(drop) }),
        Box::pin(async { repository.dump(&DumpChoice::Latest).await.map(drop) }),
        Box::pin(async { digest(database, &DigestOptions::default()).await.map(drop) }),
    ]
}

#[test]
fn pumps_run_on_a_single_threaded_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let content = crate::support::content(8);
        let namespace = crate::support::namespace(&content);
        let repository = crate::support::repository(&std::sync::Arc::default()).await;
        crate::support::back_up(&repository, &namespace).await;
        let dump = repository.dump(&DumpChoice::Latest).await.unwrap();
        let (restore, verify) = (RestoreOptions::default(), VerifyOptions::default());
        let target = backup_memory::MemoryNamespace::new("target");
        for pump in boxed(&repository, &target, &target, &dump, &restore, &verify).into_iter().skip(1) {
            pump.await.unwrap();
        }
    });
}
