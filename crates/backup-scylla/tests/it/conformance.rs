//! What every engine must do, in each layout, on a real server.

use backup_layout::Layout;
use backup_testkit::suite::{self, Check};

use crate::engine::Cql;

mod linera_0_15 {
    use super::*;
    backup_testkit::conformance!(Cql::new(Layout::Linera015));
}

mod linera_0_16 {
    use super::*;
    backup_testkit::conformance!(Cql::new(Layout::Linera016));
}

/// Which operation fails has nothing to do with the layout, and it takes minutes to try each.
#[test]
fn plain_passes_all_checks_but_the_long_ones() {
    let engine = Cql::new(Layout::Plain);
    let is_long = |check: &Check| check.is_heavy() || check.fails_each_operation();
    let failures = suite::failures(&engine, |check| !is_long(check));
    assert_eq!(suite::block_on(failures), []);
}
