//! Pasts with committees, blobs, new chains and applications.

use linera_base::crypto::CryptoHash;
use linera_base::data_types::{
    Amount, ApplicationDescription, ApplicationPermissions, Blob, BlockHeight, Bytecode, Epoch,
    OracleResponse,
};
use linera_base::identifiers::{AccountOwner, ApplicationId, BlobType, ChainId, ModuleId};
use linera_base::ownership::ChainOwnership;
use linera_base::vm::VmRuntime;
use linera_chain::data_types::{BlockExecutionOutcome, Transaction};
use linera_chain::types::ConfirmedBlockCertificate;
use linera_execution::system::{AdminOperation, OpenChainConfig};
use linera_execution::{FLAG_HISTORICAL_HASH, Operation, SystemOperation};
use linera_storage::Storage as _;
use linera_views::views::RootView;

use crate::past::Past;
use crate::traffic::begin;
use crate::validator::{Lone, execute, transfer};

pub async fn epochs() -> Past {
    let lone = begin(&[]).await;
    next_epoch(&lone, &[]).await;
    let remove = AdminOperation::RemoveCommittee { epoch: Epoch(0) };
    lone.operate(lone.admin, SystemOperation::Admin(remove)).await;
    lone.operate(lone.other, SystemOperation::ProcessRemovedEpoch(Epoch(0))).await;
    let data = Blob::new_data(b"a blob".to_vec());
    let publish = SystemOperation::PublishDataBlob { blob_hash: data.id().hash };
    let published = lone.certify(lone.admin, vec![execute(publish)], vec![data.clone()]).await;
    lone.apply(&published).await;
    lone.operate(lone.other, SystemOperation::VerifyBlob { blob_id: data.id() }).await;
    open_chain(&lone).await;
    lone.past().await
}

/// Opens a chain and sends it a message, which it does not receive.
async fn open_chain(lone: &Lone) {
    let config = OpenChainConfig {
        ownership: ChainOwnership::single(AccountOwner::CHAIN),
        balance: Amount::ONE,
        application_permissions: ApplicationPermissions::default(),
    };
    let opened = lone.operate(lone.admin, SystemOperation::OpenChain(config)).await;
    let created = opened.block().created_blob_ids();
    let child = created.iter().find(|blob| blob.blob_type == BlobType::ChainDescription).unwrap();
    lone.operate(lone.admin, transfer(ChainId(child.hash))).await;
}

/// Publishes an application, past the worker, and returns a certified block that runs it.
pub async fn certificate_that_runs_an_application() -> (Past, ConfirmedBlockCertificate) {
    let lone = begin(&[]).await;
    let bytecode = || Bytecode::new(b"nothing that runs".to_vec()).compress();
    let contract = Blob::new_contract_bytecode(bytecode());
    let service = Blob::new_service_bytecode(bytecode());
    let description = ApplicationDescription {
        module_id: ModuleId::new(contract.id().hash, service.id().hash, VmRuntime::Wasm),
        creator_chain_id: lone.admin,
        block_height: BlockHeight(0),
        application_index: 0,
        parameters: Vec::new(),
        required_application_ids: Vec::new(),
    };
    let blobs = [Blob::new_application_description(&description), contract, service];
    for blob in &blobs {
        lone.storage().write_blob(blob).await.unwrap();
    }
    let operation = Operation::User { application_id: (&description).into(), bytes: Vec::new() };
    let outcome = BlockExecutionOutcome {
        messages: vec![Vec::new()],
        oracle_responses: vec![blobs.iter().map(|blob| OracleResponse::Blob(blob.id())).collect()],
        events: vec![Vec::new()],
        blobs: vec![Vec::new()],
        ..BlockExecutionOutcome::default()
    };
    let transactions = vec![Transaction::ExecuteOperation(operation)];
    let certificate = lone.certify_outcome(lone.admin, transactions, outcome).await;
    (lone.past().await, certificate)
}

/// Moves both chains to a second committee, with these flags besides those of the first.
async fn next_epoch(lone: &Lone, flags: &[&str]) {
    let committee = lone.next_committee(flags);
    let blob_hash = committee.id().hash;
    let publish = SystemOperation::Admin(AdminOperation::PublishCommitteeBlob { blob_hash });
    let published = lone.certify(lone.admin, vec![execute(publish)], vec![committee]).await;
    lone.apply(&published).await;
    let create = AdminOperation::CreateCommittee { epoch: Epoch(1), blob_hash };
    lone.operate(lone.admin, SystemOperation::Admin(create)).await;
    lone.operate(lone.other, SystemOperation::ProcessNewEpoch(Epoch(1))).await;
}

/// States hashed as a flag of the committee says.
pub async fn hashed(flag: &str) -> Past {
    begin(&[flag]).await.past().await
}

pub async fn first_historical_block() -> Past {
    let lone = begin(&[]).await;
    next_epoch(&lone, &[FLAG_HISTORICAL_HASH]).await;
    lone.past().await
}

/// Writes the state of an application past the worker, since nothing here could run one.
pub async fn application() -> Past {
    let lone = Lone::begin(&[]).await;
    let mut chain = lone.storage().load_chain(lone.other).await.unwrap();
    for index in 1..3 {
        let application = ApplicationId::new(CryptoHash::from([index; 32]));
        let mut state = chain.execution_state.users.try_load_entry_mut(&application).await.unwrap();
        state.insert(b"key".to_vec(), b"a value".to_vec()).unwrap();
    }
    let hash = chain.execution_state.crypto_hash_mut().await.unwrap();
    chain.execution_state_hash.set(Some(hash));
    chain.save().await.unwrap();
    lone.past().await
}
