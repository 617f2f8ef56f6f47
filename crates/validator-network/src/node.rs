//! One worker, spoken to by hand.

use anyhow::{Context, Result, ensure};
use linera_base::crypto::{ValidatorPublicKey, ValidatorSecretKey};
use linera_base::identifiers::ChainId;
use linera_chain::data_types::{BlockProposal, IncomingBundle, LiteVote};
use linera_chain::manager::ChainManagerInfo;
use linera_chain::types::{ConfirmedBlockCertificate, ValidatedBlock, ValidatedBlockCertificate};
use linera_core::data_types::{ChainInfo, ChainInfoQuery, ChainInfoResponse};

use crate::genesis::Genesis;
use crate::tip::{Tip, Tips};
use crate::worker::{self, Worker, WorkerDatabase};

/// A worker on a database, and whose key it has.
///
/// It reads the chain states anew for each call, since nothing keeps them alive in between.
pub struct Node<D: WorkerDatabase> {
    worker: Worker<D>,
    key: Option<ValidatorPublicKey>,
}

impl<D: WorkerDatabase> Node<D> {
    /// Boots a worker on a database, with or without a key.
    ///
    /// # Errors
    ///
    /// When linera cannot read the database.
    pub async fn boot(database: D, secret: Option<ValidatorSecretKey>) -> Result<Self> {
        let key = secret.as_ref().map(ValidatorSecretKey::public);
        let storage = worker::open_storage(database).await?;
        Ok(Self { worker: worker::boot(storage, secret), key })
    }

    /// Boots a worker that asks for messages again that a chain misses.
    ///
    /// # Errors
    ///
    /// When linera cannot read the database.
    pub async fn boot_recovering(database: D, secret: Option<ValidatorSecretKey>) -> Result<Self> {
        let key = secret.as_ref().map(ValidatorSecretKey::public);
        let storage = worker::open_storage(database).await?;
        Ok(Self { worker: worker::boot_recovering(storage, secret), key })
    }

    /// Writes what a network begins with into the empty database below.
    ///
    /// # Errors
    ///
    /// As [`Genesis::write`].
    pub async fn begin(&self, genesis: &Genesis) -> Result<()> {
        genesis.write(self.worker.storage_client()).await
    }

    /// Returns the public key; `None` without a key.
    pub fn key(&self) -> Option<ValidatorPublicKey> {
        self.key
    }

    /// Proposes a block and returns the vote that the worker then has cast; `None` when it cast none.
    ///
    /// # Errors
    ///
    /// A `WorkerError` when the worker refuses the proposal.
    pub async fn propose(&self, proposal: BlockProposal) -> Result<Option<LiteVote>> {
        let (response, _) = Box::pin(self.worker.handle_block_proposal(proposal)).await;
        self.vote(response.context("proposing a block")?)
    }

    /// Returns the block that the worker last voted to validate.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn validated(&self, chain: ChainId) -> Result<ValidatedBlock> {
        let info = self.info(ChainInfoQuery::new(chain).with_manager_values()).await?;
        let block = info.manager.requested_validated.context("the worker has voted to validate no block")?;
        Ok(*block)
    }

    /// Returns what the worker shows of the next height of a chain: its votes, and the block that it holds fast to.
    ///
    /// # Errors
    ///
    /// When the worker cannot read the chain.
    pub async fn manager(&self, chain: ChainId) -> Result<ChainManagerInfo> {
        Ok(*self.info(ChainInfoQuery::new(chain).with_manager_values()).await?.manager)
    }

    /// Hands over the certificate of a validated block and returns the vote that the worker then has cast.
    ///
    /// # Errors
    ///
    /// A `WorkerError` when the worker refuses the certificate.
    pub async fn lock(&self, certificate: ValidatedBlockCertificate) -> Result<Option<LiteVote>> {
        let response = self.worker.fully_handle_certificate_with_notifications(certificate, &());
        self.vote(Box::pin(response).await.context("handing over the certificate of a validated block")?)
    }

    /// Hands over the certificate of a confirmed block, with all messages between chains that follow from it. The worker
    /// accepts certificates that it knows, and those after a gap, without doing anything with them.
    ///
    /// # Errors
    ///
    /// A `WorkerError` when the worker refuses the certificate.
    pub async fn apply(&self, certificate: ConfirmedBlockCertificate) -> Result<()> {
        let response = self.worker.fully_handle_certificate_with_notifications(certificate, &());
        Box::pin(response).await.context("handing over the certificate of a confirmed block")?;
        Ok(())
    }

    /// Reads where the two chains of a network stand.
    ///
    /// # Errors
    ///
    /// When the worker cannot read a chain.
    pub async fn tips(&self, genesis: &Genesis) -> Result<Tips> {
        let mut tips = Tips::new();
        for chain in [genesis.funded(), genesis.empty()] {
            tips.insert(chain, Tip::from(&self.info(ChainInfoQuery::new(chain)).await?));
        }
        Ok(tips)
    }

    /// Reads the messages that a chain may receive next. The worker writes a register of the chain state for that.
    ///
    /// # Errors
    ///
    /// When the worker cannot read the chain.
    pub async fn incoming(&self, chain: ChainId) -> Result<Vec<IncomingBundle>> {
        let info = self.info(ChainInfoQuery::new(chain).with_pending_message_bundles()).await?;
        Ok(info.requested_pending_message_bundles)
    }

    async fn info(&self, query: ChainInfoQuery) -> Result<ChainInfo> {
        let chain = query.chain_id;
        let response = self.worker.handle_chain_info_query(query).await;
        let (response, _) = response.with_context(|| format!("asking about chain {chain}"))?;
        Ok(*response.info)
    }

    /// Takes the last vote out of a response, after a look at who signed the response.
    fn vote(&self, response: ChainInfoResponse) -> Result<Option<LiteVote>> {
        match self.key {
            Some(key) => response.check(key).context("checking the signature of a response")?,
            None => ensure!(response.signature.is_none(), "a worker without a key signed a response"),
        }
        Ok(response.info.manager.pending)
    }
}
