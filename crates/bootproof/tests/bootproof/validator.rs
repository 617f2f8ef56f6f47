//! A network of one validator, for databases with what the fixture has not: events, epochs, messages on their way.

use linera_base::crypto::{InMemorySigner, ValidatorSecretKey};
use linera_base::data_types::{
    Amount, Blob, ChainDescription, ChainOrigin, Epoch, InitialChainConfig, Round, Timestamp,
};
use linera_base::identifiers::{Account, AccountOwner, ChainId};
use linera_base::ownership::ChainOwnership;
use linera_chain::data_types::{
    BlockExecutionOutcome, BlockProposal, BundleExecutionPolicy, IncomingBundle, ProposedBlock, Transaction,
    Vote,
};
use linera_chain::types::{Block, ConfirmedBlock, ConfirmedBlockCertificate};
use linera_core::data_types::{ChainInfo, ChainInfoQuery};
use linera_core::{GenesisConfig, ProcessConfirmedBlockMode};
use linera_execution::committee::{Committee, ValidatorState};
use linera_execution::{ResourceControlPolicy, SystemOperation};
use linera_storage::Storage as _;
use linera_views::lru_prefix_cache::StorageCacheConfig;
use linera_views::rocks_db::{
    PathWithGuard, RocksDbDatabase, RocksDbSpawnMode, RocksDbStoreConfig, RocksDbStoreInternalConfig,
};
use linera_views::store::KeyValueDatabase;
use tempfile::TempDir;
use validator_network::worker::{Storage, Worker, boot, open_storage};

use crate::entries::Entries;
use crate::past::Past;

const NAMESPACE: &str = "lone";

/// Seed of the key that owns the chains.
const OWNER: u64 = 7;

/// The round in which all blocks are certified.
const ROUND: Round = Round::MultiLeader(0);

/// The only validator. Each has a database of its own; all of one policy are of the same network.
pub struct Lone {
    worker: Worker<RocksDbDatabase>,
    key: ValidatorSecretKey,
    owner: AccountOwner,
    flags: Vec<String>,
    directory: TempDir,
    /// The admin chain, which has tokens.
    pub admin: ChainId,
    /// A chain without tokens.
    pub other: ChainId,
}

impl Lone {
    /// Writes what a network begins with. `flags` go into the policy of its committee.
    pub async fn begin(flags: &[&str]) -> Self {
        let key = key();
        let owner = AccountOwner::from(InMemorySigner::new(Some(OWNER)).generate_new());
        let genesis = genesis(flags);
        let [admin, other] = genesis.chains.as_slice() else { unreachable!("there are two") };
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let directory = tempfile::tempdir().unwrap();
        let storage = open_storage(open(&directory).await).await.unwrap();
        storage.write_network_description(&genesis.network_description()).await.unwrap();
        storage.write_blob(&genesis.committee_blob()).await.unwrap();
        for chain in [admin, other] {
            storage.create_chain(chain.clone()).await.unwrap();
        }
        let worker = boot(storage, Some(key.copy()));
        let (admin, other) = (admin.id(), other.id());
        Self { worker, key, owner, flags, directory, admin, other }
    }

    /// Executes a block and certifies it, but does not apply it.
    pub async fn certify(
        &self,
        chain: ChainId,
        transactions: Vec<Transaction>,
        blobs: Vec<Blob>,
    ) -> ConfirmedBlockCertificate {
        let block = self.next_block(chain, transactions).await;
        for blob in &blobs {
            self.storage().write_blob(blob).await.unwrap();
        }
        let policy = BundleExecutionPolicy::committed();
        let staged = self.worker.stage_block_execution(block, None, blobs, policy).await.unwrap();
        self.sign(staged.1)
    }

    /// Certifies a block that nobody executed.
    pub async fn certify_outcome(
        &self,
        chain: ChainId,
        transactions: Vec<Transaction>,
        outcome: BlockExecutionOutcome,
    ) -> ConfirmedBlockCertificate {
        let block = self.next_block(chain, transactions).await;
        self.sign(Block::new(block, outcome))
    }

    fn sign(&self, block: Block) -> ConfirmedBlockCertificate {
        let value = ConfirmedBlock::new(block);
        let vote = Vote::new(value.clone(), ROUND, &self.key);
        ConfirmedBlockCertificate::new(value, ROUND, vec![(self.key.public(), vote.signature)])
    }

    /// Applies a certificate and delivers its messages.
    pub async fn apply(&self, certificate: &ConfirmedBlockCertificate) {
        let handled = self.worker.fully_handle_certificate_with_notifications(certificate.clone(), &());
        handled.await.unwrap();
    }

    /// Applies a certificate and leaves its messages in the outboxes.
    pub async fn apply_alone(&self, certificate: &ConfirmedBlockCertificate) {
        let mode = ProcessConfirmedBlockMode::Auto;
        self.worker.handle_confirmed_certificate(certificate.clone(), mode, None).await.unwrap();
    }

    /// Executes, certifies and applies a block of one operation.
    pub async fn operate(&self, chain: ChainId, operation: SystemOperation) -> ConfirmedBlockCertificate {
        let certificate = self.certify(chain, vec![execute(operation)], Vec::new()).await;
        self.apply(&certificate).await;
        certificate
    }

    /// Receives what waits in the inboxes of a chain.
    pub async fn receive(&self, chain: ChainId) -> ConfirmedBlockCertificate {
        let bundles = self.waiting(chain).await;
        let transactions = bundles.into_iter().map(Transaction::ReceiveMessages).collect();
        let certificate = self.certify(chain, transactions, Vec::new()).await;
        self.apply(&certificate).await;
        certificate
    }

    /// Reads all entries of the database.
    pub async fn past(&self) -> Past {
        let entries = Entries::read(&self.directory.path().join(NAMESPACE)).await;
        Past { entries, sender: self.admin.0.as_bytes().0, receiver: self.other.0.as_bytes().0 }
    }

    /// Returns the storage below the worker.
    pub fn storage(&self) -> &Storage<RocksDbDatabase> {
        self.worker.storage_client()
    }

    /// Returns another committee of the same validator, with these flags and its own.
    pub fn next_committee(&self, flags: &[&str]) -> Blob {
        let account = InMemorySigner::new(Some(OWNER)).generate_new();
        let state = ValidatorState {
            network_address: "Tcp:nowhere:2".to_owned(),
            votes: 3,
            account_public_key: account,
        };
        let mut policy = ResourceControlPolicy::default();
        let flags = flags.iter().map(|flag| (*flag).to_owned());
        policy.http_request_allow_list.extend(self.flags.iter().cloned().chain(flags));
        let committee = Committee::new([(self.key.public(), state)].into(), policy);
        Blob::new_committee(bcs::to_bytes(&committee).unwrap())
    }

    /// Proposes a block, so that the validator votes for it.
    pub async fn propose(&self, chain: ChainId, transactions: Vec<Transaction>) {
        let block = self.next_block(chain, transactions).await;
        let mut signer = InMemorySigner::new(Some(OWNER));
        signer.generate_new();
        let proposal = BlockProposal::new_initial(self.owner, ROUND, block, &signer).await.unwrap();
        self.worker.handle_block_proposal(proposal).await.0.unwrap();
    }

    async fn next_block(&self, chain: ChainId, transactions: Vec<Transaction>) -> ProposedBlock {
        let info = self.info(ChainInfoQuery::new(chain)).await;
        ProposedBlock {
            chain_id: chain,
            epoch: info.epoch,
            transactions,
            height: info.next_block_height,
            timestamp: Timestamp::from(1_000),
            authenticated_signer: Some(self.owner),
            previous_block_hash: info.block_hash,
        }
    }

    /// Returns what waits in the inboxes of a chain.
    pub async fn waiting(&self, chain: ChainId) -> Vec<IncomingBundle> {
        let query = ChainInfoQuery::new(chain).with_pending_message_bundles();
        self.info(query).await.requested_pending_message_bundles
    }

    async fn info(&self, query: ChainInfoQuery) -> ChainInfo {
        *self.worker.handle_chain_info_query(query).await.unwrap().0.info
    }
}

fn key() -> ValidatorSecretKey {
    serde_json::from_str(&format!("\"{}\"", "21".repeat(32))).unwrap()
}

/// What a network begins with whose policy has these flags.
pub fn genesis(flags: &[&str]) -> GenesisConfig {
    let account = InMemorySigner::new(Some(OWNER)).generate_new();
    let state =
        ValidatorState { network_address: "Tcp:nowhere:1".to_owned(), votes: 1, account_public_key: account };
    let mut policy = ResourceControlPolicy::default();
    policy.http_request_allow_list.extend(flags.iter().map(|flag| (*flag).to_owned()));
    let owner = AccountOwner::from(account);
    GenesisConfig {
        committee: Committee::new([(key().public(), state)].into(), policy),
        timestamp: Timestamp::from(0),
        chains: vec![describe(0, owner, 1_000), describe(1, owner, 0)],
        network_name: "lone".to_owned(),
    }
}

/// A transfer of one token.
pub fn transfer(to: ChainId) -> SystemOperation {
    let recipient = Account::chain(to);
    SystemOperation::Transfer { owner: AccountOwner::CHAIN, recipient, amount: Amount::ONE }
}

/// Makes a transaction of an operation.
pub fn execute(operation: SystemOperation) -> Transaction {
    Transaction::ExecuteOperation(operation.into())
}

async fn open(directory: &TempDir) -> RocksDbDatabase {
    let inner_config = RocksDbStoreInternalConfig {
        path_with_guard: PathWithGuard::new(directory.path().to_owned()),
        spawn_mode: RocksDbSpawnMode::get_spawn_mode_from_runtime(),
        max_stream_queries: 10,
        enable_statistics: false,
        statistics_level: Default::default(),
    };
    let storage_cache_config = StorageCacheConfig {
        max_cache_size: 1 << 20,
        max_value_entry_size: 1 << 20,
        max_find_keys_entry_size: 1 << 20,
        max_find_key_values_entry_size: 1 << 20,
        max_cache_entries: 1_000,
        max_cache_value_size: 1 << 20,
        max_cache_find_keys_size: 1 << 20,
        max_cache_find_key_values_size: 1 << 20,
    };
    let config = RocksDbStoreConfig { inner_config, storage_cache_config };
    RocksDbDatabase::maybe_create_and_connect(&config, NAMESPACE).await.unwrap()
}

fn describe(index: u32, owner: AccountOwner, tokens: u128) -> ChainDescription {
    let config = InitialChainConfig {
        ownership: ChainOwnership::single(owner),
        epoch: Epoch::ZERO,
        min_active_epoch: Epoch::ZERO,
        max_active_epoch: Epoch::ZERO,
        balance: Amount::from_tokens(tokens),
        application_permissions: Default::default(),
    };
    ChainDescription::new(ChainOrigin::Root(index), config, Timestamp::from(0))
}
