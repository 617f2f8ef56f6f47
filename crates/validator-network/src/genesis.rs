//! What all validators of a network start from.

use anyhow::{Context, Result};
use linera_base::crypto::{CryptoHash, InMemorySigner, ValidatorPublicKey, ValidatorSecretKey};
use linera_base::data_types::{
    Amount, Blob, ChainDescription, ChainOrigin, Epoch, InitialChainConfig, NetworkDescription, Round,
    Timestamp,
};
use linera_base::identifiers::{AccountOwner, ChainId};
use linera_base::ownership::ChainOwnership;
use linera_chain::data_types::{BlockProposal, ProposedBlock};
use linera_execution::committee::Committee;
use linera_storage::Storage as _;

use crate::keys;
use crate::worker::{Storage, WorkerDatabase};

/// Number of validators, any three of which are a quorum.
pub const VALIDATORS: usize = 4;

/// Tokens that the funded chain begins with.
const TOKENS: u128 = 1_000_000;

/// What all validators of a network start from, and the keys of everybody in it.
///
/// It is the same whenever it is made of the same numbers.
pub struct Genesis {
    keys: Vec<ValidatorSecretKey>,
    committee: Committee,
    network: NetworkDescription,
    committee_blob: Blob,
    owner: AccountOwner,
    signer: InMemorySigner,
    funded: ChainDescription,
    empty: ChainDescription,
}

impl Genesis {
    /// Makes a network of four validators of equal weight and of two root chains of one owner, the first of which has
    /// tokens. Networks of the same `owner` have the same chains, and of the same `validators` the same committee.
    ///
    /// # Errors
    ///
    /// When linera takes the numbers for no keys.
    pub fn new(validators: u32, owner: u64) -> Result<Self> {
        Self::of(validators, owner, ChainOwnership::single)
    }

    /// Makes one whose chains are of a super owner, who may propose in the fast round.
    ///
    /// # Errors
    ///
    /// As [`Genesis::new`].
    pub fn fast(validators: u32, owner: u64) -> Result<Self> {
        Self::of(validators, owner, ChainOwnership::single_super)
    }

    fn of(validators: u32, owner: u64, ownership: fn(AccountOwner) -> ChainOwnership) -> Result<Self> {
        let number = |index| u64::from(validators) * 16 + index + 1;
        let keys = (0..VALIDATORS as u64).map(|index| keys::secret_key(number(index)));
        let keys = keys.collect::<Result<Vec<_>>>()?;
        let mut signer = InMemorySigner::new(Some(owner));
        let account = signer.generate_new();
        let members = keys.iter().map(|key| (key.public(), account)).collect();
        let committee = Committee::make_simple(members);
        let committee_blob =
            Blob::new_committee(bcs::to_bytes(&committee).context("encoding the committee")?);
        let funded = describe(0, ownership(account.into()), Amount::from_tokens(TOKENS));
        let network = NetworkDescription {
            name: "boot".to_owned(),
            genesis_config_hash: CryptoHash::new(committee_blob.content()),
            genesis_timestamp: Timestamp::from(0),
            genesis_committee_blob_hash: committee_blob.id().hash,
            admin_chain_id: funded.id(),
        };
        let empty = describe(1, ownership(account.into()), Amount::ZERO);
        Ok(Self { keys, committee, network, committee_blob, owner: account.into(), signer, funded, empty })
    }

    /// Returns the committee.
    pub fn committee(&self) -> &Committee {
        &self.committee
    }

    /// Returns the public keys of the validators.
    pub fn validators(&self) -> impl Iterator<Item = ValidatorPublicKey> {
        self.keys.iter().map(ValidatorSecretKey::public)
    }

    /// Copies the secret key of a validator; `None` when there is no such validator.
    pub fn key(&self, index: usize) -> Option<ValidatorSecretKey> {
        self.keys.get(index).map(ValidatorSecretKey::copy)
    }

    /// Returns the chain that has tokens.
    pub fn funded(&self) -> ChainId {
        self.funded.id()
    }

    /// Returns the chain that has none.
    pub fn empty(&self) -> ChainId {
        self.empty.id()
    }

    /// Writes what a validator's database holds before the first block.
    ///
    /// # Errors
    ///
    /// When linera cannot write, or a chain is there already.
    pub async fn write<D: WorkerDatabase>(&self, storage: &Storage<D>) -> Result<()> {
        storage.write_network_description(&self.network).await.context("writing the network description")?;
        storage.write_blob(&self.committee_blob).await.context("writing the committee")?;
        for chain in [&self.funded, &self.empty] {
            storage
                .create_chain(chain.clone())
                .await
                .with_context(|| format!("creating chain {}", chain.id()))?;
        }
        Ok(())
    }

    /// Makes the owner of the chains sign and propose a block, in the first round of its height.
    ///
    /// # Errors
    ///
    /// When the owner's key does not sign.
    pub async fn propose(&self, block: ProposedBlock) -> Result<BlockProposal> {
        self.propose_in(Round::MultiLeader(0), block).await
    }

    /// Makes the owner of the chains sign and propose a block in a round.
    ///
    /// # Errors
    ///
    /// As [`Genesis::propose`].
    pub async fn propose_in(&self, round: Round, mut block: ProposedBlock) -> Result<BlockProposal> {
        block.authenticated_signer = Some(self.owner);
        let proposal = BlockProposal::new_initial(self.owner, round, block, &self.signer).await;
        proposal.context("signing a proposal")
    }
}

fn describe(index: u32, ownership: ChainOwnership, balance: Amount) -> ChainDescription {
    let config = InitialChainConfig {
        ownership,
        epoch: Epoch::ZERO,
        min_active_epoch: Epoch::ZERO,
        max_active_epoch: Epoch::ZERO,
        balance,
        application_permissions: Default::default(),
    };
    ChainDescription::new(ChainOrigin::Root(index), config, Timestamp::from(0))
}
