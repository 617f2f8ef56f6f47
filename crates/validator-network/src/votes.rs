//! From a proposal to a confirmed block, by the votes of some validators.

use anyhow::{Context, Result, ensure};
use linera_base::crypto::ValidatorPublicKey;
use linera_chain::data_types::{BlockProposal, LiteVote, SignatureAggregator};
use linera_chain::types::{
    CertificateValue, ConfirmedBlock, ConfirmedBlockCertificate, GenericCertificate,
    ValidatedBlockCertificate,
};
use linera_execution::committee::Committee;

use crate::node::Node;
use crate::worker::WorkerDatabase;

/// A vote, with the key of the validator that cast it.
pub type Signed = (ValidatorPublicKey, LiteVote);

/// Makes a certificate of votes for a value. All votes are checked, and those beyond a quorum left out.
///
/// # Errors
///
/// When a vote is for something else, its signature is wrong or of no member of the committee, or they are no quorum.
pub fn certify<T: CertificateValue>(
    committee: &Committee,
    value: T,
    votes: &[Signed],
) -> Result<GenericCertificate<T>> {
    let (_, first) = votes.first().context("there are no votes")?;
    let mut aggregator = SignatureAggregator::new(value.clone(), first.round, committee);
    let mut certificate = None;
    for (key, vote) in votes {
        ensure!(
            (vote.value.value_hash, vote.value.kind, vote.round) == (value.hash(), T::KIND, first.round),
            "the vote of {key} is not for {} in {}",
            value.hash(),
            first.round
        );
        let complete = aggregator.append(*key, vote.signature);
        certificate = certificate.or(complete.with_context(|| format!("counting the vote of {key}"))?);
    }
    certificate.context("the votes are no quorum")
}

/// Proposes a block to some validators, and makes the certificate of a validated block of their votes.
///
/// # Errors
///
/// When one of them refuses or does not vote, or as [`certify`].
pub async fn validate<D: WorkerDatabase>(
    committee: &Committee,
    nodes: &[&Node<D>],
    proposal: &BlockProposal,
) -> Result<ValidatedBlockCertificate> {
    let mut votes = Vec::new();
    for node in nodes {
        votes.push(signed(node, node.propose(proposal.clone()).await?)?);
    }
    let first = nodes.first().context("there are no validators")?;
    let block = first.validated(proposal.content.block.chain_id).await?;
    ensure!(block.block().matches_proposed_block(&proposal.content.block), "a vote for another block");
    certify(committee, block, &votes)
}

/// Hands the certificate of a validated block to some validators, and makes the certificate of the confirmed block of their
/// second votes.
///
/// # Errors
///
/// When one of them refuses or does not vote, or as [`certify`].
pub async fn confirm<D: WorkerDatabase>(
    committee: &Committee,
    nodes: &[&Node<D>],
    certificate: &ValidatedBlockCertificate,
) -> Result<ConfirmedBlockCertificate> {
    let mut votes = Vec::new();
    for node in nodes {
        votes.push(signed(node, node.lock(certificate.clone()).await?)?);
    }
    certify(committee, ConfirmedBlock::from_hashed(certificate.inner().inner().clone()), &votes)
}

fn signed<D: WorkerDatabase>(node: &Node<D>, vote: Option<LiteVote>) -> Result<Signed> {
    let key = node.key().context("a worker without a key is no validator")?;
    Ok((key, vote.with_context(|| format!("validator {key} did not vote"))?))
}
