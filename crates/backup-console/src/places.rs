//! The places that one command works with: none of them may lie in another one.

use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};
use backup_sources::{Opening, Source, Target};

use crate::location::RepositoryLocation;
use crate::problem::Problem;

/// Places of a command, each without links.
#[derive(Default)]
pub struct Places {
    places: Vec<Place>,
    scratch: Option<PathBuf>,
}

/// A place of a command.
struct Place {
    what: &'static str,
    given: PathBuf,
    resolved: PathBuf,
}

impl Places {
    /// Adds the directories of a namespace that is read.
    ///
    /// # Errors
    ///
    /// When it cannot be looked for.
    pub fn with_source(self, source: &Source, opening: &Opening) -> Result<Self> {
        self.with_all("the source", source.directories(opening))
    }

    /// Adds the directories of a namespace that is restored into.
    ///
    /// # Errors
    ///
    /// When it cannot be looked for.
    pub fn with_target(self, target: &Target) -> Result<Self> {
        self.with_all("the target", target.directories())
    }

    /// Adds a repository; one that is no directory lies in nothing.
    ///
    /// # Errors
    ///
    /// When it cannot be looked for.
    pub fn with_repository(self, location: &RepositoryLocation) -> Result<Self> {
        self.with_all("the repository", location.directory())
    }

    /// Adds another repository.
    ///
    /// # Errors
    ///
    /// When it cannot be looked for.
    pub fn with_second_repository(self, location: &RepositoryLocation) -> Result<Self> {
        self.with_all("the second repository", location.directory())
    }

    /// Adds a file or directory.
    ///
    /// # Errors
    ///
    /// When it cannot be looked for.
    pub fn with(mut self, what: &'static str, path: &Path) -> Result<Self> {
        let resolved = resolve(path).with_context(|| format!("looking for {}", path.display()))?;
        self.places.push(Place { what, given: path.to_owned(), resolved });
        Ok(self)
    }

    fn with_all(self, what: &'static str, paths: impl IntoIterator<Item = PathBuf>) -> Result<Self> {
        paths.into_iter().try_fold(self, |places, path| places.with(what, &path))
    }

    /// Names a directory for scratch files, beside that of the system.
    #[must_use]
    pub fn with_scratch(self, path: Option<PathBuf>) -> Self {
        Self { scratch: path, ..self }
    }

    /// Checks that no place lies in another one, and that scratch files go to none of them.
    ///
    /// # Errors
    ///
    /// [`Problem::Refused`], which names both.
    pub fn check(&self) -> Result<()> {
        for (index, place) in self.places.iter().enumerate() {
            for other in self.places.iter().skip(index + 1).filter(|other| other.what != place.what) {
                let (inner, outer) = match (place.is_in(&other.resolved), other.is_in(&place.resolved)) {
                    (true, _) => (place, other),
                    (_, true) => (other, place),
                    _ => continue,
                };
                return refuse(inner.what, &inner.given, outer, "choose places that are apart");
            }
        }
        let given = self.scratch.iter().map(|path| (path.clone(), "choose another one"));
        let system = (std::env::temp_dir(), "name another directory for them by TMPDIR");
        given.chain([system]).try_for_each(|(scratch, advice)| self.check_scratch(scratch, advice))
    }

    fn check_scratch(&self, given: PathBuf, advice: &str) -> Result<()> {
        let scratch = Place { what: "", resolved: resolve(&given).unwrap_or(given.clone()), given };
        match self.places.iter().find(|place| scratch.is_in(&place.resolved)) {
            Some(place) => refuse("the directory for scratch files,", &scratch.given, place, advice),
            None => Ok(()),
        }
    }
}

impl Place {
    /// Returns true if this is `outer`, or lies in it at any depth.
    fn is_in(&self, outer: &Path) -> bool {
        let outer_found = outer.metadata().ok();
        self.resolved.ancestors().any(|above| above == outer || is_same(above, outer_found.as_ref()))
    }
}

/// Returns true if a path leads to that file or directory: a directory that is mounted twice has two paths.
fn is_same(path: &Path, other: Option<&Metadata>) -> bool {
    let id = |found: &Metadata| (found.dev(), found.ino());
    other.is_some_and(|other| path.metadata().is_ok_and(|found| id(&found) == id(other)))
}

fn refuse(what: &str, path: &Path, outer: &Place, advice: &str) -> Result<()> {
    let (path, outer_path) = (path.display(), outer.given.display());
    let text = format!("{what} {path} is, or lies in, {} {outer_path}; {advice}", outer.what);
    Err(Problem::Refused(text).into())
}

/// Returns a path without links, also of what is not there yet.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    let mut resolved = PathBuf::new();
    for part in std::path::absolute(path)?.components() {
        resolved = match part {
            Component::ParentDir => resolved.parent().unwrap_or(&resolved).to_owned(),
            part => resolved.join(part),
        };
        match resolved.canonicalize() {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            found => resolved = found?,
        }
    }
    Ok(resolved)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn check(places: &[(&'static str, PathBuf)]) -> Result<()> {
        let places =
            places.iter().try_fold(Places::default(), |places, (what, path)| places.with(what, path))?;
        places.check()
    }

    #[test]
    fn places_in_each_other_are_refused_in_both_directions_and_through_links() {
        let base = tempfile::tempdir().unwrap();
        let path = |name: &str| base.path().join(name);
        for directory in ["db/inner", "repo", "other"] {
            fs::create_dir_all(path(directory)).unwrap();
        }
        symlink(path("db"), path("link")).unwrap();
        let bad = [
            ("db", "db"),
            ("db", "db/inner"),
            ("db", "db/missing/deep"),
            ("db", "link"),
            ("db", "link/missing"),
            ("db/inner", "link"),
            ("db", "repo/../db/x"),
            ("db", "missing/../db/x"),
        ];
        for (one, two) in bad {
            for (one, two) in [(one, two), (two, one)] {
                let error = check(&[("one", path(one)), ("two", path(two))]).unwrap_err();
                let Some(Problem::Refused(text)) = error.downcast_ref() else { panic!("{error}") };
                assert!(text.contains("one") && text.contains("two"), "{text}");
            }
        }
        for (one, two) in [("db", "repo"), ("db", "db2"), ("db/inner", "db/x"), ("missing/a", "missing/b")] {
            check(&[("one", path(one)), ("two", path(two))]).unwrap();
        }
        check(&[("one", path("db")), ("one", path("db/inner"))]).unwrap();
    }

    #[test]
    fn scratch_files_go_to_none_of_the_places() {
        let scratch = std::env::temp_dir();
        let error = check(&[("one", scratch.parent().unwrap_or(&scratch).to_owned())]).unwrap_err();
        assert!(error.to_string().contains("TMPDIR"), "{error}");
    }

    #[test]
    fn a_directory_for_scratch_files_may_hold_places_and_lies_in_none() {
        let base = tempfile::tempdir().unwrap();
        let places = |scratch: &str| {
            let places = Places::default().with("the source", &base.path().join("db")).unwrap();
            places.with_scratch(Some(base.path().join(scratch))).check()
        };
        for good in ["", "apart"] {
            places(good).unwrap();
        }
        for bad in ["db", "db/scratch"] {
            let error = places(bad).unwrap_err();
            let Some(Problem::Refused(text)) = error.downcast_ref() else { panic!("{error}") };
            assert!(text.contains("lies in, the source"), "{text}");
        }
    }
}
