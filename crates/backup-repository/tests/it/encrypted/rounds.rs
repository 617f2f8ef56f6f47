//! What is written is read again, by those who should.

use std::time::Duration;

use backup_format::{Config, Kind};
use backup_repository::{
    CopyOptions, DumpChoice, ForgetOptions, PruneOptions, Repository, Secrets, VerifyOptions,
};
use backup_seal::Aead;

use super::sealed_pack::take_objects;
use super::{Vault, assert_restores, back_up, place, small};
use crate::support::{content, files};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_writes_each_recipient_alone_can_read() {
    let content = content(61);
    let (vault, dump) = Vault::with(&content).await;
    for person in [&vault.operations, &vault.offline] {
        let reader = vault.unlocked(person.secrets()).await.unwrap();
        let found = reader.dump(&DumpChoice::Latest).await.unwrap();
        assert_eq!((found.id, &found.manifest.inventory), (dump.id, &dump.manifest.inventory));
        let verified = reader.verify(&found, &VerifyOptions::default()).await.unwrap();
        let digest = verified.digest.unwrap().digest();
        assert_eq!(digest.to_string(), content.digest().to_string());
        assert_eq!(found.inventory().unwrap().digest, digest);
        assert_restores(&reader, &found, &content).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_dump_of_the_same_content_stores_nothing_of_it_again() {
    let (vault, first) = Vault::with(&content(62)).await;
    let before = files(&vault.store).await;
    // Another process has another data key, and no identity.
    let second = back_up(&vault.writer().await, &content(62)).await;
    let more = files(&vault.store).await.into_iter().filter(|file| !before.contains(file));
    let more: Vec<String> = more.map(|(path, _)| path.to_string()).collect();
    assert_eq!(more, [format!("manifests/{}.json", second.id)]);
    assert_eq!(second.manifest.previous, [first.id]);
    assert_restores(&vault.reader().await, &second, &content(62)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ways_to_seal_are_read_in_one_repository() {
    let vault = Vault::new().await;
    let mut dumps = Vec::new();
    for (seed, aead) in [(63, Aead::XChaCha20Poly1305), (64, Aead::XAes256Gcm), (65, Aead::XChaCha20Poly1305)]
    {
        let secrets = Secrets { aead: Some(aead), ..vault.key_only() };
        let content = content(seed);
        let dump = back_up(&vault.unlocked(secrets).await.unwrap(), &content).await;
        assert_eq!(dump.manifest.sealed.as_ref().unwrap().aead, aead.number());
        dumps.push((dump, content));
    }
    let reader = vault.reader().await;
    for (dump, content) in &dumps {
        assert_restores(&reader, dump, content).await;
    }
    let objects = take_objects(&vault.store).await;
    let aeads: std::collections::BTreeSet<_> =
        objects.iter().map(|object| object.object.seal.unwrap().aead).collect();
    assert_eq!(Vec::from_iter(aeads), [1, 2]);
}

/// Forgets all dumps but these, and removes what only others reach, without any key.
async fn forget_and_prune(vault: &Vault, gone: &[&backup_repository::Dump]) {
    let locked = vault.locked().await;
    let dumps = gone.iter().map(|dump| dump.id.to_string()).collect();
    let options = ForgetOptions { dumps, allow_most: true, ..ForgetOptions::default() };
    locked.forget(&options).await.unwrap();
    let options = PruneOptions { grace: Duration::ZERO, max_unused_percent: 0, ..PruneOptions::default() };
    locked.prune(&options).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_key_can_forget_and_prune_and_what_stays_is_whole() {
    let vault = Vault::new().await;
    let mut content = content(66);
    let mut dumps = Vec::new();
    for round in 0..4_u8 {
        // Some of each dump stays in the next one, so that the last one lies in packs of all four runs.
        let changed: Vec<_> = content.iter().map(|(root, key, _)| (root.to_vec(), key.to_vec())).collect();
        for (root, key) in changed.iter().skip(usize::from(round)).step_by(150) {
            content.put(root, key, &[round; 33]);
        }
        dumps.push(back_up(&vault.writer().await, &content).await);
    }
    let packs_before = super::paths(&vault.store, "packs/").await;
    forget_and_prune(&vault, &[&dumps[0], &dumps[1], &dumps[2]]).await;
    let packs = super::paths(&vault.store, "packs/").await;
    assert!(packs.iter().any(|pack| !packs_before.contains(pack)), "nothing was repacked");
    let reader = vault.reader().await;
    reader.verify(&dumps[3], &VerifyOptions::default()).await.unwrap();
    assert_restores(&reader, &dumps[3], &content).await;
    // What was repacked kept the keys that it was sealed with: one of each run.
    let mut keys = 0;
    for pack in packs {
        let objects = super::sealed_pack::decode(&super::read(&vault.store, &pack).await);
        let ids: std::collections::BTreeSet<_> =
            objects.iter().map(|object| object.key.as_ref().unwrap().id).collect();
        keys = keys.max(ids.len());
    }
    assert!(keys > 1, "no pack holds objects of several runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_key_can_copy_and_each_copy_is_read_by_the_recipients() {
    let content = content(67);
    let (vault, dump) = Vault::with(&content).await;
    let source = vault.locked().await;
    let target = std::sync::Arc::default();
    let created = Repository::create(place(&target), source.config().clone()).await.unwrap();
    let dumps = source.dumps().await.unwrap().good;
    let copied = source.copy_to(&created, &dumps, &CopyOptions::default()).await.unwrap();
    assert!(copied.whole);
    let reader = super::unlocked(&target, vault.operations.secrets()).await.unwrap();
    assert_restores(&reader, &dump, &content).await;
    reader.verify(&dump, &VerifyOptions::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_can_read_one_and_write_another_copies_between_them() {
    let content = content(68);
    let (vault, dump) = Vault::with(&content).await;
    let other = Vault::of([8; 16], (vault.operations.clone(), super::Person::new())).await;
    let source = vault.reader().await;
    let both = Secrets { identities: Some(vault.operations.identities.clone()), ..other.key_only() };
    let target = other.unlocked(both).await.unwrap();
    let dumps = [source.dump(&DumpChoice::Latest).await.unwrap()];
    let copied = source.copy_to(&target, &dumps, &CopyOptions::default()).await.unwrap();
    assert!(!copied.whole);
    let found = other.reader().await.dump(&DumpChoice::Latest).await.unwrap();
    assert_eq!(found.inventory().unwrap().annotations["copied-from"], dump.id.to_string());
    assert_restores(&other.reader().await, &found, &content).await;
    let readable = other.unlocked(vault.offline.secrets()).await.unwrap_err();
    assert!(super::text(&readable).contains("not those of its recipients"), "{readable:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_stored_is_sealed() {
    let (vault, _) = Vault::with(&small()).await;
    assert!(Config::decode(&super::read(&vault.store, &"config.json".into()).await).unwrap().is_encrypted());
    let objects = take_objects(&vault.store).await;
    for kind in [Kind::Segment, Kind::Page] {
        assert!(objects.iter().any(|object| object.object.line.kind == kind));
    }
    assert!(objects.iter().all(|object| object.object.seal.is_some()));
}
