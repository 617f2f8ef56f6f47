//! The whole procedure on random histories, with a model of linera's guards: no height of a chain is signed by both incarnations
//! of a validator. Each step that is left out lets the same histories convict it.

mod history;
mod model;

use history::{Guard, Outcome, play};

const HISTORIES: u64 = 1_000;
const HISTORIES_EXHAUSTIVE: u64 = 100_000;

/// Histories that convict a validator when a step is left out.
const CONTROLS: u64 = 200;

/// Plays many histories, and adds up what came of them.
fn sum(guard: Guard, histories: u64) -> Outcome {
    let mut sum = Outcome::default();
    for seed in 0..histories {
        let Outcome { contradictions, overlaps, votes, frozen, finished, passed, hidden } = play(seed, guard);
        assert!(
            guard != Guard::Fence || overlaps == 0,
            "history {seed}: both incarnations signed at {overlaps} heights"
        );
        sum.contradictions += contradictions;
        sum.overlaps += overlaps;
        (0..2).for_each(|index| sum.votes[index] += votes[index]);
        sum.frozen += frozen;
        sum.finished += finished;
        sum.passed += passed;
        sum.hidden += hidden;
    }
    println!("{guard:?}: {sum:?}");
    sum
}

#[test]
fn with_survey_and_fence_no_height_is_signed_by_both_incarnations() {
    let exhaustive = std::env::var_os("KVBACKUP_EXHAUSTIVE").is_some_and(|value| !value.is_empty());
    let sum = sum(Guard::Fence, if exhaustive { HISTORIES_EXHAUSTIVE } else { HISTORIES });
    assert_eq!((sum.overlaps, sum.contradictions), (0, 0));
    // All that the theorem speaks of happens.
    assert!(sum.votes.iter().all(|votes| *votes > 200), "{sum:?}");
    assert!(sum.hidden > 100 && sum.finished > 100 && sum.frozen > 100 && sum.passed > 100, "{sum:?}");
}

#[test]
fn each_step_that_is_left_out_convicts() {
    for guard in [
        Guard::Nothing,
        Guard::CatchUp,
        Guard::FenceWithoutSurvey,
        Guard::FenceBeforeCatchUp,
        Guard::CurrentRound,
        Guard::ConfirmedVote,
    ] {
        let sum = sum(guard, CONTROLS);
        assert!(sum.contradictions > 0, "{guard:?} does not convict: {sum:?}");
    }
}
