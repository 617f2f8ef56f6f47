//! Attestations: who says that a dump was verified, or that it boots, and when.
//!
//! Each run of a proof leaves a file in `reports/`, and its signature if there is a key. Nothing else rests on attestations: without
//! them a repository is as good as with them.

use std::collections::BTreeMap;

use backup_format::{Anchor, Attestation, Digest, ObjectId, Proven};

use crate::clock;
use crate::error::RepositoryError;
use crate::repository::Repository;
use crate::signed::Statement;
use crate::store::Store;
use crate::work;

/// What a run has proven of dumps.
#[derive(Clone, Debug)]
pub struct Proof {
    /// What was proven.
    pub proven: Proven,
    /// The dumps, each with the digest that was computed; `None` where none was. An encrypted repository gets no digests.
    pub dumps: BTreeMap<ObjectId, Option<Digest>>,
    /// Program and version.
    pub tool: String,
    /// The network that the proof takes as given; `None` unless a worker was booted.
    pub network: Option<Anchor>,
    /// What could not be proven, in words.
    pub not_proven: Vec<String>,
}

impl Repository {
    /// Says for good what was proven of dumps, signed if there is a key to sign with. Returns the ids of the attestations: one, unless there are
    /// more dumps than a file names.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Sign`] when only what trusted keys signed would count, and none of them is at hand;
    /// [`RepositoryError::Store`].
    pub async fn attest(&self, proof: &Proof) -> Result<Vec<ObjectId>, RepositoryError> {
        let (repository, proof) = (self.clone(), proof.clone());
        work::drive(async move {
            let dumps: Vec<_> = proof.dumps.iter().collect();
            let mut ids = Vec::new();
            for dumps in dumps.chunks(Attestation::DUMPS_MAX) {
                ids.push(repository.attest_some(&proof, dumps).await?);
            }
            Ok(ids)
        })
        .await
    }

    /// Refuses before any work what [`Repository::attest`] would refuse after it.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Sign`].
    pub fn check_attests(&self) -> Result<(), RepositoryError> {
        self.check_signs()
    }

    async fn attest_some(
        &self,
        proof: &Proof,
        dumps: &[(&ObjectId, &Option<Digest>)],
    ) -> Result<ObjectId, RepositoryError> {
        self.check_signs()?;
        // A digest is the sum over hashes without a key, so it would let contents be guessed.
        let shown = |digest: Option<Digest>| digest.filter(|_| !self.config.is_encrypted());
        let dumps = dumps.iter().map(|(dump, digest)| (**dump, shown(**digest))).collect();
        let (proven, by) = ((proof.proven, dumps), (proof.tool.clone(), clock::text(self.clock.now())));
        let attestation = Attestation {
            network: proof.network.clone(),
            not_proven: proof.not_proven.clone(),
            ..Attestation::new(self.config.repository.clone(), proven, by)
        };
        let encoded = attestation.encode();
        let (id, json) =
            encoded.map_err(|source| RepositoryError::file("an attestation".to_owned(), source))?;
        self.check_unchanged().await?;
        if let Some(signature) = self.sign(Statement::Attestation, (id, 0), &json)? {
            self.store.write(&Statement::Attestation.path(id), signature.into()).await?;
        }
        self.store.write(&Store::report_path(id), json.into()).await?;
        Ok(id)
    }
}
