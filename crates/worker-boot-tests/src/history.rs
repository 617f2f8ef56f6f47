//! What a network did before and after a backup of its first validator.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use linera_chain::data_types::BlockProposal;
use linera_chain::types::{ConfirmedBlockCertificate, ValidatedBlock};
use validator_network::places::Place;
use validator_network::worker::WorkerDatabase;
use validator_network::{Genesis, Network, Signed, Tips, VALIDATORS, runtime};

use crate::backup::Backup;
use crate::content::Content;
use crate::engines::{Engine, Restorable};
use crate::on_engine;

/// A certificate that a backup is too old for.
#[derive(Clone, Debug)]
pub struct Missed {
    /// The certificate.
    pub certificate: ConfirmedBlockCertificate,
    /// Where the chains of all validators stood after it.
    pub tips: Tips,
}

/// The block after the last certificate, which has two of the three votes that it needs.
#[derive(Debug)]
pub struct Next {
    /// The proposal of its owner.
    pub proposal: BlockProposal,
    /// The block with its outcome, for which the votes are.
    pub block: ValidatedBlock,
    /// The votes of two validators, none of which is the first.
    pub votes: Vec<Signed>,
}

/// What there is to know of a network that has come and gone.
pub struct History {
    /// What the network began with.
    pub genesis: Genesis,
    /// A dump of the first validator's database. Each chain had a block by then.
    pub backup: Backup,
    /// Where the chains stood at the time of the backup.
    pub before: Tips,
    /// The certificates since: two of the funded chain, then one of the chain that receives.
    pub missed: Vec<Missed>,
    /// What the first validator's database held after these.
    pub content: Content,
    /// What the validators were about to agree on.
    pub next: Next,
    /// How long all that took.
    pub duration: Duration,
}

impl History {
    /// Lets a network live whose databases are of one engine.
    ///
    /// # Errors
    ///
    /// When a validator does something else than it should.
    pub fn record(engine: Engine, genesis: Genesis) -> Result<Self> {
        on_engine!(engine, P => record::<P>(genesis))
    }
}

fn record<P: Restorable>(genesis: Genesis) -> Result<History> {
    let places = (0..VALIDATORS).map(|_| P::new()).collect::<Result<Vec<_>>>()?;
    runtime::block_on(|| live(genesis, &places))
}

async fn live<P: Restorable>(genesis: Genesis, places: &[P]) -> Result<History> {
    let started = Instant::now();
    let mut network = start(&genesis, places).await?;
    let namespace = places.first().context("there are no validators")?.namespace().await?;
    let before = network.tips(&genesis).await?;
    let backup = Backup::take(&*namespace.source).await?;

    let mut missed = Vec::new();
    for tokens in [20, 30] {
        let certificate = network.commit(&genesis, network.transfer(&genesis, tokens)).await?;
        missed.push(Missed { certificate, tips: network.tips(&genesis).await? });
    }
    let certificate = network.commit(&genesis, network.receive(&genesis).await?).await?;
    missed.push(Missed { certificate, tips: network.tips(&genesis).await? });

    let content = Content::read(&*namespace.source).await?;
    let next = propose(&genesis, &network).await?;
    let duration = started.elapsed();
    Ok(History { genesis, backup, before, missed, content, next, duration })
}

/// Starts a network in which each chain has a block.
///
/// # Errors
///
/// When a validator does something else than it should.
pub async fn start<P: Place>(genesis: &Genesis, places: &[P]) -> Result<Network<P::Database>> {
    let mut databases = Vec::new();
    for place in places {
        databases.push(place.create().await?);
    }
    let mut network = Network::start(genesis, databases).await?;
    network.commit(genesis, network.transfer(genesis, 10)).await?;
    network.commit(genesis, network.receive(genesis).await?).await?;
    Ok(network)
}

/// Proposes one more block to the second and the third validator.
async fn propose<D: WorkerDatabase>(genesis: &Genesis, network: &Network<D>) -> Result<Next> {
    let proposal = genesis.propose(network.transfer(genesis, 40)).await?;
    let (mut votes, mut block) = (Vec::new(), None);
    for node in network.nodes().iter().skip(1).take(2) {
        let vote = node.propose(proposal.clone()).await?.context("a validator did not vote")?;
        votes.push((node.key().context("a validator without a key")?, vote));
        block = Some(node.validated(genesis.funded()).await?);
    }
    Ok(Next { proposal, block: block.context("there are no validators")?, votes })
}
