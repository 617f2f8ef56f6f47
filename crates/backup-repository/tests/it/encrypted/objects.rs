//! Objects that are exchanged, moved, or said to be something else. Packs have right names and tables right hashes.

use backup_format::pack::{Codec, WrappedKey};
use backup_format::{ErrorClass, Kind};
use backup_repository::{Dump, Repository, Secrets, VerifyOptions};
use backup_seal::{Aead, DataKey};

use super::sealed_pack::{SealedObject, put_pack, take_objects};
use super::{Person, Vault, assert_not_fooled, assert_restores, back_up, restored, small, text};

/// What is done to the objects of a repository, and whether the name of the change should be found in the error.
struct Attack {
    name: &'static str,
    change: fn(&mut Vec<SealedObject>),
    says: &'static str,
}

/// Returns the places of two objects of a kind.
fn two(objects: &[SealedObject], kind: Kind) -> (usize, usize) {
    let mut places = (0..objects.len()).filter(|place| objects[*place].object.line.kind == kind);
    (places.next().unwrap(), places.next().unwrap())
}

fn exchange_bodies(objects: &mut [SealedObject], kind: Kind) {
    let (one, other) = two(objects, kind);
    let (stored, len) = (objects[one].stored.clone(), objects[one].object.line.stored_len);
    objects[one].stored = std::mem::take(&mut objects[other].stored);
    objects[one].object.line.stored_len = objects[other].object.line.stored_len;
    objects[other].object.line.stored_len = len;
    objects[other].stored = stored;
}

fn each(objects: &mut [SealedObject], kind: Kind, change: impl Fn(&mut SealedObject)) {
    objects.iter_mut().filter(|object| object.object.line.kind == kind).for_each(change);
}

const SEALED: &str = "it does not open";

const ATTACKS: &[Attack] = &[
    Attack {
        name: "bodies of segments are exchanged",
        change: |objects| exchange_bodies(objects, Kind::Segment),
        says: SEALED,
    },
    Attack {
        name: "bodies of pages are exchanged",
        change: |objects| exchange_bodies(objects, Kind::Page),
        says: SEALED,
    },
    Attack {
        name: "bodies and lengths of segments are exchanged",
        change: |objects| {
            let (one, other) = two(objects, Kind::Segment);
            let (left, right) = (objects[one].object.line.plain_len, objects[other].object.line.plain_len);
            exchange_bodies(objects, Kind::Segment);
            objects[one].object.line.plain_len = right;
            objects[other].object.line.plain_len = left;
        },
        says: "",
    },
    Attack {
        name: "segments are said to be one byte longer",
        change: |objects| each(objects, Kind::Segment, |object| object.object.line.plain_len += 1),
        says: "",
    },
    Attack {
        name: "pages are said to be one byte longer",
        change: |objects| each(objects, Kind::Page, |object| object.object.line.plain_len += 1),
        says: "",
    },
    Attack {
        name: "segments are said to be pages",
        change: |objects| {
            each(objects, Kind::Segment, |object| {
                object.object.line.kind = Kind::Page;
                let clear = 0_u32.to_le_bytes().to_vec();
                object.stored = [clear, std::mem::take(&mut object.stored)].concat();
                object.object.line.stored_len += 4;
            });
        },
        says: "",
    },
    Attack {
        name: "pages are said to be segments",
        change: |objects| each(objects, Kind::Page, |object| object.object.line.kind = Kind::Segment),
        says: "",
    },
    Attack {
        name: "codecs of segments are exchanged",
        change: |objects| {
            each(objects, Kind::Segment, |object| {
                let codec = object.object.line.codec;
                object.object.line.codec = if codec == Codec::Raw { Codec::Zstd } else { Codec::Raw };
            });
        },
        says: SEALED,
    },
    Attack {
        name: "the way of sealing is said to be the other one",
        change: |objects| {
            for object in objects {
                let seal = object.object.seal.as_mut().unwrap();
                seal.aead = 3 - seal.aead;
            }
        },
        says: SEALED,
    },
    Attack {
        name: "an id before a page is another one",
        change: |objects| each(objects, Kind::Page, |object| object.stored[4] ^= 1),
        says: SEALED,
    },
    Attack {
        name: "the ids before a page are fewer",
        change: |objects| {
            each(objects, Kind::Page, |object| {
                let count = u32::from_le_bytes(object.stored[..4].try_into().unwrap()) - 1;
                object.stored.drain(4..36);
                object.stored[..4].copy_from_slice(&count.to_le_bytes());
                object.object.line.stored_len -= 32;
            });
        },
        says: SEALED,
    },
    Attack {
        name: "the seal of segments is said to be missing",
        change: |objects| {
            each(objects, Kind::Segment, |object| {
                object.object.seal = None;
                object.object.line.codec = Codec::Zstd;
            });
        },
        says: "it is not sealed",
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn objects_that_are_exchanged_or_said_to_be_something_else_are_noticed() {
    let content = small();
    for Attack { name, change, says } in ATTACKS {
        let (vault, dump) = Vault::with(&content).await;
        let reader = vault.reader().await;
        let mut objects = take_objects(&vault.store).await;
        change(&mut objects);
        put_pack(&vault.store, &objects).await;
        let error = restored(&reader, &dump).await.expect_err(name);
        assert_eq!(error.class(), ErrorClass::Damaged, "{name}: {error:?}");
        assert!(text(&error).contains(says), "{name}: {}", text(&error));
        let error = reader.verify(&dump, &VerifyOptions::default()).await.expect_err(name);
        assert_eq!(error.class(), ErrorClass::Damaged, "{name}: {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_in_another_order_and_in_one_pack_are_read_as_before() {
    let content = small();
    let (vault, dump) = Vault::with(&content).await;
    let mut objects = take_objects(&vault.store).await;
    objects.reverse();
    put_pack(&vault.store, &objects).await;
    assert_restores(&vault.reader().await, &dump, &content).await;
}

/// What is sealed by whom, in place of all objects of a dump; and what a reader says then.
async fn resealed(
    vault: &Vault,
    dump: &Dump,
    (key, wrapped): (&DataKey, &WrappedKey),
    alter: fn(&mut Vec<u8>),
) -> (Repository, backup_repository::RepositoryError) {
    let original = vault.operations.identities.clone();
    let mut objects = take_objects(&vault.store).await;
    for object in &mut objects {
        let old = object.key.clone().unwrap();
        let repository = vault.key.repository();
        let opened =
            DataKey::unwrap(&*original, &repository, backup_seal::KeyId(old.id), &old.wrapped).unwrap();
        let at = if object.is_page() { page_clear(&object.stored) } else { 0 };
        let (clear, sealed) = object.stored.split_at(at);
        let context = context(object);
        let aead = Aead::from_number(object.object.seal.unwrap().aead).unwrap();
        let mut plaintext = opened.open(aead, &context, clear, sealed).unwrap();
        alter(&mut plaintext);
        object.stored = key.seal(aead, &context, clear, &plaintext).unwrap();
        object.object.line.stored_len = object.stored.len() as u64;
        object.key = Some(wrapped.clone());
    }
    put_pack(&vault.store, &objects).await;
    let reader = vault.reader().await;
    let error = restored(&reader, dump).await.expect_err("it is sealed by somebody else");
    (reader, error)
}

/// Bytes of the ids before a page.
fn page_clear(stored: &[u8]) -> usize {
    4 + 32 * u32::from_le_bytes(stored[..4].try_into().unwrap()) as usize
}

/// As docs/FORMAT.md says.
fn context(object: &SealedObject) -> Vec<u8> {
    let line = &object.object.line;
    let head = [b'k', b'v', b'b', b'2', line.kind as u8, line.codec as u8];
    [&head[..], &line.id.0[..16], &line.plain_len.to_le_bytes()].concat()
}

fn wrapped(key: &DataKey, for_whom: &dyn backup_seal::Recipients, repository: [u8; 16]) -> WrappedKey {
    WrappedKey { id: key.id().0, wrapped: key.wrap(for_whom, &repository).unwrap() }
}

fn last_byte(plaintext: &mut Vec<u8>) {
    *plaintext.last_mut().unwrap() ^= 1;
}

/// Recipients are no secret: who knows one can wrap a data key for it.
#[tokio::test(flavor = "multi_thread")]
async fn who_knows_the_recipients_can_seal_but_what_they_seal_has_no_id_that_fits() {
    let (vault, dump) = Vault::with(&small()).await;
    let key = DataKey::generate().unwrap();
    let own = wrapped(&key, &*vault.recipients, vault.key.repository());
    let (_, error) = resealed(&vault, &dump, (&key, &own), last_byte).await;
    assert_eq!(error.class(), ErrorClass::Damaged, "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_key_of_another_repository_or_under_another_id_is_refused() {
    let (vault, dump) = Vault::with(&small()).await;
    let key = DataKey::generate().unwrap();
    let foreign = wrapped(&key, &*vault.recipients, [9; 16]);
    let (_, error) = resealed(&vault, &dump, (&key, &foreign), |_| {}).await;
    assert!(text(&error).contains("the data key is of repository 09090909"), "{}", text(&error));

    let (vault, dump) = Vault::with(&small()).await;
    let other = DataKey::generate().unwrap();
    let mut false_id = wrapped(&key, &*vault.recipients, vault.key.repository());
    false_id.id = other.id().0;
    let (_, error) = resealed(&vault, &dump, (&key, &false_id), |_| {}).await;
    assert!(text(&error).contains("one was put in place of the other"), "{}", text(&error));
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_another_repository_of_the_same_people_are_not_taken() {
    let content = small();
    let people = (Person::new(), Person::new());
    let one = Vault::of([7; 16], people.clone()).await;
    let other = Vault::of([8; 16], people).await;
    let dump = back_up(&one.writer().await, &content).await;
    back_up(&other.writer().await, &content).await;
    let objects = take_objects(&one.store).await;
    let mut foreign = take_objects(&other.store).await;
    // Bodies of the other repository under ids of this one.
    for (number, object) in objects.iter().filter(|object| !object.is_page()).enumerate() {
        let places: Vec<_> = (0..foreign.len()).filter(|place| !foreign[*place].is_page()).collect();
        if let Some(place) = places.get(number) {
            foreign[*place].object.line.id = object.object.line.id;
        }
    }
    let pages = objects.into_iter().filter(SealedObject::is_page);
    let mixed: Vec<_> = foreign.into_iter().filter(|object| !object.is_page()).chain(pages).collect();
    put_pack(&one.store, &mixed).await;
    let reader = one.reader().await;
    assert!(assert_not_fooled(&reader, &dump, &content, "bodies of another repository").await);
}

/// Whoever may only add files to the store should not make what is there unreadable.
#[tokio::test(flavor = "multi_thread")]
async fn packs_that_somebody_adds_do_not_keep_what_is_there_from_being_read() {
    let content = small();
    let (vault, dump) = Vault::with(&content).await;
    let good = take_objects(&vault.store).await;
    let stranger = Person::new();
    let for_stranger = backup_seal::AgeRecipients::parse(std::slice::from_ref(&stranger.recipient)).unwrap();
    let key = DataKey::generate().unwrap();
    // The same objects under the key of a stranger; under the right id of a key, and something that is none; and not sealed.
    let foreign = wrapped(&key, &for_stranger, vault.key.repository());
    let rubbish = |object: &SealedObject| WrappedKey {
        id: object.key.as_ref().unwrap().id,
        wrapped: b"rubbish".to_vec(),
    };
    let under = |key: &dyn Fn(&SealedObject) -> Option<WrappedKey>| -> Vec<SealedObject> {
        let changed = good.iter().map(|object| SealedObject { key: key(object), ..object.clone() });
        changed.collect()
    };
    put_pack(&vault.store, &good).await;
    put_pack(&vault.store, &under(&|_| Some(foreign.clone()))).await;
    put_pack(&vault.store, &under(&|object| Some(rubbish(object)))).await;
    assert_eq!(super::paths(&vault.store, "packs/").await.len(), 3);
    for _ in 0..3 {
        assert_restores(&vault.reader().await, &dump, &content).await;
    }
    let secrets = Secrets { identities: Some(vault.offline.identities.clone()), ..vault.key_only() };
    assert_restores(&vault.unlocked(secrets).await.unwrap(), &dump, &content).await;
}
