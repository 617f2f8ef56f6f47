//! The three orders and the check of a dump's order.

use std::cmp::Ordering;

use backup_format::{Order, OrderCheck, token};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::content::{entries, groups, is_total_order, key, namespace, order};

proptest! {
    #[test]
    fn each_order_is_total_and_equals_its_definition(roots in vec(key(), 2..12), order in order()) {
        is_total_order(&roots, |left, right| order.compare_roots(left, right));
        for pair in roots.windows(2) {
            let (left, right) = (&pair[0], &pair[1]);
            let stored = |root: &Vec<u8>| token(&[&[0], root.as_slice()].concat());
            let expected = match order {
                Order::Prefixed => bcs::to_bytes(left).unwrap().cmp(&bcs::to_bytes(right).unwrap()),
                Order::Plain => left.cmp(right),
                Order::Token => (stored(left), left).cmp(&(stored(right), right)),
            };
            prop_assert_eq!(order.compare_roots(left, right), expected);
        }
    }

    #[test]
    fn a_dump_passes_in_whatever_pieces_it_comes(
        namespace in namespace(), order in order(), lengths in vec(1..5usize, 1..20),
    ) {
        let groups = groups(&namespace, order);
        let mut left: Vec<_> = entries(&groups).map(|(root, key, _)| (root, key)).collect();
        let last = *left.last().unwrap();
        let mut check = OrderCheck::new(order);
        prop_assert_eq!(check.last(), None);
        for length in lengths.iter().cycle() {
            if left.is_empty() {
                break;
            }
            let piece: Vec<_> = left.drain(..left.len().min(*length)).collect();
            check.advance(piece[0], *piece.last().unwrap(), false).unwrap();
        }
        prop_assert_eq!(check.last(), Some(last));
    }

    #[test]
    fn an_entry_that_does_not_come_after_the_last_is_refused(
        namespace in namespace(), order in order(), places in any::<(prop::sample::Index, prop::sample::Index)>(),
    ) {
        let groups = groups(&namespace, order);
        let all: Vec<_> = entries(&groups).map(|(root, key, _)| (root, key)).collect();
        let (a, b) = (places.0.index(all.len()), places.1.index(all.len()));
        let mut check = OrderCheck::new(order);
        check.advance(all[a], all[a], true).unwrap();
        prop_assert_eq!(check.advance(all[b], all[b], false).is_ok(), a < b);
        // What was refused changes nothing.
        prop_assert_eq!(check.last(), Some(all[a.max(b)]).filter(|_| a < b).or(Some(all[a])));
    }
}

#[test]
fn only_order_2_begins_anew_and_only_once_and_at_a_page() {
    let mut roots: Vec<Vec<u8>> = (0..4u8).map(|root| vec![root]).collect();
    for order in [Order::Prefixed, Order::Plain, Order::Token] {
        roots.sort_by(|left, right| order.compare_roots(left, right));
        let advance = |check: &mut OrderCheck, root: usize, starts_page| {
            check.advance((&roots[root], b""), (&roots[root], b""), starts_page)
        };
        let mut check = OrderCheck::new(order);
        advance(&mut check, 2, true).unwrap();
        advance(&mut check, 0, false).unwrap_err();
        assert_eq!(advance(&mut check, 0, true).is_ok(), order == Order::Token);
        if order == Order::Token {
            advance(&mut check, 3, true).unwrap();
            let error = advance(&mut check, 1, true).unwrap_err();
            assert!(error.to_string().starts_with("entries out of order 2: "), "{error}");
        }
    }
}

#[test]
fn a_phase_may_begin_with_the_very_entry_that_the_last_one_ended_with() {
    let mut check = OrderCheck::new(Order::Token);
    check.advance((b"a", b"k"), (b"a", b"k"), true).unwrap();
    check.advance((b"a", b"k"), (b"a", b"k"), true).unwrap();
    check.advance((b"a", b"k"), (b"a", b"k"), true).unwrap_err();
}

#[test]
fn orders_have_numbers_and_no_others_are_accepted() {
    for number in 0..=255u8 {
        let parsed = serde_json::from_value::<Order>(number.into());
        assert_eq!(parsed.is_ok(), number < 3);
        if let Ok(order) = parsed {
            assert_eq!(serde_json::to_value(order).unwrap(), number);
        }
    }
}

#[test]
fn lengths_sort_as_their_bytes_do() {
    let root = |length| vec![0u8; length];
    // 128 is 80 01, 256 is 80 02, 129 is 81 01.
    for (left, right) in [(1, 2), (127, 128), (128, 256), (256, 129), (16_384, 129)] {
        assert_eq!(Order::Prefixed.compare_roots(&root(left), &root(right)), Ordering::Less);
    }
}
