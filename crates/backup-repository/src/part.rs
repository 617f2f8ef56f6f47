//! What a process left in the repository of a part that it read to its end.

use std::fmt;

use backup_format::{
    Consistency, Content, DigestState, FormatError, Level, LtHash, Page, Reader, Reference, limits, put_bytes,
};

use crate::job::{check_version, take_text};
use crate::range;
use crate::sealed::{self, Sort};
use crate::share::ShareResult;

const OBJECT: &str = "part";
const VERSION: u8 = 1;
const TEXT_BYTES_MAX: usize = 256;
/// Longest file of a part: the references to its pages, and little else.
pub(crate) const FILE_BYTES_MAX: u64 = limits::ROOT_PAGE_BYTES_MAX + (1 << 20);

/// All parts of the first phase are read before any of the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    First = 1,
    Second = 2,
}

/// Which part of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PartId {
    pub phase: Phase,
    pub index: u64,
}

impl fmt::Display for PartId {
    /// Writes the name of its file.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{:04}", self.phase as u8, self.index)
    }
}

/// A part that was read and stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Hash of the job's file.
    pub job: [u8; 32],
    pub id: PartId,
    /// Hash over all parts of the first phase, which were there before this one was begun; zeros in the first phase.
    pub barrier: [u8; 32],
    /// What it vouches for, if the phases were kept apart.
    pub consistency: Consistency,
    pub finished: String,
    pub state: DigestState,
    pub plain_bytes: u64,
    pub segments: u64,
    pub contents: Vec<Content>,
    /// Pages of level 0, in order.
    pub pages: Vec<Reference>,
    pub new_objects: u64,
    pub new_packs: u64,
    pub stored_bytes: u64,
}

impl Part {
    /// Describes what was read.
    pub(crate) fn of(
        (job, id, barrier): ([u8; 32], PartId, [u8; 32]),
        consistency: Consistency,
        finished: String,
        read: ShareResult,
    ) -> Self {
        // A partition lies in one part as a whole, so there is nothing to join it with.
        let (state, _) = range::join(&[read.range]);
        Self {
            job,
            id,
            barrier,
            consistency,
            finished,
            state,
            plain_bytes: read.plain_bytes,
            segments: read.segments,
            contents: read.tally.contents(),
            pages: read.pages,
            new_objects: read.written.objects,
            new_packs: read.written.packs.len() as u64,
            stored_bytes: read.written.bytes(),
        }
    }

    /// Encodes the file.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, FormatError> {
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.job);
        out.push(self.id.phase as u8);
        out.extend_from_slice(&self.id.index.to_le_bytes());
        out.extend_from_slice(&self.barrier);
        out.push(self.consistency as u8);
        put_bytes(&mut out, self.finished.as_bytes());
        out.extend_from_slice(&self.state.lthash.to_bytes());
        let DigestState { partitions, entries, .. } = self.state;
        let counts = [self.plain_bytes, self.segments, self.new_objects, self.new_packs, self.stored_bytes];
        for number in [partitions, entries].into_iter().chain(counts) {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&(self.contents.len() as u64).to_le_bytes());
        for content in &self.contents {
            put_bytes(&mut out, content.kind.as_bytes());
            for number in [content.partitions, content.entries, content.plain_bytes] {
                out.extend_from_slice(&number.to_le_bytes());
            }
        }
        let pages = Page { level: Level::Root, references: self.pages.clone() };
        out.extend_from_slice(&pages.encode()?);
        Ok(sealed::seal(Sort::Part, &out))
    }

    /// Reads a file; returns also its hash.
    pub(crate) fn decode(file: &[u8]) -> Result<(Self, [u8; 32]), FormatError> {
        let (body, hash) = sealed::open(OBJECT, Sort::Part, file)?;
        let mut reader = Reader::new(OBJECT, body);
        check_version(&mut reader, VERSION)?;
        let job = reader.array()?;
        let id = PartId { phase: take_phase(&mut reader)?, index: reader.u64()? };
        let barrier = reader.array()?;
        let consistency = take_consistency(&mut reader)?;
        let finished = take_text(&mut reader, TEXT_BYTES_MAX, "time")?;
        let lthash = LtHash::from_bytes(&reader.array()?);
        let mut number = || reader.u64();
        let (partitions, entries) = (number()?, number()?);
        let (plain_bytes, segments) = (number()?, number()?);
        let (new_objects, new_packs, stored_bytes) = (number()?, number()?, number()?);
        let contents = take_contents(&mut reader)?;
        let pages = Page::decode(reader.take(reader.remaining())?, Level::Root)?;
        if pages.entries() != entries {
            return Err(
                reader.malformed(format!("{entries} entries, but its pages have {}", pages.entries()))
            );
        }
        let state = DigestState { lthash, partitions, entries };
        let pages = pages.references;
        let part = Self {
            job,
            id,
            barrier,
            consistency,
            finished,
            state,
            plain_bytes,
            segments,
            contents,
            pages,
            new_objects,
            new_packs,
            stored_bytes,
        };
        Ok((part, hash))
    }
}

fn take_phase(reader: &mut Reader<'_>) -> Result<Phase, FormatError> {
    match reader.u8()? {
        1 => Ok(Phase::First),
        2 => Ok(Phase::Second),
        other => Err(reader.malformed(format!("expected phase 1 or 2, found {other}"))),
    }
}

fn take_consistency(reader: &mut Reader<'_>) -> Result<Consistency, FormatError> {
    let found = reader.u8()?;
    let all = [Consistency::Fuzzy, Consistency::Causal, Consistency::PointInTime];
    let known = all.into_iter().find(|consistency| *consistency as u8 == found);
    known.ok_or_else(|| reader.malformed(format!("there is no consistency {found}")))
}

fn take_contents(reader: &mut Reader<'_>) -> Result<Vec<Content>, FormatError> {
    let count = reader.u64()?;
    if count > limits::CONTENT_KINDS_MAX as u64 {
        return Err(reader.malformed(format!("expected at most {} kinds", limits::CONTENT_KINDS_MAX)));
    }
    let content = |_| {
        let kind = take_text(reader, TEXT_BYTES_MAX, "kind")?;
        let (partitions, entries, plain_bytes) = (reader.u64()?, reader.u64()?, reader.u64()?);
        Ok(Content { kind, partitions, entries, plain_bytes })
    };
    (0..count).map(content).collect()
}

#[cfg(test)]
mod tests {
    use backup_format::ObjectId;

    use super::*;

    fn part() -> Part {
        let page = |number: u8, entries| Reference {
            id: ObjectId([number; 32]),
            first_root: vec![number],
            first_key: vec![1, 2],
            plain_len: 100,
            entries,
        };
        let content = Content { kind: "block".to_owned(), partitions: 2, entries: 7, plain_bytes: 90 };
        Part {
            job: [1; 32],
            id: PartId { phase: Phase::Second, index: 63 },
            barrier: [2; 32],
            consistency: Consistency::Causal,
            finished: "2026-01-31T00:00:00.000Z".to_owned(),
            state: DigestState { partitions: 2, entries: 7, ..DigestState::default() },
            plain_bytes: 90,
            segments: 3,
            contents: vec![content],
            pages: vec![page(5, 3), page(6, 4)],
            new_objects: 4,
            new_packs: 1,
            stored_bytes: 80,
        }
    }

    #[test]
    fn a_part_is_read_as_it_was_written_and_hostile_ones_do_not_panic() {
        let empty = Part { state: DigestState::default(), contents: vec![], pages: vec![], ..part() };
        for part in [part(), empty] {
            let file = part.encode().unwrap();
            assert_eq!(Part::decode(&file).unwrap().0, part);
            let (body, _) = sealed::open(OBJECT, Sort::Part, &file).unwrap();
            for length in 0..body.len() {
                assert!(Part::decode(&sealed::seal(Sort::Part, &body[..length])).is_err(), "{length}");
            }
            for at in 0..body.len() {
                for flip in [1, 0x80, 0xff] {
                    let mut bad = body.to_vec();
                    bad[at] ^= flip;
                    drop(Part::decode(&sealed::seal(Sort::Part, &bad)));
                }
            }
        }
    }

    #[test]
    fn a_part_whose_pages_do_not_add_up_is_refused() {
        let mut part = part();
        part.state.entries += 1;
        let error = Part::decode(&part.encode().unwrap()).unwrap_err();
        assert!(error.to_string().contains("8 entries, but its pages have 7"), "{error}");
    }
}
