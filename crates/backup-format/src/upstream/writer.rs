//! Writing an upstream file.

use std::fmt;
use std::io::Write;

use super::merge::Sorter;
use super::output::Output;
use super::scratch::Scratch;
use super::spill::{Item, Sink};
use super::{COUNT_MAX, FILE};
use crate::codec::{put_bytes, put_uleb, uleb_len};
use crate::entry::Group;
use crate::error::{FormatError, show};

/// Memory in which items are sorted by default.
const MEMORY_BYTES: usize = 32 << 20;

/// Writes an upstream file from the groups of a dump, in whichever order they come.
///
/// The entries of a partition must follow each other, as they do in every dump. All of them are sorted through
/// scratch files, since in the file the keys of a partition stand in another order. Memory stays at some 64 MiB
/// unless keys are huge.
pub struct UpstreamWriter<W: Write, S> {
    out: W,
    sorter: Sorter<S>,
    /// Root key of the open partition as a BCS byte string; empty before the first.
    root: Vec<u8>,
    /// Entries of the open partition.
    open: usize,
    partitions: u64,
    entries: u64,
}

impl<W: Write, S: Scratch> UpstreamWriter<W, S> {
    /// Starts a file, which is written to `out` by [`UpstreamWriter::finish`].
    #[must_use]
    pub fn new(out: W, scratch: S) -> Self {
        Self {
            out,
            sorter: Sorter::new(scratch, MEMORY_BYTES),
            root: Vec::new(),
            open: 0,
            partitions: 0,
            entries: 0,
        }
    }

    /// Sets after how many bytes of entries a scratch file is written: 32 MiB by default. What is used is up to twice
    /// that, and while scratch files are merged, 128 KiB and a key for each of 64 of them.
    #[must_use]
    pub fn with_memory_bytes(mut self, bytes: usize) -> Self {
        self.sorter.set_memory_bytes(bytes);
        self
    }

    /// Appends the entries of a group: to the open partition, if it has the same root key.
    ///
    /// # Errors
    ///
    /// [`FormatError::Io`] from a scratch file; the writer is of no use afterwards.
    pub fn push(&mut self, group: &Group<'_>) -> Result<(), FormatError> {
        let mut root = Vec::with_capacity(group.root_key.len() + 5);
        put_bytes(&mut root, group.root_key);
        if root != self.root {
            self.close_partition()?;
            self.root = root;
            self.partitions += 1;
        }
        for entry in group.iter() {
            let key_len = uleb_len(entry.key.len() as u32) + entry.key.len();
            let (key, payload) = entry.encoded.split_at(key_len);
            self.sorter.add(&Item { root: &self.root, key, payload })?;
            self.open += 1;
            self.entries += 1;
        }
        Ok(())
    }

    /// Writes the file and returns `out`, flushed. Both numbers are compared with what was pushed.
    ///
    /// # Errors
    ///
    /// [`FormatError::Io`], and [`FormatError::Malformed`] when the numbers differ, or a partition came in two places, or
    /// a key twice.
    pub fn finish(mut self, partitions: u64, entries: u64) -> Result<W, FormatError> {
        self.close_partition()?;
        if (partitions, entries) != (self.partitions, self.entries) {
            return Err(malformed(
                0,
                format!(
                    "expected {partitions} partitions and {entries} entries, found {} and {}",
                    self.partitions, self.entries
                ),
            ));
        }
        let mut file = FileSink::begin(self.out, self.partitions)?;
        self.sorter.merge_to(&mut file)?;
        file.finish()
    }

    /// Adds the item that tells how many entries the open partition has.
    fn close_partition(&mut self) -> Result<(), FormatError> {
        if self.root.is_empty() {
            return Ok(());
        }
        let payload = encode_count("entries", self.open as u64)?;
        self.open = 0;
        let root = std::mem::take(&mut self.root);
        self.sorter.add(&Item { root: &root, key: &[], payload: &payload })
    }
}

impl<W: Write, S> fmt::Debug for UpstreamWriter<W, S> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "UpstreamWriter({} partitions, {} entries)", self.partitions, self.entries)
    }
}

/// The file itself: checks that the items make a map of maps.
struct FileSink<W: Write> {
    out: Output<W>,
    root: Option<Vec<u8>>,
    key: Option<Vec<u8>>,
}

impl<W: Write> FileSink<W> {
    fn begin(out: W, partitions: u64) -> Result<Self, FormatError> {
        let mut out = Output::new(out, "writing the upstream file");
        out.put(&encode_count("partitions", partitions)?)?;
        Ok(Self { out, root: None, key: None })
    }

    fn finish(self) -> Result<W, FormatError> {
        self.out.finish()
    }
}

impl<W: Write> Sink for FileSink<W> {
    fn put(&mut self, item: &Item<'_>) -> Result<(), FormatError> {
        let same_root = self.root.as_deref() == Some(item.root);
        if same_root && item.key.is_empty() {
            let problem = format!("partition root_key={} came in two places", show(content_of(item.root)));
            return Err(malformed(self.out.written(), problem));
        }
        if same_root && self.key.as_deref() == Some(item.key) {
            let (root, key) = (show(content_of(item.root)), show(content_of(item.key)));
            return Err(malformed(self.out.written(), format!("root_key={root} key={key} came twice")));
        }
        if item.key.is_empty() {
            replace(&mut self.root, item.root);
            self.key = None;
            self.out.put(item.root)?;
        } else {
            replace(&mut self.key, item.key);
            self.out.put(item.key)?;
        }
        self.out.put(item.payload)
    }

    fn put_more(&mut self, value: &[u8]) -> Result<(), FormatError> {
        self.out.put(value)
    }
}

fn encode_count(what: &'static str, count: u64) -> Result<Vec<u8>, FormatError> {
    if count > COUNT_MAX as u64 {
        return Err(malformed(0, format!("{count} {what}; BCS counts at most {COUNT_MAX}")));
    }
    let mut bytes = Vec::with_capacity(5);
    put_uleb(&mut bytes, count as u32);
    Ok(bytes)
}

fn malformed(offset: u64, problem: String) -> FormatError {
    FormatError::Malformed { object: FILE, offset, problem }
}

/// Returns the bytes of a BCS byte string without its length.
fn content_of(encoded: &[u8]) -> &[u8] {
    let length_len = encoded.iter().take_while(|byte| **byte & 0x80 != 0).count() + 1;
    encoded.get(length_len..).unwrap_or_default()
}

fn replace(held: &mut Option<Vec<u8>>, bytes: &[u8]) {
    let held = held.get_or_insert_default();
    held.clear();
    held.extend_from_slice(bytes);
}
