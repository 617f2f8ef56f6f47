//! Four validators and what they agree on.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use linera_base::data_types::Amount;
use linera_base::identifiers::ChainId;
use linera_chain::data_types::ProposedBlock;
use linera_chain::test::{BlockTestExt, make_child_block, make_first_block};
use linera_chain::types::{ConfirmedBlock, ConfirmedBlockCertificate};

use crate::genesis::{Genesis, VALIDATORS};
use crate::node::Node;
use crate::tip::Tips;
use crate::votes::{confirm, validate};
use crate::worker::WorkerDatabase;

/// Four validators with a database each, two chains, and the last block of each chain.
pub struct Network<D: WorkerDatabase> {
    nodes: Vec<Node<D>>,
    last: BTreeMap<ChainId, ConfirmedBlock>,
}

impl<D: WorkerDatabase> Network<D> {
    /// Starts the validators on empty databases, one for each.
    ///
    /// # Errors
    ///
    /// When the databases are not four, or linera cannot write to them.
    pub async fn start(genesis: &Genesis, databases: Vec<D>) -> Result<Self> {
        ensure!(databases.len() == VALIDATORS, "there are {} databases for {VALIDATORS}", databases.len());
        let mut nodes = Vec::new();
        for (index, database) in databases.into_iter().enumerate() {
            let node = Node::boot(database, genesis.key(index)).await?;
            node.begin(genesis).await?;
            nodes.push(node);
        }
        Ok(Self { nodes, last: BTreeMap::new() })
    }

    /// Returns the validators, in the order of their databases.
    pub fn nodes(&self) -> &[Node<D>] {
        &self.nodes
    }

    /// Makes the next block of the funded chain: a transfer to the other one.
    pub fn transfer(&self, genesis: &Genesis, tokens: u128) -> ProposedBlock {
        let block = self.next(genesis.funded());
        block.with_simple_transfer(genesis.empty(), Amount::from_tokens(tokens))
    }

    /// Makes the next block of the chain without tokens: it receives all that was sent to it. The last validator is asked
    /// what that is, so that the databases of the others are not written to.
    ///
    /// # Errors
    ///
    /// When nothing was sent, or the validator cannot tell.
    pub async fn receive(&self, genesis: &Genesis) -> Result<ProposedBlock> {
        let last = self.nodes.last().context("there are no validators")?;
        let bundles = last.incoming(genesis.empty()).await?;
        ensure!(!bundles.is_empty(), "there is nothing to receive");
        Ok(bundles.into_iter().fold(self.next(genesis.empty()), BlockTestExt::with_incoming_bundle))
    }

    /// Takes a block from a proposal to a certificate by the votes of all validators, and hands that to all of them.
    ///
    /// # Errors
    ///
    /// When a validator refuses, or its chain does not end with the block afterwards.
    pub async fn commit(
        &mut self,
        genesis: &Genesis,
        block: ProposedBlock,
    ) -> Result<ConfirmedBlockCertificate> {
        let (committee, nodes) = (genesis.committee(), Vec::from_iter(&self.nodes));
        let validated = validate(committee, &nodes, &genesis.propose(block).await?).await?;
        let certificate = confirm(committee, &nodes, &validated).await?;
        for node in nodes {
            node.apply(certificate.clone()).await?;
        }
        let header = &certificate.block().header;
        let tip =
            self.tips(genesis).await?.remove(&header.chain_id).context("a block of an unknown chain")?;
        ensure!(
            (tip.block, tip.state) == (Some(certificate.hash()), Some(header.state_hash)),
            "the validators did not move to block {}: {tip}",
            certificate.hash()
        );
        self.last.insert(header.chain_id, certificate.value().clone());
        Ok(certificate)
    }

    /// Reads where the chains stand.
    ///
    /// # Errors
    ///
    /// When the validators do not agree.
    pub async fn tips(&self, genesis: &Genesis) -> Result<Tips> {
        let mut all = Vec::new();
        for node in &self.nodes {
            all.push(node.tips(genesis).await?);
        }
        ensure!(all.windows(2).all(|two| two.first() == two.last()), "the validators differ: {all:?}");
        all.pop().context("there are no validators")
    }

    fn next(&self, chain: ChainId) -> ProposedBlock {
        self.last.get(&chain).map_or_else(|| make_first_block(chain), make_child_block)
    }
}
