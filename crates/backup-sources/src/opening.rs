//! How a namespace is opened, beside where it is.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use backup_format::Limits;
use backup_layout::Layout;

use crate::error::SourceError;
use crate::option::{EngineOption, parse_number};
use crate::units::{parse_size, parse_time};

/// Layout, limits and the options of engines that were given.
#[derive(Clone, Debug, Default)]
pub struct Opening {
    layout: Option<Layout>,
    limits: Limits,
    values: BTreeMap<&'static str, OsString>,
}

impl Opening {
    /// Sets the layout. `None`, the default, detects it when reading, and takes that of the dump when restoring.
    #[must_use]
    pub fn with_layout(mut self, layout: Option<Layout>) -> Self {
        self.layout = layout;
        self
    }

    /// Sets the limits on keys and values.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets an option of an engine. The value of a flag is empty.
    ///
    /// # Errors
    ///
    /// [`SourceError::Option`] if the option does not take this value.
    pub fn with_value(
        mut self,
        option: &EngineOption,
        value: impl Into<OsString>,
    ) -> Result<Self, SourceError> {
        let value = value.into();
        option.check(&value).map_err(|problem| wrong(option.name(), &problem))?;
        self.values.insert(option.name(), value);
        Ok(self)
    }

    /// Returns the layout.
    #[must_use]
    pub fn layout(&self) -> Option<Layout> {
        self.layout
    }

    /// Returns the limits on keys and values.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Returns the names of the options of engines that were given.
    pub fn given(&self) -> impl Iterator<Item = &'static str> {
        self.values.keys().copied()
    }

    /// Returns true if the option was given.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Returns the path that an option was given.
    #[must_use]
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.values.get(name).map(PathBuf::from)
    }

    /// Returns the number of bytes that an option was given.
    ///
    /// # Errors
    ///
    /// [`SourceError::Option`] if it is none.
    pub fn size(&self, name: &'static str) -> Result<Option<usize>, SourceError> {
        self.parsed(name, parse_size)
    }

    /// Returns the time that an option was given.
    ///
    /// # Errors
    ///
    /// [`SourceError::Option`] if it is none.
    pub fn time(&self, name: &'static str) -> Result<Option<Duration>, SourceError> {
        self.parsed(name, parse_time)
    }

    /// Returns the number that an option was given.
    ///
    /// # Errors
    ///
    /// [`SourceError::Option`] if it is none.
    pub fn number(&self, name: &'static str) -> Result<Option<NonZeroU32>, SourceError> {
        self.parsed(name, parse_number)
    }

    /// Returns what `parse` makes of the text that an option was given.
    ///
    /// # Errors
    ///
    /// [`SourceError::Option`] with the text that `parse` returns.
    pub fn parsed<T>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, SourceError> {
        let Some(value) = self.values.get(name) else { return Ok(None) };
        let text = utf8(value).map_err(|problem| wrong(name, &problem))?;
        parse(text).map(Some).map_err(|problem| wrong(name, &problem))
    }
}

pub(crate) fn utf8(value: &OsStr) -> Result<&str, String> {
    value.to_str().ok_or_else(|| format!("{value:?} is not UTF-8"))
}

fn wrong(name: &str, problem: &str) -> SourceError {
    SourceError::option(format!("--{name}: {problem}"))
}
