//! Tests of the suite itself.

mod content;
mod faults;
mod faulty_store;
mod flawed;
mod misbehaving;
mod red;
mod ring;
