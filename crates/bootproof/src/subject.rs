//! REPO and NAMESPACE as they are written on the command line.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

#[cfg(feature = "scylla")]
use backup_scylla::CqlAddress;

const ROCKSDB: &str = "rocksdb:";
/// Schemes of tables of ScyllaDB or Apache Cassandra.
const CQL: [&str; 2] = ["scylla:", "cql:"];
/// Schemes of namespaces that other programs know and this one does not read.
const FOREIGN: [&str; 2] = ["memory:", "rocksdb-backup:"];

/// What is to be proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A dump in a repository: a directory or a URL.
    Repository(String),
    /// A RocksDB directory.
    RocksDb(PathBuf),
    /// A table of ScyllaDB or Apache Cassandra.
    #[cfg(feature = "scylla")]
    Cql(CqlAddress),
}

impl FromStr for Subject {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix(ROCKSDB) {
            Some("") => Err("no directory after the colon; expected rocksdb:DIR/NAMESPACE".to_owned()),
            Some(path) => Ok(Self::RocksDb(path.into())),
            None if CQL.iter().any(|scheme| text.starts_with(scheme)) => table(text),
            None => repository(text).map(Self::Repository),
        }
    }
}

#[cfg(feature = "scylla")]
fn table(text: &str) -> Result<Subject, String> {
    text.parse().map(Subject::Cql).map_err(|error: backup_scylla::CqlError| error.to_string())
}

#[cfg(not(feature = "scylla"))]
fn table(_text: &str) -> Result<Subject, String> {
    Err("this program was built without the feature `scylla`, which reads such namespaces".to_owned())
}

impl fmt::Display for Subject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repository(location) => out.write_str(location),
            Self::RocksDb(path) => write!(out, "rocksdb:{}", path.display()),
            #[cfg(feature = "scylla")]
            Self::Cql(address) => address.fmt(out),
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
    let mut schemes = [ROCKSDB].iter().chain(&CQL).chain(&FOREIGN);
    if schemes.any(|scheme| text.starts_with(scheme)) {
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
        assert_eq!("rocksdb:/db/ns".parse(), Ok(Subject::RocksDb("/db/ns".into())));
        assert_eq!("/backup".parse(), Ok(Subject::Repository("/backup".to_owned())));
        assert_eq!("s3://b/p".parse(), Ok(Subject::Repository("s3://b/p".to_owned())));
        for bad in ["", "rocksdb:", "memory:", "scylla:x/y", "cql://host/kv", "rocksdb-backup:/b"] {
            assert!(bad.parse::<Subject>().is_err(), "{bad}");
        }
        for namespace in ["rocksdb:/db/ns", "scylla://host/kv/ns", "cql://host/kv/ns"] {
            assert!(repository(namespace).is_err(), "{namespace}");
        }
    }

    #[cfg(feature = "scylla")]
    #[test]
    fn a_table_has_an_address_without_a_password() {
        let subject: Subject = "cql://linera@host/kv/ns".parse().unwrap();
        assert!(matches!(&subject, Subject::Cql(address) if address.table() == "ns"));
        assert_eq!(subject.to_string(), "scylla://linera@host:9042/kv/ns");
        let refused = "scylla://linera:secret@host/kv/ns".parse::<Subject>().unwrap_err();
        assert!(!refused.contains("secret"), "{refused}");
    }

    #[cfg(not(feature = "scylla"))]
    #[test]
    fn a_table_is_refused_where_the_engine_is_not_built() {
        let refused = "scylla://host/kv/ns".parse::<Subject>().unwrap_err();
        assert!(refused.contains("without the feature `scylla`"), "{refused}");
    }
}
