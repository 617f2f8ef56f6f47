#![doc = include_str!("../README.md")]
#![warn(clippy::indexing_slicing, clippy::unwrap_used)]

mod bars;
mod chart;
mod dumps;
pub mod frame;
mod kinds;
mod namespace;
mod numbers;
mod overview;
mod page;
mod room;
mod scale;
mod state;
mod strip;
mod subject;
mod text;

pub use maud::{Markup, html};

pub use page::page;
pub use state::State;
pub use subject::{
    Attested, Dump, Fate, Fault, Kind, Measured, Namespace, Retention, Signature, Since, Stored, Subject,
    Totals, Unusable,
};
pub use text::{name, plain};
