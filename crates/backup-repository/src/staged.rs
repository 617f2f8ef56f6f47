//! How a dump is published beside a pruner: staged first, then held against what is about to be removed.
//!
//! A writer stages and then looks for tombstones; a pruner writes its tombstone and then looks for stages. So one of them sees
//! the other, whatever their clocks say and however long either of them stands still.

use std::time::{Duration, Instant};

use backup_format::ObjectId;
use bytes::Bytes;
use time::OffsetDateTime;

use crate::clock::Clock;
use crate::error::RepositoryError;
use crate::last::Retiring;
use crate::repository::Repository;
use crate::signed::Statement;
use crate::store::Store;
use crate::tombstone;

/// How long after its packs are durable a dump may be published. A pruner removes stages that are much older.
const PUBLISH_WITHIN: Duration = Duration::from_secs(24 * 3_600);

/// When a dump was staged, by all clocks that there are.
struct Begun {
    clock: Clock,
    time: OffsetDateTime,
    instant: Instant,
}

impl Begun {
    fn now(clock: &Clock) -> Self {
        Self { clock: clock.clone(), time: clock.now(), instant: Instant::now() }
    }

    fn check(&self) -> Result<(), RepositoryError> {
        if self.instant.elapsed() > PUBLISH_WITHIN || self.clock.now() - self.time > PUBLISH_WITHIN {
            return Err(RepositoryError::Pruned { problem: "publishing it took more than a day".to_owned() });
        }
        Ok(())
    }
}

impl Repository {
    /// Publishes a dump that relies on these packs.
    ///
    /// The packs are made durable, also those of earlier runs. Then the manifest is staged, it is checked that nobody removes one of
    /// the packs, and the signature is written, if there is one, and last the manifest. So no dump of a writer that signs is ever
    /// there without its signature. What is left of a writer that died between the two is no dump, and a pruner removes it.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Changed`] when the repository is another one than was opened. [`RepositoryError::Pruned`] when one
    /// of the packs is gone or about to be removed; then nothing is published.
    pub(crate) async fn publish(
        &self,
        files: (ObjectId, Bytes, Option<Bytes>),
        packs: &[(ObjectId, u64)],
    ) -> Result<(), RepositoryError> {
        self.publish_after(files, packs, None).await
    }

    /// The same, and retires the namespace before the manifest is written. From then on the stage is left when this fails: it says that
    /// the dump was to appear here.
    pub(crate) async fn publish_after(
        &self,
        (dump, manifest, signature): (ObjectId, Bytes, Option<Bytes>),
        packs: &[(ObjectId, u64)],
        retiring: Option<&Retiring>,
    ) -> Result<(), RepositoryError> {
        self.check_unchanged().await?;
        self.store.make_durable(packs).await?;
        let begun = Begun::now(&self.clock);
        let staged = Store::staged_path(dump);
        self.store.write(&staged, manifest.clone().into()).await?;
        let checked = self.check_relied(packs).await;
        if let Err(error) = checked.and_then(|()| begun.check()) {
            self.store.remove_or_leave(&staged).await;
            return Err(error);
        }
        if let Some(retiring) = retiring {
            retiring.run(dump).await?;
        }
        if let Some(signature) = signature {
            self.store.write(&Statement::Dump.path(dump), signature.into()).await?;
        }
        self.store.write(&Store::manifest_path(dump), manifest.into()).await?;
        self.store.remove_or_leave(&staged).await;
        Ok(())
    }

    /// Checks that these packs are there in their lengths, and that nobody is about to remove one of them.
    pub(crate) async fn check_relied(&self, packs: &[(ObjectId, u64)]) -> Result<(), RepositoryError> {
        let pruned = |problem| Err(RepositoryError::Pruned { problem });
        let condemned = tombstone::condemned(&self.store).await?;
        if let Some((pack, _)) = packs.iter().find(|(pack, _)| condemned.contains(pack)) {
            return pruned(format!("{} is about to be removed", Store::pack_path(*pack)));
        }
        // They are listed in the order of their names.
        let found = self.store.packs().await?;
        match packs.iter().find(|pack| found.binary_search(pack).is_err()) {
            Some((pack, len)) => pruned(format!("{} of {len} bytes is not there", Store::pack_path(*pack))),
            None => Ok(()),
        }
    }
}
