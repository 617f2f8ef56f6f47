//! How a repository is, in one word.

use crate::frame::Tone;
use crate::subject::{Fault, Measured, Subject};

/// How a repository is, as far as it was looked at. The worst comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum State {
    /// Nothing wrong was found. What was not looked at may be.
    NoFault,
    /// There is no dump.
    Empty,
    /// There are manifests that cannot be read, or are not trusted.
    Refused,
    /// The newest dump is too old, or not the one that is expected.
    Stale,
    /// Something is damaged or missing.
    Damaged,
}

impl State {
    /// Finds the state of a repository.
    #[must_use]
    pub fn of(subject: &Subject) -> Self {
        let unmeasured = match &subject.measured {
            Measured::Failed { is_damage, .. } => Some(*is_damage),
            _ => None,
        };
        if subject.faults(Fault::Damaged) > 0 || !subject.missing.is_empty() || unmeasured == Some(true) {
            Self::Damaged
        } else if subject.stale.is_some() {
            Self::Stale
        } else if !subject.unusable.is_empty() || unmeasured.is_some() {
            Self::Refused
        } else if subject.dumps() == 0 {
            Self::Empty
        } else {
            Self::NoFault
        }
    }

    /// Returns the state as one word, for programs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NoFault => "no_fault_found",
            Self::Empty => "empty",
            Self::Refused => "refused",
            Self::Stale => "stale",
            Self::Damaged => "damaged",
        }
    }

    /// Returns the state as the badge shows it.
    pub(crate) fn badge(self) -> &'static str {
        match self {
            Self::NoFault => "No fault found",
            Self::Empty => "No dumps",
            Self::Refused => "Not all usable",
            Self::Stale => "Stale",
            Self::Damaged => "Damaged",
        }
    }

    pub(crate) fn tone(self) -> Tone {
        match self {
            Self::NoFault => Tone::Good,
            Self::Empty | Self::Refused => Tone::Warning,
            Self::Stale | Self::Damaged => Tone::Bad,
        }
    }
}
