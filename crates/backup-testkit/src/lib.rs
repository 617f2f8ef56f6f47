#![doc = include_str!("../README.md")]
#![warn(clippy::indexing_slicing, clippy::unwrap_used)]

mod capabilities;
mod cases;
mod content;
mod engine;
pub mod fault_server;
mod faults;
mod faulty_amend;
mod faulty_engine;
mod faulty_store;
mod gated_store;
mod heartbeat;
mod misbehaving_engine;
mod read;
mod ring;
mod sample;
mod seed;
mod spec;
pub mod suite;
mod units;
mod weak_store;

pub use capabilities::{Atomicity, Capabilities, RootKeys};
pub use cases::{CASES, Case};
pub use content::Content;
pub use engine::{Amendable, Engine, Live, Namespace, Put, Writer};
pub use fault_server::{FaultServer, Mishap};
pub use faults::{Fault, Faults, InjectedFault};
pub use faulty_amend::FaultyAmendTarget;
pub use faulty_engine::FaultyEngine;
pub use faulty_store::FaultyStore;
pub use gated_store::{Gate, GatedStore};
pub use heartbeat::{Beats, FILE_BYTES_MAX, Heartbeat, longest_allowed};
pub use misbehaving_engine::{EngineFlaw, MisbehavingEngine};
pub use read::{OwnedEntry, read_all, read_all_in_order, read_phases, read_range};
pub use ring::Ring;
pub use sample::{is_exhaustive, sample};
pub use seed::seed;
pub use spec::Spec;
pub use units::{Unit, Units};
pub use weak_store::{WeakStore, Weakness};
