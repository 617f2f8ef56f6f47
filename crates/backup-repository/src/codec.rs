//! From plaintexts to stored bytes and back.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use backup_format::pack::{Codec, WrappedKey};
use backup_format::{Keys, Kind, ObjectId, limits};
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe;

use crate::error::RepositoryError;

/// Largest window that a frame may need, as a power of two: FORMAT.md allows 2^23 bytes.
const WINDOW_LOG_MAX: u32 = 23;

/// How new objects are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// As they are.
    None,
    /// With zstd, unless that does not make them shorter. The level is -131072 to 22; negative ones are fast.
    Zstd(i32),
}

impl Default for Compression {
    /// zstd at level -5, which takes a quarter less time for a backup than level 1, and a tenth to a sixth more room.
    fn default() -> Self {
        Self::Zstd(-5)
    }
}

impl FromStr for Compression {
    type Err = String;

    /// Reads `none`, `zstd` or `zstd:LEVEL`.
    fn from_str(text: &str) -> Result<Self, String> {
        let expected =
            || format!("{text:?}: expected none, zstd or zstd:LEVEL with a level of -131072 to 22");
        match text.split_once(':') {
            None if text == "none" => Ok(Self::None),
            None if text == "zstd" => Ok(Self::default()),
            Some(("zstd", level)) => match level.parse() {
                Ok(level @ -131_072..=22) => Ok(Self::Zstd(level)),
                _ => Err(expected()),
            },
            _ => Err(expected()),
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => out.write_str("none"),
            Self::Zstd(level) => write!(out, "zstd:{level}"),
        }
    }
}

/// The stored bytes of an object.
pub(crate) struct Stored {
    pub codec: Codec,
    pub bytes: Vec<u8>,
    /// The segment that they are a patch for, if they are one.
    pub base: Option<ObjectId>,
    /// How they are sealed, if they are: the aead, and the data key.
    pub seal: Option<(u8, Arc<WrappedKey>)>,
}

/// What encoding and decoding need, and what takes some milliseconds and a megabyte to make.
#[derive(Default)]
struct Coder {
    compressor: Option<(i32, Compressor<'static>)>,
    decompressor: Option<Decompressor<'static>>,
    /// Takes what was compressed, before its length is known, and then what that decodes to.
    scratch: Vec<u8>,
}

/// Coders that nobody uses at the moment. There are never more than were used at the same time: threads come and go, and each
/// of them would keep one.
static CODERS: Mutex<Vec<Coder>> = Mutex::new(Vec::new());

/// Scratch memory above this is given back after use: only single huge values need more.
const SCRATCH_BYTES: usize = 1 << 20;

/// Does something with a coder.
fn with_coder<T>(work: impl FnOnce(&mut Coder) -> T) -> T {
    let coders = || CODERS.lock().unwrap_or_else(PoisonError::into_inner);
    let mut coder = coders().pop().unwrap_or_default();
    let result = work(&mut coder);
    if coder.scratch.capacity() > SCRATCH_BYTES {
        coder.scratch = Vec::new();
    }
    coders().push(coder);
    result
}

/// Encodes an object, decodes it again, and compares.
pub(crate) fn encode(
    compression: Compression,
    kind: Kind,
    id: ObjectId,
    plaintext: &[u8],
) -> Result<Stored, RepositoryError> {
    let compress = |source| RepositoryError::Compress { kind, id, source };
    with_coder(|coder| {
        let raw = || Stored { codec: Codec::Raw, bytes: plaintext.to_vec(), base: None, seal: None };
        let stored = match compression {
            Compression::None => raw(),
            Compression::Zstd(level) => match coder.compress(level, plaintext).map_err(compress)? {
                bytes if bytes.len() < plaintext.len() => {
                    Stored { codec: Codec::Zstd, bytes: bytes.to_vec(), base: None, seal: None }
                }
                _ => raw(),
            },
        };
        if coder.decodes_to(&stored, plaintext) {
            return Ok(stored);
        }
        Err(RepositoryError::EncodeMismatch { kind, id, plain_len: plaintext.len() as u64 })
    })
}

/// Encodes a patch for the segment of this id and length; decodes it again, and asks whether it makes that segment of its base.
pub(crate) fn encode_patch(
    compression: Compression,
    (id, plain_len): (ObjectId, u64),
    base: ObjectId,
    patch: &[u8],
    is_right: impl FnOnce(&[u8]) -> bool,
) -> Result<Stored, RepositoryError> {
    let stored = encode(compression, Kind::Segment, id, patch)?;
    let decoded = decode_patch(stored.codec, &stored.bytes, limits::PATCH_BYTES_MAX);
    match decoded.is_ok_and(|patch| is_right(&patch)) {
        true => Ok(Stored { base: Some(base), ..stored }),
        false => Err(RepositoryError::EncodeMismatch { kind: Kind::Segment, id, plain_len }),
    }
}

/// Decodes the stored bytes of a patch, which must not become longer than `limit`.
pub(crate) fn decode_patch(codec: Codec, stored: &[u8], limit: u64) -> Result<Vec<u8>, String> {
    let len = match codec {
        Codec::Raw => stored.len() as u64,
        Codec::Zstd => match zstd_safe::get_frame_content_size(stored) {
            Ok(Some(len)) => len,
            Ok(None) => return Err("its zstd frame does not say how long the patch is".to_owned()),
            Err(_) => return Err("expected a zstd frame, found something else".to_owned()),
        },
    };
    match len <= limit {
        true => decode(codec, stored, len),
        false => Err(format!("a patch of {len} bytes is longer than the {limit} that are left for it")),
    }
}

impl Coder {
    /// Compresses into the scratch memory: what is kept takes no more memory than it has bytes.
    fn compress(&mut self, level: i32, plaintext: &[u8]) -> io::Result<&[u8]> {
        if self.compressor.as_ref().is_none_or(|(found, _)| *found != level) {
            let mut compressor = Compressor::new(level)?;
            compressor.set_parameter(zstd_safe::CParameter::ContentSizeFlag(true))?;
            self.compressor = Some((level, compressor));
        }
        let (_, compressor) = self.compressor.as_mut().expect("it was filled above");
        // High levels choose larger windows by themselves, which readers would refuse; 0 leaves it to them.
        let window = if level > 19 || plaintext.len() > 1 << WINDOW_LOG_MAX { WINDOW_LOG_MAX } else { 0 };
        compressor.set_parameter(zstd_safe::CParameter::WindowLog(window))?;
        self.scratch.clear();
        self.scratch.reserve(zstd_safe::compress_bound(plaintext.len()));
        compressor.compress_to_buffer(plaintext, &mut self.scratch)?;
        Ok(&self.scratch)
    }

    fn decodes_to(&mut self, stored: &Stored, plaintext: &[u8]) -> bool {
        if stored.codec == Codec::Raw {
            return stored.bytes == plaintext;
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        scratch.reserve(plaintext.len());
        let equal = self.decompress(&stored.bytes, &mut scratch).is_ok() && scratch == plaintext;
        self.scratch = scratch;
        equal
    }

    /// Decompresses one frame into the spare capacity of `plaintext`.
    fn decompress(&mut self, stored: &[u8], plaintext: &mut Vec<u8>) -> io::Result<()> {
        if self.decompressor.is_none() {
            let mut decompressor = Decompressor::new()?;
            decompressor.set_parameter(zstd_safe::DParameter::WindowLogMax(WINDOW_LOG_MAX))?;
            self.decompressor = Some(decompressor);
        }
        let decompressor = self.decompressor.as_mut().expect("it was filled above");
        decompressor.decompress_to_buffer(stored, plaintext).map(drop)
    }
}

/// Decodes stored bytes to a plaintext of `plain_len` bytes, which the caller compared with its ceiling.
pub(crate) fn decode(codec: Codec, stored: &[u8], plain_len: u64) -> Result<Vec<u8>, String> {
    if codec == Codec::Raw {
        return match stored.len() as u64 {
            len if len == plain_len => Ok(stored.to_vec()),
            len => Err(format!("expected a plaintext of {plain_len} bytes, found {len}")),
        };
    }
    match zstd_safe::get_frame_content_size(stored) {
        Ok(Some(len)) if len == plain_len => {}
        Ok(Some(len)) => {
            return Err(format!("expected a plaintext of {plain_len} bytes, its frame says {len}"));
        }
        Ok(None) => return Err("its zstd frame does not say how long the plaintext is".to_owned()),
        Err(_) => return Err("expected a zstd frame, found something else".to_owned()),
    }
    if zstd_safe::find_frame_compressed_size(stored) != Ok(stored.len()) {
        return Err("expected exactly one zstd frame".to_owned());
    }
    let mut plaintext = Vec::with_capacity(plain_len as usize);
    with_coder(|coder| coder.decompress(stored, &mut plaintext)).map_err(|error| format!("zstd: {error}"))?;
    match plaintext.len() as u64 {
        len if len == plain_len => Ok(plaintext),
        len => Err(format!("expected a plaintext of {plain_len} bytes, found {len}")),
    }
}

/// Decodes stored bytes and checks that they are the object that `id` names.
pub(crate) fn decode_checked(
    keys: &Keys,
    (kind, id, plain_len): (Kind, ObjectId, u64),
    codec: Codec,
    stored: &[u8],
) -> Result<Vec<u8>, Problem> {
    let plaintext = decode(codec, stored, plain_len).map_err(|problem| Problem { problem, source: None })?;
    keys.check(kind, &plaintext, id).map_err(Problem::from)?;
    Ok(plaintext)
}

/// What is wrong with an object; the caller knows where it lies.
pub(crate) struct Problem {
    pub problem: String,
    pub source: Option<backup_format::FormatError>,
}

impl From<backup_format::FormatError> for Problem {
    fn from(source: backup_format::FormatError) -> Self {
        Self { problem: "its content is not what it should be".to_owned(), source: Some(source) }
    }
}
