//! The proof that a partition was not changed while it was read.
//!
//! One worker changes an exclusive partition, by batches. Each batch rewrites the sentinel, with a
//! later time of writing than all that earlier batches wrote. A server applies a batch whole.

use std::hash::{DefaultHasher, Hasher};

/// What one reading of a partition saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Time of writing of the sentinel, read before all other rows; `None` when there is none.
    pub before: Option<i64>,
    /// The same, read after all other rows.
    pub after: Option<i64>,
    /// The latest time of writing of any row.
    pub newest: Option<i64>,
    /// A hash of all keys with their times of writing.
    pub rows: u64,
    /// Pages that it took.
    pub pages: u32,
}

impl Reading {
    /// Returns true if the rows are those of one moment. `earlier` is the reading before this one.
    ///
    /// - A single page is the answer to one request for one partition. It holds each batch whole or
    ///   not at all.
    /// - If the sentinel is the same before and after, no batch ended in between. A batch that is
    ///   still on its way to
    ///   other replicas would show by a row that is later than the sentinel.
    /// - If two readings saw the same rows with the same times of writing, these rows were there
    ///   together between the two.
    pub(crate) fn is_whole(&self, earlier: Option<&Self>) -> bool {
        let by_page = self.pages <= 1;
        let by_sentinel = self.before.is_some() && self.before == self.after && self.newest <= self.before;
        let by_repetition =
            earlier.is_some_and(|earlier| earlier.rows == self.rows && earlier.newest == self.newest);
        by_page || by_sentinel || by_repetition
    }
}

/// Makes a [`Reading`] of rows.
#[derive(Debug, Default)]
pub(crate) struct Watcher {
    reading: Reading,
    rows: DefaultHasher,
    count: u64,
}

impl Watcher {
    /// Takes a row: its key, and its time of writing.
    pub(crate) fn row(&mut self, key: &[u8], written: Option<i64>) {
        if key.is_empty() && self.count == 0 {
            self.reading.before = written;
        }
        self.count += 1;
        self.reading.newest = self.reading.newest.max(written);
        self.rows.write_usize(key.len());
        self.rows.write(key);
        self.rows.write_i64(written.unwrap_or(i64::MIN));
    }

    /// Takes the end of a page.
    pub(crate) fn page(&mut self) {
        self.reading.pages += 1;
    }

    /// Returns the number of rows.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Returns the number of pages.
    pub(crate) fn pages(&self) -> u32 {
        self.reading.pages
    }

    /// Ends after the last row, with the sentinel's time of writing as it is now.
    pub(crate) fn finish(self, after: Option<i64>) -> Reading {
        Reading { after, rows: self.rows.finish(), ..self.reading }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Rows<'a> = &'a [(&'a [u8], i64)];

    fn reading(pages: &[Rows], after: Option<i64>) -> Reading {
        let mut watcher = Watcher::default();
        for page in pages {
            page.iter().for_each(|(key, written)| watcher.row(key, Some(*written)));
            watcher.page();
        }
        watcher.finish(after)
    }

    #[test]
    fn a_single_page_is_whole() {
        assert!(reading(&[&[(b"", 5), (b"a", 9)]], None).is_whole(None));
        assert!(reading(&[&[]], None).is_whole(None));
    }

    #[test]
    fn an_unmoved_sentinel_proves_several_pages() {
        let pages: [Rows; 2] = [&[(b"", 5), (b"a", 3)], &[(b"b", 5)]];
        assert!(reading(&pages, Some(5)).is_whole(None));
        assert!(!reading(&pages, Some(6)).is_whole(None));
        assert!(!reading(&pages, None).is_whole(None));
    }

    #[test]
    fn a_row_later_than_the_sentinel_belongs_to_a_batch_that_is_on_its_way() {
        let pages: [Rows; 2] = [&[(b"", 5), (b"a", 3)], &[(b"b", 6)]];
        assert!(!reading(&pages, Some(5)).is_whole(None));
    }

    #[test]
    fn without_a_sentinel_two_equal_readings_are_the_proof() {
        let one = reading(&[&[(b"a", 3)], &[(b"b", 4)]], None);
        assert!(!one.is_whole(None));
        assert!(reading(&[&[(b"a", 3)], &[(b"b", 4)]], None).is_whole(Some(&one)));
        let others: [&[Rows]; 4] = [
            &[&[(b"a", 3)], &[(b"b", 5)]],
            &[&[(b"a", 4)], &[(b"b", 3)]],
            &[&[(b"a", 3)], &[(b"c", 4)]],
            &[&[(b"a", 3)], &[(b"b", 4), (b"c", 4)]],
        ];
        for other in others {
            assert!(!reading(other, None).is_whole(Some(&one)), "{other:?}");
        }
        // A sentinel that appeared in between is a change.
        assert!(!reading(&[&[(b"", 4), (b"a", 3)], &[(b"b", 4)]], Some(5)).is_whole(Some(&one)));
    }

    #[test]
    fn only_a_first_row_with_an_empty_key_is_the_sentinel() {
        assert_eq!(reading(&[&[(b"a", 3), (b"", 4)]], None).before, None);
        assert_eq!(reading(&[&[(b"", 4), (b"a", 3)]], None).before, Some(4));
    }
}
