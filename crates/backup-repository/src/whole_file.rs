//! Small files that tell by themselves whether they are whole: the records of a job.
//!
//! `magic || kind as one byte || body || BLAKE3 of all before`.

use backup_format::FormatError;

const MAGIC: &[u8; 8] = b"kvb1job\n";
const HASH_BYTES: usize = 32;
const HEAD_BYTES: usize = MAGIC.len() + 1;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Sort {
    Job = 1,
    Part = 2,
}

/// Closes a body.
pub(crate) fn close(sort: Sort, body: &[u8]) -> Vec<u8> {
    let mut file = Vec::with_capacity(HEAD_BYTES + body.len() + HASH_BYTES);
    file.extend_from_slice(MAGIC);
    file.push(sort as u8);
    file.extend_from_slice(body);
    let hash = blake3::hash(&file);
    file.extend_from_slice(hash.as_bytes());
    file
}

/// Checks a file; returns its body and its hash.
pub(crate) fn open<'a>(
    object: &'static str,
    sort: Sort,
    file: &'a [u8],
) -> Result<(&'a [u8], [u8; HASH_BYTES]), FormatError> {
    let wrong = |problem: &str| FormatError::Malformed { object, offset: 0, problem: problem.to_owned() };
    let (closed, hash) = file.split_last_chunk::<HASH_BYTES>().ok_or_else(|| wrong("it is too short"))?;
    if blake3::hash(closed) != *hash {
        return Err(wrong("its bytes are not those that were written"));
    }
    let (head, body) = closed.split_at_checked(HEAD_BYTES).ok_or_else(|| wrong("it is too short"))?;
    match head.split_last() {
        Some((found, magic)) if magic == MAGIC && *found == sort as u8 => Ok((body, *hash)),
        _ => Err(wrong("it is a file of another kind")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_opened_as_what_it_was_closed_and_torn_ones_are_noticed() {
        let file = close(Sort::Part, b"body");
        let (body, hash) = open("part", Sort::Part, &file).unwrap();
        assert_eq!((body, &hash[..]), (&b"body"[..], &file[file.len() - 32..]));
        assert!(open("part", Sort::Job, &file).is_err());
        for length in 0..file.len() {
            assert!(open("part", Sort::Part, &file[..length]).is_err(), "{length}");
        }
        for at in 0..file.len() {
            let mut bad = file.clone();
            bad[at] ^= 1;
            assert!(open("part", Sort::Part, &bad).is_err(), "{at}");
        }
    }
}
