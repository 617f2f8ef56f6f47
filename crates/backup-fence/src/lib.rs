#![doc = include_str!("../README.md")]
#![warn(clippy::indexing_slicing, clippy::unwrap_used)]

mod bytes;
mod chain;
mod error;
mod raise;
mod read;
mod report;
mod survey;
mod thaw;

pub use bytes::{ChainId, FROZEN, SEED_KEY, TIP_KEY, Tip, VOTE_KEY, seed_row, vote_row};
pub use chain::{Chain, Problem, Standing};
pub use error::FenceError;
pub use raise::{Basis, CHAINS_PER_BATCH, raise, rehearse};
pub use read::status;
pub use report::Report;
pub use survey::{LINE_BYTES_MAX, Survey, Surveyed, Verdict};
pub use thaw::{Thawed, rehearse_thaw, thaw};
