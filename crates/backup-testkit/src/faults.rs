//! Which operation fails.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does nothing and reports an error.
    Before,
    /// It does its work and reports an error all the same: the answer was lost. A stream fails half-way.
    After,
    /// A read ends half-way and reports no error. Operations that do not read bytes are not concerned.
    Short,
    /// A read gives all bytes, with one flipped bit: another one for each number of an operation. Operations that do not read bytes
    /// are not concerned.
    Flipped,
}

/// The error of an operation that was made to fail.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("fault injected into operation {number}, {operation}")]
pub struct InjectedFault {
    /// Name of the operation.
    pub operation: &'static str,
    /// Its number, from 0 on.
    pub number: u64,
}

/// Counts the operations of a faulty wrapper, and lets one of them fail.
///
/// The same calls fail in the same place each time. To let every operation fail in its turn, count them first and then
/// run once for each number:
///
/// ```
/// use backup_testkit::{Fault, Faults};
///
/// let run = |faults: &Faults| ["put", "list", "put"].map(|operation| faults.next(operation).is_err());
/// let none = Faults::none();
/// assert_eq!(run(&none), [false; 3]);
/// for number in 0..none.operations() {
///     let failed = run(&Faults::nth(number, Fault::Before));
///     assert_eq!(failed.iter().position(|failed| *failed), Some(number as usize));
/// }
/// ```
#[derive(Debug)]
pub struct Faults {
    fail_at: Option<u64>,
    fault: Fault,
    lasting: bool,
    only: Option<&'static str>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    operations: u64,
    by_name: BTreeMap<&'static str, u64>,
    fired: bool,
}

impl Faults {
    /// Lets nothing fail.
    #[must_use]
    pub fn none() -> Self {
        Self { fail_at: None, fault: Fault::Before, lasting: false, only: None, seen: Mutex::default() }
    }

    /// Lets one operation fail; they are numbered from 0 in the order in which they begin.
    #[must_use]
    pub fn nth(number: u64, fault: Fault) -> Self {
        Self { fail_at: Some(number), fault, ..Self::none() }
    }

    /// Lets all later operations fail too: the store or engine is gone.
    #[must_use]
    pub fn lasting(mut self) -> Self {
        self.lasting = true;
        self
    }

    /// Numbers only the operations of this name.
    #[must_use]
    pub fn only(mut self, operation: &'static str) -> Self {
        self.only = Some(operation);
        self
    }

    /// Returns how many operations were numbered.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Returns how often each operation was called, whether or not it is numbered.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.lock().by_name.clone()
    }

    /// Returns true if an operation was made to fail.
    pub fn fired(&self) -> bool {
        self.lock().fired
    }

    /// Numbers an operation that reads no bytes, and fails if it is to fail now.
    ///
    /// # Errors
    ///
    /// How it is to fail.
    pub fn next(&self, operation: &'static str) -> Result<(), (Fault, InjectedFault)> {
        self.decide(operation, false)
    }

    /// Numbers an operation that reads bytes, and fails if it is to fail now.
    ///
    /// # Errors
    ///
    /// How it is to fail.
    pub fn next_read(&self, operation: &'static str) -> Result<(), (Fault, InjectedFault)> {
        self.decide(operation, true)
    }

    fn decide(&self, operation: &'static str, reads: bool) -> Result<(), (Fault, InjectedFault)> {
        let mut seen = self.lock();
        *seen.by_name.entry(operation).or_default() += 1;
        if self.only.is_some_and(|only| only != operation) {
            return Ok(());
        }
        let number = seen.operations;
        seen.operations += 1;
        let is_hit = self.fail_at.is_some_and(|at| number == at || self.lasting && number > at);
        if !is_hit || matches!(self.fault, Fault::Short | Fault::Flipped) && !reads {
            return Ok(());
        }
        seen.fired = true;
        Err((self.fault, InjectedFault { operation, number }))
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs an operation that reads no bytes, unless it is to fail before; maps the fault to the wrapper's error.
pub(crate) async fn guard<T, E>(
    faults: &Faults,
    operation: &'static str,
    error: impl Fn(InjectedFault) -> E,
    run: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    match faults.next(operation) {
        Ok(()) => run.await,
        Err((Fault::After, injected)) => {
            run.await?;
            Err(error(injected))
        }
        Err((_, injected)) => Err(error(injected)),
    }
}
