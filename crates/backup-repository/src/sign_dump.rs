//! Signing dumps that are there.

use backup_format::ObjectId;
use backup_sign::{SecretKey, TrustedKeys};

use crate::error::RepositoryError;
use crate::repository::{self, Dump, Repository, no_dump};
use crate::signed::{Signed, Statement};
use crate::store::Store;
use crate::work;

/// A dump that was to be signed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SignedDump {
    /// The dump.
    pub dump: Dump,
    /// Who had signed it before. It is not checked, unless it is the same key.
    pub before: Signed,
    /// Whether a signature was written: false if the same key had signed it already.
    pub is_new: bool,
}

impl Repository {
    /// Signs a dump that is there, by the first digits of its id. Its signature says that it is what its manifest says, so look at it
    /// before. The trusted keys do not matter here: it may be one that none of them signed.
    ///
    /// `replaces` also takes the place of a signature that names another key.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::NoDump`] when the digits fit no dump or several. [`RepositoryError::Sign`] without a key to sign with, when that
    /// is not trusted, or when another key signed the dump. [`RepositoryError::Damaged`] and the like when its manifest cannot be read.
    pub async fn sign_dump(&self, digits: &str, replaces: bool) -> Result<SignedDump, RepositoryError> {
        let (repository, digits) = (self.clone(), digits.to_owned());
        work::drive(async move { repository.sign_one(&digits, replaces).await }).await
    }

    async fn sign_one(&self, digits: &str, replaces: bool) -> Result<SignedDump, RepositoryError> {
        self.check_signs()?;
        let Some(key) = &self.signer else {
            return Err(RepositoryError::Sign {
                problem: "there is no key to sign with".to_owned(),
                source: None,
            });
        };
        let (ids, _) = self.store.manifests_and_signatures().await?;
        let id = repository::choose(ids.into_iter(), digits, ("dump", "list"))?;
        let path = Store::manifest_path(id);
        let Some((manifest, json)) = self.read_manifest(&path, id).await? else {
            return Err(no_dump(format!("{path} is gone")));
        };
        let about = (id, manifest.sequence);
        let before = self.signed_before(key, about, &json).await?;
        let dump = Dump { id, manifest };
        match before {
            Signed::By(_) => return Ok(SignedDump { dump, before, is_new: false }),
            Signed::Unchecked(other) if !replaces => {
                let problem = format!(
                    "dump {id:.12} names key {other} as the one that signed it; --replace takes its place"
                );
                return Err(RepositoryError::Sign { problem, source: None });
            }
            _ => {}
        }
        if let Some(signature) = self.sign(Statement::Dump, about, &json)? {
            self.check_unchanged().await?;
            self.store.write(&Statement::Dump.path(id), signature.into()).await?;
        }
        Ok(SignedDump { dump, before, is_new: true })
    }

    /// Says who signed a dump: checked if that is this key, as it is found otherwise.
    async fn signed_before(
        &self,
        key: &SecretKey,
        about: (ObjectId, u64),
        json: &[u8],
    ) -> Result<Signed, RepositoryError> {
        let own = TrustedKeys::new(vec![key.public().clone()]);
        let own = own.map(|keys| self.clone().with_trust(keys));
        if let Ok(own) = own
            && let Ok(signed) = own.check_signature(Statement::Dump, about, (json, true)).await
        {
            return Ok(signed);
        }
        let anybody = Self { trust: None, ..self.clone() };
        anybody.check_signature(Statement::Dump, about, (json, true)).await
    }
}
