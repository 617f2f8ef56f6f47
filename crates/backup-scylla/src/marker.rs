//! The marker of a table that is half restored: its comment, which everybody sees who reads the
//! schema.

use backup_format::{ContractError, ObjectId};
use backup_layout::Layout;

use crate::address::CqlAddress;
use crate::error::CqlError;

const PREFIX: &str = "kvbackup: half restored, do not use; ";

/// A restore that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Marker {
    pub dump: ObjectId,
    /// Name of the layout.
    pub layout: String,
    /// Timestamp of all rows, in microseconds since 1970.
    pub timestamp: i64,
}

impl Marker {
    pub(crate) fn new(dump: ObjectId, layout: Layout, timestamp: i64) -> Self {
        Self { dump, layout: layout.name().to_owned(), timestamp }
    }

    /// Returns the comment.
    pub(crate) fn comment(&self) -> String {
        let Self { dump, layout, timestamp } = self;
        format!("{PREFIX}dump={dump} layout={layout} timestamp={timestamp}.")
    }

    /// Reads the comment of a table; `None` when it is no marker.
    pub(crate) fn of(comment: &str, address: &CqlAddress) -> Result<Option<Self>, CqlError> {
        let Some(fields) = comment.strip_prefix(PREFIX) else { return Ok(None) };
        let marker = Self::of_fields(fields)
            .ok_or_else(|| CqlError::Marker { address: address.to_string(), comment: comment.to_owned() })?;
        Ok(Some(marker))
    }

    fn of_fields(fields: &str) -> Option<Self> {
        // The full stop says that the number is whole.
        let fields = fields.strip_suffix('.')?;
        let field = |name: &str| {
            let mut fields = fields.split(' ').filter_map(|field| field.split_once('='));
            fields.find(|(found, _)| *found == name).map(|(_, value)| value)
        };
        Some(Self {
            dump: field("dump")?.parse().ok()?,
            layout: field("layout")?.to_owned(),
            timestamp: field("timestamp")?.parse().ok()?,
        })
    }

    /// Checks that this is a restore of `dump` with the rows of `layout`.
    pub(crate) fn check(&self, dump: ObjectId, layout: Layout, address: &CqlAddress) -> Result<(), CqlError> {
        let (place, found) = (address.to_string(), self.dump);
        if found != dump {
            return Err(ContractError::OtherRestore { place, dump, found }.into());
        }
        if self.layout != layout.name() {
            let (expected, found) = (layout.name(), self.layout.clone());
            return Err(CqlError::OtherLayout { address: place, expected, found });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use backup_format::ErrorClass;

    use super::*;

    fn address() -> CqlAddress {
        "cql://a/kv/ns".parse().unwrap()
    }

    fn marker() -> Marker {
        Marker::new(ObjectId([0xab; 32]), Layout::Linera015, 7)
    }

    #[test]
    fn a_marker_is_read_as_it_was_written() {
        let comment = marker().comment();
        let dump = "ab".repeat(32);
        let expected =
            format!("kvbackup: half restored, do not use; dump={dump} layout=linera-0.15 timestamp=7.");
        assert_eq!(comment, expected);
        assert_eq!(Marker::of(&comment, &address()).unwrap(), Some(marker()));
        assert!(!comment.contains('\''), "it stands in quotes");
    }

    #[test]
    fn other_comments_are_no_markers_and_broken_ones_are_refused() {
        for comment in ["", "accounts", "kvbackup"] {
            assert_eq!(Marker::of(comment, &address()).unwrap(), None);
        }
        let comment = marker().comment();
        for length in PREFIX.len()..comment.len() {
            let error = Marker::of(&comment[..length], &address()).unwrap_err();
            assert_eq!(error.class(), ErrorClass::Refused);
        }
    }

    #[test]
    fn a_restore_is_resumed_only_as_it_was_begun() {
        let check = |dump, layout| marker().check(ObjectId([dump; 32]), layout, &address());
        check(0xab, Layout::Linera015).unwrap();
        for (error, text) in [
            (check(0xac, Layout::Linera015), "complete or discard that one first"),
            (check(0xab, Layout::Linera016), "in layout linera-0.15, not in linera-0.16"),
        ] {
            let error = error.unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
            assert_eq!(error.class(), ErrorClass::Refused);
        }
    }
}
