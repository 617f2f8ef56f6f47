//! The upstream file, against the `bcs` crate.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use backup_format::upstream::{Scratch, ScratchFile, UpstreamReader, UpstreamWriter};
use backup_format::{EntryBatch, FormatError, Limits, Order};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use crate::laws::{self, Map, Memory, export, import};

/// Lengths around which a ULEB128 length changes its form or its place in BCS's order.
const KEY_LENGTHS: [usize; 10] = [0, 1, 127, 128, 129, 255, 256, 300, 16_383, 16_384];

fn key() -> impl Strategy<Value = Vec<u8>> {
    let edge = (prop::sample::select(&KEY_LENGTHS[..]), 0..3u8, any::<u8>());
    let edge = edge.prop_map(|(length, start, end)| {
        let mut key = vec![start; length];
        key.last_mut().into_iter().for_each(|last| *last = end);
        key
    });
    prop_oneof![4 => vec(0..3u8, 0..6), 3 => edge]
}

fn map() -> impl Strategy<Value = Map> {
    let value = prop_oneof![8 => vec(any::<u8>(), 0..40), 1 => vec(any::<u8>(), 3_000..3_100)];
    btree_map(key(), btree_map(key(), value, 0..12), 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_file_is_read_as_bcs_reads_it_and_written_as_bcs_writes_it(map in map(), choice: u8) {
        let file = bcs::to_bytes(&map).unwrap();
        laws::upstream(&[&[choice], file.as_slice()].concat());
        prop_assert!(import(&file, 1 << 18).is_ok());
    }

    #[test]
    fn damaged_files_are_refused_exactly_where_bcs_refuses_them(
        map in map(),
        choice: u8,
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..3),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut file = bcs::to_bytes(&map).unwrap();
        file.insert(0, choice);
        laws::upstream(&file[..cut.index(file.len())]);
        laws::upstream(&[file.as_slice(), &[0]].concat());
        for (place, byte) in damage {
            let place = place.index(file.len());
            file[place] ^= byte;
            laws::upstream(&file);
        }
    }

    #[test]
    fn every_order_of_a_dump_gives_the_same_file(map in map(), memory in 0..20_000usize) {
        let mut map = map;
        map.retain(|_, entries| !entries.is_empty());
        let expected = bcs::to_bytes(&map).unwrap();
        for order in [Order::Prefixed, Order::Plain, Order::Token] {
            let mut roots: Vec<_> = map.iter().collect();
            roots.sort_by(|left, right| order.compare_roots(left.0, right.0));
            let mut writer = UpstreamWriter::new(Vec::new(), Memory).with_memory_bytes(memory);
            let mut total = 0;
            for (root, entries) in &roots {
                for (key, value) in *entries {
                    // Segments may end anywhere, also inside a partition.
                    let mut batch = EntryBatch::default();
                    batch.push(root, key, value);
                    batch.groups().try_for_each(|group| writer.push(&group)).unwrap();
                    total += 1;
                }
            }
            prop_assert_eq!(&writer.finish(roots.len() as u64, total).unwrap(), &expected);
        }
    }
}

/// Partitions that outgrow every buffer: 3 runs of 400 KiB, a value of 600 KiB, and many small partitions.
fn large_map() -> Map {
    let mut map = Map::new();
    for length in [2usize, 130, 300] {
        for number in 0..40u8 {
            let mut key = vec![number; length];
            key[1] = length as u8;
            map.entry(b"large".to_vec()).or_default().insert(key, vec![number; 10 << 10]);
        }
    }
    map.entry(b"large".to_vec()).or_default().insert(b"huge".to_vec(), vec![1; 600 << 10]);
    for number in 0..3_000u16 {
        let root = number.to_be_bytes()[..1 + usize::from(number % 2)].to_vec();
        map.entry(root).or_default().insert(vec![3; usize::from(number % 7)], vec![4; 200]);
    }
    map
}

#[test]
fn partitions_larger_than_every_buffer_are_read_and_written() {
    let map = large_map();
    let file = bcs::to_bytes(&map).unwrap();
    for buffer_bytes in [16, 4 << 10, 256 << 10] {
        assert_eq!(import(&file, buffer_bytes).unwrap(), (map.clone(), 0));
    }
    for memory_bytes in [0, 10 << 10, 300 << 10, 32 << 20] {
        assert!(export(&map, memory_bytes) == file, "with {memory_bytes} bytes of memory");
    }
}

#[test]
fn partitions_without_entries_are_dropped_and_reported() {
    let mut map = large_map();
    for number in 0..20u8 {
        map.insert(vec![number; 9], BTreeMap::new());
    }
    let file = bcs::to_bytes(&map).unwrap();
    let mut reader = UpstreamReader::new(Cursor::new(&file), &Limits::default()).unwrap();
    let mut entries = 0;
    while let Some(batch) = reader.next_batch().unwrap() {
        entries += batch.entries();
    }
    assert_eq!(entries, map.values().map(|entries| entries.len() as u64).sum::<u64>());
    assert_eq!(reader.dropped().count, 20);
    assert_eq!(reader.dropped().first_root_keys, (0..8).map(|number| vec![number; 9]).collect::<Vec<_>>());
    assert_eq!(reader.position(), reader.file_len());
}

#[test]
fn an_empty_file_of_no_partitions_is_read_and_written() {
    assert_eq!(import(b"\x00", 16).unwrap(), (Map::new(), 0));
    assert_eq!(export(&Map::new(), 16), b"\x00");
}

#[test]
fn malformed_files_are_refused_with_the_place() {
    let long_root = [b"\x01\x80\x80\x04".as_slice(), &[0; 65_536], b"\x00"].concat();
    let cases: [(&[u8], &str); 14] = [
        (b"", "malformed upstream file at byte 0: expected one more byte, found the end"),
        (b"\x80\x00", "malformed upstream file at byte 0: length of partitions is not in its shortest form"),
        (
            b"\xff\xff\xff\xff\x08",
            "malformed upstream file at byte 0: 2415919103 partitions; BCS counts at most 2147483647",
        ),
        (
            b"\x02\x00\x00",
            "malformed upstream file at byte 0: 2 partitions cannot stand in the 2 bytes that are left",
        ),
        (b"\x01\x02a", "malformed upstream file at byte 2: expected 2 bytes, 1 are left"),
        (
            &long_root,
            "upstream file at byte 1: root key of 65536 bytes is longer than the limit of 65535 bytes",
        ),
        (
            b"\x02\x01b\x00\x01a\x00",
            "malformed upstream file at byte 4: root key 61 does not come after 62 in a BCS map",
        ),
        (
            b"\x02\x02aa\x00\x01b\x00",
            "malformed upstream file at byte 5: root key 62 does not come after 6161 in a BCS map",
        ),
        (
            b"\x01\x01a\x02\x01k\x00\x01k\x00",
            "malformed upstream file at byte 7: key 6b does not come after 6b in a BCS map; root_key=61",
        ),
        (
            b"\x01\x01a\x02\x02kk\x00\x01z\x00",
            "malformed upstream file at byte 8: key 7a does not come after 6b6b in a BCS map; root_key=61",
        ),
        (
            b"\x01\x01a\x02\x01k\x00",
            "malformed upstream file at byte 3: 2 entries cannot stand in the 3 bytes that are left; root_key=61",
        ),
        (
            b"\x01\x01a\x01\x81\x80\x80\x04k\x00",
            "upstream file at byte 4: key of 8388609 bytes is longer than the limit of 8388608 bytes",
        ),
        (
            b"\x01\x01a\x01\x01k\x81\x80\x80\x80\x01",
            "entry root_key=61 key=6b: its value of 268435457 bytes is longer than the limit of 268435456 bytes; raise the limit for values",
        ),
        (
            b"\x01\x01a\x01\x01k\x01v\x00",
            "malformed upstream file at byte 8: expected the end, 1 more bytes follow",
        ),
    ];
    for (file, expected) in cases {
        assert_eq!(import(file, 16).unwrap_err().to_string(), expected);
    }
}

#[test]
fn after_an_error_the_reader_gives_no_more_entries() {
    let file = b"\x01\x01a\x02\x01k\x00\x01k\x00";
    let mut reader = UpstreamReader::new(Cursor::new(file), &Limits::default()).unwrap();
    reader.next_batch().unwrap_err();
    assert!(reader.next_batch().unwrap_err().to_string().contains("an earlier error"));
}

#[test]
fn too_many_key_lengths_in_one_partition_are_refused() {
    let keys: BTreeMap<_, _> =
        (0..9).map(|number| (vec![0; (8 << 20) - number], Vec::new())).collect::<BTreeMap<_, Vec<u8>>>();
    let file = bcs::to_bytes(&Map::from([(b"a".to_vec(), keys)])).unwrap();
    let error = import(&file, 1 << 18).unwrap_err().to_string();
    assert!(
        error.contains("its keys have 9 different lengths, which add up to more than 67108864 bytes"),
        "{error}"
    );
}

#[test]
fn the_writer_refuses_what_is_no_map_of_maps() {
    let finish = |entries: &[(&[u8], &[u8])], partitions, expected: &str| {
        let mut writer = UpstreamWriter::new(Vec::new(), Memory);
        for (root, key) in entries {
            let mut batch = EntryBatch::default();
            batch.push(root, key, b"v");
            batch.groups().try_for_each(|group| writer.push(&group)).unwrap();
        }
        let error = writer.finish(partitions, entries.len() as u64).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    let twice = "malformed upstream file at byte 6: partition root_key=61 came in two places";
    finish(&[(b"a", b"1"), (b"b", b"1"), (b"a", b"2")], 3, &twice.replace("byte 6", "byte 4"));
    finish(
        &[(b"a", b"1"), (b"a", b"1")],
        1,
        "malformed upstream file at byte 8: root_key=61 key=31 came twice",
    );
    finish(
        &[(b"a", b"1")],
        2,
        "malformed upstream file at byte 0: expected 2 partitions and 1 entries, found 1 and 1",
    );
}

/// A stream that moves at most 7 bytes at a time, is interrupted now and then, and fails at one call.
struct Faulty<T> {
    inner: T,
    calls: Rc<Cell<usize>>,
    fails_at: usize,
}

impl<T> Faulty<T> {
    fn call(&self) -> io::Result<()> {
        let call = self.calls.get();
        self.calls.set(call + 1);
        match call {
            call if call == self.fails_at => Err(io::Error::other("out of order")),
            call if call % 5 == 3 => Err(io::ErrorKind::Interrupted.into()),
            _ => Ok(()),
        }
    }
}

impl<T: Read> Read for Faulty<T> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.call()?;
        let length = out.len().min(7);
        self.inner.read(&mut out[..length])
    }
}

impl<T: Write> Write for Faulty<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.call()?;
        self.inner.write(&bytes[..bytes.len().min(7)])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Seek> Seek for Faulty<T> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

fn small_map() -> Map {
    let entries = |lengths: &[usize]| lengths.iter().map(|length| (vec![5; *length], vec![6; 20])).collect();
    Map::from([(b"a".to_vec(), entries(&[0, 1, 2, 40])), (b"bb".to_vec(), entries(&[3, 130]))])
}

fn import_faulty(file: &[u8], fails_at: usize) -> (Result<Map, FormatError>, usize) {
    let calls = Rc::new(Cell::new(0));
    let faulty = Faulty { inner: Cursor::new(file), calls: calls.clone(), fails_at };
    let read = || {
        let mut reader = UpstreamReader::new(faulty, &Limits::default())?.with_buffer_bytes(32);
        let mut map = Map::new();
        while let Some(batch) = reader.next_batch()? {
            for (root, entry) in batch.iter() {
                map.entry(root.to_vec()).or_default().insert(entry.key.to_vec(), entry.value.to_vec());
            }
        }
        Ok(map)
    };
    (read(), calls.get())
}

#[test]
fn a_read_error_at_any_call_is_reported_and_short_reads_change_nothing() {
    let map = small_map();
    let file = bcs::to_bytes(&map).unwrap();
    let (result, calls) = import_faulty(&file, usize::MAX);
    assert_eq!(result.unwrap(), map);
    for fails_at in 0..calls {
        let error = import_faulty(&file, fails_at).0.expect_err("one call failed");
        assert_eq!(error.source().unwrap().to_string(), "out of order");
    }
}

fn export_faulty(map: &Map, fails_at: usize) -> (Result<Vec<u8>, FormatError>, usize) {
    let calls = Rc::new(Cell::new(0));
    let out = Faulty { inner: Vec::new(), calls: calls.clone(), fails_at };
    let write = || {
        let mut writer = UpstreamWriter::new(out, Memory).with_memory_bytes(100);
        let mut entries = 0;
        for (root, partition) in map {
            let mut batch = EntryBatch::default();
            partition.iter().for_each(|(key, value)| batch.push(root, key, value));
            batch.groups().try_for_each(|group| writer.push(&group))?;
            entries += batch.entries();
        }
        Ok(writer.finish(map.len() as u64, entries)?.inner)
    };
    (write(), calls.get())
}

#[test]
fn a_write_error_at_any_call_is_reported_and_short_writes_change_nothing() {
    let map = small_map();
    let (result, calls) = export_faulty(&map, usize::MAX);
    assert_eq!(result.unwrap(), bcs::to_bytes(&map).unwrap());
    assert!(calls > 10);
    for fails_at in 0..calls {
        let error = export_faulty(&map, fails_at).0.expect_err("one call failed");
        assert!(error.to_string().starts_with("writing the upstream file at byte "), "{error}");
        assert_eq!(error.source().unwrap().to_string(), "out of order");
    }
}

/// A scratch whose n-th call, of whatever sort on whatever file, fails; it counts the files that are in use.
#[derive(Clone, Default)]
struct Counting {
    open: Arc<AtomicUsize>,
    open_max: Arc<AtomicUsize>,
    calls: Arc<AtomicUsize>,
    fails_at: Option<usize>,
}

struct CountingFile {
    inner: Cursor<Vec<u8>>,
    scratch: Counting,
}

impl Counting {
    fn call(&self) -> io::Result<()> {
        match Some(self.calls.fetch_add(1, Relaxed)) == self.fails_at {
            true => Err(io::Error::other("disk full")),
            false => Ok(()),
        }
    }
}

impl Scratch for Counting {
    fn create(&mut self) -> io::Result<Box<dyn ScratchFile>> {
        self.call()?;
        self.open_max.fetch_max(self.open.fetch_add(1, Relaxed) + 1, Relaxed);
        Ok(Box::new(CountingFile { inner: Cursor::default(), scratch: self.clone() }))
    }
}

impl Drop for CountingFile {
    fn drop(&mut self) {
        self.scratch.open.fetch_sub(1, Relaxed);
    }
}

impl Read for CountingFile {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.scratch.call()?;
        self.inner.read(out)
    }
}

impl Write for CountingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.scratch.call()?;
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.scratch.call()
    }
}

impl Seek for CountingFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.scratch.call()?;
        self.inner.seek(to)
    }
}

fn export_counting(map: &Map, scratch: &Counting) -> Result<Vec<u8>, FormatError> {
    let mut writer = UpstreamWriter::new(Vec::new(), scratch.clone()).with_memory_bytes(0);
    let mut entries = 0;
    for (root, partition) in map {
        let mut batch = EntryBatch::default();
        partition.iter().for_each(|(key, value)| batch.push(root, key, value));
        batch.groups().try_for_each(|group| writer.push(&group))?;
        entries += batch.entries();
    }
    writer.finish(map.len() as u64, entries)
}

#[test]
fn few_scratch_files_are_in_use_at_a_time_and_none_afterwards() {
    // Without memory each entry makes a scratch file.
    let entries = (0..9_000u16).map(|number| (number.to_le_bytes().to_vec(), Vec::new())).collect();
    let map = Map::from([(b"a".to_vec(), entries)]);
    let scratch = Counting::default();
    assert_eq!(export_counting(&map, &scratch).unwrap(), bcs::to_bytes(&map).unwrap());
    assert_eq!(scratch.open.load(Relaxed), 0);
    assert!((64..200).contains(&scratch.open_max.load(Relaxed)), "{:?}", scratch.open_max);
}

#[test]
fn an_error_of_a_scratch_file_at_any_call_is_reported() {
    let map = small_map();
    let scratch = Counting::default();
    export_counting(&map, &scratch).unwrap();
    for fails_at in 0..scratch.calls.load(Relaxed) {
        let scratch = Counting { fails_at: Some(fails_at), ..Counting::default() };
        let error = export_counting(&map, &scratch).expect_err("one call failed");
        assert_eq!(error.source().unwrap().to_string(), "disk full", "{error}");
        assert_eq!(scratch.open.load(Relaxed), 0);
    }
}

/// A file whose bytes are replaced after the first pass over its only partition.
struct Changing<'a> {
    before: Cursor<&'a [u8]>,
    after: &'a [u8],
    reads: usize,
    changes_at: usize,
}

impl Read for Changing<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.reads += 1;
        if self.reads > self.changes_at {
            *self.before.get_mut() = self.after;
        }
        self.before.read(out)
    }
}

impl Seek for Changing<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.before.seek(to)
    }
}

proptest! {
    #[test]
    fn a_file_that_changes_while_it_is_read_never_panics(
        map in map(), place in any::<prop::sample::Index>(), byte: u8, changes_at in 0..40usize, cut: bool,
    ) {
        let before = bcs::to_bytes(&map).unwrap();
        let mut after = before.clone();
        let place = place.index(after.len());
        after[place] ^= byte;
        after.truncate(if cut { place } else { after.len() });
        let file = Changing { before: Cursor::new(&before), after: &after, reads: 0, changes_at };
        if let Ok(reader) = UpstreamReader::new(file, &Limits::default()) {
            let mut reader = reader.with_buffer_bytes(16);
            while let Ok(Some(batch)) = reader.next_batch() {
                prop_assert!(!batch.is_empty());
            }
        }
    }
}

#[test]
fn a_file_that_changes_between_the_passes_over_a_partition_is_refused() {
    let file = |second: &[u8]| {
        [b"\x01\x01r\x03\x01a\x64", &[7; 100][..], second, &[7; 60], b"\x01c\x14", &[7; 20]].concat()
    };
    let before = file(b"\x01b\x3c");
    assert!(import(&before, 16).is_ok());
    // The second key grows by a byte, or its value says that it is longer than the file.
    let damaged = [file(b"\x02b\x3c"), file(b"\x01b\x7f")];
    for after in damaged {
        let mut refused = 0;
        for changes_at in 0..60 {
            let file = Changing { before: Cursor::new(&before), after: &after, reads: 0, changes_at };
            let mut reader = UpstreamReader::new(file, &Limits::default()).unwrap().with_buffer_bytes(16);
            let error = loop {
                match reader.next_batch() {
                    Ok(Some(batch)) => assert!(!batch.is_empty()),
                    Ok(None) => break None,
                    Err(error) => break Some(error.to_string()),
                }
            };
            refused +=
                usize::from(error.is_some_and(|text| text.contains("the file changed while it was read")));
        }
        assert!(refused > 0);
    }
}
