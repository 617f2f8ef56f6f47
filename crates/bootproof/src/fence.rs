//! Whether the chains are fenced, so that a validator with its own key cannot vote again where it voted before.

use backup_fence::Report;
use backup_format::AmendTarget;
use serde::Serialize;

/// How many chains are fenced, as `kvbackup fence status` counts them without a survey.
#[derive(Clone, Debug, Serialize)]
pub struct Fence {
    /// Chains.
    pub chains: u64,
    /// Those that are fenced at their next height.
    pub fenced: u64,
    /// Those that are frozen.
    pub frozen: u64,
    /// Those without a state, which cannot be fenced.
    pub without_state: u64,
    /// Those that are not fenced.
    pub bare: u64,
    /// Those that cannot be fenced as they are.
    pub refused: u64,
    /// The same in words.
    pub summary: String,
}

impl Fence {
    /// Looks at a namespace. `None` where rows of chains are damaged; those are findings of their own.
    pub async fn of(namespace: &dyn AmendTarget) -> Option<Self> {
        let lookup = namespace.look().await.ok()?;
        let found = backup_fence::status(&*lookup, None).await.ok()?;
        let summary = found.summary();
        let Report { chains, fenced, frozen, without_state, bare, refused, .. } = found;
        Some(Self { chains, fenced, frozen, without_state, bare, refused, summary })
    }
}
