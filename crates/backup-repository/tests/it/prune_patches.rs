//! Pruning a repository with patches: what a patch is read from stays as long as the patch.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use backup_format::{Digest, Kind, Segment};
use backup_repository::{
    BackupOptions, Dump, ForgetOptions, KeepRules, PruneOptions, PruneReport, Repository, RepositoryError,
    StatsOptions, Store, VerifyOptions,
};
use backup_testkit::{Fault, Faults, FaultyStore};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::chains::{Forger, segment, started};
use crate::patches::{Days, SMALL, back_up, check, digest_of, dump, repository};
use crate::support::{content, files, namespace, options};

fn at_once() -> PruneOptions {
    PruneOptions { grace: Duration::ZERO, max_unused_percent: 0, ..PruneOptions::default() }
}

async fn forget(repository: &Repository, last: usize) {
    let rules = KeepRules { last, ..KeepRules::default() };
    let options = ForgetOptions { rules, allow_most: true, ..ForgetOptions::default() };
    repository.forget(&options).await.unwrap();
}

/// Condemns packs, and removes none.
async fn condemn(repository: &Repository) {
    let grace = Duration::from_millis(1);
    tokio::time::sleep(2 * grace).await;
    let report = repository.prune(&PruneOptions { grace, ..at_once() }).await.unwrap();
    assert!(report.waiting.packs > 4 && report.removed.packs == 0, "{report:?}");
}

async fn pack_bytes(store: &InMemory) -> u64 {
    let packs = files(store).await.into_iter().filter(|(path, _)| path.as_ref().starts_with("packs/"));
    packs.map(|(_, bytes)| bytes.len() as u64).sum()
}

async fn reopen(store: &InMemory) -> (Arc<InMemory>, Repository) {
    let fork = Arc::new(store.fork());
    let repository = crate::support::reopen(&fork).await.unwrap();
    (fork, repository)
}

/// A repository with so many days of changes, of which each dump is known.
async fn after(count: usize) -> (Arc<InMemory>, Repository, Days, Vec<(Dump, Digest)>) {
    let store: Arc<InMemory> = Arc::default();
    let repository = repository(&store, SMALL).await;
    let mut days = Days::new(400, 80);
    let mut dumps = Vec::new();
    for _ in 0..count {
        dumps.push((dump(&back_up(&repository, &days.namespace).await), digest_of(&days.namespace).await));
        days.change(20);
    }
    (store, repository, days, dumps)
}

#[tokio::test(flavor = "multi_thread")]
async fn dumps_that_stay_are_whole_after_each_day_of_a_month() {
    let (store, repository, mut days, mut dumps) = after(4).await;
    let (mut removed, mut repacked) = (0, 0);
    for day in 0..30 {
        days.change(20);
        dumps.push((dump(&back_up(&repository, &days.namespace).await), digest_of(&days.namespace).await));
        forget(&repository, 4).await;
        dumps.drain(..dumps.len() - 4);
        let report = repository.prune(&at_once()).await.unwrap();
        removed += report.removed.packs;
        repacked += report.repacked.packs;
        if day % 5 == 4 {
            for (dump, digest) in &dumps {
                check(&repository, dump, *digest).await;
            }
        }
    }
    assert!(removed > 20 && repacked > 5, "{removed} packs removed, {repacked} repacked");
    let stats = repository.stats(&StatsOptions::default()).await.unwrap();
    assert!(stats.patches.number > 20, "{} patches", stats.patches.number);
    assert!((2..=64).contains(&stats.longest_chain), "{} patches in a chain", stats.longest_chain);
    assert_eq!(stats.copies.number, 0, "what was copied is left where it was");
    let whole = {
        let store: Arc<InMemory> = Arc::default();
        let one = crate::patches::repository(&store, SMALL).await;
        one.backup(&days.namespace, options(2, 1)).await.unwrap();
        pack_bytes(&store).await
    };
    let bytes = pack_bytes(&store).await;
    assert!(bytes < 3 * whole, "{bytes} bytes for four dumps, and {whole} for one");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bases_of_a_dump_stay_when_all_dumps_before_it_go() {
    let (store, repository, _, dumps) = after(8).await;
    forget(&repository, 1).await;
    let before = pack_bytes(&store).await;
    let report = repository.prune(&at_once()).await.unwrap();
    assert!(report.removed.packs > 0 && report.copied_bytes > 0, "{report:?}");
    assert!(pack_bytes(&store).await < before);
    let (last, digest) = dumps.last().unwrap();
    check(&repository, last, *digest).await;
    let stats = repository.stats(&StatsOptions::default()).await.unwrap();
    assert!(stats.patches.number > 10, "patches were copied as what they are: {}", stats.patches.number);
    let unused = stats.unreferenced.number;
    assert!(unused * 5 < stats.objects.number, "{unused} objects are left that nothing reaches");
    let again = repository.prune(&at_once()).await.unwrap();
    assert_eq!((again.removed.packs, again.copied_bytes), (0, 0), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forgotten_can_be_had_back_while_its_packs_wait() {
    let (store, repository, _, dumps) = after(8).await;
    forget(&repository, 1).await;
    condemn(&repository).await;
    for (dump, digest) in dumps.iter().rev().skip(1) {
        let (_, repository) = reopen(&store).await;
        repository.unforget(&dump.id.to_string()).await.unwrap();
        let report = repository.prune(&at_once()).await.unwrap();
        assert!(report.removed.packs > 0, "{report:?}");
        for (dump, digest) in [(dump, digest), (&dumps[7].0, &dumps[7].1)] {
            check(&repository, dump, *digest).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_segments_that_are_patches_of_each_other_keep_one_that_is_whole() {
    let (store, repository, like) = started().await;
    let (one, two) = (segment(1), segment(2));
    for (salt, found) in [(12, &one), (13, &two)] {
        let mut pack = Forger::new(&repository, salt);
        pack.whole(Kind::Segment, found.plaintext());
        pack.whole(Kind::Segment, &[salt; 150]);
        pack.store(&store).await;
    }
    // All of these packs must stay, and not all of those above.
    let (mut first, mut second) = (Forger::new(&repository, 14), Forger::new(&repository, 15));
    first.honest(&two, &one);
    second.honest(&one, &two);
    let dumps = [first.dump(&store, &like, &one).await, second.dump(&store, &like, &two).await];
    for _ in 0..3 {
        let report = repository.prune(&at_once()).await.unwrap();
        assert_eq!((report.copied_bytes, report.removed.packs), (0, 0), "{report:?}");
        for dump in &dumps {
            repository.verify(dump, &VerifyOptions::default()).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_copied_from_a_base_that_goes_becomes_whole() {
    let (store, repository, like) = started().await;
    // The newest dump cannot be forgotten: this one comes after the one that is made like the first.
    repository.backup(&namespace(&content(60)), options(2, 1)).await.unwrap();
    let [far, near, other, found] = [1, 2, 3, 4].map(segment);
    // Of its two places the one that is deeper comes first, so the base of the other is nothing that must stay.
    let place = |salt, base: &Segment| {
        let mut pack = Forger::new(&repository, salt);
        pack.honest(&found, base);
        pack
    };
    let mut bases = Forger::new(&repository, 1);
    bases.whole(Kind::Segment, far.plaintext());
    bases.honest(&near, &far);
    bases.store(&store).await;
    let mut bases = Forger::new(&repository, 2);
    bases.whole(Kind::Segment, other.plaintext());
    bases.store(&store).await;
    let shallow = place(3, &other).store(&store).await;
    let salt = (4..).find(|salt| place(*salt, &near).name() < shallow).unwrap();
    place(salt, &near).store(&store).await;
    let dump = Forger::new(&repository, 5).dump(&store, &like, &found).await;

    let options = ForgetOptions { dumps: vec![dump.id.to_string()], ..ForgetOptions::default() };
    repository.forget(&options).await.unwrap();
    condemn(&repository).await;
    repository.unforget(&dump.id.to_string()).await.unwrap();
    repository.prune(&at_once()).await.unwrap();
    repository.verify(&dump, &VerifyOptions::default()).await.unwrap();
    let stats = repository.stats(&StatsOptions::default()).await.unwrap();
    let reached = stats.dumps.iter().find(|found| found.dump.id == dump.id).unwrap().reached.number;
    assert_eq!(reached, 3, "two pages and a segment, which has no base");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_that_is_wrong_where_it_is_copied_from_is_taken_from_elsewhere_or_stops_the_prune() {
    let (store, repository, _, dumps) = after(6).await;
    forget(&repository, 1).await;
    let good = files(&store).await;
    for (name, pack) in &good {
        if !name.as_ref().starts_with("packs/") {
            continue;
        }
        let (fork, repository) = reopen(&store).await;
        let mut damaged = pack.clone();
        let middle = 24 + (damaged.len() - 24) / 4;
        damaged[middle] ^= 1;
        fork.put(name, damaged.into()).await.unwrap();
        let before: BTreeSet<Path> = files(&fork).await.into_iter().map(|(path, _)| path).collect();
        if repository.prune(&at_once()).await.is_err() {
            // All that was there is there, and the right pack brings the dump back.
            let after: BTreeSet<Path> = files(&fork).await.into_iter().map(|(path, _)| path).collect();
            let gone: Vec<_> = before.difference(&after).collect();
            assert!(gone.is_empty(), "{name}: {gone:?}");
            fork.put(name, pack.clone().into()).await.unwrap();
        } else if repository.verify(&dumps.last().unwrap().0, &VerifyOptions::default()).await.is_err() {
            fork.put(name, pack.clone().into()).await.unwrap();
        }
        let repository = crate::support::reopen(&fork).await.unwrap();
        let (last, digest) = dumps.last().unwrap();
        check(&repository, last, *digest).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_request_a_prune_dies_at_no_chain_is_broken() {
    let (store, repository, days, dumps) = after(5).await;
    forget(&repository, 2).await;
    let run = async |store: Arc<InMemory>, faults: Arc<Faults>| -> Result<PruneReport, RepositoryError> {
        let inner: Arc<dyn ObjectStore> = store;
        let store = Store::new(Arc::new(FaultyStore::new(inner, faults)), Path::default());
        Repository::open(store).await?.prune(&at_once()).await
    };
    let counting = Arc::new(Faults::none());
    let done = run(Arc::new(store.fork()), counting.clone()).await.unwrap();
    assert!(done.repacked.packs > 0 && counting.operations() > 80, "{done:?}");
    for number in 0..counting.operations() {
        let fault = if number % 2 == 0 { Fault::Before } else { Fault::After };
        let fork = Arc::new(store.fork());
        assert!(run(fork.clone(), Arc::new(Faults::nth(number, fault).lasting())).await.is_err());
        let repository = crate::support::reopen(&fork).await.unwrap();
        for (dump, _) in &dumps[3..] {
            repository.verify(dump, &VerifyOptions::default()).await.unwrap();
        }
        // The next day's patches have their bases in packs that stay.
        let made =
            repository.backup(&days.namespace, BackupOptions { allow_clock_behind: true, ..options(1, 1) });
        let made = dump(&made.await.unwrap());
        for _ in 0..2 {
            repository.prune(&at_once()).await.unwrap_or_else(|error| panic!("{number}: {error}"));
        }
        for dump in dumps[3..].iter().map(|(dump, _)| dump).chain([&made]) {
            repository.verify(dump, &VerifyOptions::default()).await.unwrap();
        }
    }
}
