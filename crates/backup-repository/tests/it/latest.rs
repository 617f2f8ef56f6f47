//! Which dump is the latest, and when nobody can tell.

use std::sync::Arc;

use backup_format::{DigestState, ErrorClass, Inventory, Manifest, ObjectId};
use backup_repository::{BackupOptions, DumpChoice, Repository, RepositoryError};
use backup_testkit::Content;
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;

use crate::support::{back_up, namespace, options, repository};

/// Publishes a dump of the same content with another manifest.
async fn publish(store: &InMemory, manifest: &Manifest, edit: impl FnOnce(&mut Manifest)) -> ObjectId {
    let mut manifest = manifest.clone();
    edit(&mut manifest);
    let (id, json) = manifest.encode().unwrap();
    store.put(&Path::from(format!("manifests/{id}.json")), json.into()).await.unwrap();
    id
}

/// A repository with one dump.
async fn one_dump() -> (Arc<InMemory>, Repository, Manifest) {
    let store: Arc<InMemory> = Arc::default();
    let repository = repository(&store).await;
    let made = back_up(&repository, &namespace(&Content::partition(1, b"root", 50, 8..=40))).await;
    (store, repository, made.manifest)
}

async fn assert_refused(repository: &Repository, named: ObjectId, says: &[&str]) {
    let error = repository.dump(&DumpChoice::Latest).await.expect_err("a guess");
    assert!(matches!(error, RepositoryError::NoLatest { .. }), "{error:?}");
    assert_eq!(error.class(), ErrorClass::Refused);
    says.iter().for_each(|text| assert!(error.to_string().contains(text), "{error}"));
    let dump = repository.dump(&DumpChoice::Id(named.to_string())).await.unwrap();
    assert_eq!(dump.id, named);
}

/// Makes a manifest one of an earlier program, which said nothing of the order.
fn without_order(manifest: &mut Manifest) {
    (manifest.sequence, manifest.previous) = (0, Vec::new());
}

/// Makes the content another one, so that it matters which dump is taken.
fn with_entries(manifest: &mut Manifest, entries: u64) {
    let before = manifest.inventory.take().unwrap();
    let state = DigestState { entries, ..before.digest_state() };
    manifest.inventory = Some(Inventory { annotations: before.annotations, ..state.into() });
}

fn in_minutes(minutes: i64) -> String {
    let time = time::OffsetDateTime::now_utc() + time::Duration::minutes(minutes);
    time.format(&time::format_description::well_known::Rfc3339).unwrap()
}

#[tokio::test]
async fn an_odd_time_is_no_matter_where_a_sequence_decides() {
    for time in ["2999-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z"] {
        let (store, repository, first) = one_dump().await;
        let old = publish(&store, &first, |manifest| {
            with_entries(manifest, 7);
            manifest.finished = time.to_owned();
        });
        let old = old.await;
        assert_refused(&repository, old, &["made at the same time", &old.to_string()[..12]]).await;
        let dumps = repository.dumps().await.unwrap();
        assert_eq!(dumps.future, if time.starts_with('2') { vec![old] } else { vec![] });

        let backup = BackupOptions { allow_clock_behind: true, ..options(2, 1) };
        let content = Content::partition(2, b"root", 60, 8..=40);
        let next = repository.backup(&namespace(&content), backup).await.unwrap();
        assert_eq!((next.manifest.sequence, next.manifest.previous.len()), (2, 2));
        assert_eq!(repository.dump(&DumpChoice::Latest).await.unwrap().id, next.dump);
        let odd = publish(&store, &next.manifest, |manifest| {
            with_entries(manifest, 8);
            (manifest.sequence, manifest.previous) = (3, vec![next.dump]);
            manifest.finished = time.to_owned();
        });
        let odd = odd.await;
        assert_eq!(repository.dump(&DumpChoice::Latest).await.unwrap().id, odd);
    }
}

#[tokio::test]
async fn dumps_of_earlier_programs_are_ordered_by_times_that_can_be() {
    let (store, repository, first) = one_dump().await;
    store.delete(&Path::from(format!("manifests/{}.json", first.encode().unwrap().0))).await.unwrap();
    let old = async |entries, time: String| {
        let edit = |manifest: &mut Manifest| {
            without_order(manifest);
            with_entries(manifest, entries);
            manifest.finished = time;
        };
        publish(&store, &first, edit).await
    };
    let only = old(1, "2999-01-01T00:00:00Z".to_owned()).await;
    assert_eq!(repository.dump(&DumpChoice::Latest).await.unwrap().id, only);
    store.delete(&Path::from(format!("manifests/{only}.json"))).await.unwrap();

    old(2, in_minutes(-60)).await;
    let later = old(3, in_minutes(2)).await;
    assert_eq!(repository.dump(&DumpChoice::Latest).await.unwrap().id, later);
    let future = old(4, in_minutes(10)).await;
    assert_refused(&repository, future, &["future", &future.to_string()[..12]]).await;
    // The next backup follows them all.
    let backup = BackupOptions { allow_clock_behind: true, ..options(2, 1) };
    let made =
        repository.backup(&namespace(&Content::partition(1, b"root", 50, 8..=40)), backup).await.unwrap();
    assert_eq!((made.manifest.sequence, made.manifest.previous.len()), (1, 3));
    assert_eq!(repository.dump(&DumpChoice::Latest).await.unwrap().id, made.dump);
    // One that an earlier program makes thereafter may be later.
    let late = old(5, in_minutes(20)).await;
    assert_refused(&repository, late, &["earlier version", &late.to_string()[..12]]).await;
}

#[tokio::test]
async fn names_that_lead_nowhere_or_backwards_mean_nothing() {
    let (store, repository, first) = one_dump().await;
    let first_id = first.encode().unwrap().0;
    let name = async |sequence, previous: Vec<ObjectId>, entries| {
        let edit = |manifest: &mut Manifest| {
            with_entries(manifest, entries);
            (manifest.sequence, manifest.previous) = (sequence, previous);
        };
        publish(&store, &first, edit).await
    };
    let second = name(2, vec![first_id], 2).await;
    // Forgotten or never there, in a number that follows nothing.
    let third = name(9, vec![ObjectId([1; 32]), ObjectId([2; 32])], 3).await;
    assert_eq!(repository.dump(&DumpChoice::Latest).await.unwrap().id, third);
    // Dumps of smaller sequence hide none of a larger one.
    for (sequence, entries) in [(0, 4), (1, 5), (8, 6)] {
        let mut previous = vec![first_id, second, third];
        previous.sort_unstable();
        name(sequence, previous, entries).await;
        assert_eq!(repository.dump(&DumpChoice::Latest).await.unwrap().id, third, "{sequence}");
    }
    let made = back_up(&repository, &namespace(&Content::partition(1, b"root", 50, 8..=40))).await;
    assert_eq!(made.manifest.sequence, 10);
    assert_eq!(repository.dump(&DumpChoice::Latest).await.unwrap().id, made.dump);
}

#[tokio::test]
async fn the_largest_sequence_has_no_successor_and_is_named() {
    let (store, repository, first) = one_dump().await;
    let content = namespace(&Content::partition(1, b"root", 50, 8..=40));
    publish(&store, &first, |manifest| manifest.sequence = u64::MAX - 1).await;
    let last = back_up(&repository, &content).await;
    assert_eq!(last.manifest.sequence, u64::MAX);
    let error = repository.backup(&content, options(2, 1)).await.unwrap_err();
    assert!(matches!(error, RepositoryError::LastSequence { dump } if dump == last.dump), "{error:?}");
    assert_eq!(error.class(), ErrorClass::Refused);
}

#[tokio::test]
async fn two_backups_at_once_have_no_latest_unless_they_are_equal_and_the_next_follows_both() {
    let (store, repository, first) = one_dump().await;
    let first_id = first.encode().unwrap().0;
    let both = async |entries, started: &str| {
        let edit = |manifest: &mut Manifest| {
            with_entries(manifest, entries);
            (manifest.sequence, manifest.previous) = (2, vec![first_id]);
            manifest.started = started.to_owned();
        };
        publish(&store, &first, edit).await
    };
    let one = both(2, "2026-01-31T00:00:00Z").await;
    let equal = both(2, "2026-01-31T00:00:01Z").await;
    let latest = repository.dump(&DumpChoice::Latest).await.unwrap();
    assert!([one, equal].contains(&latest.id));
    let other = both(3, "2026-01-31T00:00:00Z").await;
    assert_refused(&repository, other, &["at the same time", "next backup", &other.to_string()[..12]]).await;
    let made = back_up(&repository, &namespace(&Content::partition(1, b"root", 50, 8..=40))).await;
    let mut expected = vec![one, equal, other];
    expected.sort_unstable();
    assert_eq!((made.manifest.sequence, &made.manifest.previous), (3, &expected));
    assert_eq!(repository.dump(&DumpChoice::Latest).await.unwrap().id, made.dump);
}

#[tokio::test]
async fn several_namespaces_or_validators_have_no_latest_dump() {
    let (store, repository, manifest) = one_dump().await;
    let other = publish(&store, &manifest, |manifest| manifest.namespace = "other".to_owned()).await;
    assert_refused(&repository, other, &["namespaces", "other, validator"]).await;

    let (store, repository, manifest) = one_dump().await;
    let with_origin = |origin: &str| {
        let origin = origin.to_owned();
        move |manifest: &mut Manifest| manifest.source.origin = Some(origin)
    };
    publish(&store, &manifest, with_origin("02aa")).await;
    // One that does not say its origin beside one that does.
    repository.dump(&DumpChoice::Latest).await.unwrap();
    let second = publish(&store, &manifest, with_origin("02bb")).await;
    assert_refused(&repository, second, &["validators", "02aa, 02bb"]).await;
}

#[tokio::test]
async fn engines_and_layouts_may_differ() {
    let (store, repository, manifest) = one_dump().await;
    let edit = |manifest: &mut Manifest| {
        manifest.source.engine = "rocksdb".to_owned();
        manifest.source.layout = "linera-0.16".to_owned();
        manifest.finished = "2026-01-31T00:00:00Z".to_owned();
        manifest.sequence = 2;
    };
    let second = publish(&store, &manifest, edit).await;
    assert_eq!(repository.dump(&DumpChoice::Latest).await.unwrap().id, second);
}

#[tokio::test]
async fn a_manifest_of_a_later_version_is_not_called_damaged() {
    let (store, repository, manifest) = one_dump().await;
    let (_, json) = manifest.encode().unwrap();
    let json = String::from_utf8(json).unwrap().replace("\"version\": 1", "\"version\": 2");
    let id = ObjectId::of_file(json.as_bytes());
    store.put(&Path::from(format!("manifests/{id}.json")), json.into()).await.unwrap();
    let dumps = repository.dumps().await.unwrap();
    assert_eq!((dumps.good.len(), dumps.damaged.len(), dumps.unsupported.len()), (1, 0, 1));
    let error = repository.dump(&DumpChoice::Latest).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Refused);
    assert!(error.to_string().starts_with("1 manifest is of a later version, so"), "{error}");
    store.put(&Path::from(format!("manifests/{}.json", "ab".repeat(32))), "{}".into()).await.unwrap();
    let error = repository.dump(&DumpChoice::Latest).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Damaged);
    assert!(error.to_string().starts_with("1 manifest is damaged and 1 manifest is of a"), "{error}");
}
