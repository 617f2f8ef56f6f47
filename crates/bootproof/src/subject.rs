//! What is to be proven.

use std::fmt;

use anyhow::Result;
use backup_console::{Places, Problem, RepositoryLocation, Session};
use backup_sources::{Opening, Source};

use crate::args::Args;

/// What is to be proven.
pub enum Subject {
    /// A dump in a repository.
    Repository(RepositoryLocation),
    /// A namespace, and how it is opened.
    Namespace(Source, Opening),
}

impl Subject {
    /// Takes what a command line names, and checks what its parser cannot.
    ///
    /// # Errors
    ///
    /// [`Problem::Usage`] for options that do not go together, and [`Problem::Refused`] for places that lie in each other.
    pub fn new(args: &Args, session: &Session) -> Result<Self> {
        let subject = match session.engines.names_namespace(&args.place) {
            false => {
                args.open.refuse(&session.opening, "and this is a repository")?;
                Self::Repository(args.place.clone().into())
            }
            true => {
                let source = session.source(&args.place)?;
                let opening = args.open.opening(&session.opening, &args.read);
                source.check(&opening)?;
                Self::Namespace(source, opening)
            }
        };
        subject.check(args)?;
        Ok(subject)
    }

    fn check(&self, args: &Args) -> Result<()> {
        self.places(args)?.check()
    }

    /// Returns the places that are read and written, without that of the page.
    ///
    /// # Errors
    ///
    /// As [`Subject::new`].
    pub fn places(&self, args: &Args) -> Result<Places> {
        let places = Places::default().with_scratch(args.scratch.clone());
        let places = match self {
            Self::Repository(_) if args.against_dump.is_some() => {
                return Err(usage(
                    "--against-dump goes with a SOURCE; a dump is compared with its own manifest",
                ));
            }
            Self::Namespace(..) if args.attest.is_given() => {
                return Err(usage("--attest and --sign-key go with a REPO: a namespace is no dump of one"));
            }
            Self::Namespace(..) if args.dump.is_given() && args.against_dump.is_none() => {
                return Err(usage("--dump goes with a REPO, or with --against-dump REPO"));
            }
            Self::Repository(location) => places.with_repository(location)?,
            Self::Namespace(source, opening) => places.with_source(source, opening)?,
        };
        match &args.against_dump {
            Some(location) => places.with_second_repository(location),
            None => Ok(places),
        }
    }
}

fn usage(text: &str) -> anyhow::Error {
    Problem::Usage(text.to_owned()).into()
}

impl fmt::Display for Subject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repository(location) => location.fmt(out),
            Self::Namespace(source, _) => source.fmt(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use backup_console::Exit;

    use super::*;
    use crate::args::session;

    /// Returns the exit code of what is wrong with a command line, 0 if nothing is.
    fn code(words: &[&str]) -> u8 {
        let (args, session) = session(words).unwrap();
        Subject::new(&args, &session).map_or_else(|error| Exit::of(&error).code(), |_| 0)
    }

    #[test]
    fn namespaces_and_repositories_are_told_apart() {
        let subject = |word| {
            let (args, session) = session(&[word]).unwrap();
            Subject::new(&args, &session).unwrap()
        };
        for repository in ["/backup", "s3://bucket/prefix", "./rocksdb:x"] {
            assert!(matches!(subject(repository), Subject::Repository(_)), "{repository}");
        }
        for namespace in ["rocksdb:/db/ns", "rocksdb-backup:/engine#7", "rocksdb:/db/ns?layout=linera-0.15"] {
            assert!(matches!(subject(namespace), Subject::Namespace(..)), "{namespace}");
        }
        assert_eq!(subject("rocksdb:/db/ns").to_string(), "rocksdb:/db/ns");
    }

    #[test]
    fn options_that_do_not_go_together_are_refused() {
        for bad in [
            &["/backup", "--against-dump", "/other"][..],
            &["/backup", "--allow-missing-log"],
            &["/backup", "--layout", "linera-0.15"],
            &["rocksdb:/db/ns", "--dump", "latest"],
            &["rocksdb:/db/ns", "--attest"],
            &["rocksdb:/db/ns?layout=plain", "--layout", "linera-0.15"],
        ] {
            assert_eq!(code(bad), 2, "{bad:?}");
        }
        for good in [
            &["rocksdb:/db/ns", "--dump", "latest", "--against-dump", "/backup"][..],
            &["rocksdb:/db/ns", "--allow-missing-log", "--wal-dir", "/log"],
            &["/backup", "--dump", "3f2a"],
        ] {
            assert_eq!(code(good), 0, "{good:?}");
        }
    }

    #[test]
    fn places_that_lie_in_each_other_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("inner");
        let (outer, inner) = (directory.path().to_str().unwrap(), inner.to_str().unwrap());
        assert_eq!(code(&[&format!("rocksdb:{outer}"), "--against-dump", inner]), 4);
        assert_eq!(code(&[outer, "--scratch", inner]), 4);
        assert_eq!(code(&[inner, "--scratch", outer]), 0);
    }

    #[cfg(feature = "scylla")]
    #[test]
    fn options_of_one_engine_are_refused_with_another() {
        let table = "scylla://host/kv/ns";
        assert_eq!(code(&[table]), 0);
        assert_eq!(code(&[table, "--tls-ca", "f", "--consistency", "all"]), 0);
        assert_eq!(code(&[table, "--allow-missing-log"]), 2);
        assert_eq!(code(&["rocksdb:/db/ns", "--tls-ca", "f"]), 2);
    }
}
