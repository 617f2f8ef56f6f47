//! Packs: files of many objects and a table of them.

use crate::codec::{Reader, put_uleb};
use crate::error::FormatError;
use crate::id::{Kind, ObjectId};
use crate::limits;

const OBJECT: &str = "pack";
const TABLE: &str = "pack table";

/// The first 8 bytes of a pack.
pub const MAGIC: &[u8; 8] = b"KVB1PACK";
/// The last 4 bytes of a pack.
pub const END_MAGIC: &[u8; 4] = b"KVBP";
/// Length of the trailer: table length, start of the table's hash, end magic.
pub const TRAILER_BYTES: u64 = 16;

/// Bytes of one line of the table.
const LINE_BYTES: usize = 3 + 32 + 8 + 8;
/// Bytes of a pack that are neither bodies nor table.
const FRAME_BYTES: u64 = MAGIC.len() as u64 + TRAILER_BYTES;

/// How the stored bytes of an object stand for its plaintext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Codec {
    /// They are the plaintext.
    Raw = 0,
    /// One zstd frame with its content size set, a window of at most 2^23 bytes, and no dictionary.
    Zstd = 1,
}

/// A line of a pack's table: one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableLine {
    /// What the object is.
    pub kind: Kind,
    /// How it is stored.
    pub codec: Codec,
    /// Its id.
    pub id: ObjectId,
    /// Length of its plaintext in bytes.
    pub plain_len: u64,
    /// Length of its stored bytes.
    pub stored_len: u64,
}

/// Collects objects and makes a pack of them. Bodies are kept as they come, and never copied.
#[derive(Clone, Debug)]
pub struct PackBuilder {
    bodies: Vec<Vec<u8>>,
    bodies_len: u64,
    table: Vec<TableLine>,
    target: u64,
}

impl PackBuilder {
    /// Starts a pack that is full when its bodies reach `target` bytes.
    #[must_use]
    pub fn new(target: u64) -> Self {
        Self { bodies: Vec::new(), bodies_len: 0, table: Vec::new(), target }
    }

    /// Appends an object; returns the offset of its body in the file.
    pub fn push(&mut self, line: TableLine, stored: Vec<u8>) -> u64 {
        debug_assert_eq!(line.stored_len, stored.len() as u64);
        let offset = MAGIC.len() as u64 + self.bodies_len;
        self.bodies_len += stored.len() as u64;
        self.bodies.push(stored);
        self.table.push(line);
        offset
    }

    /// Tells whether no object was appended.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Tells whether the pack should be closed: by the bytes of its bodies, or by number of objects.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.bodies_len >= self.target || self.table.len() >= limits::PACK_OBJECTS_MAX
    }

    /// Returns the file, which must hold an object.
    #[must_use]
    pub fn finish(self) -> PackFile {
        let mut end = Vec::with_capacity(LINE_BYTES * self.table.len() + 4 + TRAILER_BYTES as usize);
        put_uleb(&mut end, self.table.len() as u32);
        for line in &self.table {
            end.extend_from_slice(&[line.kind as u8, line.codec as u8, 0]);
            end.extend_from_slice(&line.id.0);
            end.extend_from_slice(&line.plain_len.to_le_bytes());
            end.extend_from_slice(&line.stored_len.to_le_bytes());
        }
        let (table_len, check) = (end.len() as u32, table_check(&end));
        end.extend_from_slice(&table_len.to_le_bytes());
        end.extend_from_slice(&check);
        end.extend_from_slice(END_MAGIC);
        let mut parts = self.bodies;
        parts.insert(0, MAGIC.to_vec());
        parts.push(end);
        PackFile { parts }
    }
}

/// A pack that is complete, as the parts of its file.
#[derive(Clone, Debug)]
pub struct PackFile {
    parts: Vec<Vec<u8>>,
}

impl PackFile {
    /// Returns the name: the hash of the file. Computes it, which takes some milliseconds.
    #[must_use]
    pub fn name(&self) -> ObjectId {
        ObjectId::of_parts(&self.parts)
    }

    /// Returns the length of the file in bytes.
    #[must_use]
    pub fn byte_len(&self) -> u64 {
        self.parts.iter().map(|part| part.len() as u64).sum()
    }

    /// Returns the parts, which make the file when they follow each other.
    #[must_use]
    pub fn into_parts(self) -> Vec<Vec<u8>> {
        self.parts
    }

    /// Returns the file in one piece.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.parts.concat()
    }
}

/// The last 16 bytes of a pack.
#[derive(Clone, Copy, Debug)]
pub struct Trailer {
    table_len: u64,
    check: [u8; 8],
    file_len: u64,
}

impl Trailer {
    /// Parses the last 16 bytes of a file of `file_len` bytes.
    ///
    /// # Errors
    ///
    /// [`FormatError::Malformed`] or [`FormatError::TooLong`] when this cannot be the end of a pack.
    pub fn decode(bytes: &[u8; TRAILER_BYTES as usize], file_len: u64) -> Result<Self, FormatError> {
        let start = file_len.saturating_sub(TRAILER_BYTES);
        let malformed = |problem| FormatError::Malformed { object: OBJECT, offset: start, problem };
        let too_long =
            |what, found, limit| FormatError::TooLong { object: OBJECT, offset: start, what, found, limit };
        let mut reader = Reader::new(OBJECT, bytes);
        let table_len = u64::from(u32::from_le_bytes(reader.array()?));
        let check = reader.array()?;
        if reader.array()? != *END_MAGIC {
            return Err(malformed("expected KVBP at the end; the file is truncated or no pack".to_owned()));
        }
        if file_len > limits::PACK_BYTES_MAX {
            return Err(too_long("file", file_len, limits::PACK_BYTES_MAX));
        }
        if table_len > limits::TABLE_BYTES_MAX {
            return Err(too_long("table", table_len, limits::TABLE_BYTES_MAX));
        }
        if table_len + FRAME_BYTES > file_len {
            return Err(malformed(format!("a table of {table_len} bytes does not fit a file of {file_len}")));
        }
        Ok(Self { table_len, check, file_len })
    }

    /// Returns where in the file the table lies.
    #[must_use]
    pub fn table_range(&self) -> std::ops::Range<u64> {
        let end = self.file_len - TRAILER_BYTES;
        end - self.table_len..end
    }

    /// Parses and checks the table.
    ///
    /// # Errors
    ///
    /// [`FormatError::Malformed`] when it does not hash to what the trailer says, has an unknown kind or codec, or its
    /// bodies do not fill the file exactly.
    pub fn decode_table(&self, table: &[u8]) -> Result<Vec<TableLine>, FormatError> {
        let start = Reader::new(TABLE, table);
        if table_check(table) != self.check {
            return Err(start.malformed("its hash is not the one in the trailer".to_owned()));
        }
        let lines = decode_lines(table)?;
        let bodies = lines.iter().map(|line| line.stored_len).fold(0, u64::saturating_add);
        let expected = self.file_len - FRAME_BYTES - self.table_len;
        if bodies != expected {
            return Err(
                start.malformed(format!("bodies of {bodies} bytes, but the file has room for {expected}"))
            );
        }
        Ok(lines)
    }
}

/// Checks the first 8 bytes of a pack.
///
/// # Errors
///
/// [`FormatError::Malformed`] when they are not [`MAGIC`].
pub fn check_magic(bytes: &[u8]) -> Result<(), FormatError> {
    match bytes.starts_with(MAGIC) {
        true => Ok(()),
        false => Err(Reader::new(OBJECT, bytes).malformed("expected KVB1PACK at the start".to_owned())),
    }
}

/// Parses a table without its trailer.
fn decode_lines(table: &[u8]) -> Result<Vec<TableLine>, FormatError> {
    let mut reader = Reader::new(TABLE, table);
    let count = reader.uleb(u32::MAX as usize, "objects")?;
    if count == 0 || count > limits::PACK_OBJECTS_MAX || count * LINE_BYTES != reader.remaining() {
        let left = reader.remaining();
        return Err(reader.malformed(format!(
            "{count} objects in {left} bytes; expected {LINE_BYTES} bytes for each of 1 to {}",
            limits::PACK_OBJECTS_MAX
        )));
    }
    let mut lines = Vec::with_capacity(count);
    for _ in 0..count {
        lines.push(decode_line(&mut reader)?);
    }
    Ok(lines)
}

fn decode_line(reader: &mut Reader<'_>) -> Result<TableLine, FormatError> {
    let at = reader.clone();
    let [kind, codec, aead] = reader.array()?;
    let kind = Kind::from_number(kind)
        .ok_or_else(|| at.malformed(format!("expected kind 1 (segment) or 2 (page), found {kind}")))?;
    let codec = match codec {
        0 => Codec::Raw,
        1 => Codec::Zstd,
        _ => return Err(at.malformed(format!("expected codec 0 (raw) or 1 (zstd), found {codec}"))),
    };
    match aead {
        0 => {}
        1 => {
            return Err(
                at.malformed("encrypted with XChaCha20-Poly1305, which version 1 cannot read".to_owned())
            );
        }
        _ => return Err(at.malformed(format!("expected aead 0, found {aead}"))),
    }
    let line = TableLine {
        kind,
        codec,
        id: ObjectId(reader.array()?),
        plain_len: reader.u64()?,
        stored_len: reader.u64()?,
    };
    check_line(&at, line)
}

fn check_line(at: &Reader<'_>, line: TableLine) -> Result<TableLine, FormatError> {
    if line.plain_len > limits::OBJECT_BYTES_MAX {
        return Err(FormatError::TooLong {
            object: TABLE,
            offset: at.position() as u64,
            what: "plaintext",
            found: line.plain_len,
            limit: limits::OBJECT_BYTES_MAX,
        });
    }
    if line.codec == Codec::Raw && line.plain_len != line.stored_len {
        return Err(at.malformed(format!(
            "a raw object has one length; found plain_len {} and stored_len {}",
            line.plain_len, line.stored_len
        )));
    }
    Ok(line)
}

fn table_check(table: &[u8]) -> [u8; 8] {
    *blake3::hash(table).as_bytes().first_chunk().expect("a hash has 32 bytes")
}
