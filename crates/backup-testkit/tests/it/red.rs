//! Each check of the suite fails an engine that has the flaw it looks for.

use std::collections::BTreeSet;

use backup_testkit::suite::{CHECKS, block_on, failures};

use crate::flawed::{Flaw, Flawed};

/// Flaws, and the checks that must find them.
const FLAWS: &[(Flaw, &[&str])] = &[
    (Flaw::ConfusesRootKeyAndKey, &["reading::every_content_reads_back_as_it_was_written"]),
    (Flaw::CutsLongKeys, &["reading::every_content_reads_back_as_it_was_written"]),
    (Flaw::HasAnImpossibleName, &["reading::a_namespace_describes_itself_in_words_that_a_manifest_accepts"]),
    (
        Flaw::SkipsTheLastEntry,
        &[
            "reading::every_content_reads_back_as_it_was_written",
            "sharing::any_division_gives_the_digest_of_the_content",
            "repository::a_dump_verifies_and_restores_to_the_same_digest",
            "heavy::a_partition_of_a_million_entries_reads_and_restores",
            "heavy::a_value_of_300_megabytes_is_refused_by_name_unless_the_limit_is_raised",
        ],
    ),
    (Flaw::SwapsNeighbours, &["reading::entries_strictly_increase_and_partitions_are_contiguous"]),
    (
        Flaw::RepeatsAnEntry,
        &[
            "reading::every_content_reads_back_as_it_was_written",
            "reading::entries_strictly_increase_and_partitions_are_contiguous",
        ],
    ),
    (
        Flaw::TearsPartitions,
        &[
            "reading::entries_strictly_increase_and_partitions_are_contiguous",
            "sharing::any_division_gives_the_digest_of_the_content",
        ],
    ),
    (Flaw::TellsTheWrongOrder, &["reading::entries_strictly_increase_and_partitions_are_contiguous"]),
    (Flaw::JoinsBatches, &["reading::batches_are_bounded_and_never_empty"]),
    (Flaw::GivesAnEmptyBatch, &["reading::batches_are_bounded_and_never_empty"]),
    (
        Flaw::SharesACursor,
        &[
            "reading::a_stream_that_was_dropped_can_be_read_again",
            "reading::two_streams_of_one_share_do_not_disturb_each_other",
            "sharing::a_share_that_was_half_read_and_read_again_leaves_the_digest_as_it_was",
        ],
    ),
    (
        Flaw::ReadsWellOnlyOnce,
        &[
            "reading::a_second_snapshot_reads_the_same",
            "repository::a_second_backup_stores_no_new_object",
            "repository::a_namespace_that_fails_at_any_operation_leaves_no_dump",
            "repository::a_store_that_fails_at_any_operation_of_a_backup_leaves_no_dump",
        ],
    ),
    (
        Flaw::ForgetsARange,
        &[
            "sharing::shares_concatenate_to_the_whole_in_order",
            "sharing::a_plan_of_any_size_is_the_whole_in_order",
            "sharing::shares_can_be_read_in_any_order_and_at_once",
            "sharing::any_division_gives_the_digest_of_the_content",
        ],
    ),
    (
        Flaw::ReversesRanges,
        &[
            "sharing::shares_concatenate_to_the_whole_in_order",
            "sharing::a_plan_of_any_size_is_the_whole_in_order",
        ],
    ),
    (Flaw::HasNoRangeWhenEmpty, &["sharing::an_empty_namespace_has_one_empty_share"]),
    (
        Flaw::MakesTooManyRanges,
        &[
            "sharing::shares_concatenate_to_the_whole_in_order",
            "sharing::a_plan_of_any_size_is_the_whole_in_order",
        ],
    ),
    (Flaw::StartsAPageAtEachRange, &["repository::any_number_of_workers_gives_the_same_ids"]),
    (Flaw::DividesPartitions, &["sharing::ranges_that_start_pages_hold_whole_partitions"]),
    (Flaw::RepeatsAPhase, &["sharing::a_partition_lies_in_one_phase"]),
    (Flaw::PlansInTwoWays, &["sharing::a_plan_with_an_identity_is_the_same_in_every_snapshot"]),
    (Flaw::HasTheIdentityOfOthers, &["sharing::a_plan_with_an_identity_is_the_same_in_every_snapshot"]),
    (Flaw::ReadsAnyRange, &["sharing::a_range_that_was_not_planned_is_refused"]),
    (
        Flaw::ReadsEachBatchAtAnotherMoment,
        &[
            "concurrency::a_snapshot_does_not_see_what_is_written_later",
            "concurrency::a_snapshot_keeps_an_invariant_that_writers_keep",
            "concurrency::writers_go_on_while_a_stream_is_open",
        ],
    ),
    (
        Flaw::ReadsEachRangeAtAnotherMoment,
        &[
            "concurrency::a_snapshot_does_not_see_what_is_written_later",
            "concurrency::a_snapshot_keeps_an_invariant_that_writers_keep",
        ],
    ),
    (Flaw::ReadsAnOldState, &["concurrency::a_snapshot_sees_what_was_written_before"]),
    (Flaw::BlocksWriters, &["concurrency::writers_go_on_while_a_stream_is_open"]),
    (Flaw::IgnoresMarkers, &["restoring::a_namespace_with_another_marker_is_refused"]),
    (
        Flaw::ChecksNothing,
        &[
            "restoring::a_namespace_with_another_marker_is_refused",
            "restoring::a_namespace_that_holds_something_is_refused",
        ],
    ),
    (
        Flaw::Overwrites,
        &[
            "restoring::a_namespace_that_holds_something_is_refused",
            "restoring::a_published_namespace_is_no_longer_a_target",
        ],
    ),
    (
        Flaw::ReadsHalfRestored,
        &[
            "restoring::a_half_restored_namespace_cannot_be_read",
            "resuming::a_dropped_restore_is_never_published",
        ],
    ),
    (
        Flaw::PublishesOnDrop,
        &[
            "resuming::a_dropped_restore_is_never_published",
            "repository::a_target_that_fails_at_any_operation_can_be_resumed",
            "repository::a_store_that_fails_at_any_operation_of_a_restore_publishes_nothing_wrong",
        ],
    ),
    (Flaw::ForgetsUnits, &["resuming::a_dropped_restore_goes_on_where_it_was"]),
    (Flaw::CountsBegunUnits, &["resuming::a_dropped_writer_leaves_its_unit_to_be_written_anew"]),
    (
        Flaw::LosesAUnit,
        &[
            "restoring::units_may_come_in_any_order",
            "restoring::the_view_before_publishing_holds_exactly_the_content",
            "repository::a_restored_namespace_dumps_to_the_same_ids",
        ],
    ),
    (Flaw::AltersEmptyValues, &["restoring::every_content_restores_from_every_order"]),
    (Flaw::RestoresPlainOrderOnly, &["restoring::every_content_restores_from_every_order"]),
    (Flaw::RestoresInOrderOnly, &["restoring::units_may_come_in_any_order"]),
    (
        Flaw::HasOneWriter,
        &["restoring::units_may_be_written_at_once", "resuming::a_unit_that_is_written_twice_counts_once"],
    ),
    (Flaw::DiscardsNothing, &["resuming::a_discarded_restore_leaves_an_empty_target"]),
    (Flaw::DiscardsTheMarkerOnly, &["resuming::a_discarded_restore_leaves_an_empty_target"]),
    (Flaw::ShowsAnEmptyView, &["restoring::the_view_before_publishing_holds_exactly_the_content"]),
    (Flaw::AnswersInItsOwnOrder, &["amending::entries_that_are_there_and_others_are_looked_up"]),
    (Flaw::IgnoresPrefixes, &["amending::root_keys_are_listed_by_their_prefix"]),
    (Flaw::ReplacesPartitions, &["amending::an_amendment_changes_what_it_names_and_nothing_else"]),
    (Flaw::MakesPartitions, &["amending::an_amendment_makes_no_partition"]),
    (Flaw::WritesOnOpening, &["amending::opening_changes_nothing"]),
    (Flaw::LetsTwoAmend, &["amending::a_second_amendment_waits_for_the_end_of_the_first"]),
    (Flaw::LooksAtHalfRestored, &["amending::a_half_restored_namespace_is_neither_looked_up_nor_amended"]),
    (
        Flaw::WritesHalfAPartition,
        &[
            "amending::an_amendment_changes_what_it_names_and_nothing_else",
            "amending::whichever_operation_fails_a_partition_is_amended_or_not",
        ],
    ),
];

/// Some checks find a flaw only where threads meet in one of several ways.
const TRIES: usize = 3;

#[test]
fn an_engine_with_a_flaw_fails_the_checks_that_look_for_it() {
    let mut missed = Vec::new();
    for (flaw, expected) in FLAWS {
        let mut left: BTreeSet<&str> = expected.iter().copied().collect();
        for _ in 0..TRIES {
            let failed = block_on(failures(&Flawed(*flaw), |check| left.contains(check.name)));
            for (name, message) in &failed {
                println!("{flaw:?} fails {name}: {message}");
                left.remove(name);
            }
            if left.is_empty() {
                break;
            }
        }
        missed.extend(left.into_iter().map(|name| (*flaw, name)));
    }
    assert!(missed.is_empty(), "checks that did not find a flaw: {missed:?}");
}

#[test]
fn an_engine_without_a_flaw_fails_no_check() {
    let failed = block_on(failures(&Flawed(Flaw::Nothing), |check| !check.is_heavy()));
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn every_check_has_a_flaw_that_it_looks_for() {
    let looked_for: BTreeSet<&str> = FLAWS.iter().flat_map(|(_, checks)| checks.iter().copied()).collect();
    assert_eq!(looked_for, CHECKS.iter().map(|check| check.name).collect());
}
