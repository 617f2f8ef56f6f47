//! The two phases of a dump: partitions of one owner, and after them those that they refer to.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// How long the second phase waits for somebody to begin the first.
const GRACE: Duration = Duration::from_secs(1);
/// How long it waits for a first phase that does not move on: whoever reads it may be waiting for the second.
const STALL: Duration = Duration::from_secs(60);

/// Keeps the order of the phases among the shares of a snapshot, and knows whether it was kept.
#[derive(Clone, Debug)]
pub(crate) struct Phases(Arc<watch::Sender<State>>);

#[derive(Clone, Debug, Default)]
struct State {
    /// Readers of the first phase.
    reading: usize,
    /// Counts what they read.
    progress: u64,
    /// Whether one of them came to the end.
    first_is_read: bool,
    second_is_begun: bool,
    /// Whether a part of the second phase was read before a part of the first.
    is_mixed: bool,
}

impl Phases {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(State::default())))
    }

    /// Tells whether the first phase was read to its end before the second was begun.
    pub(crate) fn were_kept(&self) -> bool {
        let state = self.0.borrow();
        state.first_is_read && !state.is_mixed
    }

    /// Begins to read the first phase.
    pub(crate) fn begin_first(&self) -> FirstPhase {
        self.0.send_modify(|state| {
            state.reading += 1;
            state.is_mixed |= state.second_is_begun;
        });
        FirstPhase(self.clone())
    }

    /// Waits for the end of the first phase, and begins to read the second. Where nobody reads the first, or it does not move on,
    /// the second begins all the same, and the order was not kept.
    pub(crate) async fn begin_second(&self) {
        let mut watch = self.0.subscribe();
        loop {
            let (reading, progress) = {
                let state = watch.borrow();
                (state.reading, state.progress)
            };
            let patience = if reading > 0 { STALL } else { GRACE };
            let changed = |state: &State| {
                state.first_is_read || state.progress != progress || (reading == 0) != (state.reading == 0)
            };
            let waited = timeout(patience, watch.wait_for(changed)).await;
            match waited {
                Ok(Ok(state)) if !state.first_is_read => {}
                _ => break,
            }
        }
        self.0.send_modify(|state| {
            state.second_is_begun = true;
            state.is_mixed |= !state.first_is_read;
        });
    }
}

/// A reader of the first phase.
#[derive(Debug)]
pub(crate) struct FirstPhase(Phases);

impl FirstPhase {
    /// Says that something was read.
    pub(crate) fn advance(&self) {
        self.0.0.send_modify(|state| state.progress += 1);
    }

    /// Says that all was read.
    pub(crate) fn finish(self) {
        self.0.0.send_modify(|state| state.first_is_read = true);
    }
}

impl Drop for FirstPhase {
    fn drop(&mut self) {
        self.0.0.send_modify(|state| state.reading -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_second_phase_waits_for_the_first() {
        let phases = Phases::new();
        let first = phases.begin_first();
        let second = tokio::spawn({
            let phases = phases.clone();
            async move { phases.begin_second().await }
        });
        for _ in 0..10 {
            tokio::time::sleep(STALL - Duration::from_secs(1)).await;
            assert!(!second.is_finished());
            first.advance();
        }
        assert!(!phases.were_kept());
        first.finish();
        second.await.unwrap();
        assert!(phases.were_kept());
        phases.begin_second().await;
        assert!(phases.were_kept());
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_phase_without_a_first_begins_late_and_is_known() {
        let phases = Phases::new();
        phases.begin_second().await;
        phases.begin_first().finish();
        assert!(!phases.were_kept());
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_phase_that_stalls_or_is_given_up_does_not_block_the_second_for_ever() {
        for gives_up in [false, true] {
            let phases = Phases::new();
            let first = phases.begin_first();
            let kept = if gives_up { None } else { Some(first) };
            phases.begin_second().await;
            drop(kept);
            assert!(!phases.were_kept());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_phase_that_begins_a_little_later_is_waited_for() {
        let phases = Phases::new();
        let second = tokio::spawn({
            let phases = phases.clone();
            async move { phases.begin_second().await }
        });
        tokio::time::sleep(GRACE / 2).await;
        let first = phases.begin_first();
        tokio::time::sleep(GRACE * 5).await;
        assert!(!second.is_finished());
        first.finish();
        second.await.unwrap();
        assert!(phases.were_kept());
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_phase_that_is_read_again_later_mixes_them() {
        let phases = Phases::new();
        phases.begin_first().finish();
        phases.begin_first().finish();
        phases.begin_second().await;
        assert!(phases.were_kept());
        drop(phases.begin_first());
        assert!(!phases.were_kept());
    }
}
