//! What root keys and keys look like in linera's own databases.

use crate::layout::Layout;

/// What a partition of a linera database holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    ChainState,
    Block,
    Blob,
    Event,
    NetworkDescription,
    ExporterState,
    BlockByHeight,
    EventBlockHeight,
}

impl Kind {
    /// Returns the kind that the first byte of a root key stands for. The enums of the two versions differ.
    pub(crate) fn of_tag(layout: Layout, tag: u8) -> Option<Self> {
        match (layout, tag) {
            (Layout::Linera015, 0) | (Layout::Linera016, 2) => Some(Self::ChainState),
            (Layout::Linera015, 1) | (Layout::Linera016, 3) => Some(Self::Block),
            (Layout::Linera015, 2) | (Layout::Linera016, 4) => Some(Self::Blob),
            (Layout::Linera015, 3) | (Layout::Linera016, 5) => Some(Self::Event),
            (Layout::Linera015, 5) | (Layout::Linera016, 0) => Some(Self::NetworkDescription),
            (Layout::Linera015, 6) | (Layout::Linera016, 1) => Some(Self::ExporterState),
            (Layout::Linera015, 7) | (Layout::Linera016, 6) => Some(Self::BlockByHeight),
            (Layout::Linera015, 8) | (Layout::Linera016, 7) => Some(Self::EventBlockHeight),
            _ => None,
        }
    }

    /// Returns the kind of a whole root key, `None` when linera writes no such root key.
    pub(crate) fn of_root_key(layout: Layout, root_key: &[u8]) -> Option<Self> {
        let kind = Self::of_tag(layout, *root_key.first()?)?;
        (kind.root_key_bytes() == root_key.len()).then_some(kind)
    }

    /// Returns the kind of the root key that `bytes` begin with, and the root key.
    pub(crate) fn of_prefix(layout: Layout, bytes: &[u8]) -> Option<(Self, &[u8])> {
        let kind = Self::of_tag(layout, *bytes.first()?)?;
        Some((kind, bytes.get(..kind.root_key_bytes())?))
    }

    /// Returns the length of root keys of this kind: the byte of the enum, and what it carries.
    fn root_key_bytes(self) -> usize {
        const HASH: usize = 32;
        match self {
            Self::NetworkDescription => 1,
            Self::ExporterState => 1 + 4,
            Self::Blob => 1 + HASH + 1,
            _ => 1 + HASH,
        }
    }

    /// Returns true if linera opens such partitions for one worker alone.
    pub(crate) fn is_exclusive(self) -> bool {
        matches!(self, Self::ChainState | Self::ExporterState)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ChainState => "chain_state",
            Self::Block => "block",
            Self::Blob => "blob",
            Self::Event => "event",
            Self::NetworkDescription => "network_description",
            Self::ExporterState => "exporter_state",
            Self::BlockByHeight => "block_by_height",
            Self::EventBlockHeight => "event_block_height",
        }
    }

    /// Returns true if linera writes such a key into partitions of this kind.
    pub(crate) fn has_key(self, layout: Layout, key: &[u8]) -> bool {
        let is_015 = layout == Layout::Linera015;
        match self {
            Self::ChainState | Self::ExporterState => key.first().is_some_and(|tag| *tag >= MIN_VIEW_TAG),
            Self::Block if is_015 => matches!(key, [0x5b] | [0xdd]),
            Self::Block => matches!(key, [0x02] | [0x03]),
            Self::Blob if is_015 => matches!(key, [0x2a] | [0x31]),
            Self::Blob => matches!(key, [0x00] | [0x01]),
            Self::NetworkDescription if is_015 => key == [0x77],
            Self::NetworkDescription => key == [0x04],
            Self::BlockByHeight => key.len() == 8,
            Self::Event | Self::EventBlockHeight => is_event_key(key),
        }
    }
}

/// The least first byte of a view's key.
const MIN_VIEW_TAG: u8 = 1;

/// Returns true if `key` is a stream id and an index: the application (00, or 01 and a hash), the stream's name with
/// its length, and a `u32`.
pub(crate) fn is_event_key(key: &[u8]) -> bool {
    let name = match key {
        [0, name @ ..] => Some(name),
        [1, rest @ ..] => rest.get(32..),
        _ => None,
    };
    let Some(name) = name else { return false };
    let mut reader = backup_format::Reader::new("event key", name);
    reader.byte_string(name.len(), "stream name").is_ok() && reader.remaining() == 4
}
