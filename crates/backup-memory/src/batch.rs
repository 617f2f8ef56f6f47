//! Changes that are made together.

/// A change to one partition.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Put { root_key: Vec<u8>, key: Vec<u8>, value: Vec<u8> },
    Delete { root_key: Vec<u8>, key: Vec<u8> },
    DeletePrefix { root_key: Vec<u8>, prefix: Vec<u8> },
}

/// Changes that [`MemoryNamespace::write_batch`](crate::MemoryNamespace::write_batch) makes together, in the order in
/// which they were added.
#[derive(Clone, Debug, Default)]
pub struct WriteBatch {
    changes: Vec<Change>,
}

impl WriteBatch {
    /// Adds an entry, or gives it another value. Root key, key and value may be empty.
    pub fn put(&mut self, root_key: &[u8], key: &[u8], value: &[u8]) {
        let (root_key, key, value) = (root_key.to_vec(), key.to_vec(), value.to_vec());
        self.changes.push(Change::Put { root_key, key, value });
    }

    /// Removes an entry, if it is there.
    pub fn delete(&mut self, root_key: &[u8], key: &[u8]) {
        self.changes.push(Change::Delete { root_key: root_key.to_vec(), key: key.to_vec() });
    }

    /// Removes the entries of a partition whose keys begin with `prefix`; an empty prefix means all of them.
    pub fn delete_prefix(&mut self, root_key: &[u8], prefix: &[u8]) {
        self.changes.push(Change::DeletePrefix { root_key: root_key.to_vec(), prefix: prefix.to_vec() });
    }

    /// Returns true if nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub(crate) fn changes(&self) -> &[Change] {
        &self.changes
    }
}
