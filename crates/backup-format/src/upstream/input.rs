//! Pulling BCS out of a stream that can seek.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::io::{self, Read, Seek, SeekFrom};

use crate::codec::Reader;
use crate::error::FormatError;

/// Bytes that a ULEB128 number of 32 bits takes at most.
const ULEB_BYTES_MAX: usize = 5;

/// A cursor over a stream, with a buffer. Lengths are compared with the end of the stream before they are used.
#[derive(Debug)]
pub(super) struct Input<R> {
    source: R,
    object: &'static str,
    /// Where the source stands, `None` after an error.
    source_at: Option<u64>,
    end: u64,
    buffer: Vec<u8>,
    /// Offset of the first byte of the buffer.
    start: u64,
    position: u64,
    pinned: u64,
    chunk: usize,
}

impl<R: Read + Seek> Input<R> {
    /// Starts at the first byte; reads `chunk` bytes at a time. `object` names the stream in errors.
    pub(super) fn new(mut source: R, object: &'static str, chunk: usize) -> Result<Self, FormatError> {
        let end = source.seek(SeekFrom::End(0)).map_err(|source| FormatError::Io {
            doing: "finding the end of the file",
            offset: 0,
            source,
        })?;
        Ok(Self {
            source,
            object,
            source_at: None,
            end,
            buffer: Vec::new(),
            start: 0,
            position: 0,
            pinned: 0,
            chunk,
        })
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn end(&self) -> u64 {
        self.end
    }

    pub(super) fn remaining(&self) -> u64 {
        self.end.saturating_sub(self.position)
    }

    /// Sets how many bytes are read at a time, and forgets those that were read ahead.
    pub(super) fn set_chunk(&mut self, chunk: usize) {
        self.chunk = chunk;
        self.buffer.clear();
        self.start = self.position;
    }

    /// Asks that bytes from here on stay in the buffer for [`Input::read_at`], as long as they are few.
    pub(super) fn pin(&mut self) {
        self.pinned = self.position;
    }

    /// Takes a ULEB128 number of at most `max`.
    pub(super) fn uleb(&mut self, max: usize, what: &'static str) -> Result<usize, FormatError> {
        let (object, position) = (self.object, self.position);
        let mut reader = Reader::new(object, self.peek(ULEB_BYTES_MAX)?);
        let number = reader.uleb(max, what).map_err(|error| shift(error, position))?;
        self.position = position.saturating_add(reader.position() as u64);
        Ok(number)
    }

    /// Takes the next byte.
    pub(super) fn u8(&mut self) -> Result<u8, FormatError> {
        Ok(self.take(1)?.first().copied().unwrap_or_default())
    }

    /// Takes `length` bytes, which stay in memory until the next call.
    pub(super) fn take(&mut self, length: usize) -> Result<&[u8], FormatError> {
        self.check(length)?;
        let from = self.position;
        self.position = from.saturating_add(length as u64);
        self.buffered(from, length)
    }

    /// Passes over `length` bytes.
    pub(super) fn skip(&mut self, length: usize) -> Result<(), FormatError> {
        self.check(length)?;
        self.position = self.position.saturating_add(length as u64);
        Ok(())
    }

    /// Hands the next `length` bytes to `out`, some at a time.
    pub(super) fn copy(
        &mut self,
        mut length: usize,
        out: &mut dyn FnMut(&[u8]) -> Result<(), FormatError>,
    ) -> Result<(), FormatError> {
        self.check(length)?;
        while length > 0 {
            let part = length.min(self.chunk);
            out(self.take(part)?)?;
            length = length.saturating_sub(part);
        }
        Ok(())
    }

    /// Fills `out` from `offset` on; the cursor stays where it is.
    pub(super) fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), FormatError> {
        let from = offset.checked_sub(self.start).and_then(|from| usize::try_from(from).ok());
        let held = from.and_then(|from| self.buffer.get(from..from.checked_add(out.len())?));
        if let Some(held) = held {
            out.copy_from_slice(held);
            return Ok(());
        }
        self.seek(offset)?;
        let result = self.source.read_exact(out);
        self.source_at = result.is_ok().then_some(offset.saturating_add(out.len() as u64));
        result.map_err(|source| FormatError::Io { doing: "reading the file", offset, source })
    }

    /// Makes an error about the byte at the cursor.
    pub(super) fn malformed(&self, problem: String) -> FormatError {
        self.malformed_at(self.position, problem)
    }

    /// Makes an error about the byte at `offset`.
    pub(super) fn malformed_at(&self, offset: u64, problem: String) -> FormatError {
        FormatError::Malformed { object: self.object, offset, problem }
    }

    fn check(&self, length: usize) -> Result<(), FormatError> {
        match self.remaining() {
            left if length as u64 > left => {
                Err(self.malformed(format!("expected {length} bytes, {left} are left")))
            }
            _ => Ok(()),
        }
    }

    /// Returns the next `length` bytes, or fewer at the end of the stream.
    fn peek(&mut self, length: usize) -> Result<&[u8], FormatError> {
        let length = usize::try_from(self.remaining()).map_or(length, |left| left.min(length));
        self.buffered(self.position, length)
    }

    #[expect(
        clippy::arithmetic_side_effects,
        reason = "what is asked for was compared with the length of the file"
    )]
    fn buffered(&mut self, from: u64, length: usize) -> Result<&[u8], FormatError> {
        while from < self.start || self.buffer_end() < from + length as u64 {
            self.fill(from)?;
        }
        let from = (from - self.start) as usize;
        Ok(self.buffer.get(from..from + length).unwrap_or_default())
    }

    fn buffer_end(&self) -> u64 {
        self.start.saturating_add(self.buffer.len() as u64)
    }

    /// Appends a chunk to the buffer, after dropping what lies before `from` and is not pinned.
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "`keep` is not before the buffer, and the buffer ends before the file"
    )]
    fn fill(&mut self, from: u64) -> Result<(), FormatError> {
        let close = from.saturating_sub(self.pinned) < self.chunk as u64;
        let keep = if close { self.pinned.max(self.start) } else { from };
        if (self.start..=self.buffer_end()).contains(&from) {
            self.buffer.drain(..(keep - self.start) as usize);
            self.start = keep;
        } else {
            self.buffer.clear();
            self.start = from;
        }
        let offset = self.buffer_end();
        self.seek(offset)?;
        let held = self.buffer.len();
        let wanted = (self.end - offset).min(self.chunk as u64) as usize;
        self.buffer.resize(held + wanted, 0);
        let read = read_some(&mut self.source, self.buffer.get_mut(held..).unwrap_or_default());
        self.buffer.truncate(held + read.as_ref().map_or(0, |read| *read));
        self.source_at = read.is_ok().then_some(self.buffer_end());
        read.map_err(|source| FormatError::Io { doing: "reading the file", offset, source })?;
        Ok(())
    }

    fn seek(&mut self, offset: u64) -> Result<(), FormatError> {
        if self.source_at != Some(offset) {
            self.source_at = None;
            let io = |source| FormatError::Io { doing: "seeking in the file", offset, source };
            self.source.seek(SeekFrom::Start(offset)).map_err(io)?;
            self.source_at = Some(offset);
        }
        Ok(())
    }
}

/// Reads at least one byte.
fn read_some(source: &mut impl Read, out: &mut [u8]) -> io::Result<usize> {
    loop {
        match source.read(out) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Moves the offset of an error from a slice of the stream to the stream.
pub(super) fn shift(error: FormatError, by: u64) -> FormatError {
    match error {
        FormatError::Malformed { object, offset, problem } => {
            FormatError::Malformed { object, offset: offset.saturating_add(by), problem }
        }
        FormatError::TooLong { object, offset, what, found, limit } => {
            FormatError::TooLong { object, offset: offset.saturating_add(by), what, found, limit }
        }
        other => other,
    }
}
