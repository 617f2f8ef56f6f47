use backup_format::{EntryBatch, Limits};
use backup_layout::Layout;
use backup_layout::rocksdb::{Decoder, Sample, check, detect, root_of};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::support::index;

/// Bytes at random, and bytes of the few values that layouts look at.
fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..max),
        vec(select(vec![0u8, 0, 0, 0, 1, 2, 4, 5, 0x21, 0x77, 0x80, 0xff]), 0..max),
        vec(any::<u8>(), 32).prop_map(|hash| [&[0, 0], &hash[..], &[1, 0, 0, 0, 0]].concat()),
        vec(any::<u8>(), 32)
            .prop_map(|hash| [&[0, 0x21, 5], &hash[..], &[0, 0xff, 0xff, 0xff, 0xff, 0xf]].concat()),
    ]
}

proptest! {
    #[test]
    fn any_rows_make_entries_of_their_own_bytes_or_an_error(
        rows in vec((bytes(80), bytes(12)), 0..12),
        roots in vec(bytes(40), 0..5),
        is_sorted in any::<bool>(),
    ) {
        let (mut rows, mut roots) = (rows, roots);
        if is_sorted {
            rows.sort();
            roots.sort();
            roots.dedup();
        }
        let row_bytes: usize = rows.iter().map(|(key, value)| key.len() + value.len()).sum();
        for layout in Layout::ALL {
            let mut decoder = Decoder::new(layout, index(roots.clone()), Limits::default());
            let mut batch = EntryBatch::default();
            let pushed = rows.iter().try_for_each(|(key, value)| decoder.push(key, value, &mut batch));
            if pushed.and_then(|()| decoder.finish(&mut batch)).is_ok() {
                prop_assert!(batch.entries() <= rows.len() as u64);
                let entry_bytes: usize =
                    batch.iter().map(|(_, entry)| entry.key.len() + entry.value.len()).sum();
                prop_assert!(entry_bytes <= row_bytes);
            }
            for (key, _) in &rows {
                let root_key = root_of(layout, key).unwrap_or_default();
                prop_assert!(key.windows(root_key.len().max(1)).any(|part| part == root_key) || root_key.is_empty());
            }
        }
        let sample = Sample { rows };
        if let Ok(found) = detect(&sample) {
            for layout in Layout::ALL {
                prop_assert_eq!(check(layout, &sample).is_ok(), layout == found || layout == Layout::Plain);
            }
        }
    }
}
