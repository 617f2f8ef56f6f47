//! Tests across crates: engines, repository and format together.

mod damage;
mod kubernetes;
