//! The three orders in which the entries of a dump may stand.

use std::cmp::Ordering;
use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::codec::put_uleb;
use crate::error::{FormatError, show};
use crate::id::ObjectId;
use crate::limits;
use crate::page::Reference;
use crate::token::token;

/// The order of a dump's entries: by root key in one of three ways, then by key bytes.
///
/// Nobody sorts: each engine reads in its own order, and the manifest says which it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
#[repr(u8)]
pub enum Order {
    /// By ULEB128 length of the root key as bytes, then its bytes: RocksDB in `linera-0.16`, imported files.
    Prefixed = 0,
    /// By the bytes of the root key: memory, RocksDB in `linera-0.15` and `plain`.
    Plain = 1,
    /// By phase, then Murmur3 token of `00 || root key`, then bytes of the root key: ScyllaDB and Cassandra.
    Token = 2,
}

impl Order {
    /// Compares two root keys of one phase.
    #[must_use]
    pub fn compare_roots(self, left: &[u8], right: &[u8]) -> Ordering {
        match self {
            Self::Prefixed if left.len() == right.len() => left.cmp(right),
            Self::Prefixed => uleb(left.len()).cmp(&uleb(right.len())).then_with(|| left.cmp(right)),
            Self::Plain => left.cmp(right),
            Self::Token if left == right => Ordering::Equal,
            Self::Token => stored_token(left).cmp(&stored_token(right)).then_with(|| left.cmp(right)),
        }
    }

    /// Returns which of 64 equal parts of the token ring a root key lies in; `None` in orders without tokens.
    ///
    /// Where the part changes, a page begins: so processes that read different parts make the same pages as one.
    #[must_use]
    pub fn ring_part(self, root_key: &[u8]) -> Option<u8> {
        match self {
            Self::Token => Some(ring_part(stored_token(root_key))),
            Self::Prefixed | Self::Plain => None,
        }
    }
}

/// Returns which of 64 equal parts of the ring a token lies in, counted from 0.
#[must_use]
pub fn ring_part(token: i64) -> u8 {
    (token.wrapping_sub(i64::MIN).cast_unsigned() >> (u64::BITS - RING_PARTS.ilog2())) as u8
}

/// Number of equal parts of the token ring at which pages begin. It never changes.
pub const RING_PARTS: u8 = 64;

impl From<Order> for u8 {
    fn from(order: Order) -> Self {
        order as Self
    }
}

impl TryFrom<u8> for Order {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, String> {
        match number {
            0 => Ok(Self::Prefixed),
            1 => Ok(Self::Plain),
            2 => Ok(Self::Token),
            _ => Err(format!("order {number}; expected 0, 1 or 2")),
        }
    }
}

fn uleb(length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(5);
    put_uleb(&mut bytes, u32::try_from(length).unwrap_or(u32::MAX));
    bytes
}

/// The token of the partition key under which linera stores a root key in CQL.
fn stored_token(root_key: &[u8]) -> i64 {
    let mut stored = Vec::with_capacity(root_key.len() + 1);
    stored.push(0);
    stored.extend_from_slice(root_key);
    token(&stored)
}

/// Checks that entries strictly increase from one piece of a dump to the next.
///
/// In [`Order::Token`] the order may start over once, at a page: that is where the second phase begins.
#[derive(Clone, Debug)]
pub struct OrderCheck {
    order: Order,
    last: Option<(Vec<u8>, Vec<u8>)>,
    phase_two: bool,
}

impl OrderCheck {
    /// Starts before the first entry of a dump.
    #[must_use]
    pub fn new(order: Order) -> Self {
        Self { order, last: None, phase_two: false }
    }

    /// Returns root key and key of the last entry seen, `None` before the first.
    #[must_use]
    pub fn last(&self) -> Option<(&[u8], &[u8])> {
        self.last.as_ref().map(|(root, key)| (root.as_slice(), key.as_slice()))
    }

    /// Checks that an entry may come next, and remembers the last entry of the piece that it begins.
    ///
    /// `starts_page` says that the piece is the first of a page.
    ///
    /// # Errors
    ///
    /// [`FormatError::OutOfOrder`] when `first` does not come after the last entry seen.
    pub fn advance(
        &mut self,
        first: (&[u8], &[u8]),
        last: (&[u8], &[u8]),
        starts_page: bool,
    ) -> Result<(), FormatError> {
        if let Some((root, key)) = &self.last {
            let ordering = self.order.compare_roots(root, first.0).then_with(|| key.as_slice().cmp(first.1));
            if ordering != Ordering::Less {
                let begins_phase = self.order == Order::Token && starts_page && !self.phase_two;
                if !begins_phase {
                    return Err(out_of_order(self.order, (root, key), first));
                }
                self.phase_two = true;
            }
        }
        let (root, key) = self.last.get_or_insert_with(Default::default);
        replace(root, last.0);
        replace(key, last.1);
        Ok(())
    }
}

/// Checks that the first entries by which references name what is beneath them increase.
///
/// References keep but the beginning of a long key, so of two such keys of one partition only the beginnings are compared.
#[derive(Clone, Debug)]
pub struct ReferenceOrder {
    check: OrderCheck,
    /// What was referred to by the same beginning of a key.
    alike: HashSet<ObjectId>,
}

impl ReferenceOrder {
    /// Starts before the first reference of a dump.
    #[must_use]
    pub fn new(order: Order) -> Self {
        Self { check: OrderCheck::new(order), alike: HashSet::new() }
    }

    /// Checks that a reference may come next.
    ///
    /// `starts_page` says that it is the first of a page.
    ///
    /// # Errors
    ///
    /// [`FormatError::OutOfOrder`] when its first entry does not come after that of the reference before.
    pub fn advance(&mut self, reference: &Reference, starts_page: bool) -> Result<(), FormatError> {
        let first = (reference.first_root.as_slice(), reference.first_key.as_slice());
        let is_cut = reference.first_key.len() == limits::FIRST_KEY_BYTES;
        if is_cut && self.check.last() == Some(first) && self.alike.insert(reference.id) {
            return Ok(());
        }
        self.check.advance(first, first, starts_page)?;
        self.alike.clear();
        self.alike.insert(reference.id);
        Ok(())
    }
}

pub(crate) fn out_of_order(order: Order, previous: (&[u8], &[u8]), found: (&[u8], &[u8])) -> FormatError {
    FormatError::OutOfOrder {
        order: order as u8,
        root_key: show(found.0),
        key: show(found.1),
        previous: format!("root_key={} key={}", show(previous.0), show(previous.1)),
    }
}

fn replace(buffer: &mut Vec<u8>, bytes: &[u8]) {
    buffer.clear();
    buffer.extend_from_slice(bytes);
}
