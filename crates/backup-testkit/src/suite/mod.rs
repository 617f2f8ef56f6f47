//! The conformance suite: what every engine must do, checked one sentence at a time.
//!
//! An engine crate calls it with [`conformance!`](crate::conformance), which makes a test of each check, or with
//! [`run`], which runs all in one test. A check panics when the engine fails it.

mod amending;
mod concurrency;
mod heavy;
mod reading;
mod repository;
mod restoring;
mod resuming;
mod sharing;
mod support;

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::engine::Engine;
use crate::seed;

pub use support::causes;

/// One check.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// Its group and name.
    pub name: &'static str,
    /// Its group: `reading`, `sharing`, `concurrency`, `restoring`, `resuming`, `repository`,
    /// `amending` or `heavy`.
    pub group: &'static str,
    attributes: &'static [Attribute],
    check: fn(&dyn Engine) -> BoxFuture<'_, ()>,
}

/// What a check costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attribute {
    Heavy,
    ManyNamespaces,
    FailsEachOperation,
}

impl Check {
    /// Returns true if the check needs many seconds or hundreds of megabytes.
    #[must_use]
    pub fn is_heavy(&self) -> bool {
        self.attributes.contains(&Attribute::Heavy)
    }

    /// Returns true if the check makes a namespace of each of the [`CASES`](crate::CASES).
    #[must_use]
    pub fn needs_many_namespaces(&self) -> bool {
        self.attributes.contains(&Attribute::ManyNamespaces)
    }

    /// Returns true if the check repeats itself for each operation that may fail, which takes minutes.
    #[must_use]
    pub fn fails_each_operation(&self) -> bool {
        self.attributes.contains(&Attribute::FailsEachOperation)
    }

    /// Runs the check.
    ///
    /// # Panics
    ///
    /// If the engine fails it.
    pub async fn run(&self, engine: &dyn Engine) {
        seed::announce(&format!("{} on {}", self.name, engine.name()));
        (self.check)(engine).await;
    }
}

/// Lists the checks once, with their attributes, for the table of the suite and for the tests of engine crates.
#[doc(hidden)]
#[macro_export]
macro_rules! __for_each_check {
    ([$($callback:tt)+] $($head:tt)*) => {
        $($callback)+! { $($head)*
            reading {
                every_content_reads_back_as_it_was_written [ManyNamespaces],
                entries_strictly_increase_and_partitions_are_contiguous [ManyNamespaces],
                batches_are_bounded_and_never_empty [ManyNamespaces],
                a_stream_that_was_dropped_can_be_read_again,
                two_streams_of_one_share_do_not_disturb_each_other,
                a_second_snapshot_reads_the_same,
                a_namespace_describes_itself_in_words_that_a_manifest_accepts,
            }
            sharing {
                an_empty_namespace_has_one_empty_share,
                shares_concatenate_to_the_whole_in_order [ManyNamespaces],
                a_plan_of_any_size_is_the_whole_in_order,
                a_partition_lies_in_one_phase,
                ranges_that_start_pages_hold_whole_partitions,
                a_plan_with_an_identity_is_the_same_in_every_snapshot,
                a_range_that_was_not_planned_is_refused,
                shares_can_be_read_in_any_order_and_at_once,
                any_division_gives_the_digest_of_the_content [ManyNamespaces],
                a_share_that_was_half_read_and_read_again_leaves_the_digest_as_it_was,
            }
            concurrency {
                a_snapshot_does_not_see_what_is_written_later,
                a_snapshot_sees_what_was_written_before,
                a_snapshot_keeps_an_invariant_that_writers_keep,
                writers_go_on_while_a_stream_is_open,
            }
            restoring {
                every_content_restores_from_every_order [ManyNamespaces],
                units_may_come_in_any_order,
                units_may_be_written_at_once,
                the_view_before_publishing_holds_exactly_the_content,
                a_published_namespace_is_no_longer_a_target,
                a_namespace_that_holds_something_is_refused,
                a_namespace_with_another_marker_is_refused,
                a_half_restored_namespace_cannot_be_read,
            }
            resuming {
                a_dropped_restore_goes_on_where_it_was,
                a_dropped_writer_leaves_its_unit_to_be_written_anew,
                a_unit_that_is_written_twice_counts_once,
                a_dropped_restore_is_never_published,
                a_discarded_restore_leaves_an_empty_target,
            }
            repository {
                a_dump_verifies_and_restores_to_the_same_digest [ManyNamespaces],
                a_second_backup_stores_no_new_object,
                any_number_of_workers_gives_the_same_ids,
                a_restored_namespace_dumps_to_the_same_ids,
                a_namespace_that_fails_at_any_operation_leaves_no_dump [FailsEachOperation],
                a_target_that_fails_at_any_operation_can_be_resumed [FailsEachOperation],
                a_store_that_fails_at_any_operation_of_a_backup_leaves_no_dump [FailsEachOperation],
                a_store_that_fails_at_any_operation_of_a_restore_publishes_nothing_wrong [FailsEachOperation],
            }
            amending {
                entries_that_are_there_and_others_are_looked_up,
                root_keys_are_listed_by_their_prefix,
                an_amendment_changes_what_it_names_and_nothing_else,
                an_amendment_makes_no_partition,
                opening_changes_nothing,
                a_second_amendment_waits_for_the_end_of_the_first,
                a_half_restored_namespace_is_neither_looked_up_nor_amended,
                whichever_operation_fails_a_partition_is_amended_or_not [FailsEachOperation],
            }
            heavy {
                a_partition_of_a_million_entries_reads_and_restores [Heavy],
                a_value_of_300_megabytes_is_refused_by_name_unless_the_limit_is_raised [Heavy],
            }
        }
    };
}

macro_rules! table {
    ($($group:ident { $($check:ident $([$($attribute:ident),+])?,)* })*) => {
        /// All checks of the suite.
        pub const CHECKS: &[Check] = &[$($(Check {
            name: concat!(stringify!($group), "::", stringify!($check)),
            group: stringify!($group),
            attributes: &[$($(Attribute::$attribute),+)?],
            check: |engine| Box::pin($group::$check(engine)),
        },)*)*];
    };
}

__for_each_check!([table]);

/// Makes a test of each check of the suite, in a module for each group.
///
/// The argument is an expression that makes the [`Engine`]; it is evaluated anew for each test, inside of an
/// asynchronous runtime. The tests need nothing of the crate where they stand but this one.
///
/// ```ignore
/// mod conformance {
///     use super::MyEngine;
///     backup_testkit::conformance!(MyEngine::new());
/// }
/// ```
#[macro_export]
macro_rules! conformance {
    ($engine:expr) => {
        $crate::__for_each_check!([$crate::__tests] $engine;);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __tests {
    ($engine:expr; $($group:ident { $($check:ident $([$($attribute:ident),+])?,)* })*) => {
        $(mod $group {
            #[allow(unused_imports, reason = "the expression may need nothing of its module")]
            use super::*;

            $(#[test]
            fn $check() {
                let name = concat!(stringify!($group), "::", stringify!($check));
                $crate::suite::run_named(name, || $engine);
            })*
        })*
    };
}

/// Runs one check on an engine that is made inside of a runtime of its own.
///
/// # Panics
///
/// If the engine fails the check, or there is no check of that name.
pub fn run_named<E: Engine>(name: &str, engine: impl FnOnce() -> E) {
    let check = CHECKS.iter().find(|check| check.name == name).expect("the suite has a check of that name");
    block_on(async { check.run(&engine()).await });
}

/// Runs all checks.
///
/// # Panics
///
/// If the engine fails some; the message names them.
pub async fn run(engine: &dyn Engine) {
    let failures = failures(engine, |_| true).await;
    let list: Vec<_> = failures.iter().map(|(name, message)| format!("{name}: {message}")).collect();
    assert!(failures.is_empty(), "{} fails {} checks:\n{}", engine.name(), list.len(), list.join("\n"));
}

/// Runs the checks that a filter chooses, and returns those which the engine fails, with their messages.
pub async fn failures(engine: &dyn Engine, filter: impl Fn(&Check) -> bool) -> Vec<(&'static str, String)> {
    let mut failures = Vec::new();
    for check in CHECKS.iter().filter(|check| filter(check)) {
        if let Err(panic) = AssertUnwindSafe(check.run(engine)).catch_unwind().await {
            failures.push((check.name, message(&*panic)));
        }
    }
    failures
}

/// Runs a future on a runtime with several threads. Threads that hang do not keep a failed test from ending.
///
/// # Panics
///
/// As the future does.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(4).enable_all().build().expect("the system gives four threads");
    let result = runtime.block_on(AssertUnwindSafe(future).catch_unwind());
    runtime.shutdown_background();
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without text").to_owned()
}
