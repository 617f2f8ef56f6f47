//! What root keys and keys mean, in words for people.

use backup_format::Reader;

use crate::layout::Layout;
use crate::shape::{Kind, is_event_key};

impl Layout {
    /// Says which partition a root key names: its kind and the id in it, like `chain` and 64 hex digits. `None` where the root key is none that
    /// linera writes, and always in [`Layout::Plain`].
    ///
    /// ```
    /// use backup_layout::Layout;
    ///
    /// let chain = [&[0][..], &[0xab; 32]].concat();
    /// assert_eq!(Layout::Linera015.words(&chain), Some(format!("chain {}", "ab".repeat(32))));
    /// assert_eq!(Layout::Plain.words(&chain), None);
    /// ```
    #[must_use]
    pub fn words(self, root_key: &[u8]) -> Option<String> {
        let kind = Kind::of_root_key(self, root_key)?;
        let (_, id) = root_key.split_first()?;
        Some(match kind {
            Kind::ChainState => format!("chain {}", hex(id)),
            Kind::Block => format!("block {}", hex(id)),
            Kind::Blob => {
                let (blob_type, hash) = id.split_last()?;
                format!("{} {}", blob_words(*blob_type), hex(hash))
            }
            Kind::Event => format!("events of chain {}", hex(id)),
            Kind::NetworkDescription => "network description".to_owned(),
            Kind::ExporterState => format!("exporter {}", u32::from_le_bytes(id.try_into().ok()?)),
            Kind::BlockByHeight => format!("heights of chain {}", hex(id)),
            Kind::EventBlockHeight => format!("heights of events of chain {}", hex(id)),
        })
    }

    /// Says what an entry of a partition holds, where the key alone tells. That is a height, the stream and index of an event, content or
    /// state of a blob, a certificate, or a block.
    #[must_use]
    pub fn key_words(self, root_key: &[u8], key: &[u8]) -> Option<String> {
        let kind = Kind::of_root_key(self, root_key)?;
        if !kind.has_key(self, key) {
            return None;
        }
        match kind {
            Kind::BlockByHeight => Some(format!("height {}", u64::from_le_bytes(key.try_into().ok()?))),
            Kind::Event | Kind::EventBlockHeight => event_words(key),
            Kind::Blob if matches!(key, [0x2a] | [0x00]) => Some("content".to_owned()),
            Kind::Blob => Some("state".to_owned()),
            Kind::Block if matches!(key, [0x5b] | [0x02]) => Some("certificate".to_owned()),
            Kind::Block => Some("block".to_owned()),
            Kind::ChainState | Kind::ExporterState | Kind::NetworkDescription => None,
        }
    }
}

/// Names a type of blobs.
fn blob_words(blob_type: u8) -> String {
    match blob_type {
        5 => "committee blob".to_owned(),
        6 => "chain description blob".to_owned(),
        other => format!("blob of type {other}"),
    }
}

/// Names the stream and the index of an event. Names of streams may be any bytes: those that are no text are shown as hex.
fn event_words(key: &[u8]) -> Option<String> {
    if !is_event_key(key) {
        return None;
    }
    let (application, name) = match key {
        [0, name @ ..] => ("the system".to_owned(), name),
        [_, rest @ ..] => {
            let (application, name) = rest.split_first_chunk::<32>()?;
            (format!("application {}", hex(application)), name)
        }
        [] => return None,
    };
    let mut reader = Reader::new("event key", name);
    let name = reader.byte_string(name.len(), "stream name").ok()?;
    let index = u32::from_le_bytes(reader.array().ok()?);
    let name =
        std::str::from_utf8(name).map_or_else(|_| backup_format::show(name), |name| format!("{name:?}"));
    Some(format!("event {index} of stream {name} of {application}"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_keys_of_both_versions_have_the_same_words() {
        let (id, text) = ([0x0f; 32], "0f".repeat(32));
        let root_key = |tag: u8, rest: &[u8]| [&[tag][..], rest].concat();
        let blob = [&id[..], &[6]].concat();
        let cases = [
            (0, 2, &id[..], format!("chain {text}")),
            (1, 3, &id[..], format!("block {text}")),
            (2, 4, &blob[..], format!("chain description blob {text}")),
            (3, 5, &id[..], format!("events of chain {text}")),
            (5, 0, &[], "network description".to_owned()),
            (6, 1, &[1, 2, 0, 0], "exporter 513".to_owned()),
            (7, 6, &id[..], format!("heights of chain {text}")),
            (8, 7, &id[..], format!("heights of events of chain {text}")),
        ];
        for (tag_15, tag_16, rest, words) in cases {
            assert_eq!(Layout::Linera015.words(&root_key(tag_15, rest)), Some(words.clone()));
            assert_eq!(Layout::Linera016.words(&root_key(tag_16, rest)), Some(words.clone()));
            assert_eq!(Layout::Plain.words(&root_key(tag_15, rest)), None);
            let longer = [&root_key(tag_15, rest)[..], &[0]].concat();
            assert_ne!(Layout::Linera015.words(&longer), Some(words));
        }
        assert_eq!(Layout::Linera015.words(b""), None);
    }

    #[test]
    fn keys_say_what_they_can() {
        let root_key = |tag: u8| [&[tag][..], &[1; 32]].concat();
        let words = |tag, key: &[u8]| Layout::Linera015.key_words(&root_key(tag), key);
        assert_eq!(words(7, &513_u64.to_le_bytes()), Some("height 513".to_owned()));
        assert_eq!(words(1, &[0x5b]), Some("certificate".to_owned()));
        assert_eq!(words(1, &[0xdd]), Some("block".to_owned()));
        assert_eq!(words(1, &[0xde]), None);
        assert_eq!(words(0, &[1, 2, 0, 0, 0]), None);
        let event = [&[0, 2][..], b"ab", &7_u32.to_le_bytes()].concat();
        assert_eq!(words(3, &event), Some("event 7 of stream \"ab\" of the system".to_owned()));
        let event = [&[0, 2][..], &[0xff, 0x1b], &7_u32.to_le_bytes()].concat();
        assert_eq!(words(3, &event), Some("event 7 of stream ff1b of the system".to_owned()));
        let event = [&[1][..], &[0xcd; 32], &[0], &9_u32.to_le_bytes()].concat();
        let found = words(8, &event).unwrap();
        assert!(found.starts_with("event 9 of stream") && found.ends_with(&"cd".repeat(32)), "{found}");
        assert_eq!(words(3, &event[..36]), None);
    }
}
