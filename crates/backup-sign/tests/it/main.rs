//! Tests of keys and signatures, with minisign itself beside them.

mod codec;
mod document;
mod minisign;
