//! The cut rule.

use backup_format::{Config, Cut, Cutter, Keys};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::content::difference;
use crate::vectors::{self, hex};

const SEGMENT_TARGET: u64 = 256;
const PAGE_TARGET: u64 = 8_192;

#[derive(Clone, Debug)]
struct Sized {
    root: Vec<u8>,
    key: Vec<u8>,
    value_len: usize,
}

impl Sized {
    fn len(&self) -> u64 {
        (self.root.len() + self.key.len() + self.value_len) as u64
    }
}

fn entries() -> impl Strategy<Value = Vec<Sized>> {
    let value_len = prop_oneof![20 => 0..120usize, 1 => 900..3_000usize];
    let entry = (0..20u8, any::<[u8; 3]>(), value_len).prop_map(|(root, key, value_len)| Sized {
        root: vec![root; 2],
        key: key.to_vec(),
        value_len,
    });
    vec(entry, 1..400)
}

fn config(salt: [u8; 16]) -> Config {
    Config::new([0; 16], salt).with_targets(SEGMENT_TARGET, PAGE_TARGET, 1 << 20)
}

fn cuts(salt: [u8; 16], entries: &[Sized]) -> Vec<Cut> {
    let config = config(salt);
    let mut cutter = Cutter::new(&config, &config.keys().unwrap());
    entries.iter().map(|entry| cutter.next(&entry.root, &entry.key, entry.value_len)).collect()
}

/// Each segment's entries.
fn segments<'a>(entries: &'a [Sized], cuts: &[Cut]) -> Vec<&'a [Sized]> {
    let starts: Vec<_> =
        (0..entries.len()).filter(|index| *index == 0 || cuts[*index] != Cut::None).collect();
    let ends = starts.iter().skip(1).copied().chain([entries.len()]);
    starts.iter().zip(ends).map(|(start, end)| &entries[*start..end]).collect()
}

proptest! {
    #[test]
    fn a_segment_is_at_most_four_targets_or_one_entry(entries in entries(), salt: [u8; 16]) {
        for segment in segments(&entries, &cuts(salt, &entries)) {
            let length: u64 = segment.iter().map(Sized::len).sum();
            prop_assert!(length <= 4 * SEGMENT_TARGET || segment.len() == 1);
        }
    }

    #[test]
    fn starting_at_any_page_gives_the_same_cuts_from_there_on(entries in entries(), salt: [u8; 16]) {
        let whole = cuts(salt, &entries);
        for start in (0..entries.len()).filter(|index| whole[*index] == Cut::Page) {
            prop_assert_eq!(&cuts(salt, &entries[start..]), &whole[start..]);
        }
    }

    #[test]
    fn a_page_begins_by_the_entry_alone(entries in entries(), salt: [u8; 16]) {
        let whole = cuts(salt, &entries);
        for (entry, cut) in entries.iter().zip(whole) {
            let alone = cuts(salt, std::slice::from_ref(entry))[0];
            prop_assert_eq!(alone == Cut::Page, cut == Cut::Page);
        }
    }

    #[test]
    fn one_other_value_leaves_what_lies_before_and_on_other_pages(
        entries in entries(), salt: [u8; 16], place in any::<prop::sample::Index>(), value_len in 0..120usize,
    ) {
        let place = place.index(entries.len());
        let mut changed = entries.clone();
        changed[place].value_len = value_len;
        let (before, after) = (cuts(salt, &entries), cuts(salt, &changed));
        prop_assert_eq!(&before[..place], &after[..place]);
        if let Some(page) = (place + 1..entries.len()).find(|index| before[*index] == Cut::Page) {
            prop_assert_eq!(&before[page..], &after[page..]);
        }
    }
}

#[test]
fn cuts_are_those_of_the_vectors() {
    for case in vectors::load("cuts.json").as_array().unwrap() {
        let number = |field: &str| case[field].as_u64().unwrap();
        let config = Config::new([0; 16], hex(&case["cut_salt"]).try_into().unwrap()).with_targets(
            number("segment_target"),
            number("page_target"),
            1 << 20,
        );
        let mut cutter = Cutter::new(&config, &config.keys().unwrap());
        let (mut segment_cuts, mut page_cuts) = (Vec::new(), Vec::new());
        for index in 0..3_000u32 {
            let root = format!("chain-{}", index / 50);
            let value_len = u64::from(index).pow(2) * 7_919 % 300;
            match cutter.next(root.as_bytes(), &index.to_be_bytes(), value_len as usize) {
                Cut::None => {}
                Cut::Segment => segment_cuts.push(index),
                Cut::Page => page_cuts.push(index),
            }
        }
        assert_eq!(case["segment_cuts"], serde_json::json!(segment_cuts));
        assert_eq!(case["page_cuts"], serde_json::json!(page_cuts));
    }
}

#[test]
fn segments_and_pages_are_of_about_their_targets() {
    let entries: Vec<_> = (0..40_000u32)
        .map(|number| Sized { root: vec![1], key: number.to_be_bytes().to_vec(), value_len: 35 })
        .collect();
    let cuts = cuts([3; 16], &entries);
    let bytes: u64 = entries.iter().map(Sized::len).sum();
    let mean = |cut| bytes / cuts.iter().filter(|found| **found >= cut).count() as u64;
    assert!((SEGMENT_TARGET / 2..2 * SEGMENT_TARGET).contains(&mean(Cut::Segment)), "{}", mean(Cut::Segment));
    assert!((PAGE_TARGET / 2..2 * PAGE_TARGET).contains(&mean(Cut::Page)), "{}", mean(Cut::Page));
}

#[test]
fn one_other_value_rewrites_few_segments() {
    let entries: Vec<_> = (0..4_000u32)
        .map(|number| Sized { root: vec![1], key: number.to_be_bytes().to_vec(), value_len: 35 })
        .collect();
    let ranges = |entries: &[Sized]| -> Vec<_> {
        let cuts = cuts([3; 16], entries);
        segments(entries, &cuts).iter().map(|segment| (segment[0].key.clone(), segment.len())).collect()
    };
    let before = ranges(&entries);
    let places = (0..4_000).step_by(37);
    let moved: usize = places
        .clone()
        .map(|place| {
            let mut changed = entries.clone();
            changed[place].value_len = 60;
            difference(before.clone(), ranges(&changed))
        })
        .sum();
    // A segment whose bounds move counts twice, once as it was and once as it is.
    assert!(moved < 4 * places.len(), "{moved} segments in {} changes", places.len());
}

#[test]
fn entries_without_bytes_are_cut_too() {
    // The smallest entry there is counts one byte, so a segment cannot grow without end.
    let config = Config::new([0; 16], [9; 16]).with_targets(64, 1 << 30, 1 << 20);
    let mut cutter = Cutter::new(&config, &config.keys().unwrap());
    let cut = (0..257).find(|_| cutter.next(b"", b"", 0) != Cut::None);
    assert!(cut.is_some());
}

#[test]
fn the_caller_may_begin_a_segment() {
    let config = config([1; 16]);
    let mut cutter = Cutter::new(&config, &config.keys().unwrap());
    let mut fresh = cutter.clone();
    for number in 0..3u8 {
        cutter.next(b"a", &[number], 70);
    }
    cutter.start_segment();
    for number in 10..60u8 {
        assert_eq!(cutter.next(b"a", &[number], 30), fresh.next(b"a", &[number], 30));
    }
}

#[test]
fn the_salt_decides_where_cuts_are() {
    let entries: Vec<_> = (0..500u16)
        .map(|number| Sized { root: vec![1], key: number.to_be_bytes().to_vec(), value_len: 35 })
        .collect();
    assert_ne!(cuts([1; 16], &entries), cuts([2; 16], &entries));
    assert_ne!(Keys::derive(&[1; 16]).cut_key(), Keys::derive(&[2; 16]).cut_key());
}
