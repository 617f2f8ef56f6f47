//! What programs themselves find wrong.

use serde_json::{Map, Value};

use crate::exit::Exit;

/// An error that comes from no library.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Arguments that do not go together.
    #[error("{0}")]
    Usage(String),
    /// Something that could not be done, or not begun.
    #[error("{0}")]
    Failed(String),
    /// Something that would endanger data.
    #[error("{0}")]
    Refused(String),
    /// Damage that was listed, and is no reason to stop.
    #[error("{0}")]
    Damage(String),
    /// A namespace that is not what a dump holds.
    #[error("{text}")]
    Difference {
        /// Both sides, for people.
        text: String,
        /// Both sides, as fields of the JSON object.
        fields: Map<String, Value>,
    },
    /// SIGINT, SIGTERM or SIGHUP.
    #[error("interrupted by {signal}; nothing that was there before is changed{}", again(*resumes))]
    Interrupted {
        /// Name of the signal.
        signal: &'static str,
        /// Whether the same command resumes where this one stopped.
        resumes: bool,
    },
}

fn again(resumes: bool) -> &'static str {
    if resumes { ", and running the same command again resumes where this stopped" } else { "" }
}

impl Problem {
    /// Returns how a run ends that ends with this.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Failed(_) => Exit::Failed,
            Self::Refused(_) => Exit::Refused,
            Self::Damage(_) | Self::Difference { .. } => Exit::Damage,
            Self::Interrupted { .. } => Exit::Interrupted,
        }
    }

    /// Returns what else a JSON error object says.
    pub(crate) fn fields(&self) -> Map<String, Value> {
        match self {
            Self::Difference { fields, .. } => fields.clone(),
            _ => Map::new(),
        }
    }
}
