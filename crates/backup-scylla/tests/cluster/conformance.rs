//! What every engine must do, on three nodes that hold every row three times.

use backup_layout::Layout;
use backup_testkit::suite::{self, Check};

use crate::engine::Cql;
use crate::trio::Trio;

/// Checks that make a table of each of some 25 contents, which takes a second or more with three
/// nodes.
const LEFT_TO_ONE_NODE: [&str; 7] = [
    "reading::every_content",
    "reading::entries_strictly_increase",
    "reading::batches_are_bounded",
    "sharing::shares_concatenate",
    "sharing::any_division",
    "restoring::every_content",
    "repository::a_dump_verifies",
];

fn is_left(check: &Check) -> bool {
    LEFT_TO_ONE_NODE.iter().any(|name| check.name.starts_with(name))
}

fn is_chosen(check: &Check) -> bool {
    !check.is_heavy() && !is_left(check) && !check.fails_each_operation()
}

/// Runs some checks, of which there must be at least so many.
fn pass(chosen: fn(&Check) -> bool, at_least: usize) {
    assert!(suite::CHECKS.iter().filter(|check| chosen(check)).count() >= at_least);
    let failures = suite::block_on(async {
        let _trio = Trio::whole().await;
        suite::failures(&Cql::new(Layout::Linera015), chosen).await
    });
    assert_eq!(failures, []);
}

#[test]
#[ignore = "it takes minutes, and these checks run on one node in any case"]
fn three_nodes_pass_the_checks_that_need_few_tables() {
    pass(is_chosen, 16);
}

#[test]
#[ignore = "it takes many minutes, and these checks run on one node in any case"]
fn three_nodes_pass_all_other_checks() {
    pass(|check| !is_chosen(check), LEFT_TO_ONE_NODE.len() + 2);
}
