//! What is attested of dumps counts only for them, in their repository, from those who are trusted; and prune removes what is needless.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use backup_format::{Anchor, Attestation, Digest, ErrorClass, ObjectId, Proven};
use backup_repository::{
    Clock, Dump, ForgetOptions, Proof, PruneOptions, Repository, RepositoryError, Signed, Store,
};
use backup_sign::{KeyId, SecretKey, TrustedKeys};
use backup_testkit::{Content, Fault, Faults, FaultyStore};
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;

use crate::support::{back_up, files, namespace, reopen, repository};

fn key(number: u8) -> Arc<SecretKey> {
    Arc::new(SecretKey::from_seed(KeyId([number; 8]), [number; 32].into()).unwrap())
}

fn trusting(repository: Repository) -> Repository {
    repository.with_trust(TrustedKeys::new(vec![key(1).public().clone()]).unwrap())
}

/// Two signed dumps that differ.
async fn dumped() -> (Arc<InMemory>, Repository, Vec<Dump>) {
    let store: Arc<InMemory> = Arc::default();
    let repository = trusting(repository(&store).await.with_signer(key(1)));
    let mut dumps = Vec::new();
    for number in 0..2_u64 {
        let mut content = Content::partition(1, b"root", 20, 8..=40);
        content.put(b"number", b"", &number.to_le_bytes());
        let made = back_up(&repository, &namespace(&content)).await;
        dumps.push(Dump { id: made.dump, manifest: made.manifest });
    }
    (store, repository, dumps)
}

fn digest(dump: &Dump) -> Option<Digest> {
    Some(dump.inventory().unwrap().digest)
}

fn proof(proven: Proven, dumps: &[&Dump]) -> Proof {
    Proof {
        proven,
        dumps: dumps.iter().map(|dump| (dump.id, digest(dump))).collect(),
        tool: "test 1".to_owned(),
        network: None,
        not_proven: Vec::new(),
    }
}

/// The same repository, at that second.
fn at(repository: &Repository, second: u64) -> Repository {
    let time = std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + second);
    repository.clone().with_clock(Clock::new(move || time))
}

fn report(id: ObjectId) -> Path {
    Path::from(format!("reports/{id}.json"))
}

fn signature(id: ObjectId) -> Path {
    Path::from(format!("reports/{id}.json.minisig"))
}

async fn names(store: &InMemory) -> Vec<String> {
    let files = files(store).await.into_iter().map(|(name, _)| name.to_string());
    files.filter(|name| name.starts_with("reports/")).collect()
}

#[tokio::test]
async fn what_is_attested_is_found_with_what_it_says() {
    let (_, repository, dumps) = dumped().await;
    let [first, second] = dumps.as_slice() else { unreachable!("two were made") };
    let text = |text: &str| text.to_owned();
    let network = Anchor {
        name: text("net"),
        genesis_config: text("a"),
        genesis_committee: text("b"),
        admin_chain: text("c"),
    };
    at(&repository, 1).attest(&proof(Proven::Content, &[first, second])).await.unwrap();
    at(&repository, 2).attest(&proof(Proven::Structure, &[first])).await.unwrap();
    let boot = Proof {
        network: Some(network.clone()),
        not_proven: vec![text("some")],
        ..proof(Proven::Boot, &[second])
    };
    at(&repository, 3).attest(&boot).await.unwrap();
    // The time of who attests counts, and not that of the file.
    at(&repository, 0).attest(&proof(Proven::Content, &[second])).await.unwrap();

    let found = repository.attestations(&dumps).await.unwrap();
    assert_eq!(found.ignored(), 0);
    let proven = |dump: &Dump| found.of(dump.id).iter().map(|one| one.proven).collect::<Vec<_>>();
    assert_eq!(proven(first), [Proven::Structure, Proven::Content]);
    assert_eq!(proven(second), [Proven::Boot, Proven::Content, Proven::Content]);
    let newest = |dump: &Dump, at_least| found.newest(dump.id, at_least).map(|one| one.time.clone());
    assert_eq!(newest(first, Proven::Content).unwrap(), "2023-11-14T22:13:21.000Z");
    assert_eq!(newest(first, Proven::Boot), None);
    assert_eq!(newest(second, Proven::Content).unwrap(), "2023-11-14T22:13:23.000Z");
    let boot = found.newest(second.id, Proven::Boot).unwrap();
    assert_eq!((boot.network.as_ref(), boot.tool.as_str()), (Some(&network), "test 1"));
    assert_eq!((boot.not_proven.as_slice(), boot.signed), (&[text("some")][..], Signed::By(KeyId([1; 8]))));
    // Only dumps that were asked for.
    let one = repository.attestations(&dumps[..1]).await.unwrap();
    assert_eq!((one.of(first.id).len(), one.of(second.id).len()), (2, 0));
}

#[tokio::test]
async fn more_dumps_than_a_file_names_are_attested_in_several() {
    let (store, repository, dumps) = dumped().await;
    let many =
        (0..Attestation::DUMPS_MAX as u64).map(|number| (ObjectId::of_file(&number.to_le_bytes()), None));
    let mut proof = proof(Proven::Content, &[&dumps[0], &dumps[1]]);
    proof.dumps.extend(many);
    assert_eq!(repository.attest(&proof).await.unwrap().len(), 2);
    assert_eq!(names(&store).await.len(), 4);
    let found = repository.attestations(&dumps).await.unwrap();
    assert!(dumps.iter().all(|dump| found.of(dump.id).len() == 1));
}

/// Writes an attestation into the store, by the key of this number, or by nobody.
async fn forge(store: &InMemory, attestation: &Attestation, signer: Option<(u8, &str)>) -> ObjectId {
    let (id, json) = attestation.encode().unwrap();
    if let Some((number, repository)) = signer {
        let comment = format!("kvbackup attestation={id} repository={repository} sequence=0");
        let signed = key(number).sign(&json, &comment).unwrap().encode();
        store.put(&signature(id), signed.into()).await.unwrap();
    }
    store.put(&report(id), json.into()).await.unwrap();
    id
}

fn claimed(repository: &str, dump: ObjectId, digest: Option<Digest>) -> Attestation {
    let dumps = BTreeMap::from([(dump, digest)]);
    let by = ("forger 1".to_owned(), "2026-01-31T00:00:00Z".to_owned());
    Attestation::new(repository.to_owned(), (Proven::Boot, dumps), by)
}

#[tokio::test]
async fn an_attestation_that_no_trusted_key_signed_does_not_count() {
    let (store, repository, dumps) = dumped().await;
    let (dump, own) = (&dumps[0], "07".repeat(16));
    let other = "08".repeat(16);
    let good = claimed(&own, dump.id, digest(dump));
    let foreign = Attestation { tool: "foreign".to_owned(), ..good.clone() };
    let elsewhere = claimed(&other, dump.id, digest(dump));
    let lying = claimed(&own, dump.id, Some(Digest([3; 32])));
    let unsigned = Attestation { tool: "unsigned".to_owned(), ..good.clone() };
    forge(&store, &foreign, Some((2, &own))).await;
    forge(&store, &elsewhere, Some((1, &other))).await;
    forge(&store, &lying, Some((1, &own))).await;
    forge(&store, &unsigned, None).await;
    let moved = forge(&store, &Attestation { tool: "moved".to_owned(), ..good.clone() }, None).await;
    let of_another = store.get(&signature(lying.encode().unwrap().0)).await.unwrap().bytes().await.unwrap();
    store.put(&signature(moved), of_another.into()).await.unwrap();
    let found = repository.attestations(&dumps).await.unwrap();
    assert_eq!((found.of(dump.id).len(), found.ignored()), (0, 5));

    // Without trusted keys all of this repository counts that does not say another digest, and says so.
    let anybody = reopen(&store).await.unwrap().attestations(&dumps).await.unwrap();
    let mut signed: Vec<_> = anybody.of(dump.id).iter().map(|one| (one.tool.as_str(), one.signed)).collect();
    signed.sort_by_key(|(tool, _)| *tool);
    let expected = [
        ("foreign", Signed::Unchecked(KeyId([2; 8]))),
        ("moved", Signed::Unchecked(KeyId([1; 8]))),
        ("unsigned", Signed::No),
    ];
    assert_eq!((signed.as_slice(), anybody.ignored()), (&expected[..], 2));

    forge(&store, &good, Some((1, &own))).await;
    assert_eq!(repository.attestations(&dumps).await.unwrap().of(dump.id).len(), 1);
}

#[tokio::test]
async fn a_flip_of_any_byte_of_an_attestation_takes_it_away() {
    let (store, repository, dumps) = dumped().await;
    let id = repository.attest(&proof(Proven::Content, &[&dumps[0]])).await.unwrap()[0];
    for path in [report(id), signature(id)] {
        let good = store.get(&path).await.unwrap().bytes().await.unwrap().to_vec();
        for place in 0..good.len() {
            let mut bad = good.clone();
            bad[place] ^= 1;
            store.put(&path, bad.into()).await.unwrap();
            let found = repository.attestations(&dumps).await.unwrap();
            // The first line of a signature, up to its end, says nothing.
            let is_remark = path == signature(id) && found.ignored() == 0;
            assert_eq!(found.of(dumps[0].id).len(), usize::from(is_remark), "{path}, byte {place}");
        }
        store.put(&path, good.into()).await.unwrap();
    }
    for junk in [&b""[..], b"{", b"\xff\xff", b"{\"format\": \"kvbackup-attestation\", \"version\": 2}"] {
        store.put(&report(ObjectId::of_file(junk)), junk.to_vec().into()).await.unwrap();
    }
    store.put(&report(ObjectId([1; 32])), vec![b' '; 2 << 20].into()).await.unwrap();
    store.put(&Path::from("reports/notes.txt"), "mine".into()).await.unwrap();
    // A file has the name of its bytes.
    let misnamed = claimed(&"07".repeat(16), dumps[0].id, None).encode().unwrap().1;
    store.put(&report(ObjectId([2; 32])), misnamed.into()).await.unwrap();
    let anybody = reopen(&store).await.unwrap().attestations(&dumps).await.unwrap();
    assert_eq!((anybody.of(dumps[0].id).len(), anybody.ignored()), (1, 6));
}

#[tokio::test]
async fn who_trusts_keys_and_has_none_attests_nothing() {
    let (store, _, dumps) = dumped().await;
    let reader = trusting(reopen(&store).await.unwrap());
    for refused in [reader.check_attests(), reader.attest(&proof(Proven::Boot, &[&dumps[0]])).await.map(drop)]
    {
        let error = refused.unwrap_err();
        assert!(
            matches!(error, RepositoryError::Sign { .. }) && error.class() == ErrorClass::Refused,
            "{error:?}"
        );
    }
    assert!(names(&store).await.is_empty());
}

#[tokio::test]
async fn an_interruption_at_any_request_leaves_no_attestation_without_its_signature() {
    let (store, _, dumps) = dumped().await;
    let proof = proof(Proven::Content, &[&dumps[0]]);
    let run = async |store: Arc<InMemory>, faults: Arc<Faults>| {
        let store = Store::new(Arc::new(FaultyStore::new(store, faults)), Path::default());
        Repository::open(store).await?.with_signer(key(1)).attest(&proof).await
    };
    let counting = Arc::new(Faults::none());
    run(Arc::new(store.fork()), counting.clone()).await.unwrap();
    let mut left = Vec::new();
    for number in 0..counting.operations() {
        for fault in [Fault::Before, Fault::After] {
            let store = Arc::new(store.fork());
            drop(run(store.clone(), Arc::new(Faults::nth(number, fault).lasting())).await);
            let repository = trusting(reopen(&store).await.unwrap().with_signer(key(1)));
            let found = repository.attestations(&dumps).await.unwrap();
            assert_eq!(found.ignored(), 0, "{number} {fault:?}");
            left.push(names(&store).await.len());
            // A signature of nothing goes with a prune.
            let options = PruneOptions { grace: Duration::ZERO, ..PruneOptions::default() };
            repository.prune(&options).await.unwrap();
            let whole = 2 * found.of(dumps[0].id).len();
            assert_eq!(names(&store).await.len(), whole, "{number} {fault:?}");
        }
    }
    assert!([0, 1, 2].iter().all(|files| left.contains(files)), "{left:?}");
}

#[tokio::test]
async fn prune_removes_what_newer_attestations_make_needless_and_what_is_of_no_dump() {
    let (store, repository, dumps) = dumped().await;
    let [first, second] = dumps.as_slice() else { unreachable!("two were made") };
    let mut ids = Vec::new();
    for (second_of_time, proven, dumps) in [
        (1, Proven::Content, vec![first, second]),
        (2, Proven::Content, vec![first]),
        (3, Proven::Boot, vec![second]),
        (4, Proven::Structure, vec![first]),
    ] {
        let repository = at(&repository, second_of_time);
        ids.extend(repository.attest(&proof(proven, &dumps)).await.unwrap());
    }
    let gone = Proof { dumps: BTreeMap::from([(ObjectId([5; 32]), None)]), ..proof(Proven::Boot, &[]) };
    ids.extend(repository.attest(&gone).await.unwrap());
    // What somebody else adds makes nothing needless, and stays.
    let own = "07".repeat(16);
    forge(&store, &claimed(&own, first.id, digest(first)), Some((2, &own))).await;
    forge(&store, &claimed(&own, second.id, digest(second)), None).await;
    let dry = PruneOptions { dry_run: true, ..PruneOptions::default() };
    assert_eq!(repository.prune(&dry).await.unwrap().attestations_removed, 2);
    // The first is needless: the second and third prove as much. The last is of no dump.
    assert_eq!(repository.prune(&PruneOptions::default()).await.unwrap().attestations_removed, 2);
    let left = names(&store).await;
    for (number, id) in ids.iter().enumerate() {
        let (report, signature) = (report(*id).to_string(), signature(*id).to_string());
        let stays = [1, 2, 3].contains(&number);
        assert!(left.contains(&report) == stays && left.contains(&signature) == stays, "file {number}");
    }
    assert_eq!(left.len(), 6 + 3);
    let found = repository.attestations(&dumps).await.unwrap();
    assert_eq!(found.newest(first.id, Proven::Content).unwrap().time, "2023-11-14T22:13:22.000Z");
    assert_eq!(found.newest(second.id, Proven::Boot).unwrap().time, "2023-11-14T22:13:23.000Z");
}

#[tokio::test]
async fn a_prune_without_keys_removes_no_attestation_of_a_dump_that_is_signed() {
    let (store, repository, dumps) = dumped().await;
    let dump = &dumps[0];
    let good = at(&repository, 1).attest(&proof(Proven::Boot, &[dump])).await.unwrap()[0];
    let (own, text) = ("07".repeat(16), "not a signature");
    let forged = forge(&store, &claimed(&own, dump.id, digest(dump)), Some((1, &own))).await;
    store.put(&signature(forged), text.into()).await.unwrap();
    let blind = reopen(&store).await.unwrap();
    assert_eq!(blind.prune(&PruneOptions::default()).await.unwrap().attestations_removed, 0);
    assert!(names(&store).await.contains(&report(good).to_string()));
}

#[tokio::test]
async fn attestations_of_a_forgotten_dump_stay_for_the_one_who_takes_it_back() {
    let (store, repository, dumps) = dumped().await;
    repository.attest(&proof(Proven::Content, &[&dumps[0]])).await.unwrap();
    let digits = dumps[0].id.to_string();
    let options = ForgetOptions { dumps: vec![digits.clone()], ..ForgetOptions::default() };
    repository.forget(&options).await.unwrap();
    assert_eq!(repository.prune(&PruneOptions::default()).await.unwrap().attestations_removed, 0);
    let back = repository.unforget(&digits).await.unwrap();
    assert_eq!(repository.attestations(&[back]).await.unwrap().of(dumps[0].id).len(), 1);
    assert_eq!(names(&store).await.len(), 2);
}
