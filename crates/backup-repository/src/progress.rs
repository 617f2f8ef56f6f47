//! What a pump reports while it works.

use std::sync::Arc;
use std::time::Duration;

/// A step of a pump. Events come from several threads, some thousands a second at most.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A phase begins: `reading`, `checking packs`, `restoring`, `reading the target`, ... A pump has one to three.
    Phase {
        /// What is being done.
        name: &'static str,
        /// How many bytes of plaintext this phase will go through, when known or estimated.
        plain_bytes: Option<u64>,
    },
    /// Some entries were dealt with.
    Advance {
        /// Bytes of plaintext since the last event.
        plain_bytes: u64,
        /// Entries since the last event.
        entries: u64,
    },
    /// Something was made durable in the store.
    Stored {
        /// Bytes written.
        bytes: u64,
    },
    /// The store does not answer, and a request is repeated.
    Waiting {
        /// What is wrong.
        problem: String,
        /// For how long the request has been repeated.
        waited: Duration,
        /// For how long it will be at most.
        limit: Duration,
    },
    /// Bytes of a file came wrong, were read again, and were good then.
    ReadAgain {
        /// The file, relative to the repository.
        path: String,
    },
}

/// Receives the events of a pump. Cheap to clone; by default it ignores them.
#[derive(Clone, Default)]
pub struct Progress(Option<Arc<dyn Fn(Event) + Send + Sync>>);

impl Progress {
    /// Calls `observer` for each event. It must not block: it is called where the work is done.
    pub fn new(observer: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(observer)))
    }

    pub(crate) fn phase(&self, name: &'static str, plain_bytes: Option<u64>) {
        self.send(Event::Phase { name, plain_bytes });
    }

    pub(crate) fn advance(&self, plain_bytes: u64, entries: u64) {
        self.send(Event::Advance { plain_bytes, entries });
    }

    pub(crate) fn stored(&self, bytes: u64) {
        self.send(Event::Stored { bytes });
    }

    pub(crate) fn waiting(&self, problem: String, waited: Duration, limit: Duration) {
        self.send(Event::Waiting { problem, waited, limit });
    }

    pub(crate) fn read_again(&self, path: &str) {
        self.send(Event::ReadAgain { path: path.to_owned() });
    }

    fn send(&self, event: Event) {
        if let Some(observer) = &self.0 {
            observer(event);
        }
    }
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(if self.0.is_some() { "Progress(observed)" } else { "Progress(ignored)" })
    }
}
