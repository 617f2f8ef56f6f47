//! Nodes that are killed in the middle of a dump and of a restore.

use std::time::{Duration, Instant};

use backup_format::{DatabaseBackup, Digest, ErrorClass, RestoreTarget};
use backup_layout::Layout;
use backup_repository::{BackupOptions, Dump, RepositoryError, RestoreOptions};
use backup_scylla::CqlOptions;
use backup_testkit::sample;

use crate::hook::{Event, Hooked, event};
use crate::repository::{Place, filled, text, validator};
use crate::trio::{Trio, kill};

/// A test that takes this long hangs.
const HANGS_AFTER: Duration = Duration::from_secs(180);

/// Who is killed, and before which batch or segment.
struct Case {
    at: u32,
    event: Event,
}

/// One node: it has one of three replicas. The driver's own connection for the cluster's state is
/// to one of them.
const ONE: [Case; 3] = [
    Case { at: 1, event: || event(kill(&[1])) },
    Case { at: 7, event: || event(kill(&[2])) },
    Case { at: 20, event: || event(kill(&[3])) },
];

/// Two nodes: no majority is left.
const TWO: [Case; 2] =
    [Case { at: 2, event: || event(kill(&[2, 3])) }, Case { at: 11, event: || event(kill(&[1, 3])) }];

/// Returns the cases of a run: one of them, or all in an exhaustive run.
fn tried(cases: &'static [Case]) -> impl Iterator<Item = &'static Case> {
    sample(0..cases.len() as u64, u64::MAX).map(|number| &cases[number as usize])
}

/// Options that make much of little content, so that there is a middle.
fn options() -> CqlOptions {
    CqlOptions::default()
        .with_layout(Layout::Linera015)
        .with_page_bytes(2 << 10)
        .with_slice_bytes(8 << 10)
        .with_batch_bytes(2 << 10)
        .with_write_rows(20)
}

/// A server tells which replicas are missing after up to 10 seconds; nobody waits for much longer
/// here.
fn impatient() -> CqlOptions {
    options().with_patience(Duration::from_secs(5))
}

async fn bounded<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANGS_AFTER, future).await.expect("neither success nor error: it hangs")
}

async fn restore(place: &Place, dump: &Dump, target: &dyn RestoreTarget) -> Result<Digest, RepositoryError> {
    let restored = bounded(place.repository.restore(dump, target, &RestoreOptions::default())).await?;
    Ok(restored.restored.expect("it was no dry run").digest())
}

/// Checks that an error tells what is missing, and that trying later may help.
fn check_text(error: &RepositoryError) {
    let text = text(error);
    eprintln!("text: {text}");
    assert_eq!(error.class(), ErrorClass::Transient, "{text}");
    assert!(text.contains("LocalQuorum") && text.contains("equired: 2"), "{text}");
    assert!(
        text.contains("alive: 1") || text.contains("received: 1") || text.contains("received: 0"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_does_not_notice_that_one_of_three_nodes_is_killed() {
    let content = validator(40, 7);
    for &Case { at, event } in tried(&ONE) {
        let trio = Trio::whole().await;
        let (place, table) = (Place::new().await, filled(&trio.server, &content).await);
        let source = Hooked::new(trio.namespace(&table, options()), at, event);
        let report = bounded(place.repository.backup(&source, BackupOptions::default())).await;
        assert_eq!(
            report
                .unwrap_or_else(|error| panic!("{}", text(&error)))
                .manifest
                .inventory
                .as_ref()
                .unwrap()
                .digest,
            content.digest()
        );
        eprintln!("node killed before batch {at}: the dump stood still for at most {:?}", source.longest());
        let (before, after) = source.around();
        assert!(before == at - 1 && after > 10, "not in the middle: {before}, {after}");
        assert_eq!(place.dumps().await, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_does_not_notice_that_one_of_three_nodes_is_killed() {
    let content = validator(40, 7);
    for &Case { at, event } in tried(&ONE) {
        let trio = Trio::whole().await;
        let (place, table) = (Place::new().await, filled(&trio.server, &content).await);
        let dump = place.dump(&trio.namespace(&table, options())).await;
        let name = trio.server.new_name();
        let target = Hooked::new(trio.namespace(&name, options()), at, event);
        let digest = restore(&place, &dump, &target).await;
        assert_eq!(digest.unwrap_or_else(|error| panic!("{}", text(&error))), content.digest());
        eprintln!(
            "node killed before segment {at}: the restore stood still for at most {:?}",
            target.longest()
        );
        let (before, after) = target.around();
        assert!(before == at - 1 && after > 3, "not in the middle: {before}, {after}");
        trio.mend().await;
        let again = place.dump(&trio.namespace(&name, options())).await;
        assert_eq!(again.manifest.root, dump.manifest.root);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_without_a_majority_is_an_error_that_says_so_and_there_is_no_dump() {
    let content = validator(40, 7);
    for &Case { at, event } in tried(&TWO) {
        let trio = Trio::whole().await;
        let (place, table) = (Place::new().await, filled(&trio.server, &content).await);
        let source = Hooked::new(trio.namespace(&table, impatient()), at, event);
        let begun = Instant::now();
        let error = bounded(place.repository.backup(&source, BackupOptions::default())).await.unwrap_err();
        eprintln!("an error {:.1} s after the dump began", begun.elapsed().as_secs_f32());
        check_text(&error);
        assert_eq!(source.around().0, at - 1, "nobody was killed");
        assert_eq!(place.dumps().await, 0);
        trio.mend().await;
        let dump = place.dump(&trio.namespace(&table, options())).await;
        assert_eq!(dump.manifest.inventory.as_ref().unwrap().digest, content.digest());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_without_a_majority_is_an_error_that_says_so_and_resumes_later() {
    let content = validator(40, 7);
    for &Case { at, event } in tried(&TWO) {
        let trio = Trio::whole().await;
        let (place, table) = (Place::new().await, filled(&trio.server, &content).await);
        let dump = place.dump(&trio.namespace(&table, options())).await;
        let name = trio.server.new_name();
        let target = Hooked::new(trio.namespace(&name, impatient()), at, event);
        let begun = Instant::now();
        let error = restore(&place, &dump, &target).await.unwrap_err();
        eprintln!("an error {:.1} s after the restore began", begun.elapsed().as_secs_f32());
        check_text(&error);
        assert_eq!(target.around().0, at - 1, "nobody was killed");
        trio.mend().await;
        let namespace = trio.namespace(&name, options());
        let half = namespace.snapshot().await.err().expect("a half restored table was read");
        assert!(half.to_string().contains("into it is not complete"), "{half}");
        assert_eq!(restore(&place, &dump, &namespace).await.unwrap(), content.digest());
    }
}
