//! Collecting new objects into packs, and putting packs into the store while more are collected.

use std::collections::VecDeque;
use std::sync::Arc;

use backup_format::pack::{PackBuilder, PackFile, TableLine};
use backup_format::{Kind, ObjectId};
use bytes::Bytes;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::codec::Stored;
use crate::error::RepositoryError;
use crate::progress::Progress;
use crate::store::Store;

/// Packs that may be on their way to the store while the next one fills. More would only take memory: where the store is
/// the slowest part, it is so with any number.
const ON_THEIR_WAY_MAX: usize = 1;

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

/// Writes packs: one is open, some are on their way to the store.
#[derive(Debug)]
pub(crate) struct PackWriter {
    store: Arc<Store>,
    target: u64,
    open: PackBuilder,
    on_their_way: VecDeque<JoinHandle<Result<(ObjectId, u64), RepositoryError>>>,
    progress: Progress,
    /// False in a dry run: packs are built and counted, and not stored.
    writes: bool,
    written: Written,
}

impl PackWriter {
    pub(crate) fn new(store: Arc<Store>, target: u64, progress: Progress, writes: bool) -> Self {
        let open = PackBuilder::new(target);
        let on_their_way = VecDeque::new();
        Self { store, target, open, on_their_way, progress, writes, written: Written::default() }
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
        self.arrive(0).await?;
        Ok(self.written)
    }

    async fn close(&mut self) -> Result<(), RepositoryError> {
        self.arrive(ON_THEIR_WAY_MAX - 1).await?;
        let full = std::mem::replace(&mut self.open, PackBuilder::new(self.target));
        let store = self.writes.then(|| self.store.clone());
        self.on_their_way.push_back(tokio::spawn(put(store, full, self.progress.clone())));
        Ok(())
    }

    /// Waits until only these many packs are on their way.
    async fn arrive(&mut self, leave: usize) -> Result<(), RepositoryError> {
        while self.on_their_way.len() > leave {
            let Some(oldest) = self.on_their_way.pop_front() else { break };
            self.written.packs.push(oldest.await??);
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
