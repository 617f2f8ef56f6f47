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
pub(crate) struct Places(Vec<Place>);

struct Place {
    what: &'static str,
    given: PathBuf,
    resolved: PathBuf,
}

impl Places {
    /// Adds the directories of a namespace that is read.
    pub(crate) fn with_source(self, source: &Source, opening: &Opening) -> Result<Self> {
        self.with_all("the source", source.directories(opening))
    }

    /// Adds the directories of a namespace that is restored into.
    pub(crate) fn with_target(self, target: &Target) -> Result<Self> {
        self.with_all("the target", target.directories())
    }

    /// Adds a repository; one that is no directory lies in nothing.
    pub(crate) fn with_repository(self, location: &RepositoryLocation) -> Result<Self> {
        self.with_all("the repository", location.directory())
    }

    /// Adds another repository.
    pub(crate) fn with_second_repository(self, location: &RepositoryLocation) -> Result<Self> {
        self.with_all("the second repository", location.directory())
    }

    /// Adds a file or directory.
    pub(crate) fn with(mut self, what: &'static str, path: &Path) -> Result<Self> {
        let resolved = resolve(path).with_context(|| format!("looking for {}", path.display()))?;
        self.0.push(Place { what, given: path.to_owned(), resolved });
        Ok(self)
    }

    fn with_all(self, what: &'static str, paths: impl IntoIterator<Item = PathBuf>) -> Result<Self> {
        paths.into_iter().try_fold(self, |places, path| places.with(what, &path))
    }

    /// Checks that no place lies in another one, and that scratch files go to none of them.
    pub(crate) fn check(&self) -> Result<()> {
        for (index, place) in self.0.iter().enumerate() {
            for other in self.0.iter().skip(index + 1).filter(|other| other.what != place.what) {
                let (inner, outer) = match (place.is_in(&other.resolved), other.is_in(&place.resolved)) {
                    (true, _) => (place, other),
                    (_, true) => (other, place),
                    _ => continue,
                };
                return refuse(inner.what, &inner.given, outer, "choose places that are apart");
            }
        }
        let scratch = std::env::temp_dir();
        let scratch =
            Place { what: "", resolved: resolve(&scratch).unwrap_or(scratch.clone()), given: scratch };
        match self.0.iter().find(|place| scratch.is_in(&place.resolved)) {
            Some(place) => {
                let advice = "name another directory for them by TMPDIR";
                refuse("the directory for scratch files,", &scratch.given, place, advice)
            }
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
}
