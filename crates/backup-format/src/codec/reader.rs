//! Pulling BCS out of a slice.

use crate::error::FormatError;

/// A cursor over the plaintext of one object.
///
/// Every error names the object and the offset. Nothing is allocated: byte strings are borrowed.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    object: &'static str,
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first of `bytes`; `object` names them in errors.
    #[must_use]
    pub fn new(object: &'static str, bytes: &'a [u8]) -> Self {
        Self { object, bytes, position: 0 }
    }

    /// Returns the offset of the next byte.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// Returns how many bytes are left.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.bytes.len().saturating_sub(self.position)
    }

    /// Takes one byte.
    ///
    /// # Errors
    ///
    /// [`FormatError::Malformed`] at the end of the bytes.
    #[expect(clippy::arithmetic_side_effects, reason = "the position is below the length")]
    pub fn u8(&mut self) -> Result<u8, FormatError> {
        match self.bytes.get(self.position) {
            Some(byte) => {
                self.position += 1;
                Ok(*byte)
            }
            None => Err(self.malformed("expected one more byte, found the end".to_owned())),
        }
    }

    /// Takes a `u64`, little-endian.
    ///
    /// # Errors
    ///
    /// [`FormatError::Malformed`] when fewer than 8 bytes are left.
    pub fn u64(&mut self) -> Result<u64, FormatError> {
        self.array().map(u64::from_le_bytes)
    }

    /// Takes `N` bytes as they are.
    ///
    /// # Errors
    ///
    /// [`FormatError::Malformed`] when fewer are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let taken = self.take(N)?;
        Ok(*taken.first_chunk().expect("take returns as many bytes as it was asked for"))
    }

    /// Takes a ULEB128 number of at most `max`, which `what` names in errors.
    ///
    /// # Errors
    ///
    /// [`FormatError::Malformed`] when the bytes end, the form is not the shortest, or the number needs more than 32
    /// bits; [`FormatError::TooLong`] when it is above `max`.
    pub fn uleb(&mut self, max: usize, what: &'static str) -> Result<usize, FormatError> {
        let start = self.position;
        let mut value: u64 = 0;
        for shift in [0u32, 7, 14, 21, 28] {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                if byte == 0 && shift > 0 {
                    return Err(
                        self.malformed_at(start, format!("length of {what} is not in its shortest form"))
                    );
                }
                match u32::try_from(value) {
                    Ok(value) => return self.below(start, value as usize, max, what),
                    Err(_) => break,
                }
            }
        }
        Err(self.malformed_at(start, format!("length of {what} does not fit 32 bits")))
    }

    /// Takes a byte string of at most `max` bytes, which `what` names in errors.
    ///
    /// # Errors
    ///
    /// As [`Reader::uleb`], and [`FormatError::Malformed`] when fewer bytes are left than its length says.
    pub fn byte_string(&mut self, max: usize, what: &'static str) -> Result<&'a [u8], FormatError> {
        let length = self.uleb(max, what)?;
        self.take(length)
    }

    /// Takes `length` bytes as they are.
    ///
    /// # Errors
    ///
    /// [`FormatError::Malformed`] when fewer are left.
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], FormatError> {
        let end = self.position.saturating_add(length);
        let Some(taken) = self.bytes.get(self.position..end) else {
            let left = self.remaining();
            return Err(self.malformed(format!("expected {length} bytes, {left} are left")));
        };
        self.position = end;
        Ok(taken)
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    ///
    /// [`FormatError::Malformed`] when something is.
    pub fn end(&self) -> Result<(), FormatError> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(self.malformed(format!("expected the end, {left} more bytes follow"))),
        }
    }

    /// Makes an error about the byte at the cursor.
    #[must_use]
    pub fn malformed(&self, problem: String) -> FormatError {
        self.malformed_at(self.position, problem)
    }

    fn malformed_at(&self, position: usize, problem: String) -> FormatError {
        FormatError::Malformed { object: self.object, offset: position as u64, problem }
    }

    fn below(
        &self,
        start: usize,
        value: usize,
        max: usize,
        what: &'static str,
    ) -> Result<usize, FormatError> {
        if value <= max {
            return Ok(value);
        }
        let (object, offset, found, limit) = (self.object, start as u64, value as u64, max as u64);
        Err(FormatError::TooLong { object, offset, what, found, limit })
    }
}
