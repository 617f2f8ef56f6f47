//! Boots linera-core's real worker on restored namespaces: scenario x source engine x target engine, one test for each case.
//! At the end comes the table of cases with their times.

mod histories;
mod negative;
mod table;

use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use worker_boot_tests::case::Case;

use crate::histories::Histories;
use crate::table::Table;

fn main() {
    let arguments = Arguments::from_args();
    let (histories, table) = (Arc::new(Histories::new()), Arc::new(Table::default()));
    let cases = Case::all().into_iter().map(|case| {
        let (histories, table) = (Arc::clone(&histories), Arc::clone(&table));
        Trial::test(case.to_string(), move || table.run(&histories, case))
    });
    let trials = cases.chain(negative::trials(&histories)).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    table.print(&histories);
    // Leaving the process would leave the repositories behind.
    drop(histories);
    conclusion.exit();
}
