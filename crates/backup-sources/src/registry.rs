//! The engines that a program knows.

use std::ffi::OsStr;
use std::fmt;

use backup_format::EngineError;

use crate::builtin;
use crate::engine::{Engine, Scheme};
use crate::error::SourceError;
use crate::locator::{Place, split_scheme};
use crate::namespace::{Located, Source, Target};
use crate::option::{EngineOption, Role};

/// A list of engines, found by their schemes.
#[derive(Clone)]
pub struct Engines {
    list: Vec<&'static dyn Engine>,
}

impl Engines {
    /// Returns the engines that this crate was built with.
    #[must_use]
    pub fn built_in() -> Self {
        Self { list: builtin::ENGINES.to_vec() }
    }

    /// Adds an engine. Where two engines have a scheme of the same name, the first one has it.
    #[must_use]
    pub fn with(mut self, engine: &'static dyn Engine) -> Self {
        self.list.push(engine);
        self
    }

    /// Returns the engines, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &'static dyn Engine> {
        self.list.iter().copied()
    }

    /// Returns all schemes.
    pub fn schemes(&self) -> impl Iterator<Item = &'static Scheme> {
        self.iter().flat_map(Engine::schemes)
    }

    /// Returns the options for this role, each with the title of its engine. A name comes once.
    #[must_use]
    pub fn options(&self, role: Role) -> Vec<(&'static str, &'static EngineOption)> {
        let mut options: Vec<(&'static str, &'static EngineOption)> = Vec::new();
        for engine in self.iter() {
            for option in engine.options().iter().filter(|option| option.is_for(role)) {
                if !options.iter().any(|(_, known)| known.name() == option.name()) {
                    options.push((engine.title(), option));
                }
            }
        }
        options
    }

    /// Parses the locator of a namespace that is to be read. Does no I/O.
    ///
    /// # Errors
    ///
    /// [`SourceError::Locator`].
    pub fn source(&self, locator: impl AsRef<OsStr>) -> Result<Source, SourceError> {
        let (located, scheme) = self.locate(locator.as_ref())?;
        match scheme.source() {
            Some(_) => Ok(Source(located, scheme)),
            None => Err(SourceError::locator(format!("{}: can only be restored into", located.scheme()))),
        }
    }

    /// Parses the locator of a namespace that is to be restored into. Does no I/O.
    ///
    /// # Errors
    ///
    /// [`SourceError::Locator`].
    pub fn target(&self, locator: impl AsRef<OsStr>) -> Result<Target, SourceError> {
        let (located, scheme) = self.locate(locator.as_ref())?;
        match scheme.target() {
            Some(_) => Ok(Target { located, kept: scheme.is_kept() }),
            None => Err(SourceError::locator(format!("{}: can only be read", located.scheme()))),
        }
    }

    /// Names the option, or the variable, that helps with an error of an engine.
    #[must_use]
    pub fn advice(&self, error: &EngineError) -> Option<&'static str> {
        self.iter().find_map(|engine| engine.advice(error))
    }

    /// Returns true if the text begins with a scheme of a namespace, whether its engine is built in or not.
    #[must_use]
    pub fn names_namespace(&self, text: impl AsRef<OsStr>) -> bool {
        split_scheme(text.as_ref())
            .is_some_and(|(name, _)| self.find(name).is_some() || builtin::OPTIONAL.contains(&name))
    }

    /// Returns true if the engine of this locator knows an option; false if no engine of the program has its scheme.
    #[must_use]
    pub fn knows_option(&self, locator: impl AsRef<OsStr>, option: &str) -> bool {
        let engine = split_scheme(locator.as_ref()).and_then(|(name, _)| self.find(name));
        engine.is_some_and(|(engine, ..)| engine.options().iter().any(|known| known.name() == option))
    }

    /// Returns the titles of the engines that know an option.
    pub(crate) fn titles_with(&self, option: &str) -> String {
        let knows =
            |engine: &&'static dyn Engine| engine.options().iter().any(|known| known.name() == option);
        self.iter().filter(knows).map(Engine::title).collect::<Vec<_>>().join(", ")
    }

    fn find(&self, name: &str) -> Option<(&'static dyn Engine, &'static Scheme, &'static str)> {
        self.iter().find_map(|engine| {
            engine.schemes().iter().find_map(|scheme| {
                let name = scheme.names().iter().find(|known| **known == name)?;
                Some((engine, scheme, *name))
            })
        })
    }

    fn locate(&self, text: &OsStr) -> Result<(Located, &'static Scheme), SourceError> {
        let Some((name, rest)) = split_scheme(text) else {
            let form = self.schemes().find_map(|scheme| scheme.source().map(|_| scheme.form()));
            let like = form.map(|form| format!(" like {form}")).unwrap_or_default();
            let problem = format!("expected SCHEME:PLACE{like}; built into this program: {}", self.names());
            return Err(SourceError::locator(problem));
        };
        let Some((engine, scheme, name)) = self.find(name) else {
            let problem = match builtin::OPTIONAL.contains(&name) {
                true => format!("engine {name}: is not built into this program; built in: {}", self.names()),
                false => format!("unknown engine {name:?}; built into this program: {}", self.names()),
            };
            return Err(SourceError::locator(problem));
        };
        let (place, layout) = Place::parse(name, rest)?;
        engine.check(&place)?;
        Ok((Located { engines: self.clone(), engine, place, layout }, scheme))
    }

    fn names(&self) -> String {
        let names = self.schemes().flat_map(|scheme| scheme.names());
        names.map(|name| format!("{name}:")).collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Debug for Engines {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.iter().map(Engine::title)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_engines_are_refused_with_a_list_of_what_is_built_in() {
        for bad in ["mysql:x", "scyllad:x", "/var/lib/db"] {
            let error = Engines::built_in().source(bad).unwrap_err();
            assert!(error.is_usage() && error.to_string().contains("memory:"), "{error}");
        }
    }

    #[test]
    fn memory_can_only_be_restored_into() {
        let engines = Engines::built_in();
        assert!(!engines.target("memory:").unwrap().is_kept());
        assert!(engines.target("memory:x").is_err());
        assert!(engines.source("memory:").unwrap_err().to_string().contains("can only be restored into"));
    }

    #[test]
    fn an_engine_that_is_left_out_is_called_so_and_its_scheme_names_no_directory() {
        let engines = Engines { list: Vec::new() };
        for name in builtin::OPTIONAL {
            let error = engines.source(format!("{name}:/x")).unwrap_err();
            assert!(error.to_string().contains("is not built into this program"), "{error}");
            assert!(engines.names_namespace(format!("{name}:/x")));
        }
        assert!(!engines.names_namespace("./rocksdb:x") && !engines.names_namespace("s3://bucket/x"));
    }

    #[test]
    fn every_scheme_and_option_has_one_owner() {
        let engines = Engines::built_in();
        let mut names: Vec<_> = engines.schemes().flat_map(|scheme| scheme.names()).collect();
        let number = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), number);
        for role in [Role::Source, Role::Target, Role::Native] {
            for (_, option) in engines.options(role) {
                let owners = engines
                    .iter()
                    .filter(|engine| engine.options().iter().any(|known| known.name() == option.name()));
                assert_eq!(owners.count(), 1, "{}", option.name());
            }
        }
    }
}
