#![doc = include_str!("../README.md")]
#![warn(clippy::indexing_slicing, clippy::unwrap_used)]

mod error;
mod public;
mod secret;
mod signature;
mod text;
mod trusted;

pub use error::SignError;
pub use public::{KeyId, PublicKey};
pub use secret::SecretKey;
pub use signature::Signature;
pub use trusted::TrustedKeys;
