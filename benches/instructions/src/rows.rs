//! The rows of content in linera's layouts.

use backup_layout::{Layout, LayoutError, cql, rocksdb};

use crate::content::content;

/// Key and value of a row.
type Row = (Vec<u8>, Vec<u8>);

/// The data rows of a RocksDB, in order, and its index.
#[derive(Clone, Debug, Default)]
pub struct RocksdbRows {
    /// The root keys of the index.
    pub roots: Vec<Vec<u8>>,
    /// Keys and values of the rows.
    pub rows: Vec<(Vec<u8>, Vec<u8>)>,
}

/// The partitions of a table: partition key, and keys and values of its rows, in order.
pub type CqlRows = Vec<(Vec<u8>, Vec<(Vec<u8>, Vec<u8>)>)>;

/// First byte of the root keys of chain states.
fn chain_state_tag(layout: Layout) -> u8 {
    match layout {
        Layout::Linera016 => 2,
        Layout::Linera015 | Layout::Plain => 0,
    }
}

/// Makes the rows of `entries` entries in RocksDB, one for each entry.
///
/// # Panics
///
/// Never: collecting rows does not fail.
#[must_use]
pub fn rocksdb_rows(layout: Layout, entries: usize) -> RocksdbRows {
    let mut encoder = rocksdb::Encoder::new(layout);
    let mut found = RocksdbRows::default();
    for (root_key, partition) in content(chain_state_tag(layout), entries) {
        for (key, value) in &partition {
            let rows = &mut found.rows;
            encoder.encode(&root_key, key, value, &mut collect(rows)).expect("collecting does not fail");
        }
        found.roots.push(root_key);
    }
    found
}

/// Makes the rows of `entries` entries in ScyllaDB or Cassandra, one for each entry, and a sentinel for each partition.
///
/// # Panics
///
/// Never: the content is within the limits of the servers.
#[must_use]
pub fn cql_rows(layout: Layout, entries: usize) -> CqlRows {
    let mut encoder = cql::Encoder::new(layout);
    let mut found = CqlRows::new();
    for (root_key, partition) in content(chain_state_tag(layout), entries) {
        let (key, value) = cql::SENTINEL;
        let mut rows = vec![(key.to_vec(), value.to_vec())];
        for (key, value) in &partition {
            encoder.encode(&root_key, key, value, &mut collect(&mut rows)).expect("content is within limits");
        }
        found.push((cql::partition_key(&root_key), rows));
    }
    found
}

fn collect(rows: &mut Vec<Row>) -> impl FnMut(&[u8], &[u8]) -> Result<(), LayoutError> {
    |key, value| {
        rows.push((key.to_vec(), value.to_vec()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_row_for_each_entry_and_a_sentinel_for_each_partition() {
        for layout in [Layout::Linera015, Layout::Linera016] {
            let found = rocksdb_rows(layout, 100);
            assert_eq!((found.rows.len(), found.roots.len()), (100, 4));
            assert!(found.rows.is_sorted() && found.roots.is_sorted());
            let tables = cql_rows(layout, 100);
            assert_eq!(tables.iter().map(|(_, rows)| rows.len()).sum::<usize>(), 104);
            assert!(tables.iter().all(|(key, _)| cql::is_exclusive(layout, cql::root_key(key).unwrap())));
        }
    }
}
