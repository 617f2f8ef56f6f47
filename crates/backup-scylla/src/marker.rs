//! What says of a table that it is half restored: its comment, which everybody sees who looks at the schema.

use backup_format::{Order, RestoreMarker};
use backup_layout::Layout;

use crate::address::CqlAddress;
use crate::error::CqlError;

const PREFIX: &str = "kvbackup: half restored, do not use; ";
const UNKNOWN: &str = "(unknown)";

/// A restore that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Marker {
    /// Id of the dump.
    pub dump: String,
    pub layout: String,
    pub order: String,
    /// Timestamp of all rows, in microseconds since 1970.
    pub timestamp: i64,
}

impl Marker {
    pub(crate) fn new(marker: &RestoreMarker, layout: Layout, order: Order, timestamp: i64) -> Self {
        let order = u8::from(order).to_string();
        let (dump, layout) = (marker.dump.to_string(), layout.name().to_owned());
        Self { dump, layout, order, timestamp }
    }

    /// Returns the comment.
    pub(crate) fn comment(&self) -> String {
        let Self { dump, layout, order, timestamp } = self;
        format!("{PREFIX}dump={dump} layout={layout} order={order} timestamp={timestamp}.")
    }

    /// Reads a comment; `None` when it is none of ours. What is missing in it becomes `(unknown)`.
    pub(crate) fn of(comment: &str) -> Option<Self> {
        let rest = comment.strip_prefix(PREFIX)?;
        let field = |name: &str| {
            let mut fields = rest.split(' ').filter_map(|field| field.split_once('='));
            fields.find(|(found, _)| *found == name).map(|(_, value)| value)
        };
        let text = |name: &str| field(name).unwrap_or(UNKNOWN).to_owned();
        // The full stop tells that the number is whole.
        let timestamp = field("timestamp").and_then(|number| number.strip_suffix('.')?.parse().ok());
        let timestamp = timestamp.unwrap_or(i64::MAX);
        Some(Self { dump: text("dump"), layout: text("layout"), order: text("order"), timestamp })
    }

    /// Checks that a restore was begun as `self` would begin it; the timestamp may be another.
    pub(crate) fn check(&self, found: &Self, address: &CqlAddress) -> Result<(), CqlError> {
        found.check_dump(&self.dump, address)?;
        let fields = [("layout", &self.layout, &found.layout), ("order", &self.order, &found.order)];
        match fields.into_iter().find(|(_, expected, found)| expected != found) {
            None => Ok(()),
            Some((what, expected, found)) => {
                let (address, expected, found) = (address.to_string(), expected.clone(), found.clone());
                Err(CqlError::OtherPlan { address, what, expected, found })
            }
        }
    }

    /// Checks that it is the restore of this dump.
    pub(crate) fn check_dump(&self, dump: &str, address: &CqlAddress) -> Result<(), CqlError> {
        if self.dump == dump && self.timestamp != i64::MAX {
            return Ok(());
        }
        Err(CqlError::OtherRestore { address: address.to_string(), dump: self.dump.clone() })
    }
}

#[cfg(test)]
mod tests {
    use backup_format::{ErrorClass, ObjectId};

    use super::*;

    fn marker(dump: u8, layout: Layout, order: Order) -> Marker {
        Marker::new(&RestoreMarker { dump: ObjectId([dump; 32]) }, layout, order, 7)
    }

    #[test]
    fn a_marker_is_read_as_it_was_written() {
        let marker = marker(0xab, Layout::Linera015, Order::Token);
        let comment = marker.comment();
        let dump = "ab".repeat(32);
        let expected = format!(
            "kvbackup: half restored, do not use; dump={dump} layout=linera-0.15 order=2 timestamp=7."
        );
        assert_eq!(comment, expected);
        assert_eq!(Marker::of(&comment), Some(marker));
        assert!(!comment.contains('\''), "it stands in quotes");
    }

    #[test]
    fn other_comments_are_no_markers_and_broken_ones_belong_to_nobody() {
        for comment in ["", "accounts", "kvbackup"] {
            assert_eq!(Marker::of(comment), None);
        }
        let address = "cql://a/kv/ns".parse().unwrap();
        let whole = marker(1, Layout::Linera015, Order::Token);
        let comment = whole.comment();
        for length in PREFIX.len()..comment.len() {
            let found = Marker::of(&comment[..length]).unwrap();
            assert!(whole.check(&found, &address).is_err(), "{found:?}");
        }
    }

    #[test]
    fn a_restore_goes_on_only_as_it_was_begun() {
        let address: CqlAddress = "cql://a/kv/ns".parse().unwrap();
        let wanted = marker(1, Layout::Linera015, Order::Token);
        wanted.check(&Marker { timestamp: 8, ..wanted.clone() }, &address).unwrap();
        let others = [
            (marker(2, Layout::Linera015, Order::Token), "holds a restore of another dump"),
            (marker(1, Layout::Linera016, Order::Token), "with layout linera-0.16, not linera-0.15"),
            (marker(1, Layout::Linera015, Order::Plain), "with order 1, not 2"),
        ];
        for (other, text) in others {
            let error = wanted.check(&other, &address).unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
            assert_eq!(error.class(), ErrorClass::Refused);
        }
    }
}
