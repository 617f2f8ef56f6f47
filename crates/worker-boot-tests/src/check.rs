//! The checks of a case.

use anyhow::{Context, Result, ensure};
use backup_format::Digest;
use linera_base::identifiers::ChainId;
use linera_chain::ChainError;
use validator_network::worker::WorkerDatabase;
use validator_network::{Genesis, Node, Tip, Tips, certify};

use crate::content::{Content, Difference};
use crate::history::{Missed, Next};
use crate::scenario::Vote;

/// What a check found.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The restored database holds something else than the dump.
    #[error("the restored database has digest {found}, but the manifest says {expected}")]
    Digest {
        /// That of the manifest.
        expected: Digest,
        /// That of the database.
        found: Digest,
    },
    /// A chain does not stand where those of the live validators stood.
    #[error("after {after} certificates, chain {chain}: expected {expected}; found {found}")]
    Tip {
        /// Number of certificates that were handed over.
        after: usize,
        /// The chain.
        chain: ChainId,
        /// Where it should stand.
        expected: Box<Tip>,
        /// Where it stands.
        found: Box<Tip>,
    },
    /// The worker takes no certificate that the live validators took.
    #[error("after {after} certificates, the worker refuses the next")]
    Refused {
        /// Number of certificates that were handed over before.
        after: usize,
        /// What the worker says.
        source: anyhow::Error,
    },
    /// The database holds something else than that of the live validator.
    #[error("expected digest {expected}, found {found}; {}", list(.differences))]
    Content {
        /// That of the live validator's database.
        expected: Digest,
        /// That of the database.
        found: Digest,
        /// The entries that differ.
        differences: Vec<Difference>,
    },
    /// The worker answers a proposal with another vote than it should.
    #[error("expected vote: {expected}; found: {found}")]
    Vote {
        /// What it should answer.
        expected: Vote,
        /// What it answers.
        found: Vote,
    },
}

/// Checks the digest of a restored database.
///
/// # Errors
///
/// [`Failure::Digest`].
pub fn digest(expected: Digest, found: Digest) -> Result<(), Failure> {
    if expected == found { Ok(()) } else { Err(Failure::Digest { expected, found }) }
}

/// Checks where the chains stand after some certificates; returns how many chains there are.
///
/// # Errors
///
/// [`Failure::Tip`], or another error when the worker cannot read a chain.
pub async fn tips<D: WorkerDatabase>(
    node: &Node<D>,
    genesis: &Genesis,
    after: usize,
    expected: &Tips,
) -> Result<usize> {
    let mut found = node.tips(genesis).await?;
    for (chain, expected) in expected {
        let found = found.remove(chain).with_context(|| format!("the worker does not know chain {chain}"))?;
        if found != *expected {
            let (chain, expected, found) = (*chain, Box::new(expected.clone()), Box::new(found));
            return Err(Failure::Tip { after, chain, expected, found }.into());
        }
    }
    Ok(expected.len())
}

/// Hands certificates over one by one and checks after each where the chains stand; returns how many tips were compared.
/// The worker's word alone is not enough: it accepts certificates with which it does nothing.
///
/// # Errors
///
/// [`Failure::Refused`] and [`Failure::Tip`], or another error when the worker cannot read a chain.
pub async fn catch_up<D: WorkerDatabase>(
    node: &Node<D>,
    genesis: &Genesis,
    missed: &[Missed],
) -> Result<usize> {
    let mut compared = 0;
    for (after, Missed { certificate, tips: expected }) in missed.iter().enumerate() {
        let applied = node.apply(certificate.clone()).await;
        applied.map_err(|source| Failure::Refused { after, source })?;
        compared += tips(node, genesis, after + 1, expected).await?;
    }
    Ok(compared)
}

/// Compares what a database holds with what it should hold; returns the number of entries.
///
/// # Errors
///
/// [`Failure::Content`].
pub fn content(expected: &Content, found: &Content) -> Result<usize, Failure> {
    let differences = expected.differences(found);
    if expected.digest == found.digest && differences.is_empty() {
        return Ok(found.entries.len());
    }
    Err(Failure::Content { expected: expected.digest, found: found.digest, differences })
}

/// Proposes the next block and checks the vote for it. The worker must have caught up.
///
/// # Errors
///
/// [`Failure::Vote`]; another error when the worker refuses the proposal, or its vote is for another block or signed by
/// another key than it has.
pub async fn vote<D: WorkerDatabase>(
    node: &Node<D>,
    genesis: &Genesis,
    next: &Next,
    expected: Vote,
) -> Result<()> {
    let found = answer(node, genesis, next).await?;
    if expected == found { Ok(()) } else { Err(Failure::Vote { expected, found }.into()) }
}

async fn answer<D: WorkerDatabase>(node: &Node<D>, genesis: &Genesis, next: &Next) -> Result<Vote> {
    let (committee, Next { proposal, block, votes }) = (genesis.committee(), next);
    ensure!(certify(committee, block.clone(), votes).is_err(), "two votes are a quorum");
    let Some(vote) = node.propose(proposal.clone()).await? else { return Ok(Vote::None) };
    let key = node.key().context("a worker without a key has voted")?;
    vote.check(key).context("checking the signature of a vote")?;
    ensure!(vote.value.value_hash == block.inner().hash(), "the vote is for block {}", vote.value.value_hash);
    let is_member = committee.weight(&key) > 0;
    match certify(committee, block.clone(), &[votes.as_slice(), &[(key, vote)]].concat()) {
        Ok(certificate) => {
            certificate.check(committee).context("checking a certificate with the vote")?;
            ensure!(is_member, "the vote of a stranger made a quorum");
            Ok(Vote::Member)
        }
        Err(error) if matches!(error.downcast_ref(), Some(ChainError::InvalidSigner)) => {
            ensure!(!is_member, "the vote of a member does not count");
            Ok(Vote::Stranger)
        }
        Err(error) => Err(error.context("counting the vote")),
    }
}

fn list(differences: &[Difference]) -> String {
    const SHOWN: usize = 20;
    let lines: Vec<_> =
        differences.iter().take(SHOWN).map(|difference| format!("\n  {difference}")).collect();
    format!("{} entries differ{}", differences.len(), lines.concat())
}
