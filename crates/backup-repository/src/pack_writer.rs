//! Collecting new objects into packs, and putting packs into the store while more are collected.

use std::sync::Arc;

use backup_format::pack::{PackBuilder, TableLine};
use backup_format::{Kind, ObjectId};
use tokio::task::JoinHandle;

use crate::codec::Stored;
use crate::error::RepositoryError;
use crate::progress::Progress;
use crate::store::Store;

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    pub objects: u64,
    pub packs: u64,
    pub bytes: u64,
}

impl Written {
    pub(crate) fn add(&mut self, other: Self) {
        self.objects += other.objects;
        self.packs += other.packs;
        self.bytes += other.bytes;
    }
}

/// Writes packs: one is open, at most one is on its way to the store.
#[derive(Debug)]
pub(crate) struct PackWriter {
    store: Arc<Store>,
    target: u64,
    open: PackBuilder,
    on_its_way: Option<JoinHandle<Result<(), RepositoryError>>>,
    progress: Progress,
    /// False in a dry run: packs are built and counted, and not stored.
    writes: bool,
    written: Written,
}

impl PackWriter {
    pub(crate) fn new(store: Arc<Store>, target: u64, progress: Progress, writes: bool) -> Self {
        let open = PackBuilder::new(target);
        Self { store, target, open, on_its_way: None, progress, writes, written: Written::default() }
    }

    pub(crate) async fn push(
        &mut self,
        kind: Kind,
        id: ObjectId,
        plain_len: u64,
        stored: &Stored,
    ) -> Result<(), RepositoryError> {
        let stored_len = stored.bytes.len() as u64;
        self.open.push(TableLine { kind, codec: stored.codec, id, plain_len, stored_len }, &stored.bytes);
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
        let (name, file) = std::mem::replace(&mut self.open, PackBuilder::new(self.target)).finish();
        self.arrive().await?;
        self.written.packs += 1;
        self.written.bytes += file.len() as u64;
        if self.writes {
            let (store, progress) = (self.store.clone(), self.progress.clone());
            self.on_its_way = Some(tokio::spawn(async move {
                let bytes = file.len() as u64;
                store.write(&Store::pack_path(name), file.into()).await?;
                progress.stored(bytes);
                Ok(())
            }));
        }
        Ok(())
    }

    async fn arrive(&mut self) -> Result<(), RepositoryError> {
        match self.on_its_way.take() {
            Some(put) => put.await?,
            None => Ok(()),
        }
    }
}
