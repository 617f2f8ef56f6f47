//! What a prune removes, what it never does, and that it may be interrupted or have company.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use backup_format::pack::{Codec, Trailer};
use backup_format::{Config, ErrorClass, ObjectId};
use backup_memory::MemoryNamespace;
use backup_repository::{
    BackupOptions, Compression, DigestOptions, Dump, DumpChoice, Event, ForgetOptions, KeepRules, Progress,
    PruneOptions, PruneReport, Repository, RepositoryError, RestoreOptions, Store, VerifyOptions, digest,
    open_location,
};
use backup_testkit::{Content, Fault, Faults, FaultyStore, Spec};
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;

use crate::support::{SEGMENT, back_up, files, namespace, options, repository};

fn at_once() -> PruneOptions {
    PruneOptions { grace: Duration::ZERO, max_unused_percent: 0, ..PruneOptions::default() }
}

fn small(seed: u64) -> Content {
    Content::seeded(seed, &Spec { partitions: 40, entries: 1..=30, value_bytes: 0..=60, ..Spec::default() })
}

/// The content with other values in most of its partitions, so that little of each pack is left.
fn changed(content: &Content) -> Content {
    let mut changed = content.clone();
    let roots: Vec<Vec<u8>> = content.root_keys().map(<[u8]>::to_vec).collect();
    for (root_key, key, value) in content.iter() {
        let number = roots.iter().position(|root| root == root_key).unwrap();
        if number % 6 != 0 {
            changed.put(root_key, key, &[value, b"changed"].concat());
        }
    }
    changed
}

/// Forgets all but the newest dump.
async fn forget(repository: &Repository) {
    let rules = KeepRules { last: 1, ..KeepRules::default() };
    repository.forget(&ForgetOptions { rules, allow_most: true, ..ForgetOptions::default() }).await.unwrap();
}

/// A repository with two dumps that have little in common; the first is forgotten.
async fn with_garbage() -> (Arc<InMemory>, Repository, Content) {
    let store: Arc<InMemory> = Arc::default();
    let repository = repository(&store).await;
    let content = small(1);
    back_up(&repository, &namespace(&content)).await;
    let content = changed(&content);
    back_up(&repository, &namespace(&content)).await;
    forget(&repository).await;
    (store, repository, content)
}

async fn sizes(store: &InMemory, folder: &str) -> BTreeMap<String, u64> {
    let all = files(store).await.into_iter().map(|(path, bytes)| (path.to_string(), bytes.len() as u64));
    all.filter(|(path, _)| path.starts_with(folder)).collect()
}

async fn latest(repository: &Repository) -> Dump {
    repository.dump(&DumpChoice::Latest).await.unwrap()
}

/// Verifies and restores the latest dump, which must be this content.
async fn check(repository: &Repository, content: &Content) {
    let dump = latest(repository).await;
    repository.verify(&dump, &VerifyOptions::default()).await.unwrap();
    let target = MemoryNamespace::new("restored");
    repository.restore(&dump, &target, &RestoreOptions::default()).await.unwrap();
    let restored = digest(&target, &DigestOptions::default()).await.unwrap();
    assert_eq!(restored.state.digest(), content.digest());
}

fn assert_at_rest(report: &PruneReport) {
    let counts = [report.removed, report.waiting, report.empty, report.repacked];
    assert!(counts.iter().all(|count| count.packs == 0), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_changes_nothing_and_says_what_a_run_frees() {
    let (store, repository, content) = with_garbage().await;
    let before = files(&store).await;
    let dry = repository.prune(&PruneOptions { dry_run: true, ..at_once() }).await.unwrap();
    assert_eq!(files(&store).await, before);
    assert!(dry.removed.packs > 5 && dry.repacked.packs > 0 && dry.copied_bytes > 0, "{dry:?}");

    let old = sizes(&store, "packs/").await;
    let report = repository.prune(&at_once()).await.unwrap();
    let new = sizes(&store, "packs/").await;
    let gone: u64 = old.iter().filter(|(path, _)| !new.contains_key(*path)).map(|(_, bytes)| bytes).sum();
    assert_eq!((report.removed.bytes, dry.removed.bytes), (gone, gone));
    assert_eq!((report.empty, report.repacked, report.left), (dry.empty, dry.repacked, dry.left));
    assert!(new.values().sum::<u64>() < old.values().sum::<u64>() * 2 / 3, "{report:?}");
    assert!(sizes(&store, "pending/").await.keys().all(|path| !path.ends_with(".json")));
    check(&repository, &content).await;
    assert_at_rest(&repository.prune(&at_once()).await.unwrap());
}

/// Reads from all packs how each object is stored.
async fn stored(store: &InMemory) -> BTreeMap<String, (Codec, Vec<u8>)> {
    let mut objects = BTreeMap::new();
    for (path, file) in files(store).await {
        if !path.as_ref().starts_with("packs/") {
            continue;
        }
        let trailer = Trailer::decode(file.last_chunk().unwrap(), file.len() as u64).unwrap();
        let range = trailer.table_range();
        let mut offset = 8;
        for line in trailer.decode_table(&file[range.start as usize..range.end as usize]).unwrap() {
            let end = offset + line.stored_len as usize;
            objects.insert(line.id.to_string(), (line.codec, file[offset..end].to_vec()));
            offset = end;
        }
    }
    objects
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_copied_is_stored_as_it_was() {
    let (store, repository, _) = with_garbage().await;
    let before = stored(&store).await;
    let report = repository.prune(&at_once()).await.unwrap();
    assert!(report.repacked.packs > 0);
    let after = stored(&store).await;
    let shared = after.iter().filter(|(id, _)| before.contains_key(*id));
    let mut count = 0;
    for (id, object) in shared {
        assert_eq!(before[id], *object);
        count += 1;
    }
    assert!(count > 50 && before.len() > count, "{count} of {}", before.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn packs_of_which_half_is_needed_are_not_copied() {
    let (_, repository, content) = with_garbage().await;
    let keeps = PruneOptions { max_unused_percent: 100, ..at_once() };
    let report = repository.prune(&keeps).await.unwrap();
    assert_eq!((report.repacked.packs, report.copied_bytes), (0, 0));
    assert!(report.unused_bytes > 0);
    check(&repository, &content).await;
}

/// A repository in a directory, with garbage in it.
async fn local(directory: &std::path::Path) -> (Repository, Content) {
    let store = open_location(directory.to_str().unwrap(), true, []).unwrap();
    let config = Config::new([7; 16], [9; 16]).with_targets(SEGMENT, 8 << 10, 4 << 10);
    let repository = Repository::create(store, config).await.unwrap();
    let content = small(1);
    back_up(&repository, &namespace(&content)).await;
    let content = changed(&content);
    back_up(&repository, &namespace(&content)).await;
    forget(&repository).await;
    (repository, content)
}

/// Makes all files of a folder so many hours older.
fn age(directory: &std::path::Path, folder: &str, hours: u64) {
    for file in std::fs::read_dir(directory.join(folder)).unwrap() {
        let file = std::fs::OpenOptions::new().write(true).open(file.unwrap().path()).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(hours * 3_600)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn packs_stay_for_the_grace_before_and_after_they_are_condemned() {
    let place = tempfile::tempdir().unwrap();
    let (repository, content) = local(place.path()).await;
    let options = PruneOptions { max_unused_percent: 0, ..PruneOptions::default() };
    let report = repository.prune(&options).await.unwrap();
    assert_at_rest(&report);
    assert_eq!(report.young, report.left);

    age(place.path(), "packs", 49);
    let condemned = repository.prune(&options).await.unwrap();
    assert!(condemned.empty.packs > 0 && condemned.repacked.packs > 0, "{condemned:?}");
    assert_eq!(condemned.waiting.packs, condemned.empty.packs + condemned.repacked.packs);
    let waiting = repository.prune(&options).await.unwrap();
    assert_eq!((waiting.removed.packs, waiting.waiting), (0, condemned.waiting));
    assert_eq!(waiting.empty.packs + waiting.repacked.packs, 0);

    age(place.path(), "pending", 49);
    // Nothing is asked of this machine's clock.
    let removed = repository.prune(&options).await.unwrap();
    assert_eq!(removed.removed, condemned.waiting);
    check(&repository, &content).await;
    assert_at_rest(&repository.prune(&options).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forgotten_can_be_had_back_until_its_packs_are_removed() {
    let place = tempfile::tempdir().unwrap();
    let (repository, content) = local(place.path()).await;
    let options = PruneOptions { max_unused_percent: 0, ..PruneOptions::default() };
    age(place.path(), "packs", 49);
    assert!(repository.prune(&options).await.unwrap().waiting.packs > 0);
    let id = repository.forgotten().await.unwrap()[0].id;

    // Its packs are condemned, which is final: it gets copies.
    let dump = repository.unforget(&id.to_string()).await.unwrap();
    age(place.path(), "pending", 49);
    assert!(repository.prune(&options).await.unwrap().removed.packs > 0);
    repository.verify(&dump, &VerifyOptions::default()).await.unwrap();

    forget(&repository).await;
    assert!(repository.prune(&at_once()).await.unwrap().removed.packs > 0);
    let error = repository.unforget(&id.to_string()).await.unwrap_err();
    assert!(matches!(error, RepositoryError::Gone { dump, .. } if dump == id), "{error:?}");
    assert_eq!(error.class(), ErrorClass::Failed);
    assert_eq!(repository.forgotten().await.unwrap().len(), 1, "the record stays");
    check(&repository, &content).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_request_a_prune_dies_at_the_next_one_goes_on() {
    let (store, _, content) = with_garbage().await;
    let run = async |store: Arc<InMemory>, faults: Arc<Faults>| {
        let store = Store::new(Arc::new(FaultyStore::new(store, faults)), Path::default());
        Repository::open(store).await?.prune(&at_once()).await
    };
    let counting = Arc::new(Faults::none());
    run(Arc::new(store.fork()), counting.clone()).await.unwrap();
    let expected = {
        let fork = Arc::new(store.fork());
        run(fork.clone(), Arc::new(Faults::none())).await.unwrap();
        sizes(&fork, "packs/").await.values().sum::<u64>()
    };
    assert!(counting.operations() > 100, "{}", counting.operations());
    for number in 0..counting.operations() {
        // Each request twice would take long: the answers of every other one are lost.
        let fault = if number % 2 == 0 { Fault::Before } else { Fault::After };
        let store = Arc::new(store.fork());
        let died = run(store.clone(), Arc::new(Faults::nth(number, fault).lasting())).await;
        assert!(died.is_err(), "request {number} does not matter");
        let repository = crate::support::reopen(&store).await.unwrap();
        let dump = latest(&repository).await;
        repository.verify(&dump, &VerifyOptions::default()).await.unwrap();
        let again = back_up(&repository, &namespace(&content)).await;
        assert_eq!(again.manifest.root, dump.manifest.root);
        forget(&repository).await;
        repository.prune(&at_once()).await.unwrap_or_else(|error| panic!("{number}: {error}"));
        repository.verify(&latest(&repository).await, &VerifyOptions::default()).await.unwrap();
        assert_at_rest(&repository.prune(&at_once()).await.unwrap());
        let left = sizes(&store, "packs/").await.values().sum::<u64>();
        assert!(left < expected + expected / 5, "{number}: {left} bytes are left, and {expected} would do");
        assert!(sizes(&store, "pending/").await.len() == 1, "{number}: a tombstone is left");
    }
}

/// Prunes in the midst of something else: where it says that it begins this phase.
fn prunes_at(
    repository: &Repository,
    phase: &'static str,
) -> (Progress, Arc<std::sync::Mutex<Vec<PruneReport>>>) {
    let (repository, reports) = (repository.clone(), Arc::<std::sync::Mutex<Vec<_>>>::default());
    let kept = reports.clone();
    let progress = Progress::new(move |event| {
        if !matches!(event, Event::Phase { name, .. } if name == phase) {
            return;
        }
        let repository = repository.clone();
        let prune = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(repository.prune(&at_once())).unwrap()
        };
        kept.lock().unwrap().push(std::thread::spawn(prune).join().unwrap());
    });
    (progress, reports)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_whose_packs_go_away_begins_anew_by_itself() {
    let (store, repository, _) = with_garbage().await;
    // It reuses what only the forgotten dump had.
    let namespace = namespace(&small(1));
    let (progress, pruned) = prunes_at(&repository, "reading");
    let made = repository.backup(&namespace, BackupOptions { progress, ..options(2, 1) }).await.unwrap();
    let pruned = pruned.lock().unwrap().clone();
    assert_eq!(pruned.len(), 2, "it did not begin anew, or more than once");
    assert!(pruned[0].removed.packs > 0);
    let dump = latest(&repository).await;
    assert_eq!(dump.id, made.dump);
    repository.verify(&dump, &VerifyOptions::default()).await.unwrap();
    assert!(sizes(&store, "staged/").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_go_on_by_newer_tables_when_packs_go_away() {
    let (_, repository, content) = with_garbage().await;
    let dump = latest(&repository).await;
    let (progress, pruned) = prunes_at(&repository, "restoring");
    let target = MemoryNamespace::new("restored");
    repository
        .restore(&dump, &target, &RestoreOptions { progress, ..RestoreOptions::default() })
        .await
        .unwrap();
    let restored = digest(&target, &DigestOptions::default()).await.unwrap();
    assert_eq!(restored.state.digest(), content.digest());
    assert!(pruned.lock().unwrap()[0].repacked.packs > 0);

    for phase in ["reading segments", "checking packs", "checking structure"] {
        let (_, repository, _) = with_garbage().await;
        let dump = latest(&repository).await;
        let (progress, pruned) = prunes_at(&repository, phase);
        repository.verify(&dump, &VerifyOptions { progress, ..VerifyOptions::default() }).await.unwrap();
        assert!(pruned.lock().unwrap()[0].removed.packs > 0, "{phase}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_staged_stays_until_it_is_old_or_discarded() {
    let place = tempfile::tempdir().unwrap();
    let (repository, content) = local(place.path()).await;
    let forgotten = repository.forgotten().await.unwrap()[0].id;
    let (from, to) = (format!("forgotten/{forgotten}.json"), format!("staged/{forgotten}.json"));
    let stage = || {
        std::fs::create_dir_all(place.path().join("staged")).unwrap();
        std::fs::copy(place.path().join(&from), place.path().join(&to)).unwrap();
    };
    stage();
    let report = repository.prune(&at_once()).await.unwrap();
    assert_eq!((report.stages, report.removed.packs), (1, 0));
    // A writer that died left what was never published.
    std::fs::remove_file(place.path().join(&from)).unwrap();
    age(place.path(), "staged", 29 * 24);
    assert_eq!(repository.prune(&at_once()).await.unwrap().stages, 1);
    let discard = PruneOptions { discard_staged: true, dry_run: true, ..at_once() };
    let dry = repository.prune(&discard).await.unwrap();
    assert!(dry.stages_removed == 1 && dry.removed.packs > 0 && place.path().join(&to).exists());
    age(place.path(), "staged", 31 * 24);
    let report = repository.prune(&at_once()).await.unwrap();
    assert_eq!((report.stages, report.stages_removed), (0, 1));
    assert_eq!(report.removed, dry.removed);
    assert!(!place.path().join(&to).exists());
    check(&repository, &content).await;

    // One that cannot be read is in the way until it is discarded.
    let bad = place.path().join(format!("staged/{}.json", "7".repeat(64)));
    std::fs::write(&bad, "{}").unwrap();
    let error = repository.prune(&at_once()).await.unwrap_err();
    assert!(matches!(error, RepositoryError::Prune { .. }), "{error:?}");
    repository.prune(&PruneOptions { discard_staged: true, ..at_once() }).await.unwrap();
    assert!(!bad.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_removed_while_it_is_not_known_what_must_stay() {
    let (store, repository, _) = with_garbage().await;
    let unknown = [
        (format!("manifests/{}.json", "7".repeat(64)), "list"),
        ("jobs/nightly/1-0000".to_owned(), "finish nightly --discard"),
        ("jobs/nightly/other".to_owned(), "finish nightly --discard"),
    ];
    for (path, says) in unknown {
        store.put(&Path::from(path.as_str()), "{}".into()).await.unwrap();
        let packs = sizes(&store, "packs/").await;
        let error = repository.prune(&at_once()).await.unwrap_err();
        assert!(matches!(error, RepositoryError::Prune { .. }), "{error:?}");
        assert_eq!(error.class(), ErrorClass::Refused);
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(sizes(&store, "packs/").await, packs);
        store.delete(&Path::from(path)).await.unwrap();
    }
    let tombstone = format!("pending/{}.json", "7".repeat(32));
    store.put(&Path::from(tombstone.as_str()), "{}".into()).await.unwrap();
    let error = repository.prune(&at_once()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Damaged, "{error:?}");
    let error = repository.backup(&namespace(&small(3)), options(2, 1)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Damaged, "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_not_right_does_not_make_the_right_one_go() {
    let content = small(1);
    let (one, other): (Arc<InMemory>, Arc<InMemory>) = Default::default();
    let repository = repository(&one).await;
    back_up(&repository, &namespace(&content)).await;
    // The same objects once more, in packs whose bodies are not right.
    let raw = BackupOptions { compression: Compression::None, ..options(2, 1) };
    crate::support::repository(&other).await.backup(&namespace(&content), raw).await.unwrap();
    for (path, mut pack) in files(&other).await {
        if path.as_ref().starts_with("packs/") {
            let trailer = Trailer::decode(pack.last_chunk().unwrap(), pack.len() as u64).unwrap();
            let start = trailer.table_range().start as usize;
            pack[40..start].iter_mut().step_by(20).for_each(|byte| *byte ^= 1);
            one.put(&path, pack.into()).await.unwrap();
        }
    }
    repository.prune(&at_once()).await.unwrap();
    let dump = latest(&repository).await;
    let target = MemoryNamespace::new("restored");
    repository.restore(&dump, &target, &RestoreOptions::default()).await.unwrap();
    let restored = digest(&target, &DigestOptions::default()).await.unwrap();
    assert_eq!(restored.state.digest(), content.digest());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_two_packs_have_one_name_and_nothing_new_makes_none() {
    let (one, other): (Arc<InMemory>, Arc<InMemory>) = Default::default();
    let namespace = namespace(&small(5));
    let (first, second) = (repository(&one).await, repository(&other).await);
    let (a, b) = (back_up(&first, &namespace).await, back_up(&second, &namespace).await);
    assert_eq!(
        (a.manifest.root, a.manifest.inventory.as_ref().unwrap().digest),
        (b.manifest.root, b.manifest.inventory.as_ref().unwrap().digest)
    );
    let names = |files: Vec<(Path, Vec<u8>)>| -> Vec<ObjectId> {
        files.iter().filter_map(|(path, _)| path.as_ref().strip_prefix("packs/")?.parse().ok()).collect()
    };
    let (ours, theirs) = (names(files(&one).await), names(files(&other).await));
    assert!(ours.len() > 3 && ours.iter().all(|name| !theirs.contains(name)));
    let again = back_up(&first, &namespace).await;
    assert_eq!((again.new_packs, again.new_objects), (0, 0));
}
