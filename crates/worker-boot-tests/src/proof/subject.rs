//! REPO and NAMESPACE as they are written on the command line.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Schemes of namespaces that other programs know and this one does not read.
const FOREIGN: [&str; 3] = ["memory:", "rocksdb-backup:", "scylla:"];

/// What is to be proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A dump in a repository: a directory or a URL.
    Repository(String),
    /// A RocksDB directory.
    Namespace(PathBuf),
}

impl FromStr for Subject {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("rocksdb:") {
            return match path {
                "" => Err("no directory after the colon; expected rocksdb:DIR/NAMESPACE".to_owned()),
                _ => Ok(Self::Namespace(path.into())),
            };
        }
        repository(text).map(Self::Repository)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repository(location) => out.write_str(location),
            Self::Namespace(path) => write!(out, "rocksdb:{}", path.display()),
        }
    }
}

/// Reads where a repository lies.
///
/// # Errors
///
/// A text that says what is wrong: it is empty, or names a namespace.
pub fn repository(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("expected a directory or a URL".to_owned());
    }
    if text.starts_with("rocksdb:") || FOREIGN.iter().any(|scheme| text.starts_with(scheme)) {
        return Err(format!(
            "a namespace of this kind cannot be used here; a directory of that name is written ./{text}"
        ));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_and_repositories_are_told_apart() {
        assert_eq!("rocksdb:/db/ns".parse(), Ok(Subject::Namespace("/db/ns".into())));
        assert_eq!("/backup".parse(), Ok(Subject::Repository("/backup".to_owned())));
        assert_eq!("s3://b/p".parse(), Ok(Subject::Repository("s3://b/p".to_owned())));
        for bad in ["", "rocksdb:", "memory:", "scylla:x/y", "rocksdb-backup:/b"] {
            assert!(bad.parse::<Subject>().is_err(), "{bad}");
        }
        assert!(repository("rocksdb:/db/ns").is_err());
    }
}
