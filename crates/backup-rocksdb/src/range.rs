//! Ranges of rows, and the shares that are made of them.

use backup_format::limits::{KEY_BYTES_MAX, ROOT_KEY_BYTES_MAX};
use backup_format::{FormatError, Reader, put_bytes, put_uleb};

/// Longest raw key: the first byte, a root key with its length, a key and the number of its segment.
const RAW_KEY_BYTES_MAX: usize = 16 + ROOT_KEY_BYTES_MAX + KEY_BYTES_MAX;
/// Most column families of a namespace of layout `plain`.
pub(crate) const FAMILIES_MAX: usize = 1_000;

/// Rows of one column family, from the first key on, up to but without the second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawRange {
    /// Name of the column family.
    pub family: String,
    /// First raw key; empty for the first there is.
    pub from: Vec<u8>,
    /// Raw key before which the range ends; `None` for the end of the family.
    pub to: Option<Vec<u8>>,
}

/// Encodes the ranges of a share.
pub(crate) fn encode(ranges: &[RawRange]) -> Vec<u8> {
    let mut token = Vec::new();
    put_uleb(&mut token, u32::try_from(ranges.len()).expect("ranges are limited by the families"));
    for range in ranges {
        put_bytes(&mut token, range.family.as_bytes());
        put_bytes(&mut token, &range.from);
        token.push(u8::from(range.to.is_some()));
        put_bytes(&mut token, range.to.as_deref().unwrap_or_default());
    }
    token
}

/// Decodes the ranges of a share.
pub(crate) fn decode(token: &[u8]) -> Result<Vec<RawRange>, FormatError> {
    let mut reader = Reader::new("share", token);
    let count = reader.uleb(FAMILIES_MAX, "ranges")?;
    let mut ranges = Vec::new();
    for _ in 0..count {
        let family = reader.byte_string(RAW_KEY_BYTES_MAX, "family")?;
        let family = String::from_utf8(family.to_vec())
            .map_err(|_| reader.malformed("expected the name of a column family in UTF-8".to_owned()))?;
        let from = reader.byte_string(RAW_KEY_BYTES_MAX, "first key")?.to_vec();
        let ends = reader.u8()? != 0;
        let to = reader.byte_string(RAW_KEY_BYTES_MAX, "end key")?.to_vec();
        ranges.push(RawRange { family, from, to: ends.then_some(to) });
    }
    reader.end()?;
    Ok(ranges)
}
