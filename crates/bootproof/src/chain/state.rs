//! The execution state of a chain, hashed again from its content.

use std::sync::Arc;

use anyhow::Result;
use linera_base::crypto::CryptoHash;
use linera_execution::committee::Committee;
use linera_execution::{FLAG_HISTORICAL_HASH, FLAG_HISTORICAL_HASH_SHADOW, FLAG_ZERO_HASH};
use linera_storage::Storage as _;
use linera_views::ViewError;
use linera_views::batch::Batch;
use linera_views::views::HashableView;

use crate::chain::Chain;
use crate::chain::walk::Walked;
use crate::database::ChainView;
use crate::decode::content_error;
use crate::kind::Kind;

/// How the committee of the chain's epoch has states hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// By their content.
    Content,
    /// Not at all: headers have zeros.
    Zero,
    /// By the history of their changes, from some content on.
    Historical,
}

/// What hashing a state gave.
struct Hashed {
    mode: Mode,
    /// With the hashes that are stored beside parts of the state, as linera would.
    stored: CryptoHash,
    /// From the content alone.
    fresh: CryptoHash,
    /// Parts whose stored hash is not that of their content.
    altered: Vec<String>,
}

impl Chain<'_> {
    /// Checks the execution state against the header of the last block; returns true if the chain is initialized.
    pub(super) async fn check_state(&mut self, walked: &Walked) -> Result<bool> {
        let stored = *self.view.execution_state_hash.get();
        if stored.is_none() && self.tip.block_hash.is_none() {
            self.context.findings.not_proven("states of chains that are not initialized", self.id);
            return Ok(false);
        }
        let (expected, what) = match (walked.state_hash, self.tip.block_hash) {
            (Some(hash), _) => (Some(hash), "header of the last block"),
            (None, None) => (stored, "hash stored when the chain was made"),
            (None, Some(_)) => (None, ""),
        };
        let Some(expected) = expected else {
            self.context
                .findings
                .not_proven("states of chains whose last block is missing or damaged", self.id);
            return Ok(true);
        };
        if stored != Some(expected) {
            let found = stored.map_or_else(|| "nothing".to_owned(), |hash| hash.to_string());
            let place = self.place("stored hash of the execution state").height(self.next_height());
            self.add(Kind::StateHash, place, format!("{expected}, as in the {what}"), found);
        }
        let Some(committee) = self.committee().await? else {
            self.context.findings.not_proven("execution states whose committee is missing", self.id);
            return Ok(true);
        };
        match hash_anew(&mut self.view, mode(&committee)).await {
            Ok(hashed) => self.compare_state(&hashed, expected, what),
            Err(error) => {
                let problem = content_error(error)?;
                self.add(Kind::ChainState, self.place("execution state"), "what linera can hash", problem);
            }
        }
        Ok(true)
    }

    /// Returns the committee that decides how the state is hashed, and lets linera know it.
    async fn committee(&self) -> Result<Option<Arc<Committee>>> {
        let system = &self.view.execution_state.system;
        let epoch = *system.epoch.get();
        let committee = match self.context.network.committee(epoch).await? {
            Some(committee) => Some(committee),
            // linera falls back on those that the chain keeps itself.
            None => match self.take("committees", system.committees.get().await)? {
                Some(committees) => committees.get(&epoch).cloned().map(Arc::new),
                None => None,
            },
        };
        Ok(committee.map(|committee| self.context.storage.shared_committees().insert(epoch, committee)))
    }

    fn compare_state(&self, hashed: &Hashed, expected: CryptoHash, what: &str) {
        let Hashed { mode, stored, fresh, altered } = hashed;
        let names = if altered.is_empty() { String::new() } else { format!(": {}", altered.join(", ")) };
        let place = self.place(format!("execution state{names}"));
        let expected_text = format!("{expected}, as in the {what}");
        if *fresh == expected && *mode != Mode::Zero {
            if !altered.is_empty() {
                self.add(Kind::StoredHash, place, "hashes of the content", "others");
            } else if stored != fresh {
                self.add(Kind::StoredHash, place, fresh, stored);
            }
            return;
        }
        match mode {
            Mode::Content => self.add(Kind::StateHash, place, expected_text, fresh),
            _ if *stored != expected => self.add(Kind::StateHash, place, expected_text, stored),
            // The hashes beside the parts are not used then, but are right as long as the parts are.
            _ if !altered.is_empty() => {
                self.add(Kind::StateHash, place, "content of the hashes stored beside it", "other content");
            }
            Mode::Zero => self.context.findings.not_proven(
                "execution states that the committee has not hashed (FLAG_ZERO_HASH, or FLAG_HISTORICAL_HASH_SHADOW)",
                self.id,
            ),
            Mode::Historical => self.context.findings.not_proven(
                "execution states that are hashed by their history (FLAG_HISTORICAL_HASH), not by their content",
                self.id,
            ),
        }
    }
}

/// Hashes the state as linera would, then again with all stored hashes forgotten.
async fn hash_anew(view: &mut ChainView, mode: Mode) -> Result<Hashed, ViewError> {
    let stored = view.execution_state.crypto_hash_mut().await?;
    let mut altered = Vec::new();
    forget_system(view, &mut altered).await?;
    forget_applications(view, &mut altered).await?;
    // The history began with the content: in the very first block of the mode it can be proven.
    view.execution_state.historical_hash.set(None);
    let fresh = view.execution_state.crypto_hash_mut().await?;
    Ok(Hashed { mode, stored, fresh, altered })
}

/// Returns the mode by the flags in the policy of the committee, as linera does.
fn mode(committee: &Committee) -> Mode {
    let flags = &committee.policy().http_request_allow_list;
    if flags.contains(FLAG_ZERO_HASH) {
        Mode::Zero
    } else if flags.contains(FLAG_HISTORICAL_HASH) {
        Mode::Historical
    } else if flags.contains(FLAG_HISTORICAL_HASH_SHADOW) {
        Mode::Zero
    } else {
        Mode::Content
    }
}

/// Forgets the hash that is stored beside a view: borrowing what it wraps mutably does. Names the view if its content has
/// another hash.
macro_rules! forget {
    ($altered:ident, $($view:ident),*) => {
        $(
            let stored = $view.hash_mut().await?;
            let _ = &mut **$view;
            if $view.hash_mut().await? != stored {
                $altered.push(stringify!($view).to_owned());
            }
        )*
    };
}

/// Forgets the stored hashes of the system's state. That it takes the state apart by name makes the compiler tell when a
/// version of linera adds something to it.
async fn forget_system(view: &mut ChainView, altered: &mut Vec<String>) -> Result<(), ViewError> {
    let linera_execution::SystemExecutionStateView {
        description,
        epoch,
        admin_chain_id,
        committees,
        ownership,
        balance,
        balances,
        timestamp,
        closed,
        application_permissions,
        used_blobs,
        event_subscriptions,
    } = &mut view.execution_state.system;
    forget!(altered, description, epoch, admin_chain_id, committees, ownership, balance, balances, timestamp);
    forget!(altered, closed, application_permissions, used_blobs, event_subscriptions);
    Ok(())
}

/// Forgets the stored hashes of the applications' states, and of all of them together.
async fn forget_applications(view: &mut ChainView, altered: &mut Vec<String>) -> Result<(), ViewError> {
    let stored = view.execution_state.users.hash_mut().await?;
    let applications = view.execution_state.users.indices().await?;
    let mut any = false;
    for application in applications {
        // An empty batch changes nothing but forgets the hash.
        let mut state = view.execution_state.users.try_load_entry_mut(&application).await?;
        let before = state.hash_mut().await?;
        state.write_batch(Batch::new())?;
        if state.hash_mut().await? != before {
            altered.push(format!("state of application {application}"));
            any = true;
        }
    }
    let _ = &mut *view.execution_state.users;
    if view.execution_state.users.hash_mut().await? != stored && !any {
        altered.push("users".to_owned());
    }
    Ok(())
}
