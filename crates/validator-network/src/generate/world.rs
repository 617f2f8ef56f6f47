//! The network that a generated database belongs to: one validator, and chains of one owner.

use anyhow::{Context, Result};
use linera_base::crypto::{CryptoHash, InMemorySigner, ValidatorPublicKey, ValidatorSecretKey};
use linera_base::data_types::{
    Amount, Blob, ChainDescription, ChainOrigin, Epoch, InitialChainConfig, NetworkDescription, Timestamp,
};
use linera_base::identifiers::{AccountOwner, ChainId};
use linera_base::ownership::ChainOwnership;
use linera_execution::committee::Committee;
use linera_storage::Storage as _;

use crate::keys;
use crate::worker::{Storage, WorkerDatabase};

/// Tokens that the administering chain begins with.
const TOKENS: u128 = 1_000_000_000;

/// What the network begins with, and its keys.
pub(super) struct World {
    pub key: ValidatorSecretKey,
    pub committee: Committee,
    pub committee_blob: Blob,
    pub owner: AccountOwner,
    pub chains: Vec<ChainDescription>,
}

impl World {
    /// Makes a network of one validator, of the chain that administers it, and of `chains` others.
    pub fn new(chains: u32) -> Result<Self> {
        let key = keys::secret_key(1)?;
        let account = InMemorySigner::new(Some(1)).generate_new();
        let committee = Committee::make_simple(vec![(key.public(), account)]);
        let bytes = bcs::to_bytes(&committee).context("encoding the committee")?;
        let owner = AccountOwner::from(account);
        let describe = |index| {
            let config = InitialChainConfig {
                ownership: ChainOwnership::single(owner),
                epoch: Epoch::ZERO,
                min_active_epoch: Epoch::ZERO,
                max_active_epoch: Epoch::ZERO,
                balance: if index == 0 { Amount::from_tokens(TOKENS) } else { Amount::ZERO },
                application_permissions: Default::default(),
            };
            ChainDescription::new(ChainOrigin::Root(index), config, Timestamp::from(0))
        };
        let chains = (0..=chains).map(describe).collect();
        Ok(Self { key, committee, committee_blob: Blob::new_committee(bytes), owner, chains })
    }

    pub fn validator(&self) -> ValidatorPublicKey {
        self.key.public()
    }

    /// Returns a chain; 0 is the one that administers the network.
    pub fn chain(&self, index: u32) -> Result<ChainId> {
        self.chains.get(index as usize).map(ChainDescription::id).context("there are fewer chains")
    }

    /// Writes what the database holds before the first block.
    pub async fn write<D: WorkerDatabase>(&self, storage: &Storage<D>) -> Result<()> {
        let network = NetworkDescription {
            name: "generated".to_owned(),
            genesis_config_hash: CryptoHash::new(self.committee_blob.content()),
            genesis_timestamp: Timestamp::from(0),
            genesis_committee_blob_hash: self.committee_blob.id().hash,
            admin_chain_id: self.chain(0)?,
        };
        storage.write_network_description(&network).await.context("writing the network description")?;
        storage.write_blob(&self.committee_blob).await.context("writing the committee")?;
        for chain in &self.chains {
            let created = storage.create_chain(chain.clone()).await;
            created.with_context(|| format!("creating chain {}", chain.id()))?;
        }
        Ok(())
    }
}
