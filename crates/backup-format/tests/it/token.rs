//! Tokens of the Murmur3 partitioner.

use backup_format::token;

use crate::vectors::{self, hex};

#[test]
fn tokens_are_those_that_drivers_of_cassandra_test_with() {
    let cases: [(&[u8], i64); 4] = [
        (b"test", -6_017_608_668_500_074_083),
        (b"xd", 4_507_812_186_440_344_727),
        (b"primary_key", -1_632_642_444_691_073_360),
        ("krem\u{f3}wki".as_bytes(), 4_354_931_215_268_080_151),
    ];
    for (key, expected) in cases {
        assert_eq!(token(key), expected);
    }
}

#[test]
fn tokens_are_those_of_the_vectors() {
    let cases = vectors::load("tokens.json");
    let cases = cases.as_array().unwrap();
    assert!(cases.len() > 10);
    for case in cases {
        assert_eq!(token(&hex(&case["key"])), case["token"].as_i64().unwrap(), "{case}");
    }
}
