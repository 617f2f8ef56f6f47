use std::error::Error;

use backup_format::{EntryBatch, ErrorClass, Limits};
use backup_layout::rocksdb::{Decoder, RootIndex};
use backup_layout::{Layout, LayoutError};

use crate::support::{HexPairs, Rows, decode, unhex};

use ErrorClass::{Damaged, Failed};
use Layout::{Linera015, Linera016};

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn rows_that_do_not_follow_their_layout_are_named() {
    // Rows as key and value in hex; class and text of the error.
    let cases: [(Layout, HexPairs, ErrorClass, &str); 12] = [
        (
            Linera015,
            &[("", "")],
            Damaged,
            "a row with an empty key in layout linera-0.15, where keys start with 00 (data) or 01 (index)",
        ),
        (
            Linera016,
            &[("", "")],
            Damaged,
            "a row with an empty key in layout linera-0.16, where keys start with 00 (data) or 01 (index)",
        ),
        (
            Linera015,
            &[("02aa", "")],
            Damaged,
            "row 02aa: its key starts with neither 00 (data) nor 01 (index) as layout linera-0.15 has it; \
             is it the right layout?",
        ),
        (
            Linera016,
            &[("02aa", "")],
            Damaged,
            "row 02aa: its key starts with neither 00 (data) nor 01 (index) as layout linera-0.16 has it; \
             is it the right layout?",
        ),
        (
            Linera015,
            &[("00aabb 00000000", "00000001")],
            Damaged,
            "row 00aabb00000000: cannot tell where its root key ends: no root key of the index is a prefix of it, \
             and it has none of the shapes of linera 0.15",
        ),
        (
            Linera015,
            &[("0005 000000", "00000001")],
            Damaged,
            "root key 05: stored key 000000 has 3 bytes; expected at least 4, the number of its segment",
        ),
        (
            Linera015,
            &[("0005 77 00000000", "000000")],
            Damaged,
            "entry root_key=05 key=77: segment 0 starts with 000000; expected the number of segments, \
             4 bytes and at least 1",
        ),
        (
            Linera015,
            &[("0005 00000000", "00000000aabb")],
            Damaged,
            "entry root_key=05 key=(empty): segment 0 starts with 00000000; expected the number of segments, \
             4 bytes and at least 1",
        ),
        (
            Linera015,
            &[("0005 77 00000000", "00000003aa"), ("0005 77 00000001", "bb")],
            Damaged,
            "entry root_key=05 key=77: segment 2 of 3 is missing; the value is damaged, \
             take it from another copy of the database",
        ),
        (
            Linera015,
            &[("0005 77 00000000", "ffffffff"), ("000600000000 01 00000000", "00000001")],
            Damaged,
            "entry root_key=05 key=77: segment 1 of 4294967295 is missing; the value is damaged, \
             take it from another copy of the database",
        ),
        (
            Linera016,
            &[("008100aa", "")],
            Damaged,
            "row 008100aa: cannot read the length of its root key as layout linera-0.16 has it",
        ),
        (
            Linera016,
            &[("0003aabb", "")],
            Damaged,
            "row 0003aabb: cannot read the length of its root key as layout linera-0.16 has it",
        ),
    ];
    for (layout, rows, class, text) in cases {
        let rows: Rows = rows.iter().map(|(key, value)| (unhex(key), unhex(value))).collect();
        let error = decode(layout, Vec::new(), &rows).unwrap_err();
        assert_eq!((error.class(), error.to_string().as_str()), (class, text));
        assert_eq!(error.source().is_some(), matches!(error, LayoutError::LengthPrefix { .. }));
    }
}

#[test]
fn a_row_that_ends_with_its_indexed_root_key_lacks_a_segment_number() {
    for (root_key, row_key) in [("05", "0005"), ("aabb", "00aabb")] {
        let rows = Rows::from([(unhex(row_key), Vec::new())]);
        let error = decode(Linera015, vec![unhex(root_key)], &rows).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "root key {root_key}: stored key (empty) has 0 bytes; expected at least 4, \
                 the number of its segment"
            )
        );
    }
}

#[test]
fn a_name_that_no_layout_has_is_refused_with_those_that_there_are() {
    let error = "linera".parse::<Layout>().unwrap_err();
    assert_eq!(error.to_string(), "unknown layout \"linera\"; expected linera-0.15, linera-0.16 or plain");
    assert_eq!(error.class(), Failed);
}

/// An index that gives a root key, and then cannot be read.
struct Unreadable(Option<Vec<u8>>);

impl RootIndex for Unreadable {
    fn next_root(&mut self) -> Result<Option<Vec<u8>>, Box<dyn Error + Send + Sync>> {
        self.0.take().map(Some).ok_or_else(|| "block checksum mismatch".into())
    }
}

#[test]
fn errors_of_the_index_are_passed_on_with_their_place() {
    let row = (unhex("000577 00000000"), unhex("00000001"));
    for (first, place) in [(None, "its start"), (Some(vec![5]), "05")] {
        let mut decoder = Decoder::new(Linera015, Box::new(Unreadable(first)), Limits::default());
        let error = decoder.push(&row.0, &row.1, &mut EntryBatch::default()).unwrap_err();
        assert_eq!(error.to_string(), format!("reading the index of root keys after {place}"));
        assert_eq!(error.source().unwrap().to_string(), "block checksum mismatch");
        assert_eq!(error.class(), Failed);
    }
}

#[test]
fn an_index_out_of_order_is_an_error() {
    for roots in [["06", "05"], ["05", "05"]] {
        let error = decode(Linera015, roots.map(unhex).to_vec(), &Rows::new()).unwrap_err();
        let [previous, found] = roots;
        let expected = format!(
            "reading the index of root keys: {found} comes after {previous}; expected ascending root keys"
        );
        assert_eq!((error.class(), error.to_string()), (Failed, expected));
    }
}
