//! The rule that places the boundaries of segments and pages: `norm1`.
//!
//! Boundaries come from the keys and lengths alone. So unchanged regions give identical objects in the next dump,
//! and no earlier dump is needed to find them.

use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher24};

use crate::codec::put_uleb;
use crate::config::Config;
use crate::id::Keys;
use crate::limits;

/// What begins with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cut {
    /// Nothing: it goes into the open segment.
    None,
    /// A segment.
    Segment,
    /// A page, and with it a segment.
    Page,
}

/// Applies the cut rule to one entry after the other.
///
/// Whether a page begins before an entry depends on that entry alone. Workers may therefore start at any such
/// entry, and the objects are the same for one worker or for many.
#[derive(Clone, Debug)]
pub struct Cutter {
    segment_target: u64,
    page_target: u64,
    open: u64,
    /// Has taken nothing.
    empty: SipHasher24,
    /// Has taken the last root key, which the next entry most often has too.
    rooted: SipHasher24,
    root_key: Option<Vec<u8>>,
}

impl Cutter {
    /// Starts before the first entry of a page.
    #[must_use]
    pub fn new(config: &Config, keys: &Keys) -> Self {
        let empty = SipHasher24::new_with_key(keys.cut_key());
        Self {
            segment_target: config.segment_target,
            page_target: config.page_target,
            open: 0,
            empty,
            rooted: empty,
            root_key: None,
        }
    }

    /// Says what begins with this entry, and counts it into the segment that is open afterwards.
    ///
    /// A page also ends by number and length of its references, which [`page_is_full`] tells: the caller, who
    /// knows the references, then calls [`Cutter::start_segment`].
    pub fn next(&mut self, root_key: &[u8], key: &[u8], value_len: usize) -> Cut {
        let size = ((root_key.len() + key.len() + value_len) as u64).max(1);
        let (u, v) = self.hash(root_key, key);
        let cut = match () {
            () if self.cuts_page(u, size) => Cut::Page,
            () if self.open > 0 && self.cuts_segment(v, size) => Cut::Segment,
            () => Cut::None,
        };
        if cut != Cut::None {
            self.open = 0;
        }
        self.open += size;
        cut
    }

    /// Says that a segment begins before the next entry, for a reason of the caller's.
    pub fn start_segment(&mut self) {
        self.open = 0;
    }

    fn hash(&mut self, root_key: &[u8], key: &[u8]) -> (u64, u64) {
        if self.root_key.as_deref() != Some(root_key) {
            self.enter(root_key);
        }
        let mut hasher = self.rooted;
        hasher.write(key);
        let hash = hasher.finish128();
        (hash.h1, hash.h2)
    }

    fn enter(&mut self, root_key: &[u8]) {
        let mut prefix = self.root_key.take().unwrap_or_default();
        prefix.clear();
        put_uleb(&mut prefix, root_key.len() as u32);
        let length = prefix.len();
        prefix.extend_from_slice(root_key);
        self.rooted = self.empty;
        self.rooted.write(&prefix);
        prefix.drain(..length);
        self.root_key = Some(prefix);
    }

    fn cuts_page(&self, u: u64, size: u64) -> bool {
        let weight = size.min(self.page_target / 16);
        u128::from(u) * u128::from(self.page_target) < u128::from(weight) << 64
    }

    fn cuts_segment(&self, v: u64, size: u64) -> bool {
        let target = self.segment_target;
        if self.open + size > 4 * target {
            return true;
        }
        let factor = if self.open < target { 1 } else { 6 };
        let weight = u128::from(size.min(target)) * factor;
        self.open >= target / 4 && u128::from(v) * u128::from(2 * target) < weight << 64
    }
}

/// Returns true if a page of level 0 with these many references, of these many bytes, ends before another one.
#[must_use]
pub fn page_is_full(references: usize, reference_bytes: u64) -> bool {
    references >= limits::PAGE_REFERENCES_MAX || reference_bytes >= limits::PAGE_REFERENCE_BYTES
}
