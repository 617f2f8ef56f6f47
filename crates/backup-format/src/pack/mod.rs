//! Packs: files of many objects and a table of them.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod table;

use std::sync::Arc;

use crate::codec::{Reader, put_uleb};
use crate::error::FormatError;
use crate::id::{Kind, ObjectId};
use crate::limits;

const OBJECT: &str = "pack";
const TABLE: &str = "pack table";

/// The first 8 bytes of a pack of version 1.
pub const MAGIC: &[u8; 8] = b"KVB1PACK";
/// The first 8 bytes of a pack of version 2.
pub const MAGIC_2: &[u8; 8] = b"KVB2PACK";
/// Length of the salt of a pack of version 2.
pub const SALT_BYTES: usize = 16;
/// The last 4 bytes of a pack.
pub const END_MAGIC: &[u8; 4] = b"KVBP";
/// Length of the trailer: table length, start of the table's hash, end magic.
pub const TRAILER_BYTES: u64 = 16;
/// Bytes of wrapped keys at which a pack is closed.
const KEY_BYTES: usize = 1 << 20;

/// The version of a pack: that of its repository.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PackVersion {
    /// `KVB1PACK`: all objects are stored whole.
    #[default]
    V1,
    /// `KVB2PACK`: it has a salt, and segments may be stored as patches.
    V2,
}

impl PackVersion {
    /// Returns where the first body begins.
    #[must_use]
    pub fn head_bytes(self) -> u64 {
        match self {
            Self::V1 => MAGIC.len() as u64,
            Self::V2 => MAGIC_2.len().saturating_add(SALT_BYTES) as u64,
        }
    }

    /// Checks the first 8 bytes of a pack.
    ///
    /// # Errors
    ///
    /// [`FormatError::Malformed`] when they are not the magic of this version.
    pub fn check_magic(self, bytes: &[u8]) -> Result<(), FormatError> {
        let (magic, name) = match self {
            Self::V1 => (MAGIC, "KVB1PACK"),
            Self::V2 => (MAGIC_2, "KVB2PACK"),
        };
        match bytes.starts_with(magic) {
            true => Ok(()),
            false => Err(Reader::new(OBJECT, bytes).malformed(format!("expected {name} at the start"))),
        }
    }

    /// Returns the bytes of a pack that are neither bodies nor table.
    fn frame_bytes(self) -> u64 {
        self.head_bytes().saturating_add(TRAILER_BYTES)
    }
}

/// How the stored bytes of an object stand for its plaintext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Codec {
    /// They are the plaintext.
    Raw = 0,
    /// One zstd frame with its content size set, a window of at most 2^23 bytes, and no dictionary.
    Zstd = 1,
}

/// A line of a pack's table, and what only lines of version 2 have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The line. The codec of a patch is that of the patch.
    pub line: TableLine,
    /// The segment that the patch is for; `None` for an object that is stored whole.
    pub base: Option<ObjectId>,
    /// How the stored bytes are sealed; `None` if they are not.
    pub seal: Option<Seal>,
}

/// How the stored bytes of an object are sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// 1 XChaCha20-Poly1305, 2 XAES-256-GCM.
    pub aead: u8,
    /// Which of the pack's keys it is, counted from 0.
    pub key: u16,
}

/// A data key as it stands in a pack.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct WrappedKey {
    /// Names the data key.
    pub id: [u8; 32],
    /// The data key, wrapped for the recipients: an age file of at most [`limits::WRAPPED_KEY_BYTES_MAX`].
    pub wrapped: Vec<u8>,
}

impl std::fmt::Debug for WrappedKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "WrappedKey({})", hex::encode(self.id))
    }
}

/// The table of a pack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Data keys; none in a pack in which nothing is sealed.
    pub keys: Vec<WrappedKey>,
    /// The objects, in the order of their bodies.
    pub objects: Vec<Object>,
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
    table: Vec<Object>,
    keys: Vec<Arc<WrappedKey>>,
    target: u64,
    /// That of a pack of version 2.
    salt: Option<[u8; SALT_BYTES]>,
}

impl PackBuilder {
    /// Starts a pack of version 1 that is full when its bodies reach `target` bytes.
    #[must_use]
    pub fn new(target: u64) -> Self {
        Self { bodies: Vec::new(), bodies_len: 0, table: Vec::new(), keys: Vec::new(), target, salt: None }
    }

    /// Starts a pack of version 2. The salt should be random, so that no two packs have one name.
    #[must_use]
    pub fn with_salt(target: u64, salt: [u8; SALT_BYTES]) -> Self {
        Self { salt: Some(salt), ..Self::new(target) }
    }

    /// Returns the version of the pack.
    #[must_use]
    pub fn version(&self) -> PackVersion {
        if self.salt.is_some() { PackVersion::V2 } else { PackVersion::V1 }
    }

    /// Appends an object that is stored whole; returns the offset of its body in the file.
    pub fn push(&mut self, line: TableLine, stored: Vec<u8>) -> u64 {
        self.push_object(Object { line, base: None, seal: None }, stored)
    }

    /// Appends an object; returns the offset of its body in the file.
    ///
    /// # Panics
    ///
    /// If it is a patch and the pack is of version 1, which has none.
    pub fn push_object(&mut self, object: Object, stored: Vec<u8>) -> u64 {
        debug_assert_eq!(object.line.stored_len, stored.len() as u64);
        assert!(object.base.is_none() || self.salt.is_some(), "a pack of version 1 has no patches");
        let offset = self.version().head_bytes().saturating_add(self.bodies_len);
        self.bodies_len = self.bodies_len.saturating_add(stored.len() as u64);
        self.bodies.push(stored);
        self.table.push(object);
        offset
    }

    /// Appends an object that is sealed with a data key, and the key unless it is there already; returns the offset of its body in
    /// the file.
    ///
    /// # Panics
    ///
    /// If the pack is of version 1, in which nothing is sealed.
    pub fn push_sealed(
        &mut self,
        (line, base): (TableLine, Option<ObjectId>),
        (aead, key): (u8, &Arc<WrappedKey>),
        stored: Vec<u8>,
    ) -> u64 {
        assert!(self.salt.is_some(), "nothing is sealed in a pack of version 1");
        let known = self.keys.iter().rposition(|known| known.id == key.id);
        let number = known.unwrap_or_else(|| {
            self.keys.push(key.clone());
            self.keys.len().saturating_sub(1)
        });
        let seal = Some(Seal { aead, key: number as u16 });
        self.push_object(Object { line, base, seal }, stored)
    }

    /// Returns true if no object was appended.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Returns true if the pack should be closed: by the bytes of its bodies, or by number of objects or keys.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let key_bytes = self.keys.iter().map(|key| key.wrapped.len()).fold(0, usize::saturating_add);
        self.bodies_len >= self.target
            || self.table.len() >= limits::PACK_OBJECTS_MAX
            || self.keys.len() >= limits::PACK_KEYS_MAX
            || key_bytes >= KEY_BYTES
    }

    /// Returns the file, which must hold an object.
    #[must_use]
    pub fn finish(self) -> PackFile {
        let mut end =
            Vec::with_capacity(self.table.len().saturating_add(2).saturating_mul(table::LINE_2_BYTES));
        let mut head = match self.version() {
            PackVersion::V1 => MAGIC.to_vec(),
            PackVersion::V2 => {
                table::put_keys(&mut end, &self.keys);
                MAGIC_2.to_vec()
            }
        };
        head.extend(self.salt.iter().flatten());
        put_uleb(&mut end, self.table.len() as u32);
        self.table.iter().for_each(|object| table::put(&mut end, object, self.salt.is_some()));
        let (table_len, check) = (end.len() as u32, table_check(&end));
        end.extend_from_slice(&table_len.to_le_bytes());
        end.extend_from_slice(&check);
        end.extend_from_slice(END_MAGIC);
        let mut parts = self.bodies;
        parts.insert(0, head);
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
    version: PackVersion,
    table_len: u64,
    check: [u8; 8],
    file_len: u64,
}

impl Trailer {
    /// Parses the last 16 bytes of a pack of version 1 that has `file_len` bytes.
    ///
    /// # Errors
    ///
    /// [`FormatError::Malformed`] or [`FormatError::TooLong`] when this cannot be the end of a pack.
    pub fn decode(bytes: &[u8; TRAILER_BYTES as usize], file_len: u64) -> Result<Self, FormatError> {
        Self::decode_version(PackVersion::V1, bytes, file_len)
    }

    /// Parses the last 16 bytes of a pack of a version.
    ///
    /// # Errors
    ///
    /// As [`Trailer::decode`].
    pub fn decode_version(
        version: PackVersion,
        bytes: &[u8; TRAILER_BYTES as usize],
        file_len: u64,
    ) -> Result<Self, FormatError> {
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
        if table_len.saturating_add(version.frame_bytes()) > file_len {
            return Err(malformed(format!("a table of {table_len} bytes does not fit a file of {file_len}")));
        }
        Ok(Self { version, table_len, check, file_len })
    }

    /// Returns where in the file the table lies.
    #[must_use]
    pub fn table_range(&self) -> std::ops::Range<u64> {
        let end = self.file_len.saturating_sub(TRAILER_BYTES);
        end.saturating_sub(self.table_len)..end
    }

    /// Parses and checks the table; returns its lines without the bases of patches.
    ///
    /// # Errors
    ///
    /// As [`Trailer::decode_objects`].
    pub fn decode_table(&self, table: &[u8]) -> Result<Vec<TableLine>, FormatError> {
        Ok(self.decode_objects(table)?.into_iter().map(|object| object.line).collect())
    }

    /// Parses and checks the table; returns its objects.
    ///
    /// # Errors
    ///
    /// As [`Trailer::decode_all`].
    pub fn decode_objects(&self, table: &[u8]) -> Result<Vec<Object>, FormatError> {
        Ok(self.decode_all(table)?.objects)
    }

    /// Parses and checks the table.
    ///
    /// # Errors
    ///
    /// [`FormatError::Malformed`] when it does not hash to what the trailer says, or has an unknown kind or codec. Also when it has
    /// a patch that cannot be one, names a key that is not there, or its bodies do not fill the file exactly.
    pub fn decode_all(&self, table: &[u8]) -> Result<Table, FormatError> {
        let start = Reader::new(TABLE, table);
        if table_check(table) != self.check {
            return Err(start.malformed("its hash is not the one in the trailer".to_owned()));
        }
        let decoded = match self.version {
            PackVersion::V1 => Table { keys: Vec::new(), objects: table::decode(table)? },
            PackVersion::V2 => table::decode_2(table)?,
        };
        let bodies = decoded.objects.iter().map(|object| object.line.stored_len).fold(0, u64::saturating_add);
        let expected =
            self.file_len.saturating_sub(self.version.frame_bytes()).saturating_sub(self.table_len);
        if bodies != expected {
            return Err(
                start.malformed(format!("bodies of {bodies} bytes, but the file has room for {expected}"))
            );
        }
        Ok(decoded)
    }
}

/// Checks the first 8 bytes of a pack of version 1.
///
/// # Errors
///
/// [`FormatError::Malformed`] when they are not [`MAGIC`].
pub fn check_magic(bytes: &[u8]) -> Result<(), FormatError> {
    PackVersion::V1.check_magic(bytes)
}

fn table_check(table: &[u8]) -> [u8; 8] {
    *blake3::hash(table).as_bytes().first_chunk().expect("a hash has 32 bytes")
}
