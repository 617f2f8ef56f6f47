//! What every engine must do, in each layout, on a real server.

use backup_layout::Layout;
use backup_testkit::suite::{self, Check};

use crate::engine::Cql;

mod linera_0_15 {
    use super::*;
    backup_testkit::conformance!(Cql::new(Layout::Linera015));
}

#[test]
fn linera_0_16_passes_all_checks_but_the_long_ones() {
    passes_all_but_the_long_ones(Layout::Linera016);
}

#[test]
fn plain_passes_all_checks_but_the_long_ones() {
    passes_all_but_the_long_ones(Layout::Plain);
}

/// Which operation fails, and what is heavy, has little to do with the layout. A table of each content takes a server minutes, so that
/// is left to exhaustive runs.
fn passes_all_but_the_long_ones(layout: Layout) {
    let is_long = |check: &Check| {
        check.is_heavy()
            || check.fails_each_operation()
            || check.needs_many_namespaces() && !backup_testkit::is_exhaustive()
    };
    let engine = Cql::new(layout);
    let failures = suite::failures(&engine, |check| !is_long(check));
    assert_eq!(suite::block_on(failures), []);
}
