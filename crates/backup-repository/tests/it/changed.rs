//! A repository that changes or goes away while a backup writes to it.

use std::fs;
use std::path::{Path, PathBuf};

use backup_format::{Config, ErrorClass};
use backup_memory::MemoryNamespace;
use backup_repository::{
    BackupOptions, BackupReport, DumpChoice, Event, Progress, Repository, RepositoryError, VerifyOptions,
    open_location,
};

use crate::support::{SEGMENT, content, namespace, options};

/// Makes a repository in a directory.
async fn local(directory: &Path) -> Repository {
    let store = open_location(directory.to_str().unwrap(), true, []).unwrap();
    Repository::create(store, Config::new([7; 16], [9; 16]).with_targets(SEGMENT, 8 << 10, 4 << 10))
        .await
        .unwrap()
}

/// Backs up, and does something to the directory at each event that is meant.
async fn disturbed(
    repository: &Repository,
    namespace: &MemoryNamespace,
    directory: &Path,
    meant: fn(&Event) -> bool,
    disturb: fn(&Path),
) -> Result<BackupReport, RepositoryError> {
    let directory = directory.to_owned();
    let progress = Progress::new(move |event| {
        if meant(&event) {
            disturb(&directory);
        }
    });
    repository.backup(namespace, BackupOptions { progress, ..options(2, 1) }).await
}

fn assert_changed(result: Result<BackupReport, RepositoryError>, directory: &Path, says: &str) {
    let error = result.expect_err("a dump in a repository that is not there");
    assert!(matches!(error, RepositoryError::Changed { .. }), "{error:?}");
    assert_eq!(error.class(), ErrorClass::Failed);
    assert!(error.to_string().contains(says), "{error}");
    assert!(files(&directory.join("manifests")).is_empty());
}

/// Packs that went away are stored again by the next run; here they go away each time.
fn assert_pruned(result: Result<BackupReport, RepositoryError>, directory: &Path) {
    let error = result.expect_err("a dump without packs");
    assert!(matches!(error, RepositoryError::Pruned { .. }), "{error:?}");
    assert_eq!(error.class(), ErrorClass::Transient);
    assert!(error.to_string().contains("packs/"), "{error}");
    for folder in ["manifests", "staged"] {
        assert!(files(&directory.join(folder)).is_empty(), "{folder}");
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let Ok(files) = fs::read_dir(directory) else { return Vec::new() };
    files.map(|file| file.unwrap().path()).collect()
}

fn reading(event: &Event) -> bool {
    matches!(event, Event::Phase { name: "reading", .. })
}

fn stored(event: &Event) -> bool {
    matches!(event, Event::Stored { .. })
}

fn remove_packs(directory: &Path) {
    files(&directory.join("packs")).iter().for_each(|pack| fs::remove_file(pack).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_went_away_is_noticed_and_not_made_anew() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("repo");
    let repository = local(&directory).await;
    let vanish = |directory: &Path| fs::rename(directory, directory.with_file_name("elsewhere")).unwrap();
    let result = disturbed(&repository, &namespace(&content(20)), &directory, reading, vanish).await;
    assert_changed(result, &directory, "config.json");
    assert!(!directory.exists(), "directories were made where the repository had been");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_that_was_written_and_is_gone_or_cut_is_noticed() {
    let cut_packs = |directory: &Path| {
        for pack in files(&directory.join("packs")) {
            fs::OpenOptions::new().write(true).open(pack).unwrap().set_len(20).unwrap();
        }
    };
    for disturb in [remove_packs, cut_packs] {
        let place = tempfile::tempdir().unwrap();
        let repository = local(place.path()).await;
        let result = disturbed(&repository, &namespace(&content(21)), place.path(), stored, disturb).await;
        assert_pruned(result, place.path());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_that_was_reused_and_is_gone_is_noticed_and_stored_again() {
    let place = tempfile::tempdir().unwrap();
    let repository = local(place.path()).await;
    let namespace = namespace(&content(22));
    let first = repository.backup(&namespace, options(2, 1)).await.unwrap();
    let again = repository.backup(&namespace, options(2, 1)).await.unwrap();
    assert_eq!((again.new_packs, again.manifest.root), (0, first.manifest.root));
    files(&place.path().join("manifests")).iter().for_each(|path| fs::remove_file(path).unwrap());
    let result = disturbed(&repository, &namespace, place.path(), reading, remove_packs).await;
    assert!(result.unwrap().new_packs > 0);
    let dump = repository.dump(&DumpChoice::Latest).await.unwrap();
    repository.verify(&dump, &VerifyOptions::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_repository_in_its_place_is_noticed() {
    let place = tempfile::tempdir().unwrap();
    let repository = local(place.path()).await;
    let replace = |directory: &Path| {
        fs::write(directory.join("config.json"), Config::new([1; 16], [2; 16]).encode()).unwrap();
    };
    let result = disturbed(&repository, &namespace(&content(23)), place.path(), reading, replace).await;
    assert_changed(result, place.path(), "another one");
}
