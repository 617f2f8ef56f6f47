//! The lines of a pack's table.

use std::sync::Arc;

use super::{Codec, Object, Seal, TABLE, Table, TableLine, WrappedKey};
use crate::codec::{Reader, put_bytes, put_uleb};
use crate::error::FormatError;
use crate::id::{Kind, ObjectId};
use crate::limits;

/// Bytes of one line of the table of version 1.
const LINE_BYTES: usize = 3 + 32 + 8 + 8;
/// Bytes of one line of the table of version 2, without the id of a base.
pub(super) const LINE_2_BYTES: usize = 3 + 2 + 32 + 8 + 8;
/// Bytes that a key takes at least: its id, and an empty byte string.
const KEY_BYTES_MIN: usize = 32 + 1;

impl Codec {
    /// Returns the number in tables of version 2, which tells a patch from what is stored whole.
    #[must_use]
    pub fn number(self, is_patch: bool) -> u8 {
        self as u8 | if is_patch { PATCH } else { 0 }
    }

    /// Returns the codec with this number, `None` for an unknown one.
    fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Raw),
            1 => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// Appends the keys of a table of version 2.
pub(super) fn put_keys(out: &mut Vec<u8>, keys: &[Arc<WrappedKey>]) {
    put_uleb(out, keys.len() as u32);
    for WrappedKey { id, wrapped } in keys.iter().map(|key| &**key) {
        out.extend_from_slice(id);
        put_bytes(out, wrapped);
    }
}

/// Appends a line. Those of version 2 have the number of a key, and the base of a patch.
pub(super) fn put(out: &mut Vec<u8>, Object { line, base, seal }: &Object, is_2: bool) {
    let codec = line.codec.number(base.is_some());
    out.extend_from_slice(&[line.kind as u8, codec]);
    base.iter().for_each(|base| out.extend_from_slice(&base.0));
    let (aead, key) = seal.map_or((0, 0), |Seal { aead, key }| (aead, key));
    out.push(aead);
    out.extend_from_slice(key.to_le_bytes().get(..if is_2 { 2 } else { 0 }).unwrap_or_default());
    out.extend_from_slice(&line.id.0);
    out.extend_from_slice(&line.plain_len.to_le_bytes());
    out.extend_from_slice(&line.stored_len.to_le_bytes());
}

/// What the number of a codec has more for a patch than for an object that is stored whole.
const PATCH: u8 = 2;

/// Parses a table of version 2 without its trailer.
pub(super) fn decode_2(table: &[u8]) -> Result<Table, FormatError> {
    let mut reader = Reader::new(TABLE, table);
    let keys = decode_keys(&mut reader)?;
    let count = reader.uleb(u32::MAX as usize, "objects")?;
    if count == 0
        || count > limits::PACK_OBJECTS_MAX
        || count.saturating_mul(LINE_2_BYTES) > reader.remaining()
    {
        let left = reader.remaining();
        return Err(reader.malformed(format!(
            "{count} objects in {left} bytes; expected at least {LINE_2_BYTES} bytes for each of 1 to {}",
            limits::PACK_OBJECTS_MAX
        )));
    }
    let mut objects = Vec::with_capacity(count);
    for _ in 0..count {
        objects.push(decode_line_2(&mut reader, keys.len())?);
    }
    reader.end()?;
    Ok(Table { keys, objects })
}

fn decode_keys(reader: &mut Reader<'_>) -> Result<Vec<WrappedKey>, FormatError> {
    let count = reader.uleb(u32::MAX as usize, "keys")?;
    if count > limits::PACK_KEYS_MAX || count.saturating_mul(KEY_BYTES_MIN) > reader.remaining() {
        let (left, most) = (reader.remaining(), limits::PACK_KEYS_MAX);
        return Err(reader.malformed(format!("{count} keys in {left} bytes; expected at most {most} keys")));
    }
    let mut keys = Vec::with_capacity(count);
    for _ in 0..count {
        let id = reader.array()?;
        let wrapped = reader.byte_string(limits::WRAPPED_KEY_BYTES_MAX, "wrapped key")?.to_vec();
        keys.push(WrappedKey { id, wrapped });
    }
    Ok(keys)
}

fn decode_line_2(reader: &mut Reader<'_>, keys: usize) -> Result<Object, FormatError> {
    let at = reader.clone();
    let [kind, number] = reader.array()?;
    let kind = decode_kind(&at, kind)?;
    let codec = Codec::from_number(number % PATCH).filter(|_| number < 2 * PATCH);
    let codec = codec.ok_or_else(|| {
        let expected = "expected codec 0 (raw), 1 (zstd), 2 (patch) or 3 (patch in zstd)";
        at.malformed(format!("{expected}, found {number}"))
    })?;
    let base = if number < PATCH { None } else { Some(ObjectId(reader.array()?)) };
    let seal = match (reader.u8()?, u16::from_le_bytes(reader.array()?)) {
        (0, 0) => None,
        (aead @ 1..=2, key) if usize::from(key) < keys => Some(Seal { aead, key }),
        (aead, key) => {
            let expected = "expected aead 0 with key 0, or 1 or 2 with a key of the table";
            return Err(at.malformed(format!("{expected}; found {aead} with key {key} of {keys}")));
        }
    };
    let (id, plain_len, stored_len) = (ObjectId(reader.array()?), reader.u64()?, reader.u64()?);
    let line = TableLine { kind, codec, id, plain_len, stored_len };
    match base {
        None => check_line(&at, line, seal).map(|line| Object { line, base, seal }),
        Some(base) => {
            check_patch(&at, line, base).map(|(line, base)| Object { line, base: Some(base), seal })
        }
    }
}

/// Checks the line of a patch: only segments are stored so, and only short ones.
fn check_patch(
    at: &Reader<'_>,
    line: TableLine,
    base: ObjectId,
) -> Result<(TableLine, ObjectId), FormatError> {
    if line.kind != Kind::Segment || base == line.id {
        let problem = format!("{} {} is stored as a patch of {base}", line.kind, line.id);
        return Err(at.malformed(format!("{problem}; expected a segment, and another one as its base")));
    }
    let limit = limits::PATCH_BYTES_MAX;
    for (what, found) in [("plaintext of a patched segment", line.plain_len), ("patch", line.stored_len)] {
        if found > limit {
            let offset = at.position() as u64;
            return Err(FormatError::TooLong { object: TABLE, offset, what, found, limit });
        }
    }
    Ok((line, base))
}

fn decode_kind(at: &Reader<'_>, number: u8) -> Result<Kind, FormatError> {
    Kind::from_number(number)
        .ok_or_else(|| at.malformed(format!("expected kind 1 (segment) or 2 (page), found {number}")))
}

/// Parses a table of version 1 without its trailer.
pub(super) fn decode(table: &[u8]) -> Result<Vec<Object>, FormatError> {
    let mut reader = Reader::new(TABLE, table);
    let count = reader.uleb(u32::MAX as usize, "objects")?;
    if count == 0
        || count > limits::PACK_OBJECTS_MAX
        || count.saturating_mul(LINE_BYTES) != reader.remaining()
    {
        let left = reader.remaining();
        return Err(reader.malformed(format!(
            "{count} objects in {left} bytes; expected {LINE_BYTES} bytes for each of 1 to {}",
            limits::PACK_OBJECTS_MAX
        )));
    }
    let mut lines = Vec::with_capacity(count);
    for _ in 0..count {
        lines.push(Object { line: decode_line(&mut reader)?, base: None, seal: None });
    }
    Ok(lines)
}

fn decode_line(reader: &mut Reader<'_>) -> Result<TableLine, FormatError> {
    let at = reader.clone();
    let [kind, codec, aead] = reader.array()?;
    let kind = decode_kind(&at, kind)?;
    let codec = Codec::from_number(codec)
        .ok_or_else(|| at.malformed(format!("expected codec 0 (raw) or 1 (zstd), found {codec}")))?;
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
    check_line(&at, line, None)
}

fn check_line(at: &Reader<'_>, line: TableLine, seal: Option<Seal>) -> Result<TableLine, FormatError> {
    if line.plain_len > limits::OBJECT_BYTES_MAX {
        return Err(FormatError::TooLong {
            object: TABLE,
            offset: at.position() as u64,
            what: "plaintext",
            found: line.plain_len,
            limit: limits::OBJECT_BYTES_MAX,
        });
    }
    if seal.is_some() {
        // A sealed page has ids before its seal, whose number stands there.
        let least = if line.kind == Kind::Page { 4 + limits::SEAL_BYTES } else { limits::SEAL_BYTES };
        return match line.stored_len >= least {
            true => Ok(line),
            false => Err(at.malformed(format!(
                "a sealed {} of {} bytes; expected {least} or more",
                line.kind, line.stored_len
            ))),
        };
    }
    if line.codec == Codec::Raw && line.plain_len != line.stored_len {
        return Err(at.malformed(format!(
            "a raw object has one length; found plain_len {} and stored_len {}",
            line.plain_len, line.stored_len
        )));
    }
    Ok(line)
}
