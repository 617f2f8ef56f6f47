//! How much memory decoding and converting take. A program of its own, since it counts every allocation, and one test,
//! since another thread's would be counted too.

#[allow(dead_code)]
#[path = "it/laws.rs"]
mod laws;

use std::fs::{self, File};
use std::io;
use std::path::Path;

use backup_format::pack::Trailer;
use backup_format::upstream::{Scratch, ScratchFile, UpstreamReader, UpstreamWriter};
use backup_format::{Config, EntryBatch, Level, Limits, Manifest, Order, Page, Segment};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What an error and a hash may take, whatever the input.
const SMALL: usize = 8 << 10;

/// A decoder takes at most twice its input and a constant.
struct Decoder {
    name: &'static str,
    constant: usize,
    decode: fn(&[u8]),
}

const DECODERS: [Decoder; 5] = [
    Decoder { name: "segment", constant: SMALL, decode: decode_segment },
    Decoder { name: "page", constant: SMALL, decode: decode_page },
    Decoder { name: "pack_table", constant: SMALL, decode: decode_table },
    // Of at most 1 MiB: a list of empty strings takes 24 bytes for 3, while it grows 48.
    Decoder { name: "manifest", constant: 24 << 20, decode: decode_json },
    Decoder { name: "upstream", constant: 2 << 20, decode: decode_upstream },
];

fn decode_segment(bytes: &[u8]) {
    drop(Segment::decode(bytes.to_vec(), Order::Plain, &Limits::default()));
}

fn decode_page(bytes: &[u8]) {
    let level = if bytes.first() == Some(&0) { Level::Segments } else { Level::Root };
    drop(Page::decode(bytes, level));
}

fn decode_table(bytes: &[u8]) {
    let hash = blake3::hash(bytes);
    let trailer = [&(bytes.len() as u32).to_le_bytes(), &hash.as_bytes()[..8], b"KVBP"].concat();
    // The length of the bodies is right for one object of 5 bytes; others are refused after they were read.
    let file_len = bytes.len() as u64 + 24 + 5;
    if let Ok(trailer) = Trailer::decode(trailer.as_slice().try_into().unwrap(), file_len) {
        drop(trailer.decode_table(bytes));
    }
}

fn decode_json(bytes: &[u8]) {
    drop(Manifest::decode(bytes));
    drop(Config::decode(bytes));
}

fn decode_upstream(bytes: &[u8]) {
    let Ok(mut reader) = UpstreamReader::new(io::Cursor::new(bytes), &Limits::default()) else { return };
    while let Ok(Some(batch)) = reader.next_batch() {
        drop(batch);
    }
}

/// Runs a function and returns how much more memory was in use meanwhile, at most.
fn measure(run: impl FnOnce()) -> usize {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    run();
    MEMORY.peak_usage() - before
}

fn check(decoder: &Decoder, input: &[u8]) {
    let used = measure(|| (decoder.decode)(input));
    let allowed = 2 * input.len() + decoder.constant;
    assert!(
        used <= allowed,
        "{} of {} bytes took {used}: {:02x?}",
        decoder.name,
        input.len(),
        input.get(..64)
    );
}

/// The committed inputs without the byte that chooses.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/regressions").join(name);
    let files = fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
    files.filter(|file| !file.is_empty()).map(|file| file[1..].to_vec()).collect()
}

/// Numbers that say they are much and stand for nothing.
const BOMBS: [&[u8]; 6] = [
    b"\xff\xff\xff\xff\x0f",
    b"\xff\xff\xff\xff\x07",
    b"\x80\x80\x80\x80\x01",
    b"\x80\x80\x80\x04",
    b"\xff\xff\x03",
    b"\x80\x80\x04",
];

fn check_hostile(decoder: &Decoder) {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for seed in seeds(decoder.name) {
        check(decoder, &seed);
        for _ in 0..300 {
            let mut input = seed.clone();
            for _ in 0..=random(3) {
                let place = random(input.len() + 1);
                let end = (place + random(6)).min(input.len());
                match random(3) {
                    0 => drop(input.splice(place..end, BOMBS[random(BOMBS.len())].iter().copied())),
                    1 => input[place..end].iter_mut().for_each(|byte| *byte = 0xff),
                    _ => input.truncate(end),
                }
            }
            check(decoder, &input);
        }
    }
    for first in 0..4u8 {
        for bomb in BOMBS {
            for rest in 0..9 {
                check(decoder, &[&[first], bomb, &vec![0; rest]].concat());
                check(decoder, &[bomb, bomb, &vec![first; rest]].concat());
            }
        }
    }
}

/// Inputs that take as much memory for their length as any that are accepted.
fn check_dense() {
    let mut batch = EntryBatch::default();
    for number in 0..60_000u16 {
        batch.push(&number.to_be_bytes(), b"", b"");
    }
    check(&DECODERS[0], Segment::from_batch(&batch).plaintext());
    let reference = ([7; 32], vec![], vec![], 1, 1);
    check(&DECODERS[1], &bcs::to_bytes::<laws::Pages>(&(0, vec![reference.clone(); 4_096])).unwrap());
    check(&DECODERS[1], &bcs::to_bytes::<laws::Pages>(&(1, vec![reference; 100_000])).unwrap());
    check(&DECODERS[2], &bcs::to_bytes::<laws::Table>(&vec![(1, 1, 0, [7; 32], 5, 0); 65_536]).unwrap());
    let strings = format!("[\"\"{}]", ",\"\"".repeat(300_000));
    let json = format!("{{\"format\":\"kvbackup-dump\",\"version\":1,\"requires\":{strings}}}");
    check(&DECODERS[3], json.as_bytes());
}

struct Files;

impl Scratch for Files {
    fn create(&mut self) -> io::Result<Box<dyn ScratchFile>> {
        Ok(Box::new(tempfile::tempfile()?))
    }
}

/// A file of 90 MB, one half of it a partition of 300 key lengths, is written and read in less memory than it has.
fn check_upstream() {
    let mut file = None;
    let mut entries = 0;
    let used = measure(|| {
        let mut writer = UpstreamWriter::new(tempfile::tempfile().unwrap(), Files);
        let mut batch = EntryBatch::default();
        for number in 0..450_000u32 {
            let mut key = number.to_be_bytes().to_vec();
            key.resize(4 + number as usize % 300, 0);
            let root =
                if number < 225_000 { b"large".to_vec() } else { (number / 10).to_le_bytes().to_vec() };
            batch.push(&root, &key, &[1; 40]);
            if number % 1_000 == 999 {
                batch.groups().try_for_each(|group| writer.push(&group)).unwrap();
                entries += batch.entries();
                batch.clear();
            }
        }
        file = Some(writer.finish(1 + 22_500, entries).unwrap());
    });
    assert!(used < 66 << 20, "writing took {used} bytes");
    let file: File = file.unwrap();
    let length = file.metadata().unwrap().len();
    assert!(length > 80 << 20, "{length}");
    let mut found = 0;
    let used = measure(|| {
        let mut reader = UpstreamReader::new(file, &Limits::default()).unwrap();
        while let Some(batch) = reader.next_batch().unwrap() {
            found += batch.entries();
        }
    });
    assert_eq!(found, entries);
    assert!(used < 18 << 20, "reading took {used} bytes");
}

#[test]
fn memory_is_bounded_whatever_the_input() {
    for decoder in &DECODERS {
        check_hostile(decoder);
    }
    check_dense();
    check_upstream();
}
