#![doc = include_str!("../README.md")]

pub mod backup;
pub mod case;
pub mod check;
pub mod content;
pub mod engines;
pub mod history;
pub mod scenario;
