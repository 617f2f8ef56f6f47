//! What takes the room of a repository, counted against what is known of it.

use std::sync::Arc;

use backup_format::ErrorClass;
use backup_repository::{ForgetOptions, RepositoryError, Stats, StatsOptions};
use backup_testkit::Content;
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::support::{back_up, content, namespace, repository};

async fn measure(repository: &backup_repository::Repository) -> Stats {
    let stats = repository.stats(&StatsOptions::default()).await.unwrap();
    assert!(stats.objects.stored_bytes <= stats.pack_bytes);
    stats
}

/// The content with one more partition behind all others.
fn grown(content: &Content) -> Content {
    let mut content = content.clone();
    (0..200u32).for_each(|number| content.put(&[0xff; 40], &number.to_be_bytes(), &[7; 90]));
    content
}

#[tokio::test]
async fn a_dump_alone_owns_all_and_one_that_is_shared_owns_what_differs() {
    let store: Arc<InMemory> = Arc::default();
    let repository = repository(&store).await;
    let (first, second) = (content(1), grown(&content(1)));
    let one = back_up(&repository, &namespace(&first)).await;
    let alone = measure(&repository).await;
    assert_eq!(alone.dumps[0].own, alone.objects);
    assert_eq!(alone.dumps[0].reached, alone.objects);
    assert_eq!(alone.dumps[0].new, alone.objects);
    assert_eq!(alone.objects.number, one.new_objects);
    let listed: Vec<_> = store.list(Some(&Path::from("packs"))).try_collect().await.unwrap();
    assert_eq!(alone.pack_bytes, listed.iter().map(|pack| pack.size).sum::<u64>());
    assert_eq!(alone.packs, listed.len() as u64);

    let two = back_up(&repository, &namespace(&second)).await;
    let both = measure(&repository).await;
    let [before, after] = &both.dumps[..] else { panic!("two dumps") };
    assert_eq!((before.dump.id, after.dump.id), (one.dump, two.dump));
    assert_eq!(after.own.number, two.new_objects);
    assert_eq!((before.new, after.new), (before.reached, after.own));
    assert_eq!(both.unreferenced.number + both.copies.number, 0);
    let shared = before.reached.number - before.own.number;
    assert_eq!(shared, after.reached.number - after.own.number);
    assert_eq!(both.objects.number, shared + before.own.number + after.own.number);
    assert_eq!(after.reached.plain_bytes + before.own.plain_bytes, both.objects.plain_bytes);
}

#[tokio::test]
async fn what_no_dump_reaches_is_unreferenced() {
    let store: Arc<InMemory> = Arc::default();
    let repository = repository(&store).await;
    let first = back_up(&repository, &namespace(&content(1))).await;
    back_up(&repository, &namespace(&grown(&content(1)))).await;
    let own = measure(&repository).await.dumps[0].own;
    let named = vec![first.dump.to_string()];
    repository.forget(&ForgetOptions { dumps: named, ..ForgetOptions::default() }).await.unwrap();
    let after = measure(&repository).await;
    assert!(own.number > 0);
    assert_eq!(after.unreferenced, own);
    assert_eq!(after.dumps[0].own, after.dumps[0].reached);
}

#[tokio::test]
async fn an_object_in_two_packs_is_counted_once_and_its_copy_apart() {
    let store: Arc<InMemory> = Arc::default();
    let one = repository(&store).await;
    back_up(&one, &namespace(&content(1))).await;
    let other: Arc<InMemory> = Arc::default();
    let two = repository(&other).await;
    let whole = measure(&one).await;
    // The same objects in packs that begin elsewhere: a content that begins with something else.
    let mut shifted = content(1);
    shifted.put(&[0; 3], b"first", &[1; 400]);
    back_up(&two, &namespace(&shifted)).await;
    for pack in other.list(Some(&Path::from("packs"))).try_collect::<Vec<_>>().await.unwrap() {
        let bytes = other.get(&pack.location).await.unwrap().bytes().await.unwrap();
        store.put(&pack.location, bytes.into()).await.unwrap();
    }
    let stats = measure(&one).await;
    assert!(stats.copies.number > 0);
    assert_eq!(stats.dumps[0].reached, whole.dumps[0].reached);
    let counted = stats.dumps[0].reached.number + stats.unreferenced.number + stats.copies.number;
    assert_eq!(stats.objects.number, counted);
}

#[tokio::test]
async fn nothing_is_called_unreferenced_while_a_manifest_cannot_be_read() {
    let store: Arc<InMemory> = Arc::default();
    let repository = repository(&store).await;
    back_up(&repository, &namespace(&content(1))).await;
    store.put(&Path::from(format!("manifests/{}.json", "7".repeat(64))), "{}".into()).await.unwrap();
    let error = repository.stats(&StatsOptions::default()).await.unwrap_err();
    assert!(matches!(error, RepositoryError::Unlisted { .. }), "{error:?}");
    assert_eq!(error.class(), ErrorClass::Damaged);
}
