#![doc = include_str!("../README.md")]
#![warn(clippy::indexing_slicing, clippy::unwrap_used)]

mod builtin;
mod engine;
mod error;
mod layout;
mod locator;
mod namespace;
mod opened;
mod opening;
mod option;
mod registry;
mod units;

pub use engine::{Engine, Native, NativeBackup, Scheme};
pub use error::SourceError;
pub use layout::{kinds_of, parse_layout};
pub use locator::{Place, without_password};
pub use namespace::{Source, Target};
pub use opened::Opened;
pub use opening::Opening;
pub use option::{EngineOption, Kind, Role};
pub use registry::Engines;
pub use units::{parse_rate, parse_size, parse_time};
