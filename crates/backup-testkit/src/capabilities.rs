//! What an engine, with its layout, can hold and promise.

use std::collections::BTreeMap;

use backup_format::limits::{KEY_BYTES_MAX, ROOT_KEY_BYTES_MAX, VALUE_BYTES_CEILING};

use crate::content::Content;

/// Which root keys a layout can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootKeys {
    /// Any set of them.
    Any,
    /// Any set in which none is a prefix of another.
    PrefixFree,
    /// The empty one alone.
    OnlyEmpty,
}

/// How far a [`Writer`](crate::Writer)'s writes are atomic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Atomicity {
    /// Over the whole namespace.
    Namespace,
    /// Over one partition.
    Partition,
}

/// What an engine, with its layout, can hold and promise. Checks that ask for more are left out, and say so.
///
/// The default is an engine that can everything that the format can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Which root keys it can tell apart.
    pub root_keys: RootKeys,
    /// Whether a root key may be empty.
    pub empty_root_key: bool,
    /// Whether a key may be empty.
    pub empty_key: bool,
    /// Whether a key may be another key followed by four zero bytes: layouts that split values write such rows.
    pub segment_like_keys: bool,
    /// Most partitions that it is reasonable to make.
    pub partitions_max: u64,
    /// Longest root key, in bytes.
    pub root_key_bytes_max: usize,
    /// Longest key, in bytes.
    pub key_bytes_max: usize,
    /// Longest value, in bytes.
    pub value_bytes_max: usize,
    /// How far writes are atomic.
    pub atomicity: Atomicity,
    /// Of how many operations a check that fails each of them tries one, unless the run is exhaustive. More than 1 where
    /// each try takes a server's time.
    pub stride: u64,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self {
            root_keys: RootKeys::Any,
            empty_root_key: true,
            empty_key: true,
            segment_like_keys: true,
            partitions_max: u64::MAX,
            root_key_bytes_max: ROOT_KEY_BYTES_MAX,
            key_bytes_max: KEY_BYTES_MAX,
            value_bytes_max: VALUE_BYTES_CEILING,
            atomicity: Atomicity::Namespace,
            stride: 1,
        }
    }
}

impl Capabilities {
    /// Returns what in a content this engine cannot hold; `None` if it can hold all.
    #[must_use]
    pub fn objection(&self, content: &Content) -> Option<&'static str> {
        let lengths = content.iter().map(|(root_key, key, value)| (root_key.len(), key.len(), value.len()));
        let longest = lengths.fold((0, 0, 0), |longest: (usize, usize, usize), each| {
            (longest.0.max(each.0), longest.1.max(each.1), longest.2.max(each.2))
        });
        let objections = [
            (!self.empty_root_key && content.root_keys().any(<[u8]>::is_empty), "an empty root key"),
            (!self.empty_key && content.iter().any(|(_, key, _)| key.is_empty()), "an empty key"),
            (
                self.root_keys == RootKeys::PrefixFree && has_nested_root_keys(content),
                "a root key that is a prefix of another",
            ),
            (
                self.root_keys == RootKeys::OnlyEmpty && content.root_keys().any(|root| !root.is_empty()),
                "a root key that is not empty",
            ),
            (
                !self.segment_like_keys && has_segment_like_keys(content),
                "a key like that of a value's segment",
            ),
            (content.partitions() > self.partitions_max, "too many partitions"),
            (longest.0 > self.root_key_bytes_max, "too long a root key"),
            (longest.1 > self.key_bytes_max, "too long a key"),
            (longest.2 > self.value_bytes_max, "too long a value"),
        ];
        objections.into_iter().find(|(applies, _)| *applies).map(|(_, objection)| objection)
    }

    /// Makes of a [`Content::seeded`] one that this engine can hold: partitions that are too many become one with
    /// others, and empty keys get a byte.
    #[must_use]
    pub fn fit(&self, content: &Content) -> Content {
        let root_keys: Vec<_> = content.root_keys().collect();
        let kept = root_keys.len().min(usize::try_from(self.partitions_max).unwrap_or(usize::MAX)).max(1);
        let renamed: BTreeMap<&[u8], &[u8]> = root_keys
            .iter()
            .enumerate()
            .filter_map(|(index, root_key)| Some((*root_key, *root_keys.get(index % kept)?)))
            .collect();
        let mut fitted = Content::default();
        for (root_key, key, value) in content.iter() {
            let root_key = match self.root_keys {
                RootKeys::OnlyEmpty => &[],
                _ => renamed.get(root_key).copied().unwrap_or(root_key),
            };
            let key = if key.is_empty() && !self.empty_key { &[0][..] } else { key };
            fitted.put(root_key, key, value);
        }
        fitted
    }
}

/// Root keys in the order of their bytes: the one after a prefix of any of them begins with it.
fn has_nested_root_keys(content: &Content) -> bool {
    let root_keys = content.root_keys();
    root_keys.zip(content.root_keys().skip(1)).any(|(root_key, next)| next.starts_with(root_key))
}

fn has_segment_like_keys(content: &Content) -> bool {
    content.iter().any(|(root_key, key, _)| {
        let zeros = key.windows(4).enumerate().filter(|(_, window)| *window == [0; 4]);
        zeros
            .filter_map(|(start, _)| key.get(..start))
            .any(|shorter| content.get(root_key, shorter).is_some())
    })
}
