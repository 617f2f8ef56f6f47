//! Tests of keys and of what they seal, with age itself beside them.

mod bodies;
mod repository_key;
mod vectors;

#[cfg(feature = "age")]
mod age_cli;
#[cfg(feature = "age")]
mod age_lists;
#[cfg(all(feature = "age", unix))]
mod plugin;
#[cfg(feature = "age")]
mod wrapped;
