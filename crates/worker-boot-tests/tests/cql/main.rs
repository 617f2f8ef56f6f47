//! linera's own ScyllaDB store on tables that were restored, on a real server.

mod clock;
mod journal;
mod reading;
mod support;
