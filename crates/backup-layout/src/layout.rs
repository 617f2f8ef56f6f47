//! The layouts by name.

use std::fmt;
use std::str::FromStr;

use backup_format::Order;

use crate::error::LayoutError;
use crate::shape::Kind;

/// The rule between the entries of a namespace and the rows that an engine stores for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// `linera-0.15`: root keys without a length, values split into segments, an index of root keys.
    Linera015,
    /// `linera-0.16`: root keys with their length, values as they are, an index of root keys.
    Linera016,
    /// `plain`: a row is an entry; the engine says which root key its rows have.
    Plain,
}

impl Layout {
    /// All layouts.
    pub const ALL: [Self; 3] = [Self::Linera015, Self::Linera016, Self::Plain];

    /// Returns the name by which manifests, errors and the program call the layout.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Linera015 => "linera-0.15",
            Self::Linera016 => "linera-0.16",
            Self::Plain => "plain",
        }
    }

    /// Returns the order in which RocksDB, which sorts rows by the bytes of their keys, gives the entries.
    #[must_use]
    pub fn rocksdb_order(self) -> Order {
        match self {
            Self::Linera016 => Order::Prefixed,
            Self::Linera015 | Self::Plain => Order::Plain,
        }
    }

    /// Returns the root key that `bytes` begin with, by the shapes that linera's root keys have; `None` where they begin with
    /// none of these, and always in [`Layout::Plain`].
    #[must_use]
    pub fn root_key_of(self, bytes: &[u8]) -> Option<&[u8]> {
        Kind::of_prefix(self, bytes).map(|(_, root_key)| root_key)
    }

    /// Names what a partition holds, by the whole of its root key: `chain_state`, `block`, `blob`, `event`,
    /// `network_description`, `exporter_state`, `block_by_height` or `event_block_height`. It is `other` where the root
    /// key is none that linera writes, and `None` for [`Layout::Plain`], which knows no kinds.
    #[must_use]
    pub fn kind(self, root_key: &[u8]) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Linera015 | Self::Linera016 => {
                Some(Kind::of_root_key(self, root_key).map_or("other", Kind::name))
            }
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.name())
    }
}

impl FromStr for Layout {
    type Err = LayoutError;

    /// Takes a layout's name.
    ///
    /// # Errors
    ///
    /// [`LayoutError::UnknownName`] for any other text.
    fn from_str(name: &str) -> Result<Self, LayoutError> {
        Self::ALL
            .into_iter()
            .find(|layout| layout.name() == name)
            .ok_or_else(|| LayoutError::UnknownName { name: name.to_owned() })
    }
}
