//! What engines report to pumps.

use std::error::Error;
use std::fmt;

/// What an error means for whoever called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorClass {
    /// Trying again may help: a timeout, an overloaded server.
    Transient,
    /// Trying again as it is will not help: no such namespace, disk full.
    Failed,
    /// The namespace holds something that must not be there, or lacks something that must.
    Damaged,
    /// Going on would endanger something: a target that is not empty, a layout that cannot be told.
    Refused,
}

/// An error of an engine crate, with what it means.
///
/// It shows and has the causes of the error it holds: it adds the class and nothing else.
#[derive(Debug)]
pub struct EngineError {
    class: ErrorClass,
    error: Box<dyn Error + Send + Sync>,
}

impl EngineError {
    /// Wraps an engine's error.
    pub fn new(class: ErrorClass, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { class, error: error.into() }
    }

    /// Returns what the error means.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        self.class
    }

    /// Tells whether the same call may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.class == ErrorClass::Transient
    }

    /// Returns the engine's own error.
    #[must_use]
    pub fn get_ref(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.error
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(out)
    }
}

impl Error for EngineError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}
