//! The one validator, which makes the blocks of all chains and signs them.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use linera_base::data_types::{Blob, Round};
use linera_base::identifiers::ChainId;
use linera_chain::data_types::{
    BundleExecutionPolicy, IncomingBundle, LiteValue, LiteVote, ProposedBlock, SignatureAggregator,
};
use linera_chain::test::{make_child_block, make_first_block};
use linera_chain::types::{ConfirmedBlock, ConfirmedBlockCertificate};
use linera_core::data_types::{ChainInfo, ChainInfoQuery};
use linera_storage::Storage as _;

use crate::generate::world::World;
use crate::worker::{self, Worker, WorkerDatabase};

/// The validator, and the last block of each chain.
pub(super) struct Author<D: WorkerDatabase> {
    pub world: World,
    worker: Worker<D>,
    last: BTreeMap<ChainId, ConfirmedBlock>,
}

impl<D: WorkerDatabase> Author<D> {
    /// Begins the network in an empty database.
    pub async fn begin(world: World, database: D) -> Result<Self> {
        let storage = worker::open_storage(database).await?;
        world.write(&storage).await?;
        let worker = worker::boot(storage, Some(world.key.copy()));
        Ok(Self { world, worker, last: BTreeMap::new() })
    }

    /// Begins the next block of a chain, in the epoch that the chain has reached.
    pub async fn next(&self, chain: ChainId) -> Result<ProposedBlock> {
        let block = self.last.get(&chain).map_or_else(|| make_first_block(chain), make_child_block);
        let epoch = self.ask(ChainInfoQuery::new(chain)).await?.epoch;
        Ok(ProposedBlock { epoch, authenticated_signer: Some(self.world.owner), ..block })
    }

    /// Lists what a chain was sent and has not received.
    pub async fn incoming(&self, chain: ChainId) -> Result<Vec<IncomingBundle>> {
        let info = self.ask(ChainInfoQuery::new(chain).with_pending_message_bundles()).await?;
        Ok(info.requested_pending_message_bundles)
    }

    /// Executes a block, signs it, and hands its certificate to the worker, which writes all that follows from it.
    pub async fn commit(&mut self, block: ProposedBlock, blobs: Vec<Blob>) -> Result<()> {
        let chain = block.chain_id;
        let doing = || format!("making block {} of chain {chain}", block.height);
        let policy = BundleExecutionPolicy::committed();
        let staged = self.worker.stage_block_execution(block.clone(), None, blobs.clone(), policy);
        let (_, executed, ..) = Box::pin(staged).await.with_context(doing)?;
        let certificate = self.certify(ConfirmedBlock::new(executed)).with_context(doing)?;
        self.worker.storage_client().write_blobs(&blobs).await.with_context(doing)?;
        self.last.insert(chain, certificate.value().clone());
        let handled = self.worker.fully_handle_certificate_with_notifications(certificate, &());
        Box::pin(handled).await.with_context(doing)?;
        Ok(())
    }

    fn certify(&self, block: ConfirmedBlock) -> Result<ConfirmedBlockCertificate> {
        let round = Round::MultiLeader(0);
        let vote = LiteVote::new(LiteValue::new(&block), round, &self.world.key);
        let mut aggregator = SignatureAggregator::new(block, round, &self.world.committee);
        let certificate = aggregator.append(self.world.validator(), vote.signature)?;
        certificate.context("the vote of the only validator is no quorum")
    }

    async fn ask(&self, query: ChainInfoQuery) -> Result<ChainInfo> {
        let chain = query.chain_id;
        let response = self.worker.handle_chain_info_query(query).await;
        let (response, _) = response.with_context(|| format!("asking about chain {chain}"))?;
        Ok(*response.info)
    }
}
