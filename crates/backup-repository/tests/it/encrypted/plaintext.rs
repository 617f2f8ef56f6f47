//! Nothing of the content is in any file, and nothing of what says what it is.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use backup_format::ObjectId;
use backup_repository::{BackupOptions, Dump, Repository};
use backup_testkit::{Content, Spec};
use object_store::memory::InMemory;
use tempfile::TempDir;

use super::{Vault, paths, read};
use crate::support::{files, namespace, options, repository};

/// Texts that are shorter may be found by accident.
const SHORTEST: usize = 8;
const REMARK: &str = "remark-that-nobody-should-read";

fn content() -> Content {
    let spec = Spec {
        partitions: 60,
        entries: 4..=20,
        root_key_bytes: 12..=40,
        key_bytes: 9..=30,
        value_bytes: 16..=90,
    };
    Content::seeded(71, &spec)
}

/// All that should be found nowhere: root keys, keys and values, and what the manifest says of them.
fn secrets(content: &Content, dump: &Dump) -> Vec<Vec<u8>> {
    let mut secrets: Vec<Vec<u8>> = content
        .iter()
        .flat_map(|(root_key, key, value)| [root_key.to_vec(), key.to_vec(), value.to_vec()])
        .filter(|text| text.len() >= SHORTEST)
        .collect();
    let inventory = dump.inventory().unwrap();
    secrets.push(inventory.digest.to_string().into_bytes());
    secrets.push(REMARK.as_bytes().to_vec());
    secrets.push(inventory.lthash.to_bytes()[..64].to_vec());
    secrets
}

/// Returns those that are in any file of the repository, or of the sketches.
async fn found(store: &InMemory, sketches: &Path, secrets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut windows: HashSet<Vec<u8>> = HashSet::new();
    let mut files: Vec<_> = files(store).await.into_iter().map(|(_, bytes)| bytes).collect();
    for sketch in std::fs::read_dir(sketches).unwrap() {
        files.push(std::fs::read(sketch.unwrap().path()).unwrap());
    }
    for bytes in &files {
        windows.extend(bytes.windows(SHORTEST).map(<[u8]>::to_vec));
    }
    let is_there = |text: &Vec<u8>| {
        windows.contains(&text[..SHORTEST])
            && files.iter().any(|bytes| bytes.windows(text.len()).any(|window| window == text))
    };
    secrets.iter().filter(|text| is_there(text)).cloned().collect()
}

async fn dump(repository: &Repository, sketches: &Path, content: &Content, plain: bool) -> Dump {
    let mut options = options(2, 1);
    options.sketch = Some(sketches.to_owned());
    if plain {
        options.compression = backup_repository::Compression::None;
    }
    let annotations = BTreeMap::from([("remark".to_owned(), REMARK.to_owned())]);
    let options = BackupOptions { annotations, ..options };
    let made = repository.backup(&namespace(content), options).await.unwrap();
    Dump { id: made.dump, manifest: made.manifest }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_the_content_is_in_any_file() {
    let content = content();
    for plain in [true, false] {
        let (vault, sketches) = (Vault::new().await, TempDir::new().unwrap());
        let made = dump(&vault.writer().await, sketches.path(), &content, plain).await;
        assert_eq!(std::fs::read_dir(sketches.path()).unwrap().count(), 1);
        let mut secrets = secrets(&content, &made);
        secrets.push(vault.key.secret().to_vec());
        assert_eq!(found(&vault.store, sketches.path(), &secrets).await, Vec::<Vec<u8>>::new());
    }
    // The same search finds all in a repository that is not encrypted; but for the sum, which is in another form there.
    let store: Arc<InMemory> = Arc::default();
    let sketches = TempDir::new().unwrap();
    let made = dump(&repository(&store).await, sketches.path(), &content, true).await;
    let secrets = secrets(&content, &made);
    assert!(secrets.len() > 1_000);
    let found = found(&store, sketches.path(), &secrets).await;
    assert!(found.len() > secrets.len() * 9 / 10, "{} of {}", found.len(), secrets.len());
    assert!(found.contains(&REMARK.as_bytes().to_vec()));
    assert!(found.contains(&made.inventory().unwrap().digest.to_string().into_bytes()));
}

/// Ids of the same content in two repositories; equal ones would let others guess content.
#[tokio::test(flavor = "multi_thread")]
async fn ids_and_cuts_say_nothing_to_who_has_no_repository_key() {
    let content = content();
    let mut seen: HashSet<ObjectId> = HashSet::new();
    let mut lengths = HashSet::new();
    let sketches = TempDir::new().unwrap();
    for _ in 0..2 {
        let vault = Vault::new().await;
        dump(&vault.writer().await, sketches.path(), &content, true).await;
        let mut objects = Vec::new();
        for path in paths(&vault.store, "packs/").await {
            objects.extend(super::sealed_pack::decode(&read(&vault.store, &path).await));
        }
        for object in &objects {
            assert!(seen.insert(object.object.line.id));
        }
        let mut plain: Vec<u64> = objects.iter().map(|object| object.object.line.plain_len).collect();
        plain.sort_unstable();
        lengths.insert(plain);
    }
    assert_eq!(lengths.len(), 2, "both were cut in the same places");
}
