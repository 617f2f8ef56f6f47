//! The record that a process leaves in the repository of a part that it read to its end.

use backup_format::{
    Consistency, Content, DigestState, FormatError, Level, LtHash, Page, Reader, limits, put_bytes,
};

use crate::job::{check_version, take_text};
use crate::part::{Part, PartId, Place};
use crate::range::{self, RangeDigest};
use crate::tally::Tally;
use crate::whole_file::{self, Sort};

const OBJECT: &str = "record of a part";
const VERSION: u8 = 2;
const TEXT_BYTES_MAX: usize = 256;
/// Most partitions of a part that a later phase must know: 64 MiB of their numbers.
const PARTITIONS_MAX: usize = 4 << 20;
const PARTITION_BYTES: usize = size_of::<u128>();
/// Longest record: the references to the pages of a part, the numbers of its partitions, and little else.
pub(crate) const FILE_BYTES_MAX: u64 =
    limits::ROOT_PAGE_BYTES_MAX + (PARTITIONS_MAX * PARTITION_BYTES) as u64 + (33 << 20);

/// Hash of a record, or over several.
pub(crate) type RecordHash = [u8; 32];

/// A part that was read and stored by one of several processes.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// Hash of the job's file.
    pub job: RecordHash,
    /// Hash over the records of all earlier phases, which were there before this part was begun; zeros in the first.
    pub barrier: RecordHash,
    pub part: Part,
    pub new: New,
}

/// What a process added to the repository since its last record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct New {
    pub objects: u64,
    pub packs: u64,
    pub bytes: u64,
}

impl New {
    pub(crate) fn add(&mut self, other: Self) {
        self.objects = self.objects.saturating_add(other.objects);
        self.packs = self.packs.saturating_add(other.packs);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

impl Record {
    /// Returns entries and partitions of the part. Parts of a job hold whole partitions, so each can be counted alone.
    pub(crate) fn state(&self) -> DigestState {
        range::join(std::slice::from_ref(&self.part.digest)).0
    }

    /// Encodes the file.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, FormatError> {
        let Self { job, barrier, part, new } = self;
        let mut out = vec![VERSION];
        out.extend_from_slice(job);
        out.push(part.id.phase);
        out.extend_from_slice(&part.id.index.to_le_bytes());
        out.extend_from_slice(barrier);
        out.push(part.consistency as u8);
        put_bytes(&mut out, part.finished.as_bytes());
        let state = self.state();
        out.extend_from_slice(&state.lthash.to_bytes());
        let DigestState { partitions, entries, .. } = state;
        let counts = [part.plain_bytes, part.segments, new.objects, new.packs, new.bytes];
        for number in [partitions, entries].into_iter().chain(counts) {
            out.extend_from_slice(&number.to_le_bytes());
        }
        put_contents(&mut out, &part.tally.contents());
        put_edges(&mut out, part.edges.as_ref());
        put_partitions(&mut out, &part.partitions)?;
        let pages = Page { level: Level::Root, references: part.pages.clone() };
        out.extend_from_slice(&pages.encode()?);
        Ok(whole_file::close(Sort::Part, &out))
    }

    /// Reads a file; returns also its hash.
    pub(crate) fn decode(file: &[u8]) -> Result<(Self, RecordHash), FormatError> {
        let (body, hash) = whole_file::open(OBJECT, Sort::Part, file)?;
        let mut reader = Reader::new(OBJECT, body);
        check_version(&mut reader, VERSION)?;
        let job = reader.array()?;
        let id = PartId { phase: reader.u8()?, index: reader.u64()? };
        let barrier = reader.array()?;
        let consistency = take_consistency(&mut reader)?;
        let finished = take_text(&mut reader, TEXT_BYTES_MAX, "time")?;
        let lthash = LtHash::from_bytes(&reader.array()?);
        let mut number = || reader.u64();
        let (partitions, entries) = (number()?, number()?);
        let (plain_bytes, segments) = (number()?, number()?);
        let new = New { objects: number()?, packs: number()?, bytes: number()? };
        let tally = Tally::of(take_contents(&mut reader)?);
        let edges = take_edges(&mut reader)?;
        let numbers = take_partitions(&mut reader)?;
        let pages = Page::decode(reader.take(reader.remaining())?, Level::Root)?;
        if pages.entries() != entries {
            let held = pages.entries();
            return Err(reader.malformed(format!("{entries} entries, but its pages have {held}")));
        }
        let part = Part {
            id,
            pages: pages.references,
            digest: RangeDigest::whole(DigestState { lthash, partitions, entries }),
            tally,
            segments,
            plain_bytes,
            edges,
            partitions: numbers,
            consistency,
            finished,
        };
        Ok((Self { job, barrier, part, new }, hash))
    }
}

fn put_contents(out: &mut Vec<u8>, contents: &[Content]) {
    out.extend_from_slice(&(contents.len() as u64).to_le_bytes());
    for content in contents {
        put_bytes(out, content.kind.as_bytes());
        for number in [content.partitions, content.entries, content.plain_bytes] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }
}

fn put_edges(out: &mut Vec<u8>, edges: Option<&(Place, Place)>) {
    out.push(u8::from(edges.is_some()));
    for (root_key, key) in edges.into_iter().flat_map(|(first, last)| [first, last]) {
        put_bytes(out, root_key);
        put_bytes(out, key);
    }
}

fn take_edges(reader: &mut Reader<'_>) -> Result<Option<(Place, Place)>, FormatError> {
    let place = |reader: &mut Reader<'_>| -> Result<Place, FormatError> {
        let root_key = reader.byte_string(limits::ROOT_KEY_BYTES_MAX, "root key")?.to_vec();
        Ok((root_key, reader.byte_string(limits::KEY_BYTES_MAX, "key")?.to_vec()))
    };
    match reader.u8()? {
        0 => Ok(None),
        1 => Ok(Some((place(reader)?, place(reader)?))),
        other => Err(reader.malformed(format!("expected 0 or 1 pair of entries, found {other}"))),
    }
}

fn put_partitions(out: &mut Vec<u8>, partitions: &[u128]) -> Result<(), FormatError> {
    if partitions.len() > PARTITIONS_MAX {
        let (what, found, limit) = ("partitions", partitions.len() as u64, PARTITIONS_MAX as u64);
        return Err(FormatError::TooLong { object: OBJECT, offset: 0, what, found, limit });
    }
    out.extend_from_slice(&(partitions.len() as u64).to_le_bytes());
    partitions.iter().for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
    Ok(())
}

fn take_partitions(reader: &mut Reader<'_>) -> Result<Vec<u128>, FormatError> {
    let count = usize::try_from(reader.u64()?).unwrap_or(usize::MAX);
    if count > PARTITIONS_MAX || count > reader.remaining() / PARTITION_BYTES {
        return Err(reader.malformed(format!("{count} partitions cannot stand in what is left")));
    }
    (0..count).map(|_| reader.array().map(u128::from_le_bytes)).collect()
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
    use backup_format::{ObjectId, Reference};

    use super::*;

    fn record() -> Record {
        let page = |number: u8, entries| Reference {
            id: ObjectId([number; 32]),
            first_root: vec![number],
            first_key: vec![1, 2],
            plain_len: 100,
            entries,
        };
        let content = Content { kind: "block".to_owned(), partitions: 2, entries: 7, plain_bytes: 90 };
        let state = DigestState { partitions: 2, entries: 7, ..DigestState::default() };
        let part = Part {
            id: PartId { phase: 1, index: 63 },
            pages: vec![page(5, 3), page(6, 4)],
            digest: RangeDigest::whole(state),
            tally: Tally::of(vec![content]),
            segments: 3,
            plain_bytes: 90,
            edges: Some(((vec![5], vec![1, 2]), (vec![7], vec![]))),
            partitions: vec![1, u128::MAX],
            consistency: Consistency::Causal,
            finished: "2026-01-31T00:00:00.000Z".to_owned(),
        };
        Record { job: [1; 32], barrier: [2; 32], part, new: New { objects: 4, packs: 1, bytes: 80 } }
    }

    #[test]
    fn a_record_is_read_as_it_was_written_and_hostile_ones_do_not_panic() {
        let mut empty = record();
        empty.part.digest = RangeDigest::whole(DigestState::default());
        (empty.part.tally, empty.part.pages, empty.part.edges) = (Tally::default(), vec![], None);
        empty.part.partitions.clear();
        for record in [record(), empty] {
            let file = record.encode().unwrap();
            let read = Record::decode(&file).unwrap().0;
            assert_eq!(format!("{read:?}"), format!("{record:?}"));
            let (body, _) = whole_file::open(OBJECT, Sort::Part, &file).unwrap();
            for length in 0..body.len() {
                assert!(Record::decode(&whole_file::close(Sort::Part, &body[..length])).is_err(), "{length}");
            }
            for at in 0..body.len() {
                for flip in [1, 0x80, 0xff] {
                    let mut bad = body.to_vec();
                    bad[at] ^= flip;
                    drop(Record::decode(&whole_file::close(Sort::Part, &bad)));
                }
            }
        }
    }

    #[test]
    fn a_record_whose_pages_do_not_add_up_is_refused() {
        let mut record = record();
        let state = DigestState { partitions: 2, entries: 8, ..DigestState::default() };
        record.part.digest = RangeDigest::whole(state);
        let error = Record::decode(&record.encode().unwrap()).unwrap_err();
        assert!(error.to_string().contains("8 entries, but its pages have 7"), "{error}");
    }
}
