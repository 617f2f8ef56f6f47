//! Packs as whoever writes to the store can make them: taken apart, changed, and put together with right hashes.

use std::sync::Arc;

use backup_format::pack::{Object, PackBuilder, PackVersion, TRAILER_BYTES, Trailer, WrappedKey};
use backup_format::{Kind, ObjectId};
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;

use super::{paths, read, write};

/// An object of a pack, its stored bytes, and the key that it is sealed with.
#[derive(Clone)]
pub struct SealedObject {
    pub object: Object,
    pub stored: Vec<u8>,
    pub key: Option<WrappedKey>,
}

impl SealedObject {
    pub fn is_page(&self) -> bool {
        self.object.line.kind == Kind::Page
    }
}

/// Takes the objects out of all packs, and the packs out of the store.
pub async fn take_objects(store: &InMemory) -> Vec<SealedObject> {
    let mut objects = Vec::new();
    for path in paths(store, "packs/").await {
        objects.extend(decode(&read(store, &path).await));
        store.delete(&path).await.unwrap();
    }
    objects
}

pub fn decode(pack: &[u8]) -> Vec<SealedObject> {
    let trailer =
        Trailer::decode_version(PackVersion::V2, pack.last_chunk().unwrap(), pack.len() as u64).unwrap();
    let range = trailer.table_range();
    let table = trailer.decode_all(&pack[range.start as usize..range.end as usize]).unwrap();
    let mut offset = PackVersion::V2.head_bytes() as usize;
    let take = |object: Object| {
        let stored = pack[offset..][..object.line.stored_len as usize].to_vec();
        offset += stored.len();
        let key = object.seal.map(|seal| table.keys[usize::from(seal.key)].clone());
        SealedObject { object, stored, key }
    };
    table.objects.into_iter().map(take).collect()
}

/// Puts a pack of these objects into the store, under its right name.
pub async fn put_pack(store: &InMemory, objects: &[SealedObject]) {
    let mut pack = PackBuilder::with_salt(u64::MAX, [5; 16]);
    for SealedObject { object, stored, key } in objects.iter().cloned() {
        let line = object.line;
        match (object.seal, key) {
            (Some(seal), Some(key)) => {
                pack.push_sealed((line, object.base), (seal.aead, &Arc::new(key)), stored);
            }
            _ => {
                pack.push_object(Object { line, base: object.base, seal: None }, stored);
            }
        }
    }
    let pack = pack.finish();
    write(store, &Path::from(format!("packs/{}", pack.name())), pack.into_bytes()).await;
}

/// Corrects the hash of an altered table, and returns the name that the pack must have.
pub fn with_right_hashes(mut pack: Vec<u8>) -> (ObjectId, Vec<u8>) {
    let end = pack.len() - TRAILER_BYTES as usize;
    let table_len = u32::from_le_bytes(pack[end..][..4].try_into().unwrap()) as usize;
    if let Some(start) = end.checked_sub(table_len) {
        let check = *blake3::hash(&pack[start..end]).as_bytes();
        pack[end + 4..][..8].copy_from_slice(&check[..8]);
    }
    (ObjectId::of_file(&pack), pack)
}
