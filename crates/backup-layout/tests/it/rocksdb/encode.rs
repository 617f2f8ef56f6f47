use backup_layout::Layout;
use backup_layout::rocksdb::{DATA, Encoder, INDEX, root_of};

use crate::support::unhex;

const CHAIN: &str = "cb24895a00112233445566778899aabbccddeeff00112233445566778899 8ca8";

/// Root key, key, value, row key, stored value, index row: as databases of linera have them.
fn rows_of_linera() -> Vec<(Layout, [String; 6])> {
    let row = |parts: [&str; 6]| parts.map(|part| part.replace("CHAIN", CHAIN).replace(' ', ""));
    vec![
        (
            Layout::Linera015,
            row([
                "00CHAIN",
                "0100000000010000000001 0500000001",
                "0000d4aad2a82cf2c1d3000000000000",
                "00 00CHAIN 0100000000010000000001 0500000001 00000000",
                "00000001 0000d4aad2a82cf2c1d3000000000000",
                "01 00CHAIN",
            ]),
        ),
        (
            Layout::Linera015,
            row([
                "00CHAIN",
                "010900000001cb",
                "",
                "00 00CHAIN 010900000001cb 00000000",
                "00000001",
                "01 00CHAIN",
            ]),
        ),
        (
            Layout::Linera015,
            row(["01CHAIN", "5b", "46", "00 01CHAIN 5b 00000000", "00000001 46", "01 01CHAIN"]),
        ),
        (
            Layout::Linera015,
            row(["01CHAIN", "dd", "cb", "00 01CHAIN dd 00000000", "00000001 cb", "01 01CHAIN"]),
        ),
        (
            Layout::Linera015,
            row(["02CHAIN06", "2a", "0001", "00 02CHAIN06 2a 00000000", "00000001 0001", "01 02CHAIN06"]),
        ),
        (
            Layout::Linera015,
            row(["02CHAIN06", "31", "01", "00 02CHAIN06 31 00000000", "00000001 01", "01 02CHAIN06"]),
        ),
        (
            Layout::Linera015,
            row(["05", "77", "066f7261636c65", "00 05 77 00000000", "00000001 066f7261636c65", "01 05"]),
        ),
        (
            Layout::Linera015,
            row([
                "07CHAIN",
                "0000000000000000",
                "4685",
                "00 07CHAIN 0000000000000000 00000000",
                "00000001 4685",
                "01 07CHAIN",
            ]),
        ),
        (Layout::Linera016, row(["00", "04", "066f", "00 01 00 04", "066f", "01 01 00"])),
        (Layout::Linera016, row(["02CHAIN", "0105", "", "00 21 02CHAIN 0105", "", "01 21 02CHAIN"])),
        (
            Layout::Linera016,
            row(["04CHAIN06", "00", "0001", "00 22 04CHAIN06 00", "0001", "01 22 04CHAIN06"]),
        ),
    ]
}

#[test]
fn rows_are_those_that_linera_writes() {
    for (layout, [root_key, key, value, row_key, stored, index_row]) in rows_of_linera() {
        let [root_key, key, value] = [root_key, key, value].map(|text| unhex(&text));
        let mut encoder = Encoder::new(layout);
        let mut rows = Vec::new();
        encoder
            .encode(&root_key, &key, &value, &mut |row_key, stored| {
                rows.push((hex::encode(row_key), hex::encode(stored)));
                Ok::<_, ()>(())
            })
            .unwrap();
        assert_eq!(rows, [(row_key.clone(), stored)]);
        assert_eq!(encoder.index_row(&root_key).map(hex::encode), Some(index_row.clone()));
        assert!(unhex(&row_key).starts_with(encoder.data_prefix(&root_key)));
        assert_eq!(root_of(layout, &unhex(&row_key)).as_ref(), Some(&root_key), "{row_key}");
        assert_eq!(root_of(layout, &unhex(&index_row)), Some(root_key), "{index_row}");
        assert_eq!([DATA, INDEX].map(u32::from), [0, 1]);
    }
}

#[test]
fn long_values_are_split_as_linera_splits_them() {
    let value: Vec<u8> = (1..=100).collect();
    let mut encoder = Encoder::new(Layout::Linera015).with_segment_bytes_max(40);
    let mut rows = Vec::new();
    encoder
        .encode(&[5], &[1], &value, &mut |row_key, stored| {
            rows.push((hex::encode(row_key), stored.to_vec()));
            Ok::<_, ()>(())
        })
        .unwrap();
    let first: Vec<u8> = [0, 0, 0, 3].into_iter().chain(1..=0x24).collect();
    let expected = [
        ("00050100000000".to_owned(), first),
        ("00050100000001".to_owned(), (0x25..=0x4c).collect()),
        ("00050100000002".to_owned(), (0x4d..=100).collect()),
    ];
    assert_eq!(rows, expected);
}

#[test]
fn a_value_is_split_from_one_byte_above_the_maximum_on() {
    for (bytes, rows) in [(0, 1), (6, 1), (7, 2), (16, 2), (17, 3)] {
        let mut encoder = Encoder::new(Layout::Linera015).with_segment_bytes_max(10);
        let mut seen = 0;
        let count = |_: &[u8], _: &[u8]| {
            seen += 1;
            Ok::<_, ()>(())
        };
        encoder.encode(&[5], &[1], &vec![7; bytes], &mut { count }).unwrap();
        assert_eq!(seen, rows, "{bytes} bytes");
    }
}

#[test]
fn rows_after_an_error_are_not_made() {
    let mut encoder = Encoder::new(Layout::Linera015).with_segment_bytes_max(5);
    let mut calls = 0;
    let result = encoder.encode(&[5], &[1], &[7; 30], &mut |_, _| {
        calls += 1;
        if calls == 2 { Err("disk full") } else { Ok(()) }
    });
    assert_eq!((result, calls), (Err("disk full"), 2));
}

#[test]
fn plain_rows_are_entries_without_index_and_prefix() {
    let mut encoder = Encoder::new(Layout::Plain);
    let mut rows = Vec::new();
    encoder
        .encode(b"family", b"key", b"value", &mut |key, value| {
            rows.push((key.to_vec(), value.to_vec()));
            Ok::<_, ()>(())
        })
        .unwrap();
    assert_eq!(rows, [(b"key".to_vec(), b"value".to_vec())]);
    assert_eq!(encoder.index_row(b"family"), None);
    assert_eq!(encoder.data_prefix(b"family"), b"");
    assert_eq!(root_of(Layout::Plain, b"\0\x05\x77"), None);
}

#[test]
fn one_encoder_serves_partitions_in_any_order() {
    for layout in [Layout::Linera015, Layout::Linera016] {
        let mut shared = Encoder::new(layout);
        for root_key in [&b""[..], b"a", b"ab", b"a", b"", b"\0"] {
            for key in [&b""[..], b"k", b"\xff\xff"] {
                let mut rows = [Vec::new(), Vec::new()];
                for (encoder, rows) in [&mut shared, &mut Encoder::new(layout)].into_iter().zip(&mut rows) {
                    encoder
                        .encode(root_key, key, b"v", &mut |key, value| {
                            rows.push((key.to_vec(), value.to_vec()));
                            Ok::<_, ()>(())
                        })
                        .unwrap();
                }
                let [shared_rows, own_rows] = rows;
                assert_eq!(shared_rows, own_rows);
                assert_eq!(shared.index_row(root_key), Encoder::new(layout).index_row(root_key));
                assert_eq!(shared.data_prefix(root_key), Encoder::new(layout).data_prefix(root_key));
            }
        }
    }
}

#[test]
fn rows_alone_tell_root_keys_only_where_they_can() {
    let cases = [
        (Layout::Linera015, "", None),
        (Layout::Linera015, "00", None),
        (Layout::Linera015, "000577", Some("05")),
        (Layout::Linera015, "0004", None),
        (Layout::Linera015, "0105", Some("05")),
        (Layout::Linera015, "010577", None),
        (Layout::Linera015, "0205", None),
        (Layout::Linera016, "0002aabbcc", Some("aabb")),
        (Layout::Linera016, "0000cc", Some("")),
        (Layout::Linera016, "008000", None),
        (Layout::Linera016, "0003aabb", None),
        (Layout::Linera016, "0102aabb", Some("aabb")),
        (Layout::Linera016, "0102aabbcc", None),
        (Layout::Linera016, "02", None),
    ];
    for (layout, row_key, root_key) in cases {
        assert_eq!(root_of(layout, &unhex(row_key)), root_key.map(unhex), "{layout} {row_key}");
    }
}
