//! A lost config, and files that are put back from another copy.

use std::sync::Arc;

use backup_format::ErrorClass;
use backup_repository::{
    CopyOptions, RepairOptions, RepairReport, Repository, RepositoryError, Store, VerifyOptions,
};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::support::{back_up, content, dumped, files, namespace, reopen, repository};

fn store(inner: &Arc<InMemory>) -> Store {
    let inner: Arc<dyn ObjectStore> = inner.clone();
    Store::new(inner, Path::default())
}

async fn repair(
    inner: &Arc<InMemory>,
    copy: Option<&Arc<InMemory>>,
) -> Result<RepairReport, RepositoryError> {
    let copy = match copy {
        Some(copy) => Some(reopen(copy).await.unwrap()),
        None => None,
    };
    let before = files(inner).await;
    let dry = RepairOptions { dry_run: true, ..RepairOptions::default() };
    let planned = Repository::repair(store(inner), copy.as_ref(), &dry).await;
    assert_eq!(files(inner).await, before, "a dry run writes nothing");
    let done = Repository::repair(store(inner), copy.as_ref(), &RepairOptions::default()).await;
    if let (Ok(planned), Ok(done)) = (&planned, &done) {
        assert_eq!((&planned.packs, &planned.config_from), (&done.packs, &done.config_from));
    }
    done
}

async fn copied(from: &Arc<InMemory>) -> Arc<InMemory> {
    let copy: Arc<InMemory> = Arc::default();
    for (name, bytes) in files(from).await {
        copy.put(&name, bytes.into()).await.unwrap();
    }
    copy
}

async fn names(store: &InMemory, folder: &str) -> Vec<Path> {
    let files = files(store).await.into_iter().map(|(name, _)| name);
    files.filter(|name| name.as_ref().starts_with(folder)).collect()
}

async fn verify(inner: &Arc<InMemory>) -> Result<(), RepositoryError> {
    let repository = reopen(inner).await?;
    for dump in repository.dumps().await?.good {
        repository.verify(&dump, &VerifyOptions::default()).await?;
    }
    Ok(())
}

async fn flip(store: &InMemory, name: &Path, place: usize) {
    let mut bytes = store.get(name).await.unwrap().bytes().await.unwrap().to_vec();
    bytes[place] ^= 1;
    store.put(name, bytes.into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_or_damaged_config_is_told_and_put_back_from_its_copy() {
    let inner = dumped().await;
    let sound = files(&inner).await;
    let config = Path::from("config.json");
    for damage in ["", "{", "{\"format\": \"kvbackup-repository\"}"] {
        match damage {
            "" => inner.delete(&config).await.unwrap(),
            text => drop(inner.put(&config, text.into()).await.unwrap()),
        }
        let error = reopen(&inner).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Damaged);
        let text = error.to_string();
        assert!(text.contains("is a good copy of it, which a repair puts back"), "{text}");
        let report = repair(&inner, None).await.unwrap();
        assert!(report.config_from.unwrap().starts_with("configs/") && report.lost.is_empty());
        assert_eq!(files(&inner).await, sound);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_config_with_another_salt_is_noticed_before_a_dump_is_made_with_it() {
    let inner = dumped().await;
    let sound = files(&inner).await;
    let config = Path::from("config.json");
    let text = String::from_utf8(inner.get(&config).await.unwrap().bytes().await.unwrap().to_vec()).unwrap();
    inner.put(&config, text.replacen("0909", "0908", 1).into()).await.unwrap();
    let altered = reopen(&inner).await.unwrap();
    let error = altered.backup(&namespace(&content(1)), crate::support::options(1, 1)).await.unwrap_err();
    assert!(matches!(error, RepositoryError::ConfigLost { .. }), "{error:?}");
    assert!(repair(&inner, None).await.unwrap().config_from.is_some());
    assert_eq!(files(&inner).await, sound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_of_an_earlier_program_gets_its_copy_with_the_next_backup_or_from_another_copy() {
    let inner = dumped().await;
    let copy = copied(&inner).await;
    let second = names(&inner, "configs").await.remove(0);
    inner.delete(&second).await.unwrap();
    back_up(&reopen(&inner).await.unwrap(), &namespace(&content(1))).await;
    assert_eq!(names(&inner, "configs").await, std::slice::from_ref(&second));

    inner.delete(&second).await.unwrap();
    inner.delete(&Path::from("config.json")).await.unwrap();
    let error = reopen(&inner).await.unwrap_err();
    assert!(error.to_string().contains("there is no copy of it in the repository"), "{error}");
    assert!(matches!(repair(&inner, None).await, Err(RepositoryError::ConfigLost { .. })));
    let report = repair(&inner, Some(&copy)).await.unwrap();
    assert!(report.config_from.unwrap().contains("config.json") && report.config_copied);
    verify(&inner).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_place_and_another_repository_are_refused() {
    let nothing: Arc<InMemory> = Arc::default();
    assert_eq!(repair(&nothing, None).await.unwrap_err().class(), ErrorClass::Refused);
    let inner = dumped().await;
    let other: Arc<InMemory> = Arc::default();
    let config = backup_format::Config::new([5; 16], [9; 16]).with_targets(512, 8 << 10, 4 << 10);
    back_up(&Repository::create(store(&other), config).await.unwrap(), &namespace(&content(2))).await;
    let error = repair(&inner, Some(&other)).await.unwrap_err();
    assert!(error.to_string().contains("copy of another repository"), "{error}");
    for name in names(&inner, "config").await {
        inner.delete(&name).await.unwrap();
    }
    let error = repair(&inner, Some(&other)).await.unwrap_err();
    assert!(error.to_string().contains("no file in common"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_pack_and_manifest_is_put_back_when_it_is_missing_or_damaged() {
    let inner = dumped().await;
    let copy = copied(&inner).await;
    let sound = files(&inner).await;
    let all = [names(&inner, "packs").await, names(&inner, "manifests").await].concat();
    assert!(all.len() > 1);
    for name in all {
        for is_missing in [true, false] {
            if is_missing {
                inner.delete(&name).await.unwrap();
            } else {
                flip(&inner, &name, 60).await;
            }
            let report = repair(&inner, Some(&copy)).await.unwrap();
            assert_eq!(report.packs.len() + report.manifests.len(), 1, "{name} {is_missing} {report:?}");
            assert!(report.lost.is_empty(), "{report:?}");
            assert_eq!(files(&inner).await, sound, "{name} {is_missing}");
        }
    }
    assert!(repair(&inner, Some(&copy)).await.unwrap().is_untouched());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_in_the_copy_too_is_not_written_and_named_as_lost() {
    let inner = dumped().await;
    let copy = copied(&inner).await;
    let name = names(&inner, "packs").await.remove(0);
    flip(&inner, &name, 60).await;
    flip(&copy, &name, 61).await;
    let damaged = files(&inner).await;
    let report = repair(&inner, Some(&copy)).await.unwrap();
    assert!(report.lost.iter().any(|(file, _)| *file == name.to_string()), "{report:?}");
    assert!(report.lost.iter().any(|(file, _)| file.starts_with("dump ")), "{report:?}");
    assert_eq!(files(&inner).await, damaged);
    let report = repair(&inner, None).await.unwrap();
    assert_eq!(report.lost.len(), 2, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn halves_of_two_copies_make_a_whole() {
    let inner: Arc<InMemory> = Arc::default();
    let from = repository(&inner).await;
    back_up(&from, &namespace(&content(3))).await;
    let copy: Arc<InMemory> = Arc::default();
    let to = Repository::create(store(&copy), from.config().clone()).await.unwrap();
    let dumps = from.dumps().await.unwrap().good;
    from.copy_to(&to, &dumps, &CopyOptions::default()).await.unwrap();
    let sound = files(&inner).await;
    let packs = names(&inner, "packs").await;
    assert!(packs.len() > 3);
    for (number, name) in packs.iter().enumerate() {
        let loser = if number % 2 == 0 { &inner } else { &copy };
        loser.delete(name).await.unwrap();
    }
    let report = repair(&inner, Some(&copy)).await.unwrap();
    assert!(report.lost.is_empty(), "{report:?}");
    assert_eq!(files(&inner).await, sound);
}
