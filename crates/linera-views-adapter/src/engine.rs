//! What is known of an engine by the name that linera gives it.

use linera_views::store::KeyValueDatabase;

/// Names of engines in manifests, each of which is part of the names of linera's databases over it.
const ENGINES: [&str; 3] = ["memory", "rocksdb", "scylla"];

/// What the reading and writing of partitions depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Engine {
    /// Name for the manifest: memory, rocksdb, scylla, or what linera calls it.
    pub name: String,
    /// Whether one call reads a partition as it is at one moment, in spite of writers.
    pub is_atomic: bool,
    /// Whether exclusive partitions may hold a journal among their entries.
    pub has_journal: bool,
    /// Whether rows of a root key cannot be distinguished from those of another that it is a prefix of.
    pub is_prefix_free: bool,
}

impl Engine {
    pub(crate) fn of<D: KeyValueDatabase>() -> Self {
        Self::named(&D::get_name())
    }

    fn named(full_name: &str) -> Self {
        let known: Vec<_> = ENGINES.into_iter().filter(|engine| full_name.contains(engine)).collect();
        let name = match known[..] {
            [engine] => engine,
            _ => full_name,
        };
        let has_journal = full_name.contains("journaling");
        Self {
            // A map behind a lock, or an iterator, which RocksDB pins to a version of the database.
            is_atomic: matches!(name, "memory" | "rocksdb") && !has_journal,
            has_journal,
            is_prefix_free: full_name.contains("rocksdb"),
            name: name.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Engine;

    #[test]
    fn wrappers_do_not_hide_the_engine() {
        for (full_name, name, is_atomic, has_journal, is_prefix_free) in [
            ("memory", "memory", true, false, false),
            ("lru caching value splitting rocksdb internal", "rocksdb", true, false, true),
            ("lru caching value splitting journaling scylladb internal", "scylla", false, true, false),
            ("value splitting journaling memory", "memory", false, true, false),
            ("indexed db", "indexed db", false, false, false),
            (
                "dual rocksdb internal and scylladb internal",
                "dual rocksdb internal and scylladb internal",
                false,
                false,
                true,
            ),
        ] {
            let expected = Engine { name: name.to_owned(), is_atomic, has_journal, is_prefix_free };
            assert_eq!(Engine::named(full_name), expected);
        }
    }
}
