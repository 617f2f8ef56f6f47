//! What to do about a request that failed: the driver itself repeats nothing.

use std::time::Duration;

use backup_format::ErrorClass;
use scylla::errors::{ConnectionPoolError, DbError, ExecutionError, PrepareError, RequestAttemptError};
use tokio::time::Instant;

use crate::obstacle::Obstacle;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What an error asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reaction {
    /// The same request may succeed.
    pub again: bool,
    /// It should ask for less: a server may have run out of memory or time.
    pub smaller: bool,
    /// There should be fewer requests at a time.
    pub slower: bool,
    /// How much the error says of the cause: of several errors, the one with most is reported.
    pub detail: u8,
}

const NEVER: Reaction = Reaction { again: false, smaller: false, slower: false, detail: 3 };
const AGAIN: Reaction = Reaction { again: true, smaller: false, slower: false, detail: 2 };
const SMALLER: Reaction = Reaction { smaller: true, ..AGAIN };
const SLOWER: Reaction = Reaction { slower: true, ..AGAIN };

/// Returns what an error of a request asks for.
pub(crate) fn reaction(error: &ExecutionError) -> Reaction {
    match error {
        ExecutionError::LastAttemptError(error) => to_attempt(error),
        ExecutionError::PrepareError(error) => to_prepare(error),
        // The driver also reports this after it tried other nodes, and forgets what those said.
        ExecutionError::ConnectionPoolError(error) => to_pool(error),
        ExecutionError::RequestTimeout(_) => Reaction { smaller: true, slower: true, detail: 1, ..AGAIN },
        ExecutionError::SchemaAgreementError(_) | ExecutionError::MetadataError(_) => AGAIN,
        _ => NEVER,
    }
}

/// Returns what an error asks for that occurred while a statement was prepared.
pub(crate) fn to_prepare(error: &PrepareError) -> Reaction {
    match error {
        PrepareError::ConnectionPoolError(error) => to_pool(error),
        PrepareError::AllAttemptsFailed { first_attempt, .. } => to_attempt(first_attempt),
        _ => NEVER,
    }
}

fn to_attempt(error: &RequestAttemptError) -> Reaction {
    match error {
        RequestAttemptError::DbError(error, _) => to_server(error),
        RequestAttemptError::BrokenConnectionError(_) => {
            Reaction { smaller: true, slower: true, detail: 1, ..AGAIN }
        }
        RequestAttemptError::UnableToAllocStreamId => Reaction { slower: true, detail: 1, ..AGAIN },
        RequestAttemptError::RepreparedIdChanged { .. } => AGAIN,
        _ => NEVER,
    }
}

fn to_server(error: &DbError) -> Reaction {
    match error {
        DbError::Unavailable { .. } | DbError::IsBootstrapping | DbError::Unprepared { .. } => AGAIN,
        DbError::Overloaded | DbError::RateLimitReached { .. } | DbError::WriteTimeout { .. } => SLOWER,
        DbError::WriteFailure { .. } | DbError::ServerError => SLOWER,
        DbError::ReadTimeout { .. } | DbError::ReadFailure { .. } => SMALLER,
        _ => NEVER,
    }
}

fn to_pool(error: &ConnectionPoolError) -> Reaction {
    let again = Reaction { detail: 0, ..AGAIN };
    match error {
        ConnectionPoolError::Broken { last_connection_error, .. } => {
            match Obstacle::of_connection(last_connection_error).class() {
                ErrorClass::Transient => again,
                _ => NEVER,
            }
        }
        _ => again,
    }
}

/// The pauses between tries: each twice as long as the one before, until patience ends.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    begun: Instant,
    patience: Duration,
    pause: Duration,
    tries: u32,
}

impl Backoff {
    pub(crate) fn new(patience: Duration) -> Self {
        Self { begun: Instant::now(), patience, pause: FIRST_PAUSE, tries: 1 }
    }

    /// Waits before the next try. Returns false if patience ends before it.
    pub(crate) async fn wait(&mut self) -> bool {
        if self.elapsed() + self.pause > self.patience {
            return false;
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        self.tries += 1;
        true
    }

    /// Returns the number of tries.
    pub(crate) fn tries(&self) -> u32 {
        self.tries
    }

    /// Returns the time since the first try.
    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use scylla::errors::{BadQuery, BrokenConnectionErrorKind, WriteType};
    use scylla::statement::Consistency;

    use super::*;

    fn server(error: DbError) -> Reaction {
        reaction(&ExecutionError::LastAttemptError(RequestAttemptError::DbError(error, String::new())))
    }

    fn numbers() -> (Consistency, i32, i32) {
        (Consistency::LocalQuorum, 1, 2)
    }

    #[test]
    fn transient_errors_are_tried_again() {
        let (consistency, received, required) = numbers();
        let unavailable = DbError::Unavailable { consistency, required, alive: received };
        let read = DbError::ReadTimeout { consistency, received, required, data_present: false };
        let write_type = WriteType::Simple;
        let write = DbError::WriteTimeout { consistency, received, required, write_type };
        assert_eq!(server(unavailable), AGAIN);
        assert_eq!(server(read), SMALLER);
        assert_eq!(server(write), SLOWER);
        for error in [DbError::Overloaded, DbError::ServerError] {
            assert_eq!(server(error), SLOWER);
        }
        assert_eq!(server(DbError::IsBootstrapping), AGAIN);
        assert!(reaction(&ExecutionError::RequestTimeout(Duration::ZERO)).again);
        let broken = BrokenConnectionErrorKind::ChannelError.into();
        let broken =
            reaction(&ExecutionError::LastAttemptError(RequestAttemptError::BrokenConnectionError(broken)));
        assert!(broken.again && broken.smaller);
        assert!(reaction(&ExecutionError::ConnectionPoolError(ConnectionPoolError::Initializing)).again);
    }

    #[test]
    fn other_errors_are_not_tried_again() {
        for error in [
            DbError::SyntaxError,
            DbError::Invalid,
            DbError::Unauthorized,
            DbError::ConfigError,
            DbError::ProtocolError,
            DbError::Other(7),
        ] {
            assert_eq!(server(error), NEVER);
        }
        assert_eq!(reaction(&ExecutionError::EmptyPlan), NEVER);
        let too_many = BadQuery::TooManyQueriesInBatchStatement(70_000);
        assert_eq!(reaction(&ExecutionError::BadQuery(too_many)), NEVER);
    }

    #[test]
    fn a_server_says_more_than_a_lost_connection() {
        let (consistency, received, required) = numbers();
        let unavailable = server(DbError::Unavailable { consistency, required, alive: received });
        let pool = reaction(&ExecutionError::ConnectionPoolError(ConnectionPoolError::Initializing));
        let timeout = reaction(&ExecutionError::RequestTimeout(Duration::ZERO));
        assert!(unavailable.detail > timeout.detail && timeout.detail > pool.detail);
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_until_patience_ends() {
        let mut backoff = Backoff::new(Duration::from_secs(60));
        while backoff.wait().await {}
        assert!(backoff.elapsed() > Duration::from_secs(54) && backoff.elapsed() <= Duration::from_secs(60));
        assert_eq!(backoff.tries(), 18);
        assert!(!Backoff::new(Duration::ZERO).wait().await);
    }
}
