//! A booted worker, what it tells, and certificates that it is given.

use std::collections::BTreeSet;

use linera_base::crypto::{ValidatorPublicKey, ValidatorSecretKey};
use linera_base::identifiers::ChainId;
use linera_chain::data_types::LiteVote;
use linera_core::ProcessConfirmedBlockMode;
use linera_core::data_types::{ChainInfo, ChainInfoQuery};

use crate::certificates::Certificate;
use crate::database::{Database, Storage};
use crate::place::Place;
use crate::report::{Applied, CastVote};
use crate::tip::Tip;
use validator_network::worker::{Worker, boot};

/// What became of a certificate that did what it should.
const APPLIED: &str = "applied";

/// A worker, and the public half of its key.
pub struct Booted {
    worker: Worker<Database>,
    public_key: Option<ValidatorPublicKey>,
}

impl Booted {
    /// Boots a worker with or without a key.
    #[must_use]
    pub fn new(storage: &Storage, key: Option<&ValidatorSecretKey>) -> Self {
        let worker = boot(storage.clone(), key.map(ValidatorSecretKey::copy));
        Self { worker, public_key: key.map(ValidatorSecretKey::public) }
    }

    /// Asks for the tip of a chain. The answer must be signed with the worker's key if it has one.
    ///
    /// # Errors
    ///
    /// A text that says what the worker reports, or that its signature is wrong.
    pub async fn tip(&self, chain: ChainId) -> Result<Tip, String> {
        self.info(chain).await.map(|info| tip_of(&info))
    }

    /// Asks for the tips of some chains. Those that the worker does not answer for are left out.
    pub async fn tips(&self, chains: &[ChainId]) -> Vec<Tip> {
        let mut tips = Vec::with_capacity(chains.len());
        for chain in chains {
            tips.extend(self.tip(*chain).await.ok());
        }
        tips
    }

    /// Asks for the votes that the worker has cast for the next blocks of some chains.
    pub async fn votes(
        &self,
        chains: &[ChainId],
        validators: &BTreeSet<ValidatorPublicKey>,
    ) -> Vec<CastVote> {
        let mut votes = Vec::new();
        for chain in chains {
            let Ok(info) = self.info(*chain).await else { continue };
            let manager = &info.manager;
            let cast = [&manager.pending, &manager.timeout_vote, &manager.fallback_vote];
            for vote in cast.into_iter().flatten() {
                let known = self.public_key.iter().chain(validators);
                let validator = known.copied().find(|validator| vote.check(*validator).is_ok());
                votes.push(vote_of(vote, validator, &info));
            }
        }
        votes
    }

    /// Gives the worker a certificate. It says "done" also where it did nothing: only the tip tells.
    pub async fn apply(&self, given: &Certificate) -> Applied {
        let certificate = &given.certificate;
        let (hash, header) = (certificate.hash(), &certificate.block().header);
        let before = self.tip(header.chain_id).await;
        let mode = ProcessConfirmedBlockMode::Auto;
        let handled = self
            .worker
            .fully_handle_confirmed_certificate_with_notifications(certificate.clone(), mode, &())
            .await;
        let after = self.tip(header.chain_id).await;
        let result = match (handled, before, after) {
            (Err(error), ..) => format!("refused: {error}"),
            (Ok(_), _, Err(problem)) => format!("the chain cannot be read afterwards: {problem}"),
            (Ok(_), Ok(before), Ok(_)) if before.next_height > header.height.0 => {
                format!(
                    "not needed: the chain has a block at this height, and its next height is {}",
                    before.next_height
                )
            }
            (Ok(_), _, Ok(after)) if after.next_height <= header.height.0 => {
                format!("kept for later: the chain still waits for the block at height {}", after.next_height)
            }
            (Ok(_), _, Ok(after)) if after.block != Some(hash.to_string()) => {
                format!("the tip is another block: {after}")
            }
            (Ok(_), _, Ok(after)) if after.state != Some(header.state_hash.to_string()) => {
                format!("the state hash is not that of the header, {}: {after}", header.state_hash)
            }
            (Ok(_), ..) => APPLIED.to_owned(),
        };
        Applied {
            file: given.path.display().to_string(),
            chain: header.chain_id.to_string(),
            height: header.height.0,
            block: hash.to_string(),
            result,
        }
    }

    async fn info(&self, chain: ChainId) -> Result<ChainInfo, String> {
        let answer = self.worker.handle_chain_info_query(ChainInfoQuery::new(chain)).await;
        let (response, _) = answer.map_err(|error| error.to_string())?;
        match self.public_key {
            Some(key) => response
                .check(key)
                .map_err(|error| format!("the answer is not signed by its key: {error}"))?,
            None if response.signature.is_some() => {
                return Err("the answer is signed, without a key".to_owned());
            }
            None => {}
        }
        Ok(*response.info)
    }
}

impl Applied {
    /// Returns where the certificate belongs, if it did not do what it should.
    #[must_use]
    pub fn refused(&self) -> Option<Place> {
        let place = || Place {
            what: format!("certificate {}", self.file),
            chain: Some(self.chain.clone()),
            height: Some(self.height),
            block: Some(self.block.clone()),
            blob: None,
        };
        (self.result != APPLIED).then(place)
    }
}

fn tip_of(info: &ChainInfo) -> Tip {
    Tip {
        chain: info.chain_id.to_string(),
        next_height: info.next_block_height.0,
        block: info.block_hash.map(|hash| hash.to_string()),
        state: info.state_hash.map(|hash| hash.to_string()),
        balance: info.chain_balance.to_string(),
    }
}

fn vote_of(vote: &LiteVote, validator: Option<ValidatorPublicKey>, info: &ChainInfo) -> CastVote {
    CastVote {
        validator: validator.map(|validator| validator.to_string()),
        chain: info.chain_id.to_string(),
        height: info.next_block_height.0,
        round: vote.round.to_string(),
        kind: format!("{:?}", vote.kind()).to_lowercase(),
    }
}
