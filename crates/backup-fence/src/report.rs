//! What was found of the chains of a database, and done to them.

use std::fmt::Write;

use crate::bytes::ChainId;
use crate::chain::Problem;

/// Chains that are named with their problems; the others are only counted.
const NAMED_MAX: usize = 20;

/// Counts of chains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Chains of which the database has entries in their state.
    pub chains: u64,
    /// Chains whose next height is fenced.
    pub fenced: u64,
    /// Chains that stand above the height of the survey: the fence was passed, and they are free to vote.
    pub passed: u64,
    /// Chains that are frozen.
    pub frozen: u64,
    /// Chains without a state. They have no fence, and cannot have one yet.
    pub without_state: u64,
    /// Chains that are not fenced and should be.
    pub bare: u64,
    /// Chains whose rows were written now, or would be.
    pub written: u64,
    /// Number of chains with a problem that forbids a fence, or makes one worthless.
    pub refused: u64,
    /// The first chains with such a problem, in the order of their ids, at most 20.
    pub problems: Vec<(ChainId, Problem)>,
    /// Whether no survey was asked: then the fence protects on a condition that nobody checked.
    pub conditional: bool,
}

impl Report {
    pub(crate) fn refuse(&mut self, chain: ChainId, problem: Problem) {
        self.refused += 1;
        if self.problems.len() < NAMED_MAX {
            self.problems.push((chain, problem));
        }
    }

    /// Returns true if no chain is bare and none has a problem that makes its fence worthless.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.bare == 0 && self.refused == 0
    }

    /// Says in a few words how far a validator on this database is kept from voting again at heights where it voted before.
    #[must_use]
    pub fn summary(&self) -> String {
        let open = self.bare + self.refused;
        match (self.chains, open) {
            (0, _) => "no chains".to_owned(),
            (chains, 0) => format!("fenced: {} of {chains} chains, {} frozen", self.fenced, self.frozen),
            (chains, open) => format!("not fenced: {open} of {chains} chains"),
        }
    }

    /// Says which chains cannot be fenced, one to a line.
    pub(crate) fn refusal(&self) -> String {
        let mut text = format!(
            "fencing is refused, and nothing was written: {} of {} chains",
            self.refused, self.chains
        );
        for (chain, problem) in &self.problems {
            // Writing to a string does not fail.
            let _ = write!(text, "\n  chain {chain}: {problem}");
        }
        let others = self.refused.saturating_sub(self.problems.len() as u64);
        if others > 0 {
            let _ = write!(text, "\n  and {others} more");
        }
        text
    }
}
