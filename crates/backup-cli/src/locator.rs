//! SOURCE, TARGET and REPO as they are written on the command line.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use backup_layout::Layout;
#[cfg(feature = "scylla")]
use backup_scylla::CqlAddress;

/// The schemes of namespaces that this program was built with, and those it could be.
const SCHEMES: [(&str, bool); 5] = [
    ("memory", true),
    ("rocksdb", cfg!(feature = "rocksdb")),
    ("rocksdb-backup", cfg!(feature = "rocksdb")),
    ("scylla", cfg!(feature = "scylla")),
    ("cql", cfg!(feature = "scylla")),
];

/// A namespace that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// `rocksdb:DIR/NAMESPACE`.
    RocksDb(RocksDbPath),
    /// `rocksdb-backup:DIR[#ID]`.
    RocksDbBackup(RocksDbPath, Option<u32>),
    /// `scylla://[USER@]HOST[:PORT][,HOST[:PORT]..]/KEYSPACE/TABLE`.
    #[cfg(feature = "scylla")]
    Cql(CqlPlace),
}

/// A namespace that is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// `rocksdb:DIR/NAMESPACE`.
    RocksDb(RocksDbPath),
    /// `scylla://[USER@]HOST[:PORT][,HOST[:PORT]..]/KEYSPACE/TABLE`.
    #[cfg(feature = "scylla")]
    Cql(CqlPlace),
    /// `memory:`, gone when the program ends.
    Memory,
}

/// A directory of RocksDB, and the layout if it was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RocksDbPath {
    /// The directory.
    pub(crate) path: PathBuf,
    /// `None` means that it is told from the rows, or taken from the dump.
    pub(crate) layout: Option<Layout>,
}

/// A table of ScyllaDB or Cassandra, and the layout if it was named.
#[cfg(feature = "scylla")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CqlPlace {
    /// Servers and table.
    pub(crate) address: CqlAddress,
    /// `None` means that it is told from the rows, or taken from the dump.
    pub(crate) layout: Option<Layout>,
}

/// Where a repository lies: a directory, or a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RepositoryLocation(String);

/// A repository or a namespace, whichever it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// REPO.
    Repository(RepositoryLocation),
    /// SOURCE.
    Source(Source),
}

impl Source {
    /// Tells whether it is a table of ScyllaDB or Cassandra.
    pub(crate) fn is_cql(&self) -> bool {
        #[cfg(feature = "scylla")]
        return matches!(self, Self::Cql(_));
        #[cfg(not(feature = "scylla"))]
        false
    }

    /// Returns the layout that stands in the text.
    pub(crate) fn layout(&self) -> Option<Layout> {
        match self {
            Self::RocksDb(path) | Self::RocksDbBackup(path, _) => path.layout,
            #[cfg(feature = "scylla")]
            Self::Cql(place) => place.layout,
        }
    }
}

impl Target {
    /// Tells whether it is a table of ScyllaDB or Cassandra.
    pub(crate) fn is_cql(&self) -> bool {
        #[cfg(feature = "scylla")]
        return matches!(self, Self::Cql(_));
        #[cfg(not(feature = "scylla"))]
        false
    }

    /// Returns the layout that stands in the text.
    pub(crate) fn layout(&self) -> Option<Layout> {
        match self {
            Self::RocksDb(path) => path.layout,
            #[cfg(feature = "scylla")]
            Self::Cql(place) => place.layout,
            Self::Memory => None,
        }
    }
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match scheme(text)? {
            ("rocksdb", rest) => RocksDbPath::parse(rest).map(Self::RocksDb),
            ("rocksdb-backup", rest) => {
                let (place, layout) = split_layout(rest)?;
                let (path, id) = match place.rsplit_once('#') {
                    Some((path, id)) => {
                        let id = id.parse().map_err(|_| format!("{id:?} is no number of a native backup"))?;
                        (path, Some(id))
                    }
                    None => (place, None),
                };
                Ok(Self::RocksDbBackup(RocksDbPath::new(path, layout)?, id))
            }
            #[cfg(feature = "scylla")]
            ("scylla" | "cql", _) => text.parse().map(Self::Cql),
            _ => Err("memory: can only be restored into; a program's memory cannot be read from outside"
                .to_owned()),
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match scheme(text)? {
            ("rocksdb", rest) => RocksDbPath::parse(rest).map(Self::RocksDb),
            #[cfg(feature = "scylla")]
            ("scylla" | "cql", _) => text.parse().map(Self::Cql),
            ("memory", "") => Ok(Self::Memory),
            ("memory", rest) => Err(format!("memory: takes nothing after it, found {rest:?}")),
            _ => Err("a native backup can only be read; restore to rocksdb:DIR/NAMESPACE".to_owned()),
        }
    }
}

impl RocksDbPath {
    fn parse(text: &str) -> Result<Self, String> {
        let (path, layout) = split_layout(text)?;
        Self::new(path, layout)
    }

    fn new(path: &str, layout: Option<Layout>) -> Result<Self, String> {
        if path.is_empty() {
            return Err(
                "no directory after the colon; expected something like rocksdb:DIR/NAMESPACE".to_owned()
            );
        }
        Ok(Self { path: PathBuf::from(path), layout })
    }
}

#[cfg(feature = "scylla")]
impl FromStr for CqlPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, layout) = split_layout(text)?;
        let expected = "expected scylla://[USER@]HOST[:PORT][,HOST[:PORT]..]/KEYSPACE/TABLE";
        let address = address.parse().map_err(|error| format!("{error}; {expected}"))?;
        Ok(Self { address, layout })
    }
}

/// Hides what stands between a user's name and the host of a URL: it may be a password.
pub(crate) fn without_password(text: &str) -> String {
    let hidden = text.split_once("://").and_then(|(scheme, rest)| {
        let (login, place) = rest.rsplit_once('@')?;
        let (user, _) = login.split_once(':')?;
        Some(format!("{scheme}://{user}:***@{place}"))
    });
    hidden.unwrap_or_else(|| text.to_owned())
}

impl FromStr for RepositoryLocation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("expected a directory or a URL".to_owned());
        }
        if names_namespace(text) {
            return Err(format!(
                "this names a namespace, where a repository is expected: a directory or a URL \
                 (a directory of that name is written ./{})",
                without_password(text)
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if names_namespace(text) {
            text.parse().map(Self::Source)
        } else {
            text.parse().map(Self::Repository)
        }
    }
}

impl RepositoryLocation {
    /// Returns the text as it was given.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the directory, `None` for a URL.
    pub(crate) fn directory(&self) -> Option<&Path> {
        match self.0.split_once("://") {
            None => Some(Path::new(&self.0)),
            Some(("file", path)) => Some(Path::new(path)),
            Some(_) => None,
        }
    }
}

impl fmt::Display for RepositoryLocation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Display for RocksDbPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "rocksdb:{}", self.path.display())
    }
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RocksDb(path) => path.fmt(out),
            Self::RocksDbBackup(path, None) => write!(out, "rocksdb-backup:{}", path.path.display()),
            Self::RocksDbBackup(path, Some(id)) => write!(out, "rocksdb-backup:{}#{id}", path.path.display()),
            #[cfg(feature = "scylla")]
            Self::Cql(place) => place.address.fmt(out),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RocksDb(path) => path.fmt(out),
            #[cfg(feature = "scylla")]
            Self::Cql(place) => place.address.fmt(out),
            Self::Memory => out.write_str("memory:"),
        }
    }
}

/// Reads a layout; `auto` means that none is named.
pub(crate) fn parse_layout(text: &str) -> Result<LayoutChoice, String> {
    match text {
        "auto" => Ok(LayoutChoice(None)),
        _ => {
            text.parse().map(|layout| LayoutChoice(Some(layout))).map_err(|error| format!("{error}, or auto"))
        }
    }
}

/// A layout, or `auto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LayoutChoice(pub(crate) Option<Layout>);

/// Splits `?layout=NAME` off.
fn split_layout(text: &str) -> Result<(&str, Option<Layout>), String> {
    match text.rsplit_once('?') {
        None => Ok((text, None)),
        Some((path, option)) => match option.split_once('=') {
            Some(("layout", name)) => Ok((path, parse_layout(name)?.0)),
            _ => Err(format!("unknown option {option:?} after the question mark; expected layout=NAME")),
        },
    }
}

/// Splits the scheme off, if it is one that this program was built with.
fn scheme(text: &str) -> Result<(&str, &str), String> {
    let names = |wanted: bool| {
        SCHEMES
            .iter()
            .filter(|(_, built)| *built == wanted)
            .map(|(name, _)| format!("{name}:"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let Some((scheme, rest)) = text.split_once(':') else {
        return Err(format!(
            "expected SCHEME:PLACE like rocksdb:DIR/NAMESPACE; built into this program: {}",
            names(true)
        ));
    };
    match SCHEMES.iter().find(|(name, _)| *name == scheme) {
        Some((_, true)) => Ok((scheme, rest)),
        Some((_, false)) => {
            Err(format!("engine {scheme}: is not built into this program; built in: {}", names(true)))
        }
        None => Err(format!("unknown engine {scheme:?}; built into this program: {}", names(true))),
    }
}

fn names_namespace(text: &str) -> bool {
    SCHEMES.iter().any(|(name, _)| text.strip_prefix(name).is_some_and(|rest| rest.starts_with(':')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "rocksdb")]
    #[test]
    fn a_rocksdb_source_is_a_directory_and_perhaps_a_layout() {
        let parse = |text: &str| text.parse::<Source>();
        let path = |path: &str, layout| RocksDbPath { path: path.into(), layout };
        assert_eq!(parse("rocksdb:/db/ns"), Ok(Source::RocksDb(path("/db/ns", None))));
        assert_eq!(
            parse("rocksdb:db/ns?layout=linera-0.16"),
            Ok(Source::RocksDb(path("db/ns", Some(Layout::Linera016))))
        );
        assert_eq!(parse("rocksdb:db/ns?layout=auto"), Ok(Source::RocksDb(path("db/ns", None))));
        assert_eq!(parse("rocksdb-backup:/b"), Ok(Source::RocksDbBackup(path("/b", None), None)));
        assert_eq!(
            parse("rocksdb-backup:/b#7?layout=plain"),
            Ok(Source::RocksDbBackup(path("/b", Some(Layout::Plain)), Some(7)))
        );
        for bad in
            ["rocksdb:", "rocksdb:x?layout=linera", "rocksdb:x?color=red", "rocksdb-backup:/b#x", "memory:"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn unknown_engines_are_refused_with_a_list_of_what_is_built_in() {
        for bad in ["mysql:x", "scyllad:x", "/var/lib/db"] {
            let error = bad.parse::<Source>().unwrap_err();
            assert!(error.contains("memory:"), "{error}");
        }
        assert_eq!("memory:".parse(), Ok(Target::Memory));
        assert!("memory:x".parse::<Target>().is_err());
    }

    #[cfg(feature = "scylla")]
    #[test]
    fn a_table_of_scylladb_has_an_address_and_perhaps_a_layout() {
        let parse = |text: &str| text.parse::<Source>();
        let place = |address: &str, layout| CqlPlace { address: address.parse().unwrap(), layout };
        let plain = "cql://db1,db2:9142/kv/validator_0";
        assert_eq!(parse(plain), Ok(Source::Cql(place(plain, None))));
        assert_eq!(
            "scylla://linera@db/kv/t?layout=linera-0.16".parse(),
            Ok(Target::Cql(place("scylla://linera@db/kv/t", Some(Layout::Linera016))))
        );
        assert_eq!(parse(plain).unwrap().to_string(), "scylla://db1:9042,db2:9142/kv/validator_0");
        for bad in ["scylla:x", "cql://db", "cql://db/kv", "cql://db/kv/t?layout=linera", "cql://db/kv/t?x=y"]
        {
            assert!(parse(bad).is_err() && bad.parse::<Target>().is_err(), "{bad}");
        }
        assert!(plain.parse::<RepositoryLocation>().is_err());
    }

    #[test]
    fn passwords_are_hidden_in_whatever_text_they_stand() {
        for (text, shown) in [
            ("scylla://linera:secret@db/kv/t", "scylla://linera:***@db/kv/t"),
            ("cql://linera:p@ss:w@db:9042/kv/t", "cql://linera:***@db:9042/kv/t"),
            ("scylla://linera@db:9042/kv/t", "scylla://linera@db:9042/kv/t"),
            ("rocksdb:/db/a:b@c", "rocksdb:/db/a:b@c"),
        ] {
            assert_eq!(without_password(text), shown);
        }
    }

    #[cfg(not(feature = "scylla"))]
    #[test]
    fn a_table_is_called_left_out_where_its_engine_is() {
        let error = "cql://db/kv/t".parse::<Source>().unwrap_err();
        assert!(error.contains("engine cql: is not built into this program"), "{error}");
    }

    #[cfg(not(feature = "rocksdb"))]
    #[test]
    fn an_engine_that_is_left_out_is_called_so() {
        let error = "rocksdb:/db/ns".parse::<Source>().unwrap_err();
        assert!(error.contains("not built into this program; built in: memory:"), "{error}");
    }

    #[test]
    fn a_namespace_is_not_taken_for_a_repository() {
        assert!("rocksdb:/db/ns".parse::<RepositoryLocation>().is_err());
        assert!("".parse::<RepositoryLocation>().is_err());
        let location: RepositoryLocation = "./rocksdb:x".parse().unwrap();
        assert_eq!(location.directory(), Some(Path::new("./rocksdb:x")));
        let url: RepositoryLocation = "s3://bucket/prefix".parse().unwrap();
        assert_eq!(url.directory(), None);
    }
}
