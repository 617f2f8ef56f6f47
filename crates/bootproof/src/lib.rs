#![doc = include_str!("../README.md")]

mod args;
mod ask;
mod attest;
mod blobs;
mod boot;
mod certificates;
mod chain;
mod claims;
pub mod cli;
mod cursor;
mod database;
mod decode;
mod fence;
mod findings;
mod genesis;
mod keys;
mod kind;
mod network;
mod page;
mod place;
mod ranges;
mod records;
mod report;
mod restore;
mod run;
mod scratch;
mod source;
mod subject;
mod sweep;
mod text;
mod tip;

pub use args::{Args, parse};
pub use fence::Fence;
pub use findings::{Finding, Note};
pub use kind::Kind;
pub use page::page;
pub use place::Place;
pub use report::{Applied, CastVote, KeyChoice, Report, Scenario};
pub use run::{prove, prove_until};
pub use sweep::Counts;
pub use text::describe;
pub use tip::Tip;

/// This program and its version.
const TOOL: &str = concat!("bootproof ", env!("CARGO_PKG_VERSION"));

/// The version of linera that it is built with.
const LINERA: &str = "0.15.23";

#[cfg(test)]
mod tests {
    #[test]
    fn the_version_of_linera_is_the_one_that_is_built() {
        let manifest = include_str!("../../worker-boot-tests/Cargo.toml");
        let pinned = format!("linera-core = {{ version = \"={}\"", super::LINERA);
        assert!(manifest.contains(&pinned), "{pinned}");
    }
}
