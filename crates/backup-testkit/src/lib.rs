#![doc = include_str!("../README.md")]

mod capabilities;
mod cases;
mod content;
mod engine;
mod faults;
mod faulty_engine;
mod faulty_store;
mod seed;
mod spec;
pub mod suite;
mod units;

pub use capabilities::{Atomicity, Capabilities, RootKeys};
pub use cases::{CASES, Case};
pub use content::Content;
pub use engine::{Engine, Live, Put, Writer};
pub use faults::{Fault, Faults, InjectedFault};
pub use faulty_engine::FaultyEngine;
pub use faulty_store::FaultyStore;
pub use seed::seed;
pub use spec::Spec;
pub use units::{Unit, Units};
