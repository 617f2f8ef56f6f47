//! The example of `docs/FORMAT.md` is what this crate writes, and this crate reads it.

use std::fmt::Write;

use backup_format::pack::{self, Codec, Object, PackBuilder, PackVersion, TableLine, Trailer};
use backup_format::patch::{self, Patched};
use backup_format::{
    Config, DigestBuilder, EntryBatch, Keys, Kind, Level, Limits, ObjectId, Order, Page, Reference, Segment,
};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/FORMAT.md");

fn block() -> String {
    block_of("text")
}

fn block_of(name: &str) -> String {
    let document = std::fs::read_to_string(DOCUMENT).expect("docs/FORMAT.md stands beside the crates");
    let (_, rest) = document.split_once(&format!("```{name}\n")).expect("there is one block of that name");
    rest.split_once("```").expect("the block ends").0.to_owned()
}

/// Takes the bytes out of a block.
fn bytes_of(block: &str) -> Vec<u8> {
    let lines = block.lines().filter_map(|line| line.get(..4).zip(line.get(6..)));
    let is_offset = |offset: &str| offset.chars().all(|digit| digit.is_ascii_hexdigit());
    let hex: String = lines.filter(|(offset, _)| is_offset(offset)).map(|(_, bytes)| bytes).collect();
    hex::decode(hex).expect("the dump is hex")
}

fn keys() -> Keys {
    Config::new([1; 16], [2; 16]).keys().unwrap()
}

fn segment() -> Segment {
    let mut batch = EntryBatch::default();
    batch.push(b"chain", b"height", b"12");
    batch.push(b"chain", b"tip", b"");
    batch.push(b"other", b"", b"x");
    Segment::from_batch(&batch)
}

fn page(level: Level, id: ObjectId, plain_len: usize) -> Vec<u8> {
    let (first_root, first_key) = (b"chain".to_vec(), b"height".to_vec());
    let reference = Reference { id, first_root, first_key, plain_len: plain_len as u64, entries: 3 };
    Page { level, references: vec![reference] }.encode().expect("a short page")
}

#[test]
fn the_example_is_what_this_crate_writes() {
    let (keys, segment) = (keys(), segment());
    let segment_id = keys.id(Kind::Segment, segment.plaintext());
    let page_bytes = page(Level::Segments, segment_id, segment.plaintext().len());
    let page_id = keys.id(Kind::Page, &page_bytes);
    let root_bytes = page(Level::Root, page_id, page_bytes.len());
    let root_id = keys.id(Kind::Page, &root_bytes);
    let mut builder = PackBuilder::new(1 << 20);
    let objects = [
        (Kind::Segment, segment_id, segment.plaintext()),
        (Kind::Page, page_id, &page_bytes),
        (Kind::Page, root_id, &root_bytes),
    ];
    for (kind, id, plaintext) in objects {
        let length = plaintext.len() as u64;
        let line = TableLine { kind, codec: Codec::Raw, id, plain_len: length, stored_len: length };
        builder.push(line, plaintext.to_vec());
    }
    let file = builder.finish();
    let (name, file) = (file.name(), file.into_bytes());
    let mut digest = DigestBuilder::default();
    segment.groups().for_each(|group| digest.push(&group));
    let digest = digest.finish().digest();

    let mut expected = format!("segment  {segment_id}\npage     {page_id}\nroot     {root_id}\n");
    write!(expected, "pack     {name}\ndigest   {digest}\n\n").expect("a string takes anything");
    for (line, bytes) in file.chunks(32).enumerate() {
        writeln!(expected, "{:04x}  {}", line * 32, hex::encode(bytes)).expect("a string takes anything");
    }
    assert_eq!(block(), expected, "docs/FORMAT.md, section 18");
}

#[test]
fn the_example_can_be_read_as_the_document_says() {
    let file = bytes_of(&block());
    pack::check_magic(&file).unwrap();
    let trailer = Trailer::decode(file.last_chunk().unwrap(), file.len() as u64).unwrap();
    let range = trailer.table_range();
    let lines = trailer.decode_table(&file[range.start as usize..range.end as usize]).unwrap();
    let mut offset = pack::MAGIC.len();
    let mut bodies = Vec::new();
    for line in &lines {
        let end = offset + line.stored_len as usize;
        keys().check(line.kind, &file[offset..end], line.id).unwrap();
        bodies.push(&file[offset..end]);
        offset = end;
    }
    assert_eq!(offset, range.start as usize);
    let root = Page::decode(bodies[2], Level::Root).unwrap();
    assert_eq!(root.references[0].id, lines[1].id);
    let page = Page::decode(bodies[1], Level::Segments).unwrap();
    assert_eq!(page.references[0].id, lines[0].id);
    let segment = Segment::decode(bodies[0].to_vec(), Order::Plain, &Limits::default()).unwrap();
    assert_eq!(segment.last(), (&b"other"[..], &b""[..]));
}

/// The segments of section 19, day by day.
fn days() -> [Segment; 3] {
    let segment = |entries: &[(&[u8], &[u8], &[u8])]| {
        let mut batch = EntryBatch::default();
        entries.iter().for_each(|(root_key, key, value)| batch.push(root_key, key, value));
        Segment::from_batch(&batch)
    };
    [
        segment(&[(b"chain", b"height", b"12"), (b"chain", b"tip", b""), (b"other", b"", b"x")]),
        segment(&[(b"chain", b"height", b"13"), (b"chain", b"tip", b""), (b"other", b"", b"x")]),
        segment(&[(b"chain", b"height", b"14"), (b"other", b"", b"x"), (b"story", b"a", b"y")]),
    ]
}

#[test]
fn the_chain_is_what_this_crate_writes() {
    let (keys, days) = (keys(), days());
    let ids = days.each_ref().map(|segment| keys.id(Kind::Segment, segment.plaintext()));
    let mut builder = PackBuilder::with_salt(1 << 20, [5; 16]);
    for day in 0..3 {
        let (id, plain_len) = (ids[day], days[day].plaintext().len() as u64);
        let before = day.checked_sub(1);
        let body = match before {
            None => days[day].plaintext().to_vec(),
            Some(before) => patch::make(&days[before], &days[day], Order::Plain).unwrap(),
        };
        let stored_len = body.len() as u64;
        let line = TableLine { kind: Kind::Segment, codec: Codec::Raw, id, plain_len, stored_len };
        builder.push_object(Object { line, base: before.map(|before| ids[before]), seal: None }, body);
    }
    let file = builder.finish();
    let mut expected = String::new();
    for (day, id) in ids.iter().enumerate() {
        writeln!(expected, "day {day}    {id}").expect("a string takes anything");
    }
    writeln!(expected, "pack     {}\n", file.name()).expect("a string takes anything");
    for (line, bytes) in file.into_bytes().chunks(32).enumerate() {
        writeln!(expected, "{:04x}  {}", line * 32, hex::encode(bytes)).expect("a string takes anything");
    }
    assert_eq!(block_of("chain"), expected, "docs/FORMAT.md, section 19");
}

#[test]
fn the_chain_can_be_read_as_the_document_says() {
    let file = bytes_of(&block_of("chain"));
    PackVersion::V2.check_magic(&file).unwrap();
    assert_eq!(file[8..24], [5; 16]);
    let trailer =
        Trailer::decode_version(PackVersion::V2, file.last_chunk().unwrap(), file.len() as u64).unwrap();
    let range = trailer.table_range();
    let objects = trailer.decode_objects(&file[range.start as usize..range.end as usize]).unwrap();
    let mut offset = PackVersion::V2.head_bytes() as usize;
    let mut before: Option<(ObjectId, Segment)> = None;
    for (Object { line, base, .. }, day) in objects.iter().zip(days()) {
        let stored = &file[offset..offset + line.stored_len as usize];
        offset += stored.len();
        assert_eq!(*base, before.as_ref().map(|(id, _)| *id));
        let plaintext = match &before {
            None => stored.to_vec(),
            Some((_, base)) => {
                let mut patched = Patched::new(base);
                patched.apply(stored).unwrap();
                patched.plaintext()
            }
        };
        keys().check(Kind::Segment, &plaintext, line.id).unwrap();
        assert_eq!((&plaintext[..], plaintext.len() as u64), (day.plaintext(), line.plain_len));
        before = Some((line.id, Segment::decode(plaintext, Order::Plain, &Limits::default()).unwrap()));
    }
    assert_eq!((objects.len(), offset), (3, range.start as usize));
}
