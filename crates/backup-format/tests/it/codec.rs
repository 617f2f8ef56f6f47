//! The pieces of BCS, against the `bcs` crate.

use backup_format::{Reader, put_bytes, put_uleb, uleb_len};
use proptest::collection::vec;
use proptest::prelude::*;

/// Numbers of all lengths.
fn number() -> impl Strategy<Value = u32> {
    (any::<u32>(), 0..32u32).prop_map(|(number, shift)| number >> shift)
}

proptest! {
    #[test]
    fn a_number_is_read_back_and_takes_the_length_that_was_told(number in number()) {
        let mut bytes = Vec::new();
        put_uleb(&mut bytes, number);
        prop_assert_eq!(bytes.len(), uleb_len(number));
        let mut reader = Reader::new("test", &bytes);
        prop_assert_eq!(reader.uleb(u32::MAX as usize, "number").unwrap(), number as usize);
        reader.end().unwrap();
        prop_assert!(number == 0 || Reader::new("test", &bytes).uleb(number as usize - 1, "number").is_err());
    }

    #[test]
    fn a_number_has_one_form_only(bytes in vec(prop_oneof![Just(0x80u8), Just(0), Just(0xff), any::<u8>()], 0..7)) {
        let mut reader = Reader::new("test", &bytes);
        if let Ok(number) = reader.uleb(u32::MAX as usize, "number") {
            let mut again = Vec::new();
            put_uleb(&mut again, number as u32);
            prop_assert_eq!(again.as_slice(), &bytes[..reader.position()]);
        }
    }

    #[test]
    fn a_byte_string_is_encoded_as_bcs_encodes_it(bytes in vec(any::<u8>(), 0..300)) {
        let mut ours = Vec::new();
        put_bytes(&mut ours, &bytes);
        prop_assert_eq!(&ours, &bcs::to_bytes(&bytes).unwrap());
        let mut reader = Reader::new("test", &ours);
        prop_assert_eq!(reader.byte_string(300, "bytes").unwrap(), bytes.as_slice());
        prop_assert_eq!(reader.remaining(), 0);
    }
}

#[test]
fn what_cannot_be_read_is_refused_with_its_offset() {
    let uleb = |bytes: &[u8]| {
        let mut reader = Reader::new("test", bytes);
        reader.u8().unwrap();
        reader.uleb(1_000, "number").unwrap_err().to_string()
    };
    let cases: [(&[u8], &str); 6] = [
        (b"!", "malformed test at byte 1: expected one more byte, found the end"),
        (b"!\x80", "malformed test at byte 2: expected one more byte, found the end"),
        (b"!\x80\x00", "malformed test at byte 1: length of number is not in its shortest form"),
        (b"!\xe9\x07", "test at byte 1: number of 1001 bytes is longer than the limit of 1000 bytes"),
        (b"!\xff\xff\xff\xff\x10", "malformed test at byte 1: length of number does not fit 32 bits"),
        (b"!\x80\x80\x80\x80\x80\x01", "malformed test at byte 1: length of number does not fit 32 bits"),
    ];
    for (bytes, expected) in cases {
        assert_eq!(uleb(bytes), expected);
    }
    let error = Reader::new("test", b"\x03ab").byte_string(9, "bytes").unwrap_err();
    assert_eq!(error.to_string(), "malformed test at byte 1: expected 3 bytes, 2 are left");
    assert_eq!(
        Reader::new("test", b"1234567").u64().unwrap_err().to_string(),
        "malformed test at byte 0: expected 8 bytes, 7 are left"
    );
    assert!(Reader::new("test", b"a").take(usize::MAX).is_err());
    assert!(Reader::new("test", b"a").end().is_err());
}
