//! Patches: what is to be done to one segment so that it becomes another one.
//!
//! A patch is a list of steps over the entries of its base, in their order. A step keeps entries, then drops some, then adds
//! some. What the steps leave over of the base is kept.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::cmp::Ordering;

use crate::codec::{Reader, put_bytes, put_uleb, uleb_len};
use crate::entry::{Entry, EntryBatch, Group, Run};
use crate::error::FormatError;
use crate::limits;
use crate::order::Order;
use crate::segment::Segment;

mod by_fingerprint;

pub use by_fingerprint::{apply_by_fingerprint, make_by_fingerprint};

const OBJECT: &str = "patch";

/// Bytes that a step takes at least: entries kept, entries dropped, number of groups.
const STEP_BYTES_MIN: usize = 4 + 4 + 1;
/// Bytes that a group takes at least: empty root key, count, empty key, empty value.
const GROUP_BYTES_MIN: usize = 4;
/// Bytes that an entry takes at least: empty key, empty value.
const ENTRY_BYTES_MIN: usize = 2;

/// Makes the patch by which `base` becomes `new`. Both must be in this order; equal ones have no patch.
///
/// Entries of equal key and value are kept, and all others are dropped or added: so there is one patch for two segments.
#[must_use]
pub fn make(base: &Segment, new: &Segment, order: Order) -> Option<Vec<u8>> {
    let mut maker = Maker::default();
    let (mut old, mut found) = (base.groups().peekable(), new.groups().peekable());
    loop {
        let ordering = match (old.peek(), found.peek()) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(found)) => order.compare_roots(old.root_key, found.root_key),
        };
        let old = (ordering != Ordering::Greater).then(|| old.next()).flatten();
        let found = (ordering != Ordering::Less).then(|| found.next()).flatten();
        match (old, found) {
            (Some(old), Some(found)) => maker.merge(&old, &found),
            (Some(old), None) => maker.drop = maker.drop.saturating_add(old.entries),
            (None, Some(found)) => maker.add.push_run(found.root_key, found.into()),
            (None, None) => break,
        }
    }
    maker.finish()
}

/// Collects the steps of a patch.
#[derive(Default)]
struct Maker {
    steps: Vec<u8>,
    count: u32,
    keep: u32,
    drop: u32,
    add: EntryBatch,
}

impl Maker {
    /// Takes two groups of one root key.
    fn merge(&mut self, old: &Group<'_>, found: &Group<'_>) {
        let (mut old, mut new) = (old.iter().peekable(), found.iter().peekable());
        loop {
            let ordering = match (old.peek(), new.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(old), Some(new)) => old.key.cmp(new.key),
            };
            let old = (ordering != Ordering::Greater).then(|| old.next()).flatten();
            let new = (ordering != Ordering::Less).then(|| new.next()).flatten();
            match (old, new) {
                (Some(old), Some(new)) if old.encoded == new.encoded => self.keep(),
                (old, new) => {
                    self.drop = self.drop.saturating_add(u32::from(old.is_some()));
                    new.into_iter().for_each(|entry: Entry<'_>| {
                        self.add.push_run(found.root_key, Run::from(entry));
                    });
                }
            }
        }
    }

    fn keep(&mut self) {
        self.close();
        self.keep = self.keep.saturating_add(1);
    }

    /// Ends the step, if it drops or adds anything.
    fn close(&mut self) {
        if self.drop == 0 && self.add.is_empty() {
            return;
        }
        self.steps.extend_from_slice(&self.keep.to_le_bytes());
        self.steps.extend_from_slice(&self.drop.to_le_bytes());
        let groups = self.add.groups();
        put_uleb(&mut self.steps, groups.len() as u32);
        for group in groups {
            put_bytes(&mut self.steps, group.root_key);
            put_uleb(&mut self.steps, group.entries);
            self.steps.extend_from_slice(group.body);
        }
        self.add.clear();
        (self.keep, self.drop) = (0, 0);
        self.count = self.count.saturating_add(1);
    }

    fn finish(mut self) -> Option<Vec<u8>> {
        self.close();
        if self.count == 0 {
            return None;
        }
        let mut patch = Vec::with_capacity(self.steps.len().saturating_add(uleb_len(self.count)));
        put_uleb(&mut patch, self.count);
        patch.extend_from_slice(&self.steps);
        Some(patch)
    }
}

/// Neighbouring entries of one root key, borrowed from the base or from a patch.
#[derive(Clone, Copy, Debug)]
struct Piece<'a> {
    root_key: &'a [u8],
    encoded: &'a [u8],
    entries: u32,
}

/// A segment while patches are applied to it: pieces of its base and of the patches. Nothing is copied before the end.
///
/// ```
/// use backup_format::{EntryBatch, Limits, Order, Segment, patch};
///
/// let segment = |value: &[u8]| {
///     let mut batch = EntryBatch::default();
///     batch.push(b"chain", b"height", value);
///     batch.push(b"chain", b"tip", b"");
///     Segment::from_batch(&batch)
/// };
/// let (base, new) = (segment(b"12"), segment(b"13"));
/// let body = patch::make(&base, &new, Order::Plain).expect("they differ");
/// let mut patched = patch::Patched::new(&base);
/// patched.apply(&body)?;
/// assert_eq!(patched.plaintext(), new.plaintext());
/// # Ok::<_, backup_format::FormatError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Patched<'a> {
    pieces: Vec<Piece<'a>>,
}

impl<'a> Patched<'a> {
    /// Starts with a segment.
    #[must_use]
    pub fn new(base: &'a Segment) -> Self {
        let piece = |group: Group<'a>| Piece {
            root_key: group.root_key,
            encoded: group.body,
            entries: group.entries,
        };
        Self { pieces: base.groups().map(piece).collect() }
    }

    /// Applies a patch. After an error the result means nothing.
    ///
    /// That entries are in order from piece to piece is not checked here, but when the result is decoded as a segment.
    ///
    /// # Errors
    ///
    /// [`FormatError::Malformed`] or [`FormatError::TooLong`] when the bytes are no patch, or one for a longer base.
    pub fn apply(&mut self, patch: &'a [u8]) -> Result<(), FormatError> {
        let (mut reader, steps) = begin(patch)?;
        let mut base = Base { pieces: std::mem::take(&mut self.pieces).into_iter(), open: None };
        for number in 0..steps {
            let Step { keep, drop, groups, at } = step(&mut reader, number)?;
            base.take(keep, &at, |piece| self.pieces.push(piece))?;
            base.take(drop, &at, |_| {})?;
            add(&mut reader, groups, &mut self.pieces)?;
        }
        self.pieces.extend(base.open);
        self.pieces.extend(base.pieces);
        match self.pieces.is_empty() {
            true => Err(reader.malformed("expected entries in the result, found none".to_owned())),
            false => reader.end(),
        }
    }

    /// Returns the length of the plaintext in bytes.
    #[must_use]
    pub fn plain_len(&self) -> u64 {
        let groups = self.groups();
        let count = uleb_len(u32::try_from(groups.clone().count()).unwrap_or(u32::MAX));
        let sum = groups.map(|group| {
            let (root_key, entries) = sizes(group);
            let head = [uleb_len(root_key.len() as u32), root_key.len(), uleb_len(entries)];
            head.into_iter()
                .chain(group.iter().map(|piece| piece.encoded.len()))
                .fold(0, usize::saturating_add)
        });
        sum.fold(count, usize::saturating_add) as u64
    }

    /// Returns the plaintext of the segment.
    #[must_use]
    pub fn plaintext(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(usize::try_from(self.plain_len()).unwrap_or_default());
        put_uleb(&mut out, u32::try_from(self.groups().count()).unwrap_or(u32::MAX));
        for group in self.groups() {
            let (root_key, entries) = sizes(group);
            put_bytes(&mut out, root_key);
            put_uleb(&mut out, entries);
            group.iter().for_each(|piece| out.extend_from_slice(piece.encoded));
        }
        out
    }

    /// Iterates over the pieces of one root key after the other.
    fn groups(&self) -> impl Iterator<Item = &[Piece<'a>]> + Clone {
        self.pieces.chunk_by(|one, next| one.root_key == next.root_key)
    }
}

/// The head of a step.
struct Step<'a> {
    keep: u32,
    drop: u32,
    /// Groups that it adds.
    groups: usize,
    /// Where it begins, for errors.
    at: Reader<'a>,
}

/// Takes the number of steps.
fn begin(patch: &[u8]) -> Result<(Reader<'_>, usize), FormatError> {
    let (what, found, limit) = ("body", patch.len() as u64, limits::PATCH_BYTES_MAX);
    if found > limit {
        return Err(FormatError::TooLong { object: OBJECT, offset: 0, what, found, limit });
    }
    let mut reader = Reader::new(OBJECT, patch);
    match count(&mut reader, STEP_BYTES_MIN, "steps")? {
        0 => Err(reader.malformed("expected at least one step, found none".to_owned())),
        steps => Ok((reader, steps)),
    }
}

/// Takes the head of the step of this number, counted from 0.
fn step<'a>(reader: &mut Reader<'a>, number: usize) -> Result<Step<'a>, FormatError> {
    let at = reader.clone();
    let (keep, drop) = (u32::from_le_bytes(reader.array()?), u32::from_le_bytes(reader.array()?));
    let groups = count(reader, GROUP_BYTES_MIN, "groups")?;
    if (number > 0 && keep == 0) || (drop == 0 && groups == 0) {
        let problem = format!("step {number} keeps {keep}, drops {drop} and adds {groups} groups");
        return Err(at.malformed(format!("{problem}; it should be part of the one before it")));
    }
    Ok(Step { keep, drop, groups, at })
}

/// Returns root key and number of entries of the pieces of a group.
fn sizes<'a>(group: &[Piece<'a>]) -> (&'a [u8], u32) {
    let root_key = group.first().map_or(&[][..], |piece| piece.root_key);
    (root_key, group.iter().map(|piece| piece.entries).fold(0, u32::saturating_add))
}

/// What is left of the base.
struct Base<'a> {
    pieces: std::vec::IntoIter<Piece<'a>>,
    /// What is left of a piece that was divided.
    open: Option<Piece<'a>>,
}

impl<'a> Base<'a> {
    /// Takes entries. `at` is the step, for errors.
    fn take(
        &mut self,
        mut entries: u32,
        at: &Reader<'_>,
        mut sink: impl FnMut(Piece<'a>),
    ) -> Result<(), FormatError> {
        while entries > 0 {
            let Some(piece) = self.open.take().or_else(|| self.pieces.next()) else {
                return Err(at.malformed(format!("the base has {entries} entries less than the step takes")));
            };
            if piece.entries <= entries {
                entries = entries.saturating_sub(piece.entries);
                sink(piece);
                continue;
            }
            let (head, rest) = divide(piece, entries)?;
            sink(head);
            self.open = Some(rest);
            return Ok(());
        }
        Ok(())
    }
}

/// Divides a piece after some of its entries.
fn divide(piece: Piece<'_>, entries: u32) -> Result<(Piece<'_>, Piece<'_>), FormatError> {
    let mut reader = Reader::new(OBJECT, piece.encoded);
    for _ in 0..entries {
        take_entry(&mut reader)?;
    }
    let (head, rest) = piece.encoded.split_at(reader.position());
    let rest = Piece { encoded: rest, entries: piece.entries.saturating_sub(entries), ..piece };
    Ok((Piece { encoded: head, entries, ..piece }, rest))
}

/// Takes one entry; returns its key.
fn take_entry<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], FormatError> {
    let key = reader.byte_string(limits::KEY_BYTES_MAX, "key")?;
    reader.byte_string(limits::VALUE_BYTES_CEILING, "value")?;
    Ok(key)
}

/// Takes the groups that a step adds.
fn add<'a>(reader: &mut Reader<'a>, groups: usize, pieces: &mut Vec<Piece<'a>>) -> Result<(), FormatError> {
    let mut before: Option<&[u8]> = None;
    for _ in 0..groups {
        let at = reader.clone();
        let root_key = reader.byte_string(limits::ROOT_KEY_BYTES_MAX, "root key")?;
        let entries = count(reader, ENTRY_BYTES_MIN, "entries")?;
        if entries == 0 || before == Some(root_key) {
            let problem = "expected entries, and another root key than in the group before";
            return Err(at.malformed(problem.to_owned()));
        }
        before = Some(root_key);
        let mut body = reader.clone();
        let mut last: Option<&[u8]> = None;
        for _ in 0..entries {
            let at = reader.clone();
            let key = take_entry(reader)?;
            if last.is_some_and(|last| last >= key) {
                return Err(at.malformed("expected a key that comes after the one before it".to_owned()));
            }
            last = Some(key);
        }
        let encoded = body.take(reader.position().saturating_sub(body.position()))?;
        pieces.push(Piece { root_key, encoded, entries: entries as u32 });
    }
    Ok(())
}

/// Takes a count of items that need at least `bytes_min` bytes each, and compares it with what is left.
fn count(reader: &mut Reader<'_>, bytes_min: usize, what: &'static str) -> Result<usize, FormatError> {
    let at = reader.clone();
    let number = reader.uleb(u32::MAX as usize, what)?;
    let left = reader.remaining();
    match number.saturating_mul(bytes_min) > left {
        true => Err(at.malformed(format!("{number} {what} cannot stand in the {left} bytes that are left"))),
        false => Ok(number),
    }
}
