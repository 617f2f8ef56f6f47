//! How many writes may be under way: fewer when servers are overloaded.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Errors within this time are about the same overload.
const COOL_DOWN: Duration = Duration::from_millis(500);

/// Admits writes. Their number is halved by an overload, and grows by one with each window of good
/// answers.
#[derive(Debug)]
pub(crate) struct Window {
    permits: Arc<Semaphore>,
    state: Mutex<State>,
    max: usize,
}

#[derive(Debug)]
struct State {
    limit: usize,
    /// Permits to be taken out of use when they come back.
    surplus: usize,
    good: usize,
    halved: Option<Instant>,
}

/// Permission for one write, until it is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    /// `None` once it was taken out of use.
    permit: Option<OwnedSemaphorePermit>,
    window: Arc<Window>,
}

impl Window {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        let max = max.clamp(1, Semaphore::MAX_PERMITS);
        let state = State { limit: max, surplus: 0, good: 0, halved: None };
        Arc::new(Self { permits: Arc::new(Semaphore::new(max)), state: Mutex::new(state), max })
    }

    /// Waits for permission.
    pub(crate) async fn slot(self: &Arc<Self>) -> Slot {
        let permit = self.permits.clone().acquire_owned().await.expect("it is never closed");
        Slot { permit: Some(permit), window: self.clone() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Says that the write succeeded.
    pub(crate) fn succeeded(&self) {
        let mut state = self.window.state();
        state.good += 1;
        if state.good < state.limit {
            return;
        }
        state.good = 0;
        if state.limit < self.window.max {
            state.limit += 1;
            match state.surplus.checked_sub(1) {
                Some(less) => state.surplus = less,
                None => self.window.permits.add_permits(1),
            }
        }
    }

    /// Says that a server is overloaded.
    pub(crate) fn overloaded(&self) {
        let mut state = self.window.state();
        if state.halved.is_some_and(|last| last.elapsed() < COOL_DOWN) {
            return;
        }
        let less = state.limit / 2;
        let forgotten = self.window.permits.forget_permits(less);
        state.surplus += less - forgotten;
        state.limit -= less;
        state.good = 0;
        state.halved = Some(Instant::now());
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.window.state();
        if let Some(less) = state.surplus.checked_sub(1) {
            state.surplus = less;
            if let Some(permit) = self.permit.take() {
                permit.forget();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes slots until none is left.
    async fn all(window: &Arc<Window>) -> Vec<Slot> {
        let mut slots = Vec::new();
        while let Ok(slot) = tokio::time::timeout(Duration::from_millis(1), window.slot()).await {
            slots.push(slot);
        }
        slots
    }

    #[tokio::test(start_paused = true)]
    async fn an_overload_halves_the_window_once_and_success_widens_it() {
        let window = Window::new(16);
        let slots = all(&window).await;
        assert_eq!(slots.len(), 16);
        // All complain at once; that is one overload.
        slots.iter().for_each(Slot::overloaded);
        drop(slots);
        let slots = all(&window).await;
        assert_eq!(slots.len(), 8);
        for _ in 0..3 {
            tokio::time::sleep(COOL_DOWN).await;
            slots[0].overloaded();
        }
        drop(slots);
        let slots = all(&window).await;
        assert_eq!(slots.len(), 1);
        for _ in 0..1 + 2 + 3 {
            slots[0].succeeded();
        }
        drop(slots);
        assert_eq!(all(&window).await.len(), 4);
        let slot = window.slot().await;
        tokio::time::sleep(COOL_DOWN).await;
        (0..1_000).for_each(|_| slot.succeeded());
        drop(slot);
        assert_eq!(all(&window).await.len(), 16);
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_is_never_closed() {
        let window = Window::new(0);
        let slot = window.slot().await;
        slot.overloaded();
        drop(slot);
        assert_eq!(all(&window).await.len(), 1);
    }
}
