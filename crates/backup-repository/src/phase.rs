//! In which order the pages and segments of a dump stand, and where its second phase begins.

use std::cmp::Ordering;

use backup_format::{Order, Reference};

/// Compares where a reference begins with an entry, as far as a reference tells. Neighbours of one partition whose first keys are
/// long may be equal.
pub(crate) fn compare(order: Order, reference: &Reference, (root_key, key): (&[u8], &[u8])) -> Ordering {
    let roots = order.compare_roots(&reference.first_root, root_key);
    roots.then_with(|| reference.first_key.as_slice().cmp(Reference::first_key_of(key)))
}

/// Returns true if a phase begins between two neighbouring pages: root keys go back there. Only dumps in the order of tokens have a
/// second phase.
pub(crate) fn begins(order: Order, before: &Reference, after: &Reference) -> bool {
    order == Order::Token && order.compare_roots(&before.first_root, &after.first_root).is_gt()
}

/// Returns the number of the page that begins the second phase; the number of pages where there is none.
pub(crate) fn second(order: Order, pages: &[Reference]) -> usize {
    let begins = |pair: &[Reference]| matches!(pair, [before, after] if begins(order, before, after));
    pages.windows(2).position(begins).map_or(pages.len(), |before| before + 1)
}

#[cfg(test)]
mod tests {
    use backup_format::ObjectId;

    use super::*;

    fn page(root: &[u8], key: &[u8]) -> Reference {
        let first_key = Reference::first_key_of(key).to_vec();
        Reference { first_root: root.to_vec(), first_key, id: ObjectId([0; 32]), plain_len: 1, entries: 1 }
    }

    #[test]
    fn a_phase_begins_where_root_keys_go_back_and_not_where_long_keys_look_equal() {
        let mut roots: Vec<Vec<u8>> = (0..4_u8).map(|number| vec![number; 33]).collect();
        roots.sort_by(|left, right| Order::Token.compare_roots(left, right));
        let long = [&[7; 1_100][..], &[8]].concat();
        let mut pages = vec![page(&roots[1], b"a"), page(&roots[3], &[7; 1_100]), page(&roots[3], &long)];
        assert_eq!(second(Order::Token, &pages), 3);
        pages.push(page(&roots[0], b""));
        pages.push(page(&roots[2], b""));
        assert_eq!(second(Order::Token, &pages), 3);
        assert_eq!((second(Order::Plain, &pages), second(Order::Token, &[])), (5, 0));
    }
}
