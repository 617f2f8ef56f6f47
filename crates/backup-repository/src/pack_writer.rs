//! Collecting new objects into packs, and putting packs into the store while more are collected.

use std::num::NonZeroUsize;
use std::sync::Arc;

use backup_format::pack::{self, Codec, Object, PackBuilder, PackFile, PackVersion, TableLine};
use backup_format::{EntryBatch, Keys, Kind, ObjectId, Segment};
use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, spawn_blocking};

use crate::codec::Stored;
use crate::error::RepositoryError;
use crate::progress::Progress;
use crate::repository::Repository;
use crate::store::Store;

/// Length of the salt of a pack of version 1, before and after it is stored.
pub(crate) const SEGMENT_SALT_BYTES: u64 = 21;

/// Lets so many packs at a time be on their way to the store, while others fill.
#[derive(Clone, Debug)]
pub(crate) struct Gate(Arc<Semaphore>);

impl Gate {
    /// Makes the gate of so many writers: one pack for each where the caller chose their number, and one for two of them otherwise.
    /// That saves the memory of a pack, and most often one is there before the next is full.
    pub(crate) fn of(writers: usize, chosen: Option<NonZeroUsize>) -> Self {
        let packs = if chosen.is_some() { writers } else { writers.div_ceil(2) };
        Self(Arc::new(Semaphore::new(packs.max(1))))
    }
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    pub objects: u64,
    /// Names and lengths.
    pub packs: Vec<(ObjectId, u64)>,
}

impl Written {
    pub(crate) fn add(&mut self, other: Self) {
        self.objects += other.objects;
        self.packs.extend(other.packs);
    }

    /// Returns the bytes of the packs.
    pub(crate) fn bytes(&self) -> u64 {
        self.packs.iter().map(|(_, len)| len).sum()
    }
}

/// Writes packs: one is open, and one may be on its way to the store.
#[derive(Debug)]
pub(crate) struct PackWriter {
    store: Arc<Store>,
    /// Target and version of the packs.
    kind: (u64, PackVersion),
    /// Names the salts of packs of version 1.
    keys: Option<Keys>,
    open: Option<PackBuilder>,
    /// At most one; it is stopped when the writer is dropped.
    on_its_way: JoinSet<Result<(ObjectId, u64), RepositoryError>>,
    gate: Gate,
    progress: Progress,
    /// False in a dry run: packs are built and counted, and not stored.
    writes: bool,
    written: Written,
    /// Packs that were closed, whether or not they have arrived.
    closed: u64,
}

impl PackWriter {
    pub(crate) fn new(repository: &Repository, progress: Progress, writes: bool) -> Self {
        let Repository { store, config, keys, .. } = repository;
        Self {
            store: store.clone(),
            kind: (config.pack_target, config.pack_version()),
            keys: keys.clone(),
            open: None,
            on_its_way: JoinSet::new(),
            gate: Gate::of(1, None),
            progress,
            writes,
            written: Written::default(),
            closed: 0,
        }
    }

    /// Shares a gate with other writers.
    pub(crate) fn behind(self, gate: Gate) -> Self {
        Self { gate, ..self }
    }

    pub(crate) async fn push(
        &mut self,
        kind: Kind,
        id: ObjectId,
        plain_len: u64,
        stored: Stored,
    ) -> Result<(), RepositoryError> {
        let stored_len = stored.bytes.len() as u64;
        let line = TableLine { kind, codec: stored.codec, id, plain_len, stored_len };
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(new_pack(self.kind, self.keys.as_ref())?),
        };
        match &stored.seal {
            None => open.push_object(Object { line, base: stored.base, seal: None }, stored.bytes),
            Some((aead, key)) => open.push_sealed((line, stored.base), (*aead, key), stored.bytes),
        };
        self.written.objects += 1;
        if open.is_full() { self.close().await } else { Ok(()) }
    }

    /// Returns how many packs must have arrived so that all that was pushed so far is durable.
    pub(crate) fn packs_needed(&self) -> u64 {
        self.closed + u64::from(self.open.is_some())
    }

    /// Returns what was pushed so far, with the packs that have arrived.
    pub(crate) fn written(&self) -> &Written {
        &self.written
    }

    /// Makes everything durable.
    pub(crate) async fn finish(mut self) -> Result<Written, RepositoryError> {
        self.close().await?;
        self.arrive().await?;
        Ok(self.written)
    }

    async fn close(&mut self) -> Result<(), RepositoryError> {
        self.arrive().await?;
        let Ok(permit) = self.gate.0.clone().acquire_owned().await else {
            return Err(RepositoryError::Stopped);
        };
        let Some(full) = self.open.take() else { return Ok(()) };
        let store = self.writes.then(|| self.store.clone());
        let progress = self.progress.clone();
        self.closed += 1;
        self.on_its_way.spawn(async move {
            let written = put(store, full, progress).await;
            drop(permit);
            written
        });
        Ok(())
    }

    /// Waits until the pack that is on its way is there.
    async fn arrive(&mut self) -> Result<(), RepositoryError> {
        while let Some(pack) = self.on_its_way.join_next().await {
            self.written.packs.push(pack??);
        }
        Ok(())
    }
}

/// Starts a pack with a salt, so that no two have one name, and what was removed under a name does not come back under it.
fn new_pack(
    (target, version): (u64, PackVersion),
    keys: Option<&Keys>,
) -> Result<PackBuilder, RepositoryError> {
    let mut salt = [0; pack::SALT_BYTES];
    getrandom::fill(&mut salt).map_err(|source| RepositoryError::Random { source })?;
    let Some(keys) = keys.filter(|_| version == PackVersion::V1) else {
        return Ok(PackBuilder::with_salt(target, salt));
    };
    let mut pack = PackBuilder::new(target);
    let (line, bytes) = salt_segment(keys, salt);
    pack.push_object(Object { line, base: None, seal: None }, bytes);
    Ok(pack)
}

/// Makes the salt of a pack of version 1: an object that nothing refers to and that no pack has had, a segment with a random root
/// key.
fn salt_segment(keys: &Keys, salt: [u8; pack::SALT_BYTES]) -> (TableLine, Vec<u8>) {
    let mut batch = EntryBatch::default();
    batch.push(&salt, &[], &[]);
    let bytes = Segment::from_batch(&batch).into_plaintext();
    let (kind, id, len) = (Kind::Segment, keys.id(Kind::Segment, &bytes), bytes.len() as u64);
    (TableLine { kind, codec: Codec::Raw, id, plain_len: len, stored_len: len }, bytes)
}

/// Completes a pack and puts it into the store, if there is one; returns its name and length.
async fn put(
    store: Option<Arc<Store>>,
    pack: PackBuilder,
    progress: Progress,
) -> Result<(ObjectId, u64), RepositoryError> {
    let named = spawn_blocking(move || {
        let file = pack.finish();
        (file.name(), file)
    });
    let (name, file) = named.await?;
    let len = file.byte_len();
    if let Some(store) = store {
        let parts = PackFile::into_parts(file).into_iter().map(Bytes::from);
        store.write(&Store::pack_path(name), parts.collect()).await?;
        progress.stored(len);
    }
    Ok((name, len))
}

#[cfg(test)]
mod tests {
    use backup_format::{Limits, Order};

    use super::*;

    #[test]
    fn each_salt_is_another_good_segment_of_the_same_length() {
        let keys = Keys::derive(&[1; 16]);
        let ((one, bytes), (other, _)) = (salt_segment(&keys, [1; 16]), salt_segment(&keys, [2; 16]));
        assert_ne!(one.id, other.id);
        assert_eq!((one.stored_len, bytes.len()), (SEGMENT_SALT_BYTES, SEGMENT_SALT_BYTES as usize));
        keys.check(Kind::Segment, &bytes, one.id).unwrap();
        assert_eq!(Segment::decode(bytes, Order::Plain, &Limits::default()).unwrap().entries(), 1);
    }
}
