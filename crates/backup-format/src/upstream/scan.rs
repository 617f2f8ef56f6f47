//! The first pass over a partition: checks it and finds its runs.

use std::cmp::Ordering;
use std::io::{Read, Seek};
use std::ops::Range;

use super::COUNT_MAX;
use super::input::Input;
use crate::error::{FormatError, show};
use crate::limits::{self, Limits};
use crate::order::Order;

/// Bytes that an entry takes at least, and a partition too: two lengths.
const ITEM_BYTES_MIN: u64 = 2;

/// Neighbouring entries of a partition whose keys have the same length: they are in byte order.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) key_len: usize,
    /// Where in the file they are.
    pub(super) range: Range<u64>,
}

/// Takes the number of items that follow, which must be able to stand in what is left of the file.
pub(super) fn count<R: Read + Seek>(input: &mut Input<R>, what: &'static str) -> Result<usize, FormatError> {
    let start = input.position();
    let count = input.uleb(u32::MAX as usize, what)?;
    match input.remaining() {
        _ if count > COUNT_MAX => {
            Err(input.malformed_at(start, format!("{count} {what}; BCS counts at most {COUNT_MAX}")))
        }
        left if count as u64 > left / ITEM_BYTES_MIN => {
            let problem = format!("{count} {what} cannot stand in the {left} bytes that are left");
            Err(input.malformed_at(start, problem))
        }
        _ => Ok(count),
    }
}

/// Passes over the entries of a partition and returns its runs.
pub(super) fn scan<R: Read + Seek>(
    input: &mut Input<R>,
    root_key: &[u8],
    limits: &Limits,
) -> Result<Vec<Run>, FormatError> {
    let mut runs: Vec<Run> = Vec::new();
    let mut key = Vec::new();
    let mut lengths = 0;
    for index in 0..count(input, "entries")? {
        let start = input.position();
        scan_key(input, index == 0, &mut key)?;
        scan_value(input, root_key, &key, limits)?;
        match runs.last_mut() {
            Some(run) if run.key_len == key.len() => run.range.end = input.position(),
            _ => {
                lengths += key.len();
                runs.push(Run { key_len: key.len(), range: start..input.position() });
            }
        }
        if lengths > limits::UPSTREAM_KEY_LENGTHS_MAX {
            return Err(input.malformed(format!(
                "its keys have {} different lengths, which add up to more than {} bytes",
                runs.len(),
                limits::UPSTREAM_KEY_LENGTHS_MAX
            )));
        }
    }
    Ok(runs)
}

/// Takes a key, which must come after the one in `previous`, and puts it there.
fn scan_key<R: Read + Seek>(
    input: &mut Input<R>,
    first: bool,
    previous: &mut Vec<u8>,
) -> Result<(), FormatError> {
    let start = input.position();
    let length = input.uleb(limits::KEY_BYTES_MAX, "key")?;
    let key = input.take(length)?;
    if !first && Order::Prefixed.compare_roots(previous, key) != Ordering::Less {
        let problem = format!("key {} does not come after {} in a BCS map", show(key), show(previous));
        return Err(input.malformed_at(start, problem));
    }
    previous.clear();
    previous.extend_from_slice(key);
    Ok(())
}

fn scan_value<R: Read + Seek>(
    input: &mut Input<R>,
    root_key: &[u8],
    key: &[u8],
    limits: &Limits,
) -> Result<(), FormatError> {
    let length = input.uleb(u32::MAX as usize, "value")?;
    if length > limits.value_bytes_max() {
        return Err(FormatError::EntryTooLong {
            root_key: show(root_key),
            key: show(key),
            what: "value",
            found: length as u64,
            limit: limits.value_bytes_max() as u64,
            hint: "; raise the limit for values",
        });
    }
    input.skip(length)
}
