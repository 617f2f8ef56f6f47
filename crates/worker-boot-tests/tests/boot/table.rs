//! The table of cases.

use std::sync::{Mutex, PoisonError};

use libtest_mimic::Failed;
use worker_boot_tests::case::{Case, Report};

use crate::histories::Histories;

/// The cases that have passed.
#[derive(Default)]
pub struct Table {
    rows: Mutex<Vec<Report>>,
}

impl Table {
    /// Runs a case and adds it to the table.
    pub fn run(&self, histories: &Histories, case: Case) -> Result<(), Failed> {
        let report = case.run(histories.of(case.source)?);
        let report = report.map_err(|error| Failed::from(format!("{error:?}")))?;
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).push(report);
        Ok(())
    }

    /// Prints the table; nothing when no case ran.
    pub fn print(&self, histories: &Histories) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if rows.is_empty() {
            return;
        }
        rows.sort_by_key(|report| report.case);
        println!("case                                     seconds  certificates  tips  entries  vote");
        for Report { case, duration, certificates, tips, entries, vote, .. } in rows {
            let seconds = duration.as_secs_f64();
            println!("{case:<40} {seconds:>7.2}  {certificates:>12}  {tips:>4}  {entries:>7}  {vote}");
        }
        for (engine, history) in histories.recorded() {
            println!("network on {engine:<29} {:>7.2}", history.duration.as_secs_f64());
        }
    }
}
