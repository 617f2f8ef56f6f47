//! Checks of one chain, against its own blocks and those of the chains that it exchanges messages with.

mod events;
mod heights;
mod inboxes;
mod log;
mod outboxes;
mod received;
mod state;
mod stored;
mod tip;
mod walk;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;

use anyhow::Result;
use futures::FutureExt;
use linera_base::data_types::BlockHeight;
use linera_base::identifiers::{BlobId, BlobType, ChainId};
use linera_chain::ChainTipState;
use linera_storage::Storage as _;
use linera_views::ViewError;

use crate::database::{ChainView, Storage};
use crate::decode::content_error;
use crate::findings::Findings;
use crate::kind::Kind;
use crate::network::Network;
use crate::place::Place;
use crate::records::Records;
use crate::sweep::Rows;
use crate::tip::Tip;

/// What all chains are checked with.
pub struct Context<'a> {
    /// linera's storage.
    pub storage: Storage,
    /// The same, past its caches.
    pub records: &'a Records,
    /// The committees.
    pub network: &'a Network<'a>,
    /// All chains that anything is there of.
    pub chains: &'a BTreeMap<ChainId, Rows>,
    /// Where findings go.
    pub findings: &'a Findings,
    /// Whether the database may be older than the indices from heights and events.
    pub upgraded: bool,
    /// Whether what is here is what was there at one moment.
    pub point_in_time: bool,
}

/// What a check of a chain leaves.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// The chain's tip as the worker should tell it; `None` for a chain that is not initialized, or not readable.
    pub tip: Option<Tip>,
    /// Blocks that the chain refers to and that are there.
    pub blocks: u64,
}

impl Context<'_> {
    /// Returns true if a chain has a state here.
    fn has_state(&self, chain: ChainId) -> bool {
        self.chains.get(&chain).is_some_and(|rows| rows.state > 0)
    }

    /// Loads the state of a chain. `Ok(Err(..))` tells what linera says of bad content.
    async fn load(&self, chain: ChainId) -> Result<Result<ChainView, String>> {
        self.storage
            .load_chain(chain)
            .await
            .map_or_else(|error| content_error(error).map(Err), |view| Ok(Ok(view)))
    }
}

/// Checks a chain. What is wrong with it is a finding, also when linera panics over it.
///
/// # Errors
///
/// When the database cannot be read.
pub async fn check(context: &Context<'_>, id: ChainId) -> Result<Checked> {
    let place = || Place::of("chain state").chain(id);
    if !context.has_state(id) {
        stateless(context, id);
        return Ok(Checked::default());
    }
    let view = match context.load(id).await? {
        Ok(view) => view,
        Err(problem) => {
            context.findings.add(Kind::ChainState, place(), "a state that linera can load", problem);
            return Ok(Checked::default());
        }
    };
    let mut chain = Chain { context, id, tip: view.tip_state.get().clone(), view };
    if let Ok(checked) = AssertUnwindSafe(chain.check()).catch_unwind().await {
        return checked;
    }
    context.findings.add(Kind::ChainState, place(), "a state that linera can read", "linera panicked");
    Ok(Checked::default())
}

/// Deals with a chain that has blocks or events, but no state.
fn stateless(context: &Context<'_>, id: ChainId) {
    let rows = context.chains.get(&id).copied().unwrap_or_default();
    let found = format!("none, beside {} blocks and {} events", rows.heights, rows.events);
    // A worker stores a first block before the state that it leads to.
    if rows.heights > 1 {
        let place = Place::of("chain state").chain(id);
        context.findings.add(Kind::ChainState, place, "a state", found);
    } else {
        context.findings.remark("chains without a state, as if their first block had just come", 1, id);
    }
}

/// A chain under check.
struct Chain<'a> {
    context: &'a Context<'a>,
    id: ChainId,
    view: ChainView,
    tip: ChainTipState,
}

impl Chain<'_> {
    async fn check(&mut self) -> Result<Checked> {
        self.check_logs().await?;
        let mut inboxes = self.read_inboxes().await?;
        let mut outboxes = self.read_outboxes().await?;
        let walked = self.walk(&mut inboxes, &mut outboxes).await?;
        let early = self.check_preprocessed(&mut outboxes).await?;
        self.check_heights(&walked, &early).await?;
        self.check_tip(&walked).await?;
        self.check_outboxes(outboxes, &walked, &early).await?;
        self.check_inboxes(inboxes, &walked).await?;
        self.check_description().await?;
        let active = self.check_state(&walked).await?;
        let tip = active.then(|| self.report_tip());
        Ok(Checked { tip, blocks: walked.found + early.len() as u64 })
    }

    fn place(&self, what: impl Into<String>) -> Place {
        Place::of(what).chain(self.id)
    }

    fn add(&self, kind: Kind, place: Place, expected: impl std::fmt::Display, found: impl std::fmt::Display) {
        self.context.findings.add(kind, place, expected, found);
    }

    /// Takes what linera read of a chain's state; where the content is bad, that is a finding, and there is nothing.
    fn take<T>(&self, what: &str, read: Result<T, ViewError>) -> Result<Option<T>> {
        match read {
            Ok(value) => Ok(Some(value)),
            Err(error) => {
                let problem = content_error(error)?;
                self.add(Kind::ChainState, self.place(what), "what linera can read", problem);
                Ok(None)
            }
        }
    }

    /// The description of an initialized chain was read from its blob.
    async fn check_description(&self) -> Result<()> {
        let description = self.view.execution_state.system.description.get().await;
        if self.take("description", description)?.is_some_and(Option::is_some) {
            let blob = BlobId::new(self.id.0, BlobType::ChainDescription);
            if !self.context.records.blob_presence(blob).await?.0 {
                let place = self.place("chain description").blob(blob);
                self.add(Kind::BlobMissing, place, "a blob", "nothing");
            }
        }
        Ok(())
    }

    fn report_tip(&self) -> Tip {
        Tip {
            chain: self.id.to_string(),
            next_height: self.tip.next_block_height.0,
            block: self.tip.block_hash.map(|hash| hash.to_string()),
            state: self.view.execution_state_hash.get().map(|hash| hash.to_string()),
            balance: self.view.execution_state.system.balance.get().to_string(),
        }
    }

    fn next_height(&self) -> BlockHeight {
        self.tip.next_block_height
    }
}
