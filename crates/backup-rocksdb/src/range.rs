//! Ranges of rows, and the tokens that are made of them.

use backup_format::limits::{KEY_BYTES_MAX, ROOT_KEY_BYTES_MAX};
use backup_format::{FormatError, Range, Reader, put_bytes, put_uleb};
use backup_layout::Layout;
use backup_layout::rocksdb::DATA;

use crate::handle::DEFAULT_FAMILY;

/// Longest raw key: the first byte, a root key with its length, a key and the number of its segment.
const RAW_KEY_BYTES_MAX: usize = 16 + ROOT_KEY_BYTES_MAX + KEY_BYTES_MAX;
/// Most column families of a namespace of layout `plain`.
pub(crate) const FAMILIES_MAX: usize = 1_000;

/// Rows of one column family, from the first key to before the second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawRange {
    /// Name of the column family.
    pub family: String,
    /// First raw key; empty for the first there is.
    pub from: Vec<u8>,
    /// Raw key before which the range ends; `None` for the end of the family.
    pub to: Option<Vec<u8>>,
}

/// Encodes the rows of a range of the plan.
pub(crate) fn encode(rows: &[RawRange]) -> Range {
    let mut token = Vec::new();
    put_uleb(&mut token, u32::try_from(rows.len()).expect("rows are limited by the families"));
    for range in rows {
        put_bytes(&mut token, range.family.as_bytes());
        put_bytes(&mut token, &range.from);
        token.push(u8::from(range.to.is_some()));
        if let Some(to) = &range.to {
            put_bytes(&mut token, to);
        }
    }
    Range { token }
}

/// Decodes a range of the plan, and checks that it has rows which this layout allows.
pub(crate) fn decode(range: &Range, layout: Layout) -> Result<Vec<RawRange>, FormatError> {
    let mut reader = Reader::new("range token", &range.token);
    let count = reader.uleb(FAMILIES_MAX, "ranges")?;
    let mut ranges = Vec::new();
    for _ in 0..count {
        let family = reader.byte_string(RAW_KEY_BYTES_MAX, "family")?;
        let family = String::from_utf8(family.to_vec())
            .map_err(|_| reader.malformed("expected the name of a column family in UTF-8".to_owned()))?;
        let from = reader.byte_string(RAW_KEY_BYTES_MAX, "first key")?.to_vec();
        let to = match reader.u8()? {
            0 => None,
            _ => Some(reader.byte_string(RAW_KEY_BYTES_MAX, "end key")?.to_vec()),
        };
        let is_data = family == DEFAULT_FAMILY && from.first() == Some(&DATA);
        if layout != Layout::Plain && !is_data {
            return Err(reader.malformed(format!("expected data rows of layout {layout}")));
        }
        ranges.push(RawRange { family, from, to });
    }
    reader.end()?;
    Ok(ranges)
}
