//! How a run ended, for what keeps it.

use std::time::SystemTime;

use anyhow::Result;
use serde_json::{Map, Value};

use crate::exit::Exit;

/// Records how a run ended.
pub type Record = Box<dyn FnOnce(&Ended) -> Result<()>>;

/// How a run ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ended {
    /// How the work ended, and the printing of its report.
    pub exit: Exit,
    /// When the run began, by the clock of the system.
    pub started: SystemTime,
    /// The fields of the report, without `seconds`; empty if there is none.
    pub fields: Map<String, Value>,
}
