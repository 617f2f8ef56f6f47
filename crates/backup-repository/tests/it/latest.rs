//! Which dump is the latest, and when nobody can tell.

use std::sync::Arc;

use backup_format::{ErrorClass, Manifest, ObjectId};
use backup_repository::{DumpChoice, Repository, RepositoryError};
use backup_testkit::Content;
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;

use crate::support::{back_up, namespace, repository};

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

#[tokio::test]
async fn a_time_that_cannot_be_makes_the_latest_uncertain() {
    let times = [
        "2999-01-01T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-01-31T25:00:00Z",
        "0000-01-01T00:00:00Z",
        "1970-01-01T00:00:00Z",
    ];
    for time in times {
        let (store, repository, manifest) = one_dump().await;
        let odd = publish(&store, &manifest, |manifest| manifest.finished = time.to_owned()).await;
        assert_refused(&repository, odd, &[time, &odd.to_string()[..12]]).await;
    }
}

#[tokio::test]
async fn a_clock_that_is_a_little_ahead_is_no_matter() {
    let (store, repository, manifest) = one_dump().await;
    let ahead = |minutes| {
        let time = time::OffsetDateTime::now_utc() + time::Duration::minutes(minutes);
        time.format(&time::format_description::well_known::Rfc3339).unwrap()
    };
    let later = publish(&store, &manifest, |manifest| manifest.finished = ahead(2)).await;
    assert_eq!(repository.dump(&DumpChoice::Latest).await.unwrap().id, later);
    let future = publish(&store, &manifest, |manifest| manifest.finished = ahead(10)).await;
    assert_refused(&repository, future, &["future"]).await;
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
    };
    publish(&store, &manifest, edit).await;
    let latest = repository.dump(&DumpChoice::Latest).await.unwrap();
    assert_eq!(latest.manifest.finished, manifest.finished);
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
