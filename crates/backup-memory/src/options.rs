//! What can be chosen about a namespace.

use std::fmt;

/// Names the kind of a partition by its root key.
pub(crate) type KindOf = fn(&[u8]) -> Option<&'static str>;

/// How a namespace is read, and what it calls its content.
#[derive(Clone)]
pub struct Options {
    pub(crate) batch_bytes: usize,
    pub(crate) layout: String,
    pub(crate) kind: KindOf,
}

impl Default for Options {
    /// Batches of 256 KiB, layout `plain`, no kinds.
    fn default() -> Self {
        Self { batch_bytes: 256 << 10, layout: "plain".to_owned(), kind: |_| None }
    }
}

impl Options {
    /// Sets the bytes of keys and values at which a batch ends. An entry that is longer is a batch of its own, so 0
    /// means one entry at a time.
    #[must_use]
    pub fn with_batch_bytes(mut self, bytes: usize) -> Self {
        self.batch_bytes = bytes;
        self
    }

    /// Sets the layout whose content this is, and how it calls its partitions. Memory itself has neither rows nor
    /// kinds: this keeps what a dump from another engine says of itself.
    #[must_use]
    pub fn with_layout(mut self, name: &str, kind: fn(&[u8]) -> Option<&'static str>) -> Self {
        self.layout = name.to_owned();
        self.kind = kind;
        self
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { batch_bytes, layout, kind: _ } = self;
        out.debug_struct("Options").field("batch_bytes", batch_bytes).field("layout", layout).finish()
    }
}
