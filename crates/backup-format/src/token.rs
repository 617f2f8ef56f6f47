//! The token of Cassandra's and ScyllaDB's Murmur3Partitioner.
//!
//! It is the first half of MurmurHash3 x64 128 with seed 0. Both servers keep one peculiarity: the bytes of the tail are
//! sign-extended (`MurmurHash.java` of Apache Cassandra).

const C1: u64 = 0x87c3_7b91_1142_53d5;
const C2: u64 = 0x4cf5_ad43_2745_937f;

/// Returns the token of a partition key: `i64::MIN` never occurs, it is shown as `i64::MAX`.
#[must_use]
pub fn token(key: &[u8]) -> i64 {
    let (mut h1, mut h2) = (0u64, 0u64);
    let (blocks, tail) = key.as_chunks::<16>();
    for block in blocks {
        let (low, high) = halves(block);
        h1 ^= mix_low(low);
        h1 = h1.rotate_left(27).wrapping_add(h2).wrapping_mul(5).wrapping_add(0x52dc_e729);
        h2 ^= mix_high(high);
        h2 = h2.rotate_left(31).wrapping_add(h1).wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    let (low, high) = tail_halves(tail);
    h2 ^= mix_high(high);
    h1 ^= mix_low(low);
    h1 ^= key.len() as u64;
    h2 ^= key.len() as u64;
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    let token = finish(h1).wrapping_add(finish(h2)).cast_signed();
    if token == i64::MIN { i64::MAX } else { token }
}

fn halves(block: &[u8; 16]) -> (u64, u64) {
    let number = u128::from_le_bytes(*block);
    (number as u64, (number >> 64) as u64)
}

/// The last 0 to 15 bytes, each sign-extended before it is shifted into its place.
fn tail_halves(tail: &[u8]) -> (u64, u64) {
    let half = |bytes: &[u8]| {
        bytes.iter().rev().enumerate().fold(0u64, |sum, (index, byte)| {
            let place = bytes.len() - 1 - index;
            sum ^ (i64::from(byte.cast_signed()).cast_unsigned() << (8 * place))
        })
    };
    let (low, high) = tail.split_at(tail.len().min(8));
    (half(low), half(high))
}

fn mix_low(half: u64) -> u64 {
    half.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2)
}

fn mix_high(half: u64) -> u64 {
    half.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1)
}

fn finish(mut hash: u64) -> u64 {
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}
