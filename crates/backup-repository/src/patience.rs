//! Waiting for a store that does not answer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::progress::Progress;
use crate::trouble;

/// The first pause; each is twice the one before.
const PAUSE_MIN: Duration = Duration::from_millis(500);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(15);
/// Time between two events about the same store.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// How long a request is repeated, and who hears of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patience {
    /// Zero: nothing is repeated, and no timer is needed.
    pub limit: Duration,
    pub progress: Progress,
    said: Arc<Mutex<Option<Instant>>>,
}

impl Patience {
    /// Runs a request until it succeeds, fails for good, or has failed for as long as the limit. Each attempt is a
    /// request of its own, signed anew. Returns the last error, and how long the request was repeated.
    pub(crate) async fn run<T, F: Future<Output = object_store::Result<T>> + Send>(
        &self,
        attempt: impl Fn() -> F,
    ) -> Result<T, (object_store::Error, Duration)> {
        let mut error = match attempt().await {
            Err(error) if !self.limit.is_zero() && trouble::is_transient(&error) => error,
            result => return result.map_err(|error| (error, Duration::ZERO)),
        };
        let (begun, mut pause) = (Instant::now(), PAUSE_MIN);
        loop {
            let waited = begun.elapsed();
            if waited + pause > self.limit {
                return Err((error, waited));
            }
            self.say(&error, waited);
            sleep(pause).await;
            pause = PAUSE_MAX.min(pause * 2);
            match attempt().await {
                Err(again) if trouble::is_transient(&again) => error = again,
                result => return result.map_err(|error| (error, begun.elapsed())),
            }
        }
    }

    /// Says that a store does not answer, unless that was said a moment ago.
    fn say(&self, error: &object_store::Error, waited: Duration) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.is_some_and(|said| said.elapsed() < SAY_EVERY) {
            return;
        }
        *said = Some(Instant::now());
        drop(said);
        self.progress.waiting(trouble::brief(error), waited, self.limit);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::progress::Event;

    fn failure(text: &'static str) -> object_store::Error {
        object_store::Error::Generic { store: "test", source: text.into() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_is_repeated_until_it_succeeds_and_that_is_told() {
        let events = Arc::new(Mutex::new(Vec::new()));
        let sink = events.clone();
        let progress = Progress::new(move |event| sink.lock().unwrap().push(event));
        let patience = Patience { limit: Duration::from_secs(600), progress, ..Patience::default() };
        let attempts = AtomicU32::new(0);
        let attempts = &attempts;
        let run = patience.run(|| async move {
            match attempts.fetch_add(1, Ordering::Relaxed) {
                0..8 => Err(failure("away")),
                number => Ok(number),
            }
        });
        assert_eq!(run.await.unwrap(), 8);
        let events = events.lock().unwrap();
        assert!(events.len() > 2 && events.len() < 8, "{events:?}");
        let Some(Event::Waiting { waited, limit, .. }) = events.last() else { panic!("{events:?}") };
        assert!(*waited > Duration::from_secs(20) && *limit == Duration::from_secs(600), "{events:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends() {
        let patience = Patience { limit: Duration::from_secs(60), ..Patience::default() };
        let begun = Instant::now();
        let (_, waited) = patience.run(|| async { Err::<(), _>(failure("away")) }).await.unwrap_err();
        assert!(waited > Duration::from_secs(40) && begun.elapsed() <= Duration::from_secs(60), "{waited:?}");
    }

    #[tokio::test]
    async fn what_will_not_change_is_not_repeated() {
        let patience = Patience { limit: Duration::from_secs(600), ..Patience::default() };
        for error in [
            failure("Server returned non-2xx status code: 400 Bad Request: <Code>InvalidArgument</Code>"),
            failure("invalid peer certificate: UnknownIssuer"),
            object_store::Error::NotFound { path: "x".to_owned(), source: "gone".into() },
        ] {
            let error = Mutex::new(Some(error));
            let error = &error;
            let run = patience.run(|| async move { Err::<(), _>(error.lock().unwrap().take().unwrap()) });
            assert_eq!(run.await.unwrap_err().1, Duration::ZERO);
        }
    }
}
