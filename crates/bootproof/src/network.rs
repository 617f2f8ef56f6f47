//! The network description and the committees, which all certificates are checked with.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Result;
use backup_format::{Anchor, ObjectId};
use linera_base::crypto::{CryptoHash, ValidatorPublicKey};
use linera_base::data_types::{Epoch, NetworkDescription};
use linera_base::identifiers::{BlobId, BlobType, StreamId};
use linera_execution::committee::Committee;
use linera_execution::system::EPOCH_STREAM_NAME;

use crate::blobs::hash_of;
use crate::decode::decode;
use crate::findings::Findings;
use crate::kind::Kind;
use crate::place::Place;
use crate::records::{Records, event_key};

/// Committees by their epochs, each read once.
pub struct Network<'a> {
    records: &'a Records,
    findings: &'a Findings,
    description: Option<NetworkDescription>,
    committees: RefCell<BTreeMap<Epoch, Option<Arc<Committee>>>>,
}

impl<'a> Network<'a> {
    /// Reads the network description and the first committee.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub async fn read(records: &'a Records, findings: &'a Findings) -> Result<Network<'a>> {
        let place = || Place::of("network description");
        let description = match records.network_description().await? {
            None => {
                findings.add(Kind::NetworkDescription, place(), "a description", "nothing");
                None
            }
            Some(bytes) => match decode::<NetworkDescription>(&bytes) {
                Ok(description) => Some(description),
                Err(problem) => {
                    findings.add(Kind::NetworkDescription, place(), "a description", problem);
                    None
                }
            },
        };
        let network = Self { records, findings, description, committees: RefCell::default() };
        if network.description.is_some() {
            network.committee(Epoch::ZERO).await?;
        }
        Ok(network)
    }

    /// Returns what the proof takes as given, as nothing in a database proves it; `None` without a network description.
    #[must_use]
    pub fn anchor(&self) -> Option<Anchor> {
        self.description.as_ref().map(|description| Anchor {
            name: description.name.clone(),
            genesis_config: description.genesis_config_hash.to_string(),
            genesis_committee: description.genesis_committee_blob_hash.to_string(),
            admin_chain: description.admin_chain_id.to_string(),
        })
    }

    /// Returns the network description; `None` where it is missing or unreadable, which is a finding.
    #[must_use]
    pub fn description(&self) -> Option<&NetworkDescription> {
        self.description.as_ref()
    }

    /// Returns the BLAKE3 hash of the network description as it is stored.
    #[must_use]
    pub fn hash(&self) -> Option<String> {
        let bytes = bcs::to_bytes(self.description.as_ref()?).ok()?;
        Some(ObjectId::of_file(&bytes).to_string())
    }

    /// Returns the validators of all committees that were asked for.
    #[must_use]
    pub fn validators(&self) -> BTreeSet<ValidatorPublicKey> {
        let committees = self.committees.borrow();
        committees.values().flatten().flat_map(|committee| committee.validators().keys().copied()).collect()
    }

    /// Returns the committee of an epoch; `None` when it is not there or damaged, which is a finding the first time.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub async fn committee(&self, epoch: Epoch) -> Result<Option<Arc<Committee>>> {
        if let Some(known) = self.committees.borrow().get(&epoch) {
            return Ok(known.clone());
        }
        let committee = match &self.description {
            // Its absence is a finding already.
            None => None,
            Some(description) => match self.load(description, epoch).await? {
                Ok(committee) => Some(Arc::new(committee)),
                Err((expected, found)) => {
                    let place = Place::of(format!("committee of epoch {epoch}"));
                    self.findings.add(Kind::Committee, place, expected, found);
                    None
                }
            },
        };
        self.committees.borrow_mut().insert(epoch, committee.clone());
        Ok(committee)
    }

    /// Reads a committee: that of the genesis, or the one that an event of the admin chain names. `Err` tells what was
    /// expected and found.
    async fn load(
        &self,
        description: &NetworkDescription,
        epoch: Epoch,
    ) -> Result<Result<Committee, (String, String)>> {
        let hash = if epoch == Epoch::ZERO {
            description.genesis_committee_blob_hash
        } else {
            let key = event_key(&StreamId::system(EPOCH_STREAM_NAME), epoch.0)?;
            let event = self.records.events(description.admin_chain_id, &[key]).await?.pop().flatten();
            let expected = || format!("an event of admin chain {}", description.admin_chain_id);
            match event.map(|bytes| decode::<CryptoHash>(&bytes)) {
                None => return Ok(Err((expected(), "no such event".to_owned()))),
                Some(Err(problem)) => return Ok(Err((expected(), problem))),
                Some(Ok(hash)) => hash,
            }
        };
        let expected = format!("blob {}", BlobId::new(hash, BlobType::Committee));
        let Some(bytes) = self.records.blob(BlobId::new(hash, BlobType::Committee)).await? else {
            return Ok(Err((expected, "no such blob".to_owned())));
        };
        if hash_of(BlobType::Committee, &bytes) != Some(hash) {
            return Ok(Err((expected, "a blob that does not hash to its id".to_owned())));
        }
        Ok(decode(&bytes).map_err(|problem| (expected, problem)))
    }
}
