//! Restoring a namespace beside its place, and moving it there.

use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use backup_format::{EngineError, Restore, RestoreSink, RestoreUnit, RestoreWriter, Restored, Snapshot};

use crate::database::list_families;
use crate::error::RocksDbError;
use crate::options::RocksDbOptions;
use crate::session::Session;
use crate::snapshot::RocksDbSnapshot;
use crate::target::{Target, name_of};
use crate::unit::{self, UnitWriter, Written};
use crate::view::ViewClient;
use crate::worker::{self, Caller};

/// A restore under way. While it lasts, the lock of the work directory keeps others away.
pub(crate) struct RocksDbRestore {
    session: Session,
    /// Units that are written whole, so that nothing is read when a writer is asked for.
    written: Written,
}

impl RocksDbRestore {
    /// Begins a restore, or resumes what an earlier try left.
    pub(crate) fn begin(
        target: Target,
        restore: Restore,
        options: RocksDbOptions,
        caller: &Caller<'_>,
    ) -> Result<Self, RocksDbError> {
        let session = Session::begin(target, restore, options, caller)?;
        let written = unit::written(&session)?;
        Ok(Self { session, written })
    }

    fn writer_for(&self, unit: &RestoreUnit) -> Result<Option<UnitWriter>, RocksDbError> {
        let is_written = self.written.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&unit.page);
        match (is_written, self.session.is_past_writing()) {
            (true, _) => Ok(None),
            (false, false) => UnitWriter::start(&self.session, unit.page, &self.written).map(Some),
            (false, true) => Err(RocksDbError::Stage {
                path: self.session.work.path.clone(),
                problem: "it is being completed, yet a unit is not part of it; remove the directory and begin anew",
            }),
        }
    }

    fn complete(self, caller: &Caller<'_>) -> Result<Session, RocksDbError> {
        let Self { mut session, written } = self;
        let written = std::mem::take(&mut *written.lock().unwrap_or_else(PoisonError::into_inner));
        session.complete(written.into_values().collect(), caller)?;
        Ok(session)
    }
}

#[async_trait]
impl RestoreSink for RocksDbRestore {
    async fn writer(&self, unit: &RestoreUnit) -> Result<Option<Box<dyn RestoreWriter>>, EngineError> {
        Ok(self.writer_for(unit)?.map(|writer| Box::new(writer) as Box<dyn RestoreWriter>))
    }

    async fn finish(self: Box<Self>) -> Result<Box<dyn Restored>, EngineError> {
        let complete = move |caller: &Caller<'_>| (*self).complete(caller);
        let session = worker::run_while_wanted("completing a restore", complete).await?;
        Ok(Box::new(RocksDbRestored(session)))
    }

    async fn discard(self: Box<Self>) -> Result<(), EngineError> {
        discard(self.session).await
    }
}

/// A restore whose database is complete, and still beside its place.
struct RocksDbRestored(Session);

#[async_trait]
impl Restored for RocksDbRestored {
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        let Session { target, work, options, held, .. } = &self.0;
        let path = work.database();
        let families = worker::run("listing column families", move || list_families(&path)).await?;
        let held = Arc::clone(held);
        let client = ViewClient::start(move |server| {
            server.serve_snapshot(&*held.database);
            Ok(())
        })
        .await?;
        let options = options.clone().with_layout(target.layout);
        Ok(Box::new(RocksDbSnapshot::open(client, &name_of(&target.path), families, &options).await?))
    }

    async fn publish(self: Box<Self>) -> Result<(), EngineError> {
        let publish = move || self.0.publish();
        Ok(worker::run("putting a restored namespace in its place", publish).await?)
    }

    async fn discard(self: Box<Self>) -> Result<(), EngineError> {
        discard(self.0).await
    }
}

async fn discard(session: Session) -> Result<(), EngineError> {
    Ok(worker::run("discarding a restore", move || session.discard()).await?)
}
