#![doc = include_str!("../README.md")]
#![warn(clippy::indexing_slicing, clippy::unwrap_used)]
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod aead;
#[cfg(feature = "age")]
mod age_file;
mod carry;
mod data_key;
mod error;
#[cfg(feature = "age")]
mod identities;
mod random;
#[cfg(feature = "age")]
mod recipients;
mod repository_key;
mod xaes;

pub use aead::Aead;
pub use carry::{Identities, Recipients};
pub use data_key::{DataKey, KeyId};
pub use error::SealError;
#[cfg(feature = "age")]
pub use identities::AgeIdentities;
#[cfg(feature = "age")]
pub use recipients::AgeRecipients;
pub use repository_key::RepositoryKey;
