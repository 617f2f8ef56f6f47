//! Contents that engines have trouble with.

use backup_format::limits::{KEY_BYTES_MAX, ROOT_KEY_BYTES_MAX};

use crate::content::Content;
use crate::spec::Spec;

/// A content with a name.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// What is special about it.
    pub name: &'static str,
    /// Makes it, of a seed.
    pub make: fn(u64) -> Content,
}

/// All cases. Each check over contents runs on every one of them that the engine can hold.
pub const CASES: &[Case] = &[
    Case { name: "nothing", make: |_| Content::default() },
    Case { name: "one entry", make: |_| Content::of(&[(b"\x02a", b"key", b"value")]) },
    Case { name: "one entry under the empty root key", make: |_| Content::of(&[(b"", b"key", b"value")]) },
    Case { name: "nothing but an empty root key, key and value", make: |_| Content::of(&[(b"", b"", b"")]) },
    Case { name: "the empty root key beside others", make: empty_root_key_beside_others },
    Case {
        name: "empty keys",
        make: |_| Content::of(&[(b"a", b"", b"1"), (b"b", b"", b"2"), (b"b", b"x", b"")]),
    },
    Case { name: "empty values", make: empty_values },
    Case { name: "bytes of 0xff", make: bytes_of_ff },
    Case { name: "keys that are prefixes of others", make: nested_keys },
    Case { name: "keys like those of a value's segments", make: segment_like_keys },
    Case { name: "root keys that are prefixes of others", make: nested_root_keys },
    Case { name: "root key and key that join to the same bytes", make: moved_boundaries },
    Case { name: "root keys of many lengths", make: root_keys_of_many_lengths },
    Case {
        name: "the longest root key",
        make: |_| Content::of(&[(&[0xfe; ROOT_KEY_BYTES_MAX], b"k", b"v")]),
    },
    Case {
        name: "a key of 10,000 bytes",
        make: |_| Content::of(&[(b"r", &[7; 10_000], b"v"), (b"r", b"k", b"v")]),
    },
    Case {
        name: "the longest key",
        make: |_| Content::of(&[(b"r", &vec![7; KEY_BYTES_MAX], b"v"), (b"r", b"k", b"v")]),
    },
    Case { name: "values of many lengths", make: values_of_many_lengths },
    Case { name: "values of several MiB", make: values_of_megabytes },
    Case { name: "many tiny partitions", make: many_tiny_partitions },
    Case { name: "one large partition", make: |seed| Content::partition(seed, b"large", 20_000, 100..=400) },
    Case {
        name: "one large partition under the empty root key",
        make: |seed| Content::partition(seed, b"", 5_000, 100..=400),
    },
    Case { name: "a large partition between small ones", make: large_between_small },
    Case { name: "a mixture", make: |seed| Content::seeded(seed, &Spec::default()) },
];

fn empty_root_key_beside_others(_: u64) -> Content {
    Content::of(&[
        (b"", b"", b"1"),
        (b"", b"x", b"2"),
        (b"\0", b"", b"3"),
        (b"x", b"", b"4"),
        (b"\xff", b"x", b"5"),
    ])
}

fn empty_values(_: u64) -> Content {
    let mut content = Content::of(&[(b"mixed", b"a", b""), (b"mixed", b"b", b"full"), (b"mixed", b"c", b"")]);
    (0..=255).for_each(|byte| content.put(b"empty", &[byte], b""));
    content
}

fn bytes_of_ff(_: u64) -> Content {
    let mut content = Content::default();
    for root_key in [&[0xff; 4][..], &[0xff, 0xff, 0xfe], &[0xfe; 5], &[0xff, 0xfe]] {
        for length in [1, 2, 3, 8, 200] {
            content.put(root_key, &vec![0xff; length], &vec![0xff; length]);
        }
        content.put(root_key, &[0xff, 0xfe], &[0xff]);
    }
    content
}

fn nested_keys(_: u64) -> Content {
    let mut content = Content::default();
    for length in 1..=64 {
        content.put(b"a", &vec![b'k'; length], &[length as u8]);
        content.put(b"z", &vec![0; length % 4], &[length as u8]);
    }
    content.put(b"a", b"kk\0", b"after a zero byte");
    content.put(b"a", b"kk\xff", b"after a byte of 0xff");
    content
}

fn segment_like_keys(_: u64) -> Content {
    let mut content = Content::default();
    for key in [&b"k"[..], b"k\0\0\0\0", b"k\0\0\0\0x", b"k\0\0\0\x01", b"k\0\0\0\0\0\0\0\0", b"\0\0\0\0"] {
        content.put(b"r", key, key);
    }
    content
}

fn nested_root_keys(_: u64) -> Content {
    let mut content = Content::default();
    for length in 1..=32 {
        content.put(&vec![b'r'; length], b"key", &[length as u8]);
        content.put(&vec![b'r'; length], b"", b"");
    }
    content.put(b"r\0", b"", b"1");
    content.put(b"r\xff", b"", b"2");
    content
}

fn moved_boundaries(_: u64) -> Content {
    Content::of(&[(b"ab", b"cd", b"ef"), (b"abc", b"d", b"ef"), (b"a", b"bcd", b"ef"), (b"ab", b"c", b"def")])
}

fn root_keys_of_many_lengths(seed: u64) -> Content {
    let mut content = Content::default();
    for length in [1, 2, 3, 31, 32, 33, 63, 64, 127, 128, 129, 200, 255] {
        let spec = Spec { partitions: 3, entries: 1..=4, root_key_bytes: length..=length, ..Spec::default() };
        for (root_key, key, value) in Content::seeded(seed ^ length as u64, &spec).iter() {
            content.put(root_key, key, value);
        }
    }
    content
}

fn values_of_many_lengths(_: u64) -> Content {
    let mut content = Content::default();
    for (key, length) in
        [0, 1, 2, 127, 128, 129, 255, 256, 16_383, 16_384, 65_535, 65_536, 300_000].iter().enumerate()
    {
        content.put(b"lengths", &[key as u8], &vec![key as u8; *length]);
    }
    content
}

fn values_of_megabytes(seed: u64) -> Content {
    let spec = Spec { partitions: 3, entries: 2..=2, value_bytes: 3 << 20..=9 << 20, ..Spec::default() };
    let mut content = Content::seeded(seed, &spec);
    content.put(b"\x06small", b"a", b"before");
    content.put(b"\x06small", b"b", &vec![1; 5 << 20]);
    content.put(b"\x06small", b"c", b"after");
    content
}

fn many_tiny_partitions(seed: u64) -> Content {
    let spec = Spec {
        partitions: 4_000,
        entries: 1..=2,
        root_key_bytes: 33..=34,
        key_bytes: 1..=1,
        value_bytes: 0..=40,
    };
    Content::seeded(seed, &spec)
}

fn large_between_small(seed: u64) -> Content {
    let mut content = Content::partition(seed, b"mm", 5_000, 100..=400);
    for number in 0..100u8 {
        content.put(&[b'a', number], b"key", &[number]);
        content.put(&[b'z', number], b"key", &[number]);
    }
    content
}
