//! Reading RocksDB's log format, in which manifests and write-ahead logs are written.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

const BLOCK_BYTES: u64 = 32 << 10;
const HEADER_BYTES: u64 = 7;
/// Bytes of a log's number, which follows the header in files that are written over an older log.
const NUMBER_BYTES: u64 = 4;
/// Longest record that is read: far above any that RocksDB writes into a manifest.
const RECORD_BYTES_MAX: usize = 256 << 20;

/// A file of records, read as far as it is written.
pub(crate) struct Records {
    path: PathBuf,
    file: BufReader<File>,
    /// Offset of the next record.
    offset: u64,
    /// Low bits of the number of the log. Records of an older log in the same file have others.
    number: u32,
    /// Bytes of a record that are kept.
    keep: usize,
}

/// What stands at the end of what was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A whole record, or its beginning.
    Record(Vec<u8>),
    /// A record whose content is packed in a way that is not read here.
    Packed,
    /// Nothing more that is wholly written.
    End,
}

/// What a fragment is.
enum Kind {
    /// A fragment of a record, and whether it begins or ends the record.
    Data {
        first: bool,
        last: bool,
    },
    /// A record about the file itself.
    Skipped,
    Packed,
    /// Room that was allocated before it is written, or what an older log left.
    Unwritten,
}

impl Records {
    /// Opens a manifest.
    pub(crate) fn of_manifest(path: &Path) -> io::Result<Self> {
        Self::open(path, 0, RECORD_BYTES_MAX)
    }

    /// Opens a write-ahead log, of whose records the first `keep` bytes are kept.
    pub(crate) fn of_log(path: &Path, number: u64, keep: usize) -> io::Result<Self> {
        // RocksDB writes these bits only.
        Self::open(path, number as u32, keep)
    }

    fn open(path: &Path, number: u32, keep: usize) -> io::Result<Self> {
        let file = BufReader::with_capacity(64 << 10, File::open(path)?);
        Ok(Self { path: path.to_owned(), file, offset: 0, number, keep })
    }

    /// Continues in another file with the same beginning, at the same place.
    pub(crate) fn continue_in(&mut self, path: &Path) -> io::Result<()> {
        self.file = BufReader::with_capacity(64 << 10, File::open(path)?);
        self.path = path.to_owned();
        self.file.seek(SeekFrom::Start(self.offset)).map(drop)
    }

    /// Returns the file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns how far it is read.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads the next record. Checksums are left to RocksDB, which reads the same file.
    ///
    /// # Errors
    ///
    /// `InvalidData` where no record can begin; else as the file system reports them.
    pub(crate) fn next(&mut self) -> io::Result<Next> {
        let start = self.offset;
        match self.read() {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                self.offset = start;
                self.file.seek(SeekFrom::Start(start))?;
                Ok(Next::End)
            }
            result => result,
        }
    }

    /// Joins the fragments of a record.
    fn read(&mut self) -> io::Result<Next> {
        let mut record = Vec::new();
        // The first fragment is empty where its header ends a block, so the record's length does not tell.
        let mut begun = false;
        loop {
            let left = BLOCK_BYTES.saturating_sub(self.offset % BLOCK_BYTES);
            if left < HEADER_BYTES {
                self.skip(left)?;
                continue;
            }
            let (kind, length) = self.header(left)?;
            match kind {
                Kind::Data { first, last } if first != begun => {
                    begun = true;
                    self.take(length, &mut record)?;
                    if last {
                        return Ok(Next::Record(record));
                    }
                }
                Kind::Skipped if !begun => self.skip(length)?,
                Kind::Packed => return Ok(Next::Packed),
                Kind::Unwritten => return Err(ErrorKind::UnexpectedEof.into()),
                _ => return Err(ErrorKind::InvalidData.into()),
            }
        }
    }

    /// Reads a header where `left` bytes are left in its block, and returns the length of what follows.
    fn header(&mut self, left: u64) -> io::Result<(Kind, u64)> {
        let mut header = [0u8; HEADER_BYTES as usize];
        self.file.read_exact(&mut header)?;
        self.offset = self.offset.saturating_add(HEADER_BYTES);
        let [_, _, _, _, low, high, kind] = header;
        let length = u64::from(u16::from_le_bytes([low, high]));
        if kind == 0 && length == 0 {
            return Ok((Kind::Unwritten, 0));
        }
        let data = |plain: u8| Kind::Data { first: matches!(plain, 1 | 2), last: matches!(plain, 1 | 4) };
        let (kind, numbered) = match kind {
            1..=4 => (data(kind), false),
            5..=8 => (data(kind.saturating_sub(4)), true),
            9 => (Kind::Packed, false),
            10 | 130 => (Kind::Skipped, false),
            11 | 131 => (Kind::Skipped, true),
            // Readers may leave out what they do not know of these.
            132.. => (Kind::Skipped, false),
            _ => return Err(ErrorKind::InvalidData.into()),
        };
        let mut needed = HEADER_BYTES + length;
        if numbered {
            needed = needed.saturating_add(NUMBER_BYTES);
            let mut number = [0u8; NUMBER_BYTES as usize];
            self.file.read_exact(&mut number)?;
            self.offset = self.offset.saturating_add(NUMBER_BYTES);
            if u32::from_le_bytes(number) != self.number {
                return Ok((Kind::Unwritten, 0));
            }
        }
        if needed > left { Err(ErrorKind::InvalidData.into()) } else { Ok((kind, length)) }
    }

    /// Appends a fragment to a record, as far as it is kept.
    fn take(&mut self, length: u64, record: &mut Vec<u8>) -> io::Result<()> {
        let room = self.keep.saturating_sub(record.len()) as u64;
        if room < length && self.keep == RECORD_BYTES_MAX {
            return Err(ErrorKind::InvalidData.into());
        }
        let kept = self.file.by_ref().take(length.min(room)).read_to_end(record)? as u64;
        self.offset = self.offset.saturating_add(kept);
        if kept < length.min(room) {
            Err(ErrorKind::UnexpectedEof.into())
        } else {
            self.skip(length.saturating_sub(kept))
        }
    }

    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        let skipped = io::copy(&mut self.file.by_ref().take(bytes), &mut io::sink())?;
        self.offset = self.offset.saturating_add(skipped);
        if skipped < bytes { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragment(kind: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![0, 0, 0, 0];
        bytes.extend_from_slice(&(length as u16).to_le_bytes());
        bytes.push(kind);
        bytes.resize(bytes.len() + length, 7);
        bytes
    }

    /// Writes fragments, and reads what they are of.
    fn read(fragments: &[Vec<u8>], keep: usize) -> (Vec<usize>, io::Result<Next>) {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("log");
        std::fs::write(&path, fragments.concat()).unwrap();
        let mut records = Records::of_log(&path, 7, keep).unwrap();
        let mut lengths = Vec::new();
        loop {
            match records.next() {
                Ok(Next::Record(record)) => lengths.push(record.len()),
                end => return (lengths, end),
            }
        }
    }

    fn lengths(fragments: &[(u8, usize)]) -> Vec<usize> {
        let fragments: Vec<_> = fragments.iter().map(|(kind, length)| fragment(*kind, *length)).collect();
        let (lengths, end) = read(&fragments, RECORD_BYTES_MAX);
        assert_eq!(end.unwrap(), Next::End);
        lengths
    }

    #[test]
    fn a_record_may_begin_with_an_empty_fragment_at_the_end_of_a_block() {
        let block = BLOCK_BYTES as usize;
        let header = HEADER_BYTES as usize;
        assert_eq!(lengths(&[(1, block - 2 * header), (2, 0), (4, 50), (1, 3)]), [block - 2 * header, 50, 3]);
        assert_eq!(lengths(&[(1, block - 2 * header - 1), (2, 1), (4, 50)]), [block - 2 * header - 1, 51]);
    }

    #[test]
    fn a_record_that_is_not_wholly_written_is_not_there_yet() {
        assert_eq!(lengths(&[(1, 9), (2, BLOCK_BYTES as usize - 9 - 2 * HEADER_BYTES as usize)]), [9]);
        assert_eq!(lengths(&[]), [0; 0]);
    }

    #[test]
    fn of_a_long_record_only_the_beginning_is_kept() {
        let rest = BLOCK_BYTES as usize - HEADER_BYTES as usize;
        let (lengths, end) = read(&[fragment(2, rest), fragment(4, 100), fragment(1, 4)], 12);
        assert_eq!((lengths, end.unwrap()), (vec![12, 4], Next::End));
    }

    #[test]
    fn what_an_older_log_left_is_not_read() {
        let numbered = |number: u8, length| {
            let mut bytes = fragment(5, length);
            bytes.splice(HEADER_BYTES as usize..HEADER_BYTES as usize, [number, 0, 0, 0]);
            bytes
        };
        let (lengths, end) = read(&[numbered(7, 5), numbered(7, 6), numbered(6, 5)], 12);
        assert_eq!((lengths, end.unwrap()), (vec![5, 6], Next::End));
    }

    #[test]
    fn records_that_are_packed_or_no_records_are_told() {
        assert_eq!(read(&[fragment(1, 3), fragment(9, 3)], 12).1.unwrap(), Next::Packed);
        assert_eq!(read(&[fragment(130, 3), fragment(1, 3)], 12).0, [3]);
        for bad in [fragment(3, 3), fragment(77, 3)] {
            assert_eq!(read(&[bad], 12).1.unwrap_err().kind(), ErrorKind::InvalidData);
        }
    }
}
