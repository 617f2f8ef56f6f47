//! One of two contents that are compared: its phases, merged into one order.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::cmp::Ordering;

use backup_format::{ObjectId, Order, Reference};

use crate::dump_phase::{DumpPhase, Head, Passed};
use crate::error::RepositoryError;
use crate::look::LookCount;
use crate::source_phase::SourcePhase;

/// A phase of a dump or of a namespace.
pub(crate) enum Phase {
    Dump(Box<DumpPhase>),
    Source(Box<SourcePhase>),
}

/// The phases of a content. A partition is in one of them alone, so what comes first in any of them comes first.
pub(crate) struct Side {
    order: Order,
    phases: Vec<Phase>,
    first: Option<usize>,
}

impl Phase {
    fn head(&self) -> Option<Head<'_>> {
        match self {
            Self::Dump(phase) => phase.head(),
            Self::Source(phase) => phase.block().map(Head::Block),
        }
    }
}

impl Side {
    pub(crate) fn new(order: Order, phases: Vec<Phase>) -> Self {
        Self { order, phases, first: None }
    }

    /// Finds what comes first. To be called before [`Side::head`], after each change.
    pub(crate) async fn find_first(&mut self) -> Result<(), RepositoryError> {
        for phase in &mut self.phases {
            if let Phase::Source(phase) = phase {
                phase.fill().await?;
            }
        }
        let heads = self.phases.iter().enumerate().filter_map(|(index, phase)| Some((index, phase.head()?)));
        let first = heads.min_by(|(_, left), (_, right)| left.compare(right, self.order));
        self.first = first.map(|(index, _)| index);
        Ok(())
    }

    /// Returns what comes first; `None` at the end.
    pub(crate) fn head(&self) -> Option<Head<'_>> {
        self.phases.get(self.first?)?.head()
    }

    /// Returns what lies directly before it, in its phase.
    pub(crate) fn passed(&self) -> Passed {
        match self.first.and_then(|first| self.phases.get(first)) {
            Some(Phase::Dump(phase)) => phase.passed().clone(),
            Some(Phase::Source(phase)) => phase.passed().clone(),
            None => Passed::Entries,
        }
    }

    /// Reads the page or segment that comes first.
    pub(crate) async fn open(&mut self) -> Result<(), RepositoryError> {
        match self.first_phase() {
            Some(Phase::Dump(phase)) => phase.open().await,
            _ => Ok(()),
        }
    }

    /// Passes over the page or segment that comes first.
    pub(crate) fn skip(&mut self) -> Result<(), RepositoryError> {
        match self.first_phase() {
            Some(Phase::Dump(phase)) => phase.skip(),
            Some(Phase::Source(phase)) => {
                phase.skip();
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Takes the entry that comes first.
    pub(crate) fn take_entry(&mut self) -> Result<(), RepositoryError> {
        match self.first_phase() {
            Some(Phase::Dump(phase)) => phase.take_entry(),
            Some(Phase::Source(phase)) => {
                phase.take_entry();
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Returns true if what was passed over ends with a partition. For that it may be read.
    pub(crate) async fn ends_with(
        &mut self,
        passed: &Passed,
        root_key: &[u8],
    ) -> Result<bool, RepositoryError> {
        if let Passed::Partition(last) = passed {
            return Ok(last == root_key);
        }
        // All phases of a dump read the same repository.
        match self.phases.iter_mut().find_map(|phase| match phase {
            Phase::Dump(phase) => Some(phase),
            Phase::Source(_) => None,
        }) {
            Some(phase) => phase.ends_with(passed, root_key).await,
            None => Ok(false),
        }
    }

    /// Adds up what was read of dumps, and what was passed over.
    pub(crate) fn count(&self) -> LookCount {
        let mut sum = LookCount::default();
        for phase in &self.phases {
            if let Phase::Dump(phase) = phase {
                sum.add(phase.count());
            }
        }
        sum
    }

    fn first_phase(&mut self) -> Option<&mut Phase> {
        self.phases.get_mut(self.first?)
    }
}

impl Head<'_> {
    /// Returns root key and key of the first entry; of the key of one that was not read perhaps only the beginning.
    fn place(&self) -> (&[u8], &[u8]) {
        match self {
            Self::Page(reference) | Self::Segment(reference) => (&reference.first_root, &reference.first_key),
            Self::Block(block) => {
                let entry = block.current();
                (entry.root_key, entry.key)
            }
        }
    }

    /// Returns the root key of the first entry.
    pub(crate) fn first_root(&self) -> &[u8] {
        self.place().0
    }

    /// Compares what comes first in two contents. Where one of them was not read, long keys may seem equal.
    pub(crate) fn compare(&self, other: &Self, order: Order) -> Ordering {
        let (left, right) = (self.place(), other.place());
        let is_read = matches!((self, other), (Self::Block(_), Self::Block(_)));
        let roots = order.compare_roots(left.0, right.0);
        roots.then_with(|| match is_read {
            true => left.1.cmp(right.1),
            false => Reference::first_key_of(left.1).cmp(Reference::first_key_of(right.1)),
        })
    }

    /// Returns true if both are the same object, of which no entry was taken.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Page(left), Self::Page(right)) => left.id == right.id,
            (left, right) => left.segment().is_some_and(|id| right.segment() == Some(id)),
        }
    }

    fn segment(&self) -> Option<ObjectId> {
        match self {
            Self::Page(_) => None,
            Self::Segment(reference) => Some(reference.id),
            Self::Block(block) => block.is_at_start().then_some(block.id),
        }
    }

    pub(crate) fn is_page(&self) -> bool {
        matches!(self, Self::Page(_))
    }
}
