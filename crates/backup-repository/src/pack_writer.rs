//! Collecting new objects into packs, and putting packs into the store while more are collected.

use std::num::NonZeroUsize;
use std::sync::Arc;

use backup_format::pack::{PackBuilder, PackFile, TableLine};
use backup_format::{Kind, ObjectId};
use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::codec::Stored;
use crate::error::RepositoryError;
use crate::progress::Progress;
use crate::store::Store;

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
    target: u64,
    open: PackBuilder,
    on_its_way: Option<JoinHandle<Result<(ObjectId, u64), RepositoryError>>>,
    gate: Gate,
    progress: Progress,
    /// False in a dry run: packs are built and counted, and not stored.
    writes: bool,
    written: Written,
}

impl PackWriter {
    pub(crate) fn new(store: Arc<Store>, target: u64, progress: Progress, writes: bool) -> Self {
        let open = PackBuilder::new(target);
        let (gate, written) = (Gate::of(1, None), Written::default());
        Self { store, target, open, on_its_way: None, gate, progress, writes, written }
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
        self.open.push(TableLine { kind, codec: stored.codec, id, plain_len, stored_len }, stored.bytes);
        self.written.objects += 1;
        if self.open.is_full() { self.close().await } else { Ok(()) }
    }

    /// Makes everything durable.
    pub(crate) async fn finish(mut self) -> Result<Written, RepositoryError> {
        if !self.open.is_empty() {
            self.close().await?;
        }
        self.arrive().await?;
        Ok(self.written)
    }

    async fn close(&mut self) -> Result<(), RepositoryError> {
        self.arrive().await?;
        let Ok(permit) = self.gate.0.clone().acquire_owned().await else {
            return Err(RepositoryError::Stopped);
        };
        let full = std::mem::replace(&mut self.open, PackBuilder::new(self.target));
        let store = self.writes.then(|| self.store.clone());
        let progress = self.progress.clone();
        self.on_its_way = Some(tokio::spawn(async move {
            let written = put(store, full, progress).await;
            drop(permit);
            written
        }));
        Ok(())
    }

    /// Waits until the pack that is on its way is there.
    async fn arrive(&mut self) -> Result<(), RepositoryError> {
        if let Some(pack) = self.on_its_way.take() {
            self.written.packs.push(pack.await??);
        }
        Ok(())
    }
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
