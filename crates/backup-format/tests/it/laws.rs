//! What must hold for any bytes whatever. The fuzz targets run these functions on bytes of their own making, and
//! `regressions.rs` runs them on the files that fuzzing found.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Cursor};

use backup_format::pack::{self, Codec, PackBuilder, TableLine, Trailer};
use backup_format::upstream::{Scratch, ScratchFile, UpstreamReader, UpstreamWriter};
use backup_format::{
    Config, EntryBatch, FormatError, Level, Limits, Manifest, ObjectId, Order, OrderCheck, Page, Segment,
    limits, token,
};

/// A segment as any BCS library sees it.
pub type Groups = Vec<(Vec<u8>, Vec<(Vec<u8>, Vec<u8>)>)>;
/// A page as any BCS library sees it.
pub type Pages = (u8, Vec<([u8; 32], Vec<u8>, Vec<u8>, u64, u64)>);
/// A pack table as any BCS library sees it.
pub type Table = Vec<(u8, u8, u8, [u8; 32], u64, u64)>;
/// An upstream file as any BCS library sees it.
pub type Map = BTreeMap<Vec<u8>, BTreeMap<Vec<u8>, Vec<u8>>>;

/// A function of this file.
pub type Law = fn(&[u8]);

/// All laws, by the name of their fuzz target.
pub const LAWS: [(&str, Law); 5] = [
    ("segment", segment),
    ("page", page),
    ("pack_table", pack_table),
    ("manifest", manifest),
    ("upstream", upstream),
];

/// The first byte chooses order and limits; the rest is the plaintext of a segment.
pub fn segment(data: &[u8]) {
    let Some((choice, plaintext)) = data.split_first() else { return };
    let order = Order::try_from(choice % 3).expect("there are orders 0 to 2");
    let values_max = if choice & 0x80 == 0 { limits::VALUE_BYTES_MAX } else { 16 };
    let limits = Limits::default().with_value_bytes_max(values_max);
    let reference = bcs::from_bytes::<Groups>(plaintext);
    match Segment::decode(plaintext.to_vec(), order, &limits) {
        Ok(segment) => {
            let groups = reference.expect("bcs accepts what we accept");
            assert_eq!(bcs::to_bytes(&groups).unwrap(), plaintext);
            assert!(is_segment(&groups, order, values_max), "bcs sees what is no segment");
            check_segment(&segment, &groups);
        }
        Err(error) => {
            check_error(&error);
            let accepted = reference.is_ok_and(|groups| is_segment(&groups, order, values_max));
            assert!(!accepted, "refused, but it is a segment: {error}");
        }
    }
}

fn check_segment(segment: &Segment, groups: &Groups) {
    let mut entries =
        groups.iter().flat_map(|(root, entries)| entries.iter().map(move |(key, value)| (root, key, value)));
    let (mut single, mut runs) = (EntryBatch::default(), EntryBatch::default());
    for (root, entry) in segment.iter() {
        let expected = entries.next().expect("as many entries as bcs sees");
        assert_eq!((root, entry.key, entry.value), (&expected.0[..], &expected.1[..], &expected.2[..]));
        single.push(root, entry.key, entry.value);
    }
    assert!(entries.next().is_none());
    for group in segment.groups() {
        runs.push_run(group.root_key, group.into());
    }
    let encoded_len: u64 = segment.groups().map(|group| group.encoded_len()).sum();
    let count_len = backup_format::uleb_len(groups.len() as u32) as u64;
    assert_eq!(count_len + encoded_len, segment.plaintext().len() as u64);
    let (first, last) = (groups.first().unwrap(), groups.last().unwrap());
    assert_eq!(segment.first(), (&first.0[..], &first.1.first().unwrap().0[..]));
    assert_eq!(segment.last(), (&last.0[..], &last.1.last().unwrap().0[..]));
    for batch in [single, runs] {
        assert_eq!(batch.entries(), segment.entries());
        assert_eq!(Segment::from_batch(&batch).plaintext(), segment.plaintext());
    }
}

/// Returns true if bcs's view of a segment follows the rules, written down a second time.
pub fn is_segment(groups: &Groups, order: Order, values_max: usize) -> bool {
    let entries: Vec<_> = groups
        .iter()
        .flat_map(|(root, entries)| entries.iter().map(move |(key, value)| (root, key, value)))
        .collect();
    let root_order = |left: &Vec<u8>, right: &Vec<u8>| match order {
        Order::Prefixed => bcs::to_bytes(left).unwrap().cmp(&bcs::to_bytes(right).unwrap()),
        Order::Plain => left.cmp(right),
        Order::Token => {
            let token = |root: &[u8]| token(&[&[0], root].concat());
            token(left).cmp(&token(right)).then_with(|| left.cmp(right))
        }
    };
    let in_order = |pair: &[(&Vec<u8>, &Vec<u8>, &Vec<u8>)]| {
        root_order(pair[0].0, pair[1].0).then_with(|| pair[0].1.cmp(pair[1].1)) == Ordering::Less
    };
    let within = |(root, key, value): &(&Vec<u8>, &Vec<u8>, &Vec<u8>)| {
        root.len() <= limits::ROOT_KEY_BYTES_MAX
            && key.len() <= limits::KEY_BYTES_MAX
            && value.len() <= values_max
    };
    let split = groups.windows(2).any(|pair| pair[0].0 == pair[1].0);
    !groups.is_empty()
        && !split
        && groups.iter().all(|(_, entries)| !entries.is_empty())
        && entries.windows(2).all(in_order)
        && entries.iter().all(within)
}

/// The first byte chooses the level; the rest is the plaintext of a page.
pub fn page(data: &[u8]) {
    let Some((choice, plaintext)) = data.split_first() else { return };
    let level = if choice % 2 == 0 { Level::Segments } else { Level::Root };
    let reference = bcs::from_bytes::<Pages>(plaintext);
    match Page::decode(plaintext, level) {
        Ok(page) => {
            let pages = reference.expect("bcs accepts what we accept");
            assert_eq!(bcs::to_bytes(&pages).unwrap(), plaintext);
            assert!(is_page(&pages, level), "bcs sees what is no page");
            assert_eq!(page.encode().unwrap(), plaintext);
            for (ours, theirs) in page.references.iter().zip(&pages.1) {
                let ours = (&ours.id.0, &ours.first_root, &ours.first_key, ours.plain_len, ours.entries);
                assert_eq!(ours, (&theirs.0, &theirs.1, &theirs.2, theirs.3, theirs.4));
            }
            let references: u64 = page.references.iter().map(|reference| reference.encoded_len()).sum();
            let count_len = backup_format::uleb_len(page.references.len() as u32) as u64;
            assert_eq!(1 + count_len + references, plaintext.len() as u64);
        }
        Err(error) => {
            check_error(&error);
            let accepted = reference.is_ok_and(|pages| is_page(&pages, level));
            assert!(!accepted, "refused, but it is a page: {error}");
        }
    }
}

/// Returns true if bcs's view of a page follows the rules, written down a second time.
pub fn is_page(pages: &Pages, level: Level) -> bool {
    let (referred_max, count) = match level {
        Level::Segments => (512 << 20, 1..=4_096),
        Level::Root => (16 << 20, 0..=usize::MAX),
    };
    pages.0 == level as u8
        && count.contains(&pages.1.len())
        && pages.1.iter().all(|(_, root, key, plain_len, entries)| {
            root.len() <= 65_535 && key.len() <= 1_024 && *plain_len <= referred_max && *entries > 0
        })
}

/// An even first byte: the rest is a table, to which a fitting trailer is made. An odd one: the rest is the end of a pack.
pub fn pack_table(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    if choice % 2 == 0 { fitted_table(rest) } else { end_of_pack(rest) }
}

fn fitted_table(table: &[u8]) {
    let reference = bcs::from_bytes::<Table>(table);
    let bodies = reference.iter().flatten().map(|line| line.5).fold(0, u64::saturating_add);
    let file_len = bodies.saturating_add(table.len() as u64 + 24);
    let mut trailer = (table.len() as u32).to_le_bytes().to_vec();
    trailer.extend_from_slice(&blake3::hash(table).as_bytes()[..8]);
    trailer.extend_from_slice(b"KVBP");
    let trailer = Trailer::decode(trailer.as_slice().try_into().unwrap(), file_len);
    let lines = trailer.and_then(|trailer| {
        assert_eq!(trailer.table_range(), file_len - 16 - table.len() as u64..file_len - 16);
        trailer.decode_table(table)
    });
    match lines {
        Ok(lines) => {
            let reference = reference.expect("bcs accepts what we accept");
            assert_eq!(bcs::to_bytes(&reference).unwrap(), table);
            assert!(is_table(&reference, file_len), "bcs sees what is no table");
            check_table(&lines, &reference, table);
        }
        Err(error) => {
            check_error(&error);
            let accepted = reference.is_ok_and(|table| is_table(&table, file_len));
            assert!(!accepted, "refused, but it is a table: {error}");
        }
    }
}

fn check_table(lines: &[TableLine], reference: &Table, table: &[u8]) {
    assert_eq!(lines.len(), reference.len());
    for (line, reference) in lines.iter().zip(reference) {
        let line = (line.kind as u8, line.codec as u8, 0, line.id.0, line.plain_len, line.stored_len);
        assert_eq!(line, *reference);
    }
    let bodies: u64 = lines.iter().map(|line| line.stored_len).sum();
    if bodies > 1 << 20 {
        return;
    }
    let mut builder = PackBuilder::new(bodies + 1);
    for line in lines {
        builder.push(line.clone(), vec![7; line.stored_len as usize]);
    }
    let file = builder.finish();
    let (name, byte_len, file) = (file.name(), file.byte_len(), file.into_bytes());
    assert_eq!((name, byte_len), (ObjectId::of_file(&file), file.len() as u64));
    assert_eq!(&file[8 + bodies as usize..file.len() - 16], table);
}

/// Returns true if bcs's view of a table follows the rules, written down a second time.
pub fn is_table(table: &Table, file_len: u64) -> bool {
    let line = |(kind, codec, aead, _, plain_len, stored_len): &(u8, u8, u8, [u8; 32], u64, u64)| {
        matches!((kind, codec, aead), (1 | 2, 0 | 1, 0))
            && *plain_len <= 512 << 20
            && (*codec == 1 || plain_len == stored_len)
    };
    (1..=65_536).contains(&table.len()) && table.iter().all(line) && file_len <= 1 << 30
}

fn end_of_pack(bytes: &[u8]) {
    let Some((table, trailer)) = bytes.split_last_chunk::<16>() else { return };
    let file_len = bytes.len() as u64 + 8;
    match Trailer::decode(trailer, file_len) {
        Ok(trailer) => {
            let range = trailer.table_range();
            assert!(range.start >= 8 && range.end + 16 == file_len);
            let table = &table[(range.start - 8) as usize..];
            if let Ok(lines) = trailer.decode_table(table) {
                assert!(
                    lines.iter().all(|line| line.codec == Codec::Zstd || line.plain_len == line.stored_len)
                );
            }
        }
        Err(error) => check_error(&error),
    }
    assert_eq!(pack::check_magic(bytes).is_ok(), bytes.starts_with(b"KVB1PACK"));
}

/// The first byte chooses between a manifest, a config and a name; the rest is its text.
pub fn manifest(data: &[u8]) {
    let Some((choice, json)) = data.split_first() else { return };
    match choice % 3 {
        0 => match Manifest::decode(json) {
            Ok(manifest) => {
                let (id, bytes) = manifest.encode().expect("what was decoded can be encoded");
                assert_eq!(id, ObjectId::of_file(&bytes));
                assert_eq!(Manifest::decode(&bytes).unwrap(), manifest);
                assert_eq!(
                    manifest.inventory.as_ref().unwrap().digest_state().digest(),
                    manifest.inventory.as_ref().unwrap().digest
                );
                assert!(
                    manifest.requires.iter().all(|name| name == Manifest::PATCHES) && manifest.version == 1
                );
            }
            Err(error) => check_error(&error),
        },
        1 => match Config::decode(json) {
            Ok(config) => assert_eq!(Config::decode(&config.encode()).unwrap(), config),
            Err(error) => check_error(&error),
        },
        _ => name(json),
    }
}

fn name(text: &[u8]) {
    let Ok(text) = str::from_utf8(text) else { return };
    let is_name = text.len() == 64 && text.bytes().all(|byte| b"0123456789abcdef".contains(&byte));
    match text.parse::<ObjectId>() {
        Ok(id) => assert_eq!(id.to_string(), text),
        Err(error) => check_error(&error),
    }
    assert_eq!(text.parse::<ObjectId>().is_ok(), is_name);
}

/// The first byte chooses the buffers; the rest is an upstream file.
pub fn upstream(data: &[u8]) {
    let Some((choice, file)) = data.split_first() else { return };
    let buffer_bytes = 16 << (choice % 12);
    let reference = bcs::from_bytes::<Map>(file);
    match import(file, buffer_bytes) {
        Ok((mut content, empty)) => {
            let mut expected = reference.expect("bcs accepts what we accept");
            assert_eq!(expected.values().filter(|entries| entries.is_empty()).count() as u64, empty);
            expected.retain(|_, entries| !entries.is_empty());
            assert_eq!(content, expected);
            assert_eq!(export(&content, usize::from(*choice) << 3), bcs::to_bytes(&expected).unwrap());
            if empty == 0 {
                assert_eq!(export(&content, 1 << 20), file);
            }
            content.clear();
        }
        Err(error) => {
            check_error(&error);
            let within = reference.as_ref().is_ok_and(|map| {
                map.iter().all(|(root, entries)| {
                    root.len() <= limits::ROOT_KEY_BYTES_MAX
                        && entries.keys().all(|key| key.len() <= limits::KEY_BYTES_MAX)
                })
            });
            assert!(!within, "refused, but bcs accepts it: {error}");
        }
    }
}

/// Reads an upstream file whole, and checks the order of its batches; also returns the number of empty partitions.
pub fn import(file: &[u8], buffer_bytes: usize) -> Result<(Map, u64), FormatError> {
    let mut reader =
        UpstreamReader::new(Cursor::new(file), &Limits::default())?.with_buffer_bytes(buffer_bytes);
    let mut order = OrderCheck::new(Order::Prefixed);
    let mut map = Map::new();
    while let Some(batch) = reader.next_batch()? {
        assert!(!batch.is_empty());
        assert!(batch.byte_len() <= buffer_bytes.max(16) || batch.entries() == 1);
        for (root, entry) in batch.iter() {
            order.advance((root, entry.key), (root, entry.key), false).expect("in order 0");
            map.entry(root.to_vec()).or_default().insert(entry.key.to_vec(), entry.value.to_vec());
        }
    }
    assert!(reader.next_batch()?.is_none());
    assert_eq!(reader.position(), file.len() as u64);
    Ok((map, reader.dropped().count))
}

/// Writes an upstream file from the entries in byte order.
pub fn export(map: &Map, memory_bytes: usize) -> Vec<u8> {
    let mut batch = EntryBatch::default();
    for (root, entries) in map {
        entries.iter().for_each(|(key, value)| batch.push(root, key, value));
    }
    let mut writer = UpstreamWriter::new(Vec::new(), Memory).with_memory_bytes(memory_bytes);
    batch.groups().for_each(|group| writer.push(&group).expect("memory does not fail"));
    writer.finish(map.len() as u64, batch.entries()).expect("memory does not fail")
}

/// Scratch files in memory.
pub struct Memory;

impl Scratch for Memory {
    fn create(&mut self) -> io::Result<Box<dyn ScratchFile>> {
        Ok(Box::new(Cursor::new(Vec::new())))
    }
}

/// An error says something in one line that a terminal shows as it is, and its cause only in `source()`.
fn check_error(error: &FormatError) {
    let text = error.to_string();
    assert!(!text.is_empty() && text.len() < 2_000 && !text.contains(char::is_control), "{text:?}");
    if let Some(source) = error.source().map(ToString::to_string) {
        assert!(!text.contains(&source) && !source.contains(char::is_control), "{text:?}: {source:?}");
    }
    assert!(!error.is_transient());
}
