//! Our reading of linera's rows, compared with linera's own.

mod chain;
mod journal;
mod limited;
mod split;
mod support;
