//! Options that an engine knows, beside the layout and the limits that all engines know.

use std::ffi::OsStr;
use std::num::NonZeroU32;

use crate::opening::utf8;
use crate::units::{parse_size, parse_time};

/// What a namespace is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// To be read.
    Source,
    /// To be restored into.
    Target,
    /// To be backed up by the engine's own means.
    Native,
}

/// What the value of an option is.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Kind {
    /// Nothing: the option is given, or not.
    Flag,
    /// A file or directory.
    Path,
    /// A number of bytes, as [`parse_size`] takes it.
    Size,
    /// A time, as [`parse_time`] takes it.
    Time,
    /// A number from 1 on.
    Number,
    /// A text that the function accepts.
    Text(fn(&str) -> Result<(), String>),
}

/// An option of an engine: `--NAME VALUE` on a command line.
#[derive(Clone, Copy, Debug)]
pub struct EngineOption {
    name: &'static str,
    kind: Kind,
    value_name: &'static str,
    help: &'static str,
    roles: &'static [Role],
}

impl EngineOption {
    /// Describes an option. The name has no dashes before it; the help is one sentence without a full stop.
    #[must_use]
    pub const fn new(name: &'static str, kind: Kind, help: &'static str, roles: &'static [Role]) -> Self {
        let value_name = match kind {
            Kind::Flag => "",
            Kind::Path => "FILE",
            Kind::Size => "SIZE",
            Kind::Time => "TIME",
            Kind::Number => "N",
            Kind::Text(_) => "TEXT",
        };
        Self { name, kind, value_name, help, roles }
    }

    /// Sets what the help calls the value.
    #[must_use]
    pub const fn with_value_name(mut self, name: &'static str) -> Self {
        self.value_name = name;
        self
    }

    /// Returns the name, without dashes.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the kind of the value.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns what the help calls the value.
    #[must_use]
    pub fn value_name(&self) -> &'static str {
        self.value_name
    }

    /// Returns what the help says of the option.
    #[must_use]
    pub fn help(&self) -> &'static str {
        self.help
    }

    /// Returns true if the option is for namespaces that are opened for this.
    #[must_use]
    pub fn is_for(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Checks a value.
    ///
    /// # Errors
    ///
    /// A text that says what was expected.
    pub fn check(&self, value: &OsStr) -> Result<(), String> {
        let text = || utf8(value);
        match self.kind {
            Kind::Flag => Ok(()),
            Kind::Path if value.is_empty() => Err("expected a path".to_owned()),
            Kind::Path => Ok(()),
            Kind::Size => parse_size(text()?).map(drop),
            Kind::Time => parse_time(text()?).map(drop),
            Kind::Number => parse_number(text()?).map(drop),
            Kind::Text(check) => check(text()?),
        }
    }
}

pub(crate) fn parse_number(text: &str) -> Result<NonZeroU32, String> {
    text.parse().map_err(|_| format!("{text:?} is no whole number from 1 to {}", u32::MAX))
}
