//! The one restore of a last dump for the key of its validator.
//!
//! A record in `spent/` says that it took place. Only one writer can create it. It is there before the restored namespace gets its
//! name, so nothing starts from a restore that did not spend the dump.

use backup_format::{ObjectId, Spent, limits};

use crate::clock;
use crate::error::RepositoryError;
use crate::latest;
use crate::repository::{Dump, Repository};
use crate::store::Store;
use crate::work;

/// Who restores a last dump for the key of its validator, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The validator's public key.
    pub key: String,
    /// The target, for errors of later restores.
    pub target: String,
}

impl Repository {
    /// Checks that a dump is the last one of its namespace, that none follows it, and that it was not restored for its validator's key.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Spent`] when one of that does not hold; [`RepositoryError::Uncertain`] while any manifest cannot be
    /// read.
    pub async fn check_unspent(&self, dump: &Dump) -> Result<(), RepositoryError> {
        let (repository, dump) = (self.clone(), dump.clone());
        work::drive(async move { repository.find_unspent(&dump).await }).await
    }

    async fn find_unspent(&self, dump: &Dump) -> Result<(), RepositoryError> {
        let spent = |problem| Err(RepositoryError::Spent { dump: dump.id, problem });
        if !dump.manifest.last {
            return spent("it is not the last dump of its namespace".to_owned());
        }
        let dumps = self.dumps().await?.certain(RepositoryError::uncertain)?;
        if let Some(later) = dumps.iter().find(|later| is_later(later, dump)) {
            return spent(format!(
                "dump {:.12} is later, so the validator ran after its last dump was made",
                later.id
            ));
        }
        match self.store.read(&Store::spent_path(dump.id), limits::MANIFEST_BYTES_MAX).await? {
            None => Ok(()),
            Some(json) => spent(describe(&json)),
        }
    }

    /// Says that a last dump is restored for the key of its validator, which no other restore can say after this.
    pub(crate) async fn spend(&self, dump: ObjectId, claim: &Claim) -> Result<(), RepositoryError> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|source| RepositoryError::Random { source })?;
        let place = (claim.key.clone(), claim.target.clone());
        let record = Spent::new(salt, dump, place, clock::text(self.clock.now()));
        let path = Store::spent_path(dump);
        let json = record.encode().map_err(|source| RepositoryError::file(path.clone(), source))?;
        self.check_unchanged().await?;
        if self.store.create(&path, json.into()).await? {
            return Ok(());
        }
        let found = self.store.read(&path, limits::MANIFEST_BYTES_MAX).await?;
        Err(RepositoryError::Spent { dump, problem: describe(&found.unwrap_or_default()) })
    }
}

/// Returns true if a dump may hold a later state of the same validator's namespace. One of the same content does not: each vote changes
/// it, and somebody may still dump the retired namespace each night.
fn is_later(other: &Dump, dump: &Dump) -> bool {
    let (later, last) = (&other.manifest, &dump.manifest);
    let origins = (&later.source.origin, &last.source.origin);
    let is_other = matches!(origins, (Some(one), Some(other)) if one != other);
    other.id != dump.id
        && later.namespace == last.namespace
        && !latest::is_alike(later, last)
        && !is_other
        && (later.sequence > last.sequence || later.previous.contains(&dump.id))
}

/// Says what a record says. One that cannot be read counts as well.
fn describe(json: &[u8]) -> String {
    match Spent::decode(json) {
        Ok(Spent { target, time, .. }) => {
            format!("at {time} it was restored for its validator's key, into {target:?}")
        }
        Err(_) => "its record in spent/ is there, and cannot be read".to_owned(),
    }
}
