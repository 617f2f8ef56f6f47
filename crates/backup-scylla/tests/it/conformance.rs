//! What every engine must do, in each layout, on a real server.

use backup_layout::Layout;
use backup_testkit::suite;

use crate::engine::Cql;

mod linera_0_15 {
    use super::*;
    backup_testkit::conformance!(Cql::new(Layout::Linera015));
}

mod linera_0_16 {
    use super::*;
    backup_testkit::conformance!(Cql::new(Layout::Linera016));
}

#[test]
fn plain_passes_all_checks_but_the_heavy_ones() {
    let engine = Cql::new(Layout::Plain);
    let failures = suite::failures(&engine, |check| !check.is_heavy());
    assert_eq!(suite::block_on(failures), []);
}
