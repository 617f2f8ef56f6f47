//! How many rows to ask for at a time.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::sync::atomic::{AtomicU32, Ordering};

const FIRST: u32 = 1;
/// How much longer or shorter the next page may be.
const STEP: u32 = 2;

/// The length of pages, which follows the length of the rows seen.
///
/// Cassandra counts pages in rows, and rows have from some bytes to many megabytes. So pages start
/// short, and grow while they are full. That bounds a page if rows are about as long as those
/// before. When a server fails to answer, the next page is shorter.
#[derive(Debug)]
pub(crate) struct PageSize {
    rows: AtomicU32,
    bytes: usize,
    rows_max: u32,
}

impl PageSize {
    /// Aims at pages of `bytes` bytes and at most `rows_max` rows.
    pub(crate) fn new(bytes: usize, rows_max: u32) -> Self {
        let rows_max = rows_max.max(1);
        Self { rows: AtomicU32::new(FIRST.min(rows_max)), bytes, rows_max }
    }

    /// Asks for this number of rows, whatever their length.
    ///
    /// Asks for fewer after a server failed to answer.
    pub(crate) fn beginning_with(rows: u32) -> Self {
        let rows = rows.max(1);
        Self { rows: AtomicU32::new(rows), bytes: usize::MAX, rows_max: rows }
    }

    /// Returns the number of rows to ask for.
    pub(crate) fn rows(&self) -> u32 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Learns from a page for which `asked` rows were asked.
    pub(crate) fn seen(&self, asked: u32, rows: usize, bytes: usize) {
        if rows == 0 {
            return;
        }
        let of_row = bytes.checked_div(rows).unwrap_or_default().max(1);
        let fits = self.bytes.checked_div(of_row).unwrap_or_default();
        let fits = u32::try_from(fits).unwrap_or(u32::MAX).clamp(1, self.rows_max);
        let is_full = rows >= asked as usize;
        let next = if is_full { fits.min(asked.saturating_mul(STEP)) } else { fits.min(asked) };
        self.rows.store(next, Ordering::Relaxed);
    }

    /// Learns that a server could not answer.
    pub(crate) fn failed(&self, asked: u32) {
        // Many requests may fail at once for one reason.
        self.rows.fetch_min((asked / STEP).max(1), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks for pages of rows of this length, as long as there are rows.
    fn pages(size: &PageSize, row_bytes: usize, count: usize) -> Vec<u32> {
        let page = |_| {
            let asked = size.rows();
            size.seen(asked, asked as usize, asked as usize * row_bytes);
            asked
        };
        (0..count).map(page).collect()
    }

    #[test]
    fn pages_grow_by_steps_to_the_bytes_they_are_to_have() {
        let size = PageSize::new(2 << 20, 5_000);
        let (first, last) = ([1, 2, 4, 8, 16, 32, 64], [128, 256, 512, 1_024, 2_048, 2_097, 2_097]);
        assert_eq!(pages(&size, 1_000, 14), [first, last].concat());
        assert_eq!(pages(&size, 10, 3), [2_097, 4_194, 5_000]);
        assert_eq!(pages(&size, 10 << 20, 3), [5_000, 1, 1]);
        assert_eq!(pages(&size, 1_000, 2), [1, 2]);
    }

    #[test]
    fn a_page_that_was_not_full_is_no_reason_to_ask_for_more() {
        let size = PageSize::new(2 << 20, 5_000);
        size.seen(1, 1, 100);
        size.seen(2, 1, 100);
        size.seen(2, 0, 0);
        assert_eq!(size.rows(), 2);
        size.seen(2, 1, 4 << 20);
        assert_eq!(size.rows(), 1);
    }

    #[test]
    fn a_page_over_which_a_server_broke_down_is_followed_by_shorter_ones() {
        let size = PageSize::beginning_with(1_000);
        size.failed(1_000);
        assert_eq!(size.rows(), 500);
        size.failed(1_000);
        assert_eq!(size.rows(), 500, "two requests for as many rows failed together");
        (0..9).for_each(|_| size.failed(size.rows()));
        assert_eq!(size.rows(), 1);
    }
}
