//! Writing bytes and counting them.

use std::io::{BufWriter, Write};

use crate::error::FormatError;

/// Bytes that are collected before they are written.
const BUFFER_BYTES: usize = 64 << 10;

/// A buffered stream that knows its length. `doing` names the writing in errors.
pub(super) struct Output<W: Write> {
    out: BufWriter<W>,
    doing: &'static str,
    written: u64,
}

impl<W: Write> Output<W> {
    pub(super) fn new(out: W, doing: &'static str) -> Self {
        Self { out: BufWriter::with_capacity(BUFFER_BYTES, out), doing, written: 0 }
    }

    /// Returns how many bytes were put.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<(), FormatError> {
        let (doing, offset) = (self.doing, self.written);
        let io = |source| FormatError::Io { doing, offset, source };
        self.out.write_all(bytes).map_err(io)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Writes what is left and flushes the stream.
    pub(super) fn finish(mut self) -> Result<W, FormatError> {
        let (doing, offset) = (self.doing, self.written);
        let io = |source| FormatError::Io { doing, offset, source };
        self.out.flush().map_err(io)?;
        self.out.into_inner().map_err(|error| io(error.into_error()))
    }
}
