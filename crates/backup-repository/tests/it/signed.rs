//! With trusted keys, nothing counts that none of them signed; and what a writer signs is never there without its signature.

use std::sync::Arc;
use std::time::Duration;

use backup_format::{Config, ErrorClass, Manifest, ObjectId};
use backup_memory::MemoryNamespace;
use backup_repository::{
    CopyOptions, Dump, DumpChoice, FinishOptions, ForgetOptions, JobShare, KeepRules, PruneOptions,
    RepairOptions, Repository, RepositoryError, RestoreOptions, Signed, StatsOptions, Store, VerifyOptions,
};
use backup_sign::{KeyId, SecretKey, Signature, TrustedKeys};
use backup_testkit::{Content, Fault, Faults, FaultyStore};
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;

use crate::support::{back_up, files, namespace, options, reopen, repository, two_phases};

fn key(number: u8) -> Arc<SecretKey> {
    Arc::new(SecretKey::from_seed(KeyId([number; 8]), [number; 32].into()).unwrap())
}

fn trusting(keys: &[u8]) -> TrustedKeys {
    TrustedKeys::new(keys.iter().map(|number| key(*number).public().clone()).collect()).unwrap()
}

/// What changes a little each time.
fn content(number: u64) -> Content {
    let mut content = Content::partition(1, b"root", 50, 8..=40);
    content.put(b"number", b"", &number.to_le_bytes());
    content
}

/// A node that signs with key 1, and trusts it and the operator's key 2.
async fn node(store: &Arc<InMemory>) -> Repository {
    let repository = match reopen(store).await {
        Ok(repository) => repository,
        Err(_) => repository(store).await,
    };
    repository.with_signer(key(1)).with_trust(trusting(&[1, 2]))
}

async fn operator(store: &Arc<InMemory>) -> Repository {
    reopen(store).await.unwrap().with_signer(key(2)).with_trust(trusting(&[1, 2]))
}

/// Dumps that follow each other, the earliest first.
async fn dumped(count: u64) -> (Arc<InMemory>, Vec<Dump>) {
    let store: Arc<InMemory> = Arc::default();
    let repository = node(&store).await;
    let mut dumps = Vec::new();
    for number in 0..count {
        let made = back_up(&repository, &namespace(&content(number))).await;
        dumps.push(Dump { id: made.dump, manifest: made.manifest });
    }
    (store, dumps)
}

fn at(folder: &str, id: ObjectId, end: &str) -> Path {
    Path::from(format!("{folder}/{id}{end}"))
}

fn signature(id: ObjectId) -> Path {
    at("manifests", id, ".json.minisig")
}

async fn read(store: &InMemory, path: &Path) -> Vec<u8> {
    store.get(path).await.unwrap().bytes().await.unwrap().to_vec()
}

async fn write(store: &InMemory, path: &Path, bytes: impl Into<Vec<u8>>) {
    store.put(path, bytes.into().into()).await.unwrap();
}

fn refused<T>(result: Result<T, RepositoryError>, doing: &str) -> RepositoryError {
    let error = result.map(drop).expect_err(doing);
    assert_eq!(error.class(), ErrorClass::Refused, "{doing}: {error:?}");
    error
}

/// Checks that every way to a dump refuses, with a reader's own words about this dump.
async fn assert_refused_everywhere(store: &Arc<InMemory>, bad: &Dump, says: &str) {
    let repository = operator(store).await;
    let dumps = repository.dumps().await.unwrap();
    assert!(dumps.good.iter().all(|dump| dump.id != bad.id) && dumps.damaged.is_empty());
    let (_, error) = dumps.untrusted.iter().find(|(id, _)| *id == bad.id).expect("it is listed as refused");
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    assert!(text.contains(says) && text.contains(&format!("{:.12}", bad.id)), "{text}");
    assert!(text.contains("0101010101010101 or 0202020202020202"), "{text}");
    refused(repository.dump(&DumpChoice::Latest).await, "latest");
    refused(repository.dump(&DumpChoice::Id(bad.id.to_string())).await, "by id");
    refused(repository.signed(bad.id).await, "who signed it");
    refused(repository.stats(&StatsOptions::default()).await, "stats");
    refused(repository.prune(&PruneOptions::default()).await, "prune");
    let rules = KeepRules { last: 1, ..KeepRules::default() };
    let options = ForgetOptions { rules, allow_most: true, ..ForgetOptions::default() };
    refused(repository.forget(&options).await, "forget");
    let verified = repository.verify_all(&VerifyOptions::default()).await.unwrap();
    let verdict = verified.dumps.iter().find(|dump| dump.id == bad.id).unwrap();
    assert_eq!(verdict.found.as_ref().unwrap_err().class(), ErrorClass::Refused);
    let (other, copied) = (Arc::<InMemory>::default(), std::slice::from_ref(bad));
    let target = Repository::create(place(&other), repository.config().clone()).await.unwrap();
    refused(repository.copy_to(&target, copied, &CopyOptions::default()).await, "copy");
    assert!(files(&other).await.iter().all(|(path, _)| !path.as_ref().starts_with("manifests")));
}

fn place(store: &Arc<InMemory>) -> Store {
    Store::new(store.clone(), Path::default())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_signed_is_taken_by_who_trusts_the_key_and_by_who_trusts_none() {
    let (store, dumps) = dumped(2).await;
    let repository = operator(&store).await;
    let latest = repository.dump(&DumpChoice::Latest).await.unwrap();
    assert_eq!(latest.id, dumps[1].id);
    assert_eq!(repository.signed(latest.id).await.unwrap(), Signed::By(KeyId([1; 8])));
    repository.verify(&latest, &VerifyOptions::default()).await.unwrap();
    let target = MemoryNamespace::new("restored");
    repository.restore(&latest, &target, &RestoreOptions::default()).await.unwrap();
    let plain = reopen(&store).await.unwrap();
    let listed = plain.dumps().await.unwrap();
    assert_eq!(listed.signed[&latest.id], Signed::Unchecked(KeyId([1; 8])));
    assert_eq!((listed.good.len(), listed.untrusted.len()), (2, 0));
    assert_eq!(plain.missing(&listed).await.unwrap().len(), 0);
    // The signature is of the bytes of the manifest and of its place.
    let file = read(&store, &signature(latest.id)).await;
    let json = read(&store, &at("manifests", latest.id, ".json")).await;
    let comment = format!("kvbackup dump={} repository={} sequence=2", latest.id, "07".repeat(16));
    trusting(&[1]).check(&json, &Signature::decode(&file).unwrap(), &comment).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unsigned_dump_is_refused_everywhere() {
    let (store, _) = dumped(1).await;
    let made = back_up(&reopen(&store).await.unwrap(), &namespace(&content(7))).await;
    let bad = Dump { id: made.dump, manifest: made.manifest };
    assert_refused_everywhere(&store, &bad, "it is not signed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_signed_by_a_foreign_key_is_refused_everywhere() {
    let (store, _) = dumped(1).await;
    let foreign = reopen(&store).await.unwrap().with_signer(key(3));
    let made = back_up(&foreign, &namespace(&content(7))).await;
    let bad = Dump { id: made.dump, manifest: made.manifest };
    assert_refused_everywhere(&store, &bad, "signed by key 0303030303030303").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_whose_signature_was_removed_is_refused_and_not_passed_over() {
    let (store, dumps) = dumped(2).await;
    store.delete(&signature(dumps[1].id)).await.unwrap();
    assert_refused_everywhere(&store, &dumps[1], "it is not signed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_signature_of_an_older_dump_does_not_count_for_a_newer_one() {
    let (store, dumps) = dumped(2).await;
    let older = read(&store, &signature(dumps[0].id)).await;
    write(&store, &signature(dumps[1].id), older).await;
    assert_refused_everywhere(&store, &dumps[1], "not of these bytes").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_signature_is_refused_everywhere() {
    let (store, dumps) = dumped(2).await;
    let good = read(&store, &signature(dumps[1].id)).await;
    let short = good[..good.len() / 2].to_vec();
    for bad in [Vec::new(), short, vec![b'x'; 1 << 20], [good.as_slice(), b"more"].concat()] {
        write(&store, &signature(dumps[1].id), bad).await;
        assert_refused_everywhere(&store, &dumps[1], "no signature of minisign").await;
        let plain = reopen(&store).await.unwrap();
        assert_eq!(plain.signed(dumps[1].id).await.unwrap(), Signed::Unreadable);
        assert_eq!(plain.dump(&DumpChoice::Latest).await.unwrap().id, dumps[1].id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_byte_of_a_signature_counts_but_those_of_the_comment_for_people() {
    let (store, dumps) = dumped(1).await;
    let repository = operator(&store).await;
    let good = read(&store, &signature(dumps[0].id)).await;
    let comment = 19..good.iter().position(|byte| *byte == b'\n').unwrap();
    for number in 0..good.len() {
        let mut bad = good.clone();
        bad[number] ^= 1;
        write(&store, &signature(dumps[0].id), bad).await;
        let is_refused = repository.signed(dumps[0].id).await.is_err();
        assert!(is_refused || comment.contains(&number), "byte {number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_of_another_repository_is_refused_though_the_same_key_signed_it() {
    let (store, dumps) = dumped(1).await;
    let other: Arc<InMemory> = Arc::default();
    let config = Config::new([8; 16], [9; 16]).with_targets(512, 8 << 10, 4 << 10);
    Repository::create(place(&other), config).await.unwrap();
    for (path, bytes) in files(&store).await {
        if path.as_ref().starts_with("packs") || path.as_ref().starts_with("manifests") {
            write(&other, &path, bytes).await;
        }
    }
    assert_refused_everywhere(&other, &dumps[0], "belongs to something else").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_with_trusted_keys_follows_no_other_dumps_and_does_not_write_unsigned() {
    let (store, dumps) = dumped(1).await;
    let stranger = back_up(&reopen(&store).await.unwrap(), &namespace(&content(7))).await;
    let made = back_up(&node(&store).await, &namespace(&content(8))).await;
    assert_eq!((made.manifest.sequence, made.manifest.previous.as_slice()), (2, &[dumps[0].id][..]));
    assert!(made.warnings.iter().any(|warning| warning.to_string().contains("not signed by a trusted key")));
    let trusts = reopen(&store).await.unwrap().with_trust(trusting(&[1]));
    let before = files(&store).await;
    let wrong = trusts.clone().with_signer(key(2));
    for repository in [trusts, wrong] {
        refused(repository.backup(&namespace(&content(9)), options(2, 1)).await, "backup");
        let named = ForgetOptions { dumps: vec![stranger.dump.to_string()], ..ForgetOptions::default() };
        refused(repository.forget(&named).await, "forget");
    }
    assert_eq!(files(&store).await, before);
    // The operator gets rid of it by its id, and it counts as no gap.
    let operator = operator(&store).await;
    let named = ForgetOptions { dumps: vec![stranger.dump.to_string()], ..ForgetOptions::default() };
    assert_eq!(operator.forget(&named).await.unwrap().untrusted, [stranger.dump]);
    let dumps = operator.dumps().await.unwrap();
    assert_eq!((dumps.good.len(), dumps.untrusted.len()), (2, 0));
    assert!(operator.missing(&dumps).await.unwrap().is_empty());
    refused(operator.unforget(&stranger.dump.to_string()).await, "unforget");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_request_a_signing_backup_dies_at_there_is_no_dump_without_its_signature() {
    let (store, dumps) = dumped(1).await;
    let run = async |store: Arc<InMemory>, faults: Arc<Faults>| {
        let store = Store::new(Arc::new(FaultyStore::new(store, faults)), Path::default());
        let repository = Repository::open(store).await?.with_signer(key(1)).with_trust(trusting(&[1, 2]));
        repository.backup(&namespace(&content(5)), options(1, 1)).await
    };
    let counting = Arc::new(Faults::none());
    run(Arc::new(store.fork()), counting.clone()).await.unwrap();
    assert!(counting.operations() > 15, "{}", counting.operations());
    let mut strays = 0;
    for number in 0..counting.operations() {
        for fault in [Fault::Before, Fault::After] {
            let store = Arc::new(store.fork());
            drop(run(store.clone(), Arc::new(Faults::nth(number, fault).lasting())).await);
            let repository = operator(&store).await;
            let listed = repository.dumps().await.unwrap();
            assert!(listed.untrusted.is_empty() && listed.damaged.is_empty(), "{number} {fault:?}");
            assert!(repository.missing(&listed).await.unwrap().is_empty());
            repository.dump(&DumpChoice::Latest).await.unwrap();
            let at_once =
                PruneOptions { grace: Duration::ZERO, discard_staged: true, ..PruneOptions::default() };
            let pruned = repository.prune(&at_once).await.unwrap();
            strays += pruned.signatures_removed;
            let ids: Vec<_> = listed.good.iter().map(|dump| dump.id).collect();
            for (path, _) in
                files(&store).await.iter().filter(|(path, _)| path.as_ref().ends_with(".minisig"))
            {
                assert!(ids.iter().any(|id| *path == signature(*id)), "{number} {fault:?}: {path} is left");
            }
            let again = back_up(&node(&store).await, &namespace(&content(5))).await;
            assert_eq!(repository.dump(&DumpChoice::Latest).await.unwrap().id, again.dump);
            assert!(again.manifest.sequence > dumps[0].manifest.sequence);
        }
    }
    assert!(strays > 0, "no run died between the signature and the manifest");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forgotten_is_recorded_with_the_operators_signature_and_can_be_had_back() {
    let (store, dumps) = dumped(3).await;
    let repository = operator(&store).await;
    let options = ForgetOptions { dumps: vec![dumps[1].id.to_string()], ..ForgetOptions::default() };
    repository.forget(&options).await.unwrap();
    let id = dumps[1].id;
    let record = read(&store, &at("forgotten", id, ".json.minisig")).await;
    let record = Signature::decode(&record).unwrap();
    assert_eq!(record.key(), KeyId([2; 8]));
    assert!(record.trusted_comment().starts_with(&format!("kvbackup forgotten={id} ")));
    let missing = async || {
        let dumps = repository.dumps().await.unwrap();
        repository.missing(&dumps).await.unwrap().len()
    };
    assert_eq!(missing().await, 0);
    let looked = PruneOptions { grace: Duration::ZERO, dry_run: true, ..PruneOptions::default() };
    let pruned = repository.prune(&looked).await;
    assert_eq!(pruned.unwrap().signatures_removed, 0);
    repository.unforget(&id.to_string()).await.unwrap();
    assert_eq!(repository.signed(id).await.unwrap(), Signed::By(KeyId([1; 8])));
    let left: Vec<_> = files(&store).await.into_iter().map(|(path, _)| path.to_string()).collect();
    assert!(left.iter().all(|path| !path.starts_with("forgotten")), "{left:?}");
    assert_eq!(missing().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_key_cannot_pass_a_removal_off_as_forgotten() {
    let (store, dumps) = dumped(4).await;
    let (id, manifest) = (dumps[1].id, at("manifests", dumps[1].id, ".json"));
    let json = read(&store, &manifest).await;
    let own = read(&store, &signature(id)).await;
    store.delete(&manifest).await.unwrap();
    let repository = operator(&store).await;
    let check = async |says: &str| {
        let dumps = repository.dumps().await.unwrap();
        let missing = repository.missing(&dumps).await.unwrap();
        let [error] = missing.as_slice() else { panic!("{says}: {missing:?}") };
        assert_eq!(error.class(), ErrorClass::Damaged);
        assert!(error.to_string().contains(says), "{error}");
        let verified = repository.verify_all(&VerifyOptions::default()).await.unwrap();
        assert_eq!((verified.missing.len(), verified.problems().count()), (1, 1));
        // Its packs stay, so that it can be put back.
        refused(repository.prune(&PruneOptions::default()).await, "prune");
    };
    check("there is no record that it was forgotten").await;
    write(&store, &at("forgotten", id, ".json"), json.clone()).await;
    check("the record that it was forgotten does not count").await;
    write(&store, &at("forgotten", id, ".json.minisig"), own.clone()).await;
    check("the record that it was forgotten does not count").await;
    write(&store, &at("forgotten", id, ".skipped"), "x").await;
    write(&store, &at("forgotten", id, ".skipped.minisig"), own).await;
    check("the record that a copy left it out does not count").await;
    // Who trusts no keys takes the record as it is.
    let plain = reopen(&store).await.unwrap();
    assert!(plain.missing(&plain.dumps().await.unwrap()).await.unwrap().is_empty());
    write(&store, &manifest, json).await;
    assert!(repository.missing(&repository.dumps().await.unwrap()).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn dumps_that_follow_each_other_are_missed_through_the_records_of_forgotten_ones() {
    let (store, dumps) = dumped(4).await;
    let repository = operator(&store).await;
    let options = ForgetOptions { dumps: vec![dumps[2].id.to_string()], ..ForgetOptions::default() };
    repository.forget(&options).await.unwrap();
    store.delete(&at("manifests", dumps[1].id, ".json")).await.unwrap();
    for repository in [repository, reopen(&store).await.unwrap()] {
        let listed = repository.dumps().await.unwrap();
        let missing = repository.missing(&listed).await.unwrap();
        let [RepositoryError::MissingDump { dump, named_by, sequence: 3, .. }] = missing.as_slice() else {
            panic!("{missing:?}");
        };
        assert_eq!((*dump, *named_by), (dumps[1].id, dumps[2].id));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_remembers_the_last_sequence_or_the_day_notices_that_the_end_is_gone() {
    let (store, dumps) = dumped(3).await;
    let repository = operator(&store).await;
    let listed = repository.dumps().await.unwrap();
    listed.check_sequence(None, 3).unwrap();
    listed.check_sequence(Some("validator"), 3).unwrap();
    let finished = time(&dumps[2].manifest);
    listed.check_age(Duration::from_secs(3_600), finished + Duration::from_secs(3_599)).unwrap();
    store.delete(&at("manifests", dumps[2].id, ".json")).await.unwrap();
    let listed = repository.dumps().await.unwrap();
    assert!(repository.missing(&listed).await.unwrap().is_empty(), "nobody names the last one");
    for namespace in [None, Some("validator"), Some("other")] {
        let error = listed.check_sequence(namespace, 3).unwrap_err();
        assert!(matches!(error, RepositoryError::Stale { .. }) && error.class() == ErrorClass::Damaged);
    }
    let late = time(&dumps[1].manifest) + Duration::from_secs(3_602);
    let error = listed.check_age(Duration::from_secs(3_600), late).unwrap_err();
    assert!(matches!(error, RepositoryError::Stale { .. }) && error.class() == ErrorClass::Damaged);
    let empty: Arc<InMemory> = Arc::default();
    let nothing = repository_of_nothing(&empty).await.dumps().await.unwrap();
    assert!(nothing.check_sequence(None, 1).is_err() && nothing.check_age(Duration::MAX, late).is_err());
}

async fn repository_of_nothing(store: &Arc<InMemory>) -> Repository {
    repository(store).await
}

fn time(manifest: &Manifest) -> time::OffsetDateTime {
    use time::format_description::well_known::Rfc3339;
    time::OffsetDateTime::parse(&manifest.finished, &Rfc3339).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_takes_signatures_along_and_records_what_it_leaves_out() {
    let (store, dumps) = dumped(3).await;
    let source = operator(&store).await;
    let target: Arc<InMemory> = Arc::default();
    let created = Repository::create(place(&target), source.config().clone()).await.unwrap();
    let trusts = created.clone().with_trust(trusting(&[1, 2]));
    let latest = &dumps[2..];
    refused(source.copy_to(&trusts, latest, &CopyOptions::default()).await, "a record without a key");
    let copier = trusts.with_signer(key(2));
    source.copy_to(&copier, latest, &CopyOptions::default()).await.unwrap();
    let listed = copier.dumps().await.unwrap();
    assert_eq!((listed.good.len(), listed.untrusted.len()), (1, 0));
    assert_eq!(listed.signed[&dumps[2].id], Signed::By(KeyId([1; 8])));
    assert!(copier.missing(&listed).await.unwrap().is_empty());
    let pruned = copier.prune(&PruneOptions { grace: Duration::ZERO, ..PruneOptions::default() }).await;
    assert_eq!(pruned.unwrap().signatures_removed, 0);
    // Without keys it records the same.
    assert!(created.missing(&created.dumps().await.unwrap()).await.unwrap().is_empty());
    // A signature that is lost there comes with the next copy.
    target.delete(&signature(dumps[2].id)).await.unwrap();
    source.copy_to(&copier, latest, &CopyOptions::default()).await.unwrap();
    assert_eq!(copier.signed(dumps[2].id).await.unwrap(), Signed::By(KeyId([1; 8])));
    // And all of them, when all are copied.
    source.copy_to(&copier, &dumps, &CopyOptions::default()).await.unwrap();
    let listed = copier.dumps().await.unwrap();
    assert_eq!((listed.good.len(), listed.untrusted.len()), (3, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_to_another_repository_is_signed_by_who_makes_it() {
    let (store, dumps) = dumped(2).await;
    let source = operator(&store).await;
    for salt in [9, 10] {
        let target: Arc<InMemory> = Arc::default();
        let config = Config::new([8; 16], [salt; 16]).with_targets(512, 8 << 10, 4 << 10);
        let created = Repository::create(place(&target), config).await.unwrap().with_trust(trusting(&[2]));
        refused(source.copy_to(&created, &dumps, &CopyOptions::default()).await, "copy without a key");
        let copier = created.with_signer(key(2));
        let copied = source.copy_to(&copier, &dumps, &CopyOptions::default()).await.unwrap();
        assert_eq!(copied.whole, salt == 9);
        let listed = copier.dumps().await.unwrap();
        assert_eq!((listed.good.len(), listed.untrusted.len()), (2, 0));
        assert!(listed.signed.values().all(|signed| *signed == Signed::By(KeyId([2; 8]))));
        assert!(copier.missing(&listed).await.unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_puts_signatures_back_and_takes_nothing_that_is_not_trusted() {
    let (store, dumps) = dumped(3).await;
    let copy = Arc::new(store.fork());
    let foreign = reopen(&copy).await.unwrap().with_signer(key(3));
    back_up(&foreign, &namespace(&content(7))).await;
    store.delete(&signature(dumps[0].id)).await.unwrap();
    write(&store, &signature(dumps[1].id), "nothing").await;
    for path in [signature(dumps[2].id), at("manifests", dumps[2].id, ".json")] {
        store.delete(&path).await.unwrap();
    }
    for trust in [Some(trusting(&[1, 2])), None] {
        let store = Arc::new(store.fork());
        let other = reopen(&copy).await.unwrap();
        let options = RepairOptions { trust: trust.clone(), ..RepairOptions::default() };
        let repaired = Repository::repair(place(&store), Some(&other), &options).await.unwrap();
        assert!(repaired.lost.is_empty(), "{:?}", repaired.lost);
        let listed = operator(&store).await.dumps().await.unwrap();
        assert_eq!(listed.good.len(), 3);
        assert_eq!(listed.untrusted.len(), usize::from(trust.is_none()));
        let kept =
            files(&store).await.into_iter().filter(|(path, _)| path.as_ref().starts_with("manifests/"));
        assert_eq!(kept.count(), if trust.is_some() { 6 } else { 8 });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_several_processes_read_is_signed_by_who_finishes_it() {
    let (store, _) = dumped(1).await;
    let job = JobShare {
        job: "nightly".parse().unwrap(),
        share: "1/1".parse().unwrap(),
        wait: Duration::from_secs(60),
        poll: Duration::from_millis(1),
    };
    // Who reads a share needs no key.
    let reader = reopen(&store).await.unwrap();
    reader.backup_share(&two_phases(), &job, options(2, 2)).await.unwrap();
    let finish = FinishOptions { allow_implausible: true, ..FinishOptions::default() };
    let keyless = reader.with_trust(trusting(&[1]));
    refused(keyless.finish(&job.job, &finish).await, "finish without a key");
    let made = node(&store).await.finish(&job.job, &finish).await.unwrap();
    let listed = operator(&store).await.dumps().await.unwrap();
    assert_eq!((listed.signed[&made.dump], listed.untrusted.len()), (Signed::By(KeyId([1; 8])), 0));
}
