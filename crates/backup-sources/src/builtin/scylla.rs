//! `scylla://[USER@]HOST[:PORT][,HOST[:PORT]..]/KEYSPACE/TABLE`, and the same with `cql://`.

use std::fs::File;
use std::io::Read;
use std::num::NonZeroUsize;
use std::path::Path;

use async_trait::async_trait;
use backup_format::{AmendTarget, DatabaseBackup, Manifest, RestoreTarget};
use backup_scylla::{ConsistencyLevel, CqlAddress, CqlNamespace, CqlOptions, Password};

use crate::engine::{Engine, Native, Scheme};
use crate::error::SourceError;
use crate::locator::Place;
use crate::opening::Opening;
use crate::option::{EngineOption, Kind, Role};

/// Holds the password where no file does.
const VARIABLE: &str = "KVBACKUP_CQL_PASSWORD";
/// More than any password: a larger file is the wrong one.
const PASSWORD_BYTES_MAX: u64 = 4 << 10;

const FORM: &str = "scylla://[USER@]HOST[:PORT][,HOST[:PORT]..]/KEYSPACE/TABLE";

const SCHEMES: &[Scheme] = &[Scheme::new(&["scylla", "cql"], FORM)
    .with_source("a table of ScyllaDB or Apache Cassandra; the same with cql://")
    .with_detected_layout()
    .with_target("a table that does not exist yet")];

const BOTH: &[Role] = &[Role::Source, Role::Target];
const PASSWORD_FILE: &str = "password-file";
const TLS_CA: &str = "tls-ca";
const CONSISTENCY: &str = "consistency";
const REQUEST_TIMEOUT: &str = "request-timeout";
const PATIENCE: &str = "patience";
const PAGE_BYTES: &str = "page-bytes";
const SLICE_BYTES: &str = "slice-bytes";
const SLICES: &str = "slices";
const WRITE_CONCURRENCY: &str = "write-concurrency";
const REPLICATION: &str = "replication";

const OPTIONS: &[EngineOption] = &[
    EngineOption::new(
        PASSWORD_FILE,
        Kind::Path,
        "File with the password of the address's USER, instead of the variable KVBACKUP_CQL_PASSWORD",
        BOTH,
    ),
    EngineOption::new(
        TLS_CA,
        Kind::Path,
        "Connect by TLS, to servers that the certificates in this file (PEM) vouch for",
        BOTH,
    ),
    EngineOption::new(
        CONSISTENCY,
        Kind::Text(|text| level(text).map(drop)),
        "How many replicas must answer: one, local_one, quorum, local_quorum or all [default: local_quorum]",
        BOTH,
    )
    .with_value_name("LEVEL"),
    EngineOption::new(
        REQUEST_TIMEOUT,
        Kind::Time,
        "How long a server may take for one answer, like 500ms, 30s or 2m [default: 30s]",
        BOTH,
    ),
    EngineOption::new(
        PATIENCE,
        Kind::Time,
        "How long a request is repeated after transient errors [default: 60s]",
        BOTH,
    ),
    EngineOption::new(
        PAGE_BYTES,
        Kind::Size,
        "Bytes that a page of rows is to have [default: 768KiB]",
        &[Role::Source],
    ),
    EngineOption::new(
        SLICE_BYTES,
        Kind::Size,
        "Bytes of the span of tokens that is read at a time [default: 2MiB]",
        &[Role::Source],
    ),
    EngineOption::new(
        SLICES,
        Kind::Number,
        "Such spans that are read at the same time, in each of --ranges [default: 3]",
        &[Role::Source],
    ),
    EngineOption::new(
        WRITE_CONCURRENCY,
        Kind::Number,
        "Writes that wait for their answers at the same time; fewer when servers are overloaded [default: 128]",
        &[Role::Target],
    ),
    EngineOption::new(
        REPLICATION,
        Kind::Number,
        "Replicas of each row, when the restore creates the keyspace [default: 3, or as many as there are nodes]",
        &[Role::Target],
    ),
];

pub(crate) struct Scylla;

#[async_trait]
impl Engine for Scylla {
    fn title(&self) -> &'static str {
        "ScyllaDB and Cassandra"
    }

    fn schemes(&self) -> &'static [Scheme] {
        SCHEMES
    }

    fn options(&self) -> &'static [EngineOption] {
        OPTIONS
    }

    fn check(&self, place: &Place) -> Result<(), SourceError> {
        address(place).map(drop)
    }

    async fn open_source(
        &self,
        place: &Place,
        opening: &Opening,
    ) -> Result<Box<dyn DatabaseBackup>, SourceError> {
        Ok(Box::new(open(place, opening)?))
    }

    async fn open_target(
        &self,
        place: &Place,
        _: &Manifest,
        opening: &Opening,
    ) -> Result<Box<dyn RestoreTarget>, SourceError> {
        Ok(Box::new(open(place, opening)?))
    }

    async fn open_amend(
        &self,
        place: &Place,
        opening: &Opening,
    ) -> Result<Box<dyn AmendTarget>, SourceError> {
        Ok(Box::new(open(place, opening)?))
    }

    fn native(&self, place: &Place) -> Result<&dyn Native, SourceError> {
        Err(SourceError::locator(format!(
            "{place}: the snapshots of ScyllaDB and Cassandra are files on each of their nodes, which nodetool and \
             ScyllaDB Manager make and put back; `kvbackup backup` and `restore` read and write the table itself"
        )))
    }
}

fn address(place: &Place) -> Result<CqlAddress, SourceError> {
    place.text()?.parse().map_err(|error| SourceError::locator(format!("{error}; expected {FORM}")))
}

fn level(text: &str) -> Result<ConsistencyLevel, String> {
    text.parse().map_err(|error: backup_scylla::CqlError| error.to_string())
}

/// Names a table. Does no I/O but to read the password.
fn open(place: &Place, opening: &Opening) -> Result<CqlNamespace, SourceError> {
    let address = address(place)?;
    let mut options = CqlOptions::default().with_limits(opening.limits());
    options.layout = opening.layout();
    options.password = password(&address, opening)?;
    options.tls_ca_file = opening.path(TLS_CA);
    set(&mut options.consistency, opening.parsed(CONSISTENCY, level)?);
    set(&mut options.request_timeout, opening.time(REQUEST_TIMEOUT)?);
    set(&mut options.patience, opening.time(PATIENCE)?);
    set(&mut options.page_bytes, opening.size(PAGE_BYTES)?);
    set(&mut options.slice_bytes, opening.size(SLICE_BYTES)?.map(|bytes| bytes as u64));
    set(&mut options.slices_in_flight, count(opening, SLICES)?);
    set(&mut options.writes_in_flight, count(opening, WRITE_CONCURRENCY)?.map(NonZeroUsize::get));
    options.replication = opening.number(REPLICATION)?.map(Into::into);
    Ok(CqlNamespace::at(address, options))
}

fn count(opening: &Opening, name: &'static str) -> Result<Option<NonZeroUsize>, SourceError> {
    Ok(opening.number(name)?.and_then(|number| NonZeroUsize::try_from(number).ok()))
}

fn set<T>(option: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *option = given;
    }
}

/// Returns the password of the address's user: from the file that is named, or else from the environment.
///
/// A variable without a user is left alone: it may be there for other commands.
fn password(address: &CqlAddress, opening: &Opening) -> Result<Option<Password>, SourceError> {
    match (address.user(), opening.path(PASSWORD_FILE)) {
        (Some(_), Some(path)) => read_password(&path).map(Some),
        (Some(user), None) => match std::env::var(VARIABLE) {
            Ok(password) => Ok(Some(Password::new(password))),
            Err(_) => Err(SourceError::option(format!(
                "there is no password for user {user}: name its file with --{PASSWORD_FILE}, or set {VARIABLE}"
            ))),
        },
        (None, Some(_)) => Err(SourceError::option(format!(
            "--{PASSWORD_FILE} goes with a user, and {address} names none: scylla://USER@HOST.."
        ))),
        (None, None) => Ok(None),
    }
}

/// Reads a file that holds a password and perhaps the end of a line.
fn read_password(path: &Path) -> Result<Password, SourceError> {
    let failed = |source| SourceError::Password { path: path.to_owned(), source };
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    let length = file.take(PASSWORD_BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    let password = text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line));
    if password.is_empty() || length as u64 > PASSWORD_BYTES_MAX || password.contains('\n') {
        return Err(SourceError::option(format!(
            "reading the password from {}: expected one line, of at most {PASSWORD_BYTES_MAX} bytes",
            path.display()
        )));
    }
    Ok(Password::new(password))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Engines;

    #[test]
    fn a_password_is_one_line_of_a_file() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("password");
        let read = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            read_password(&path)
        };
        for text in ["secret", "secret\n", "secret\r\n"] {
            assert!(read(text.as_bytes()).unwrap() == Password::new("secret"), "{text:?}");
        }
        assert!(read(b" se cret \n").unwrap() == Password::new(" se cret "));
        for text in ["", "\n", "one\ntwo\n", &"x".repeat(5_000)] {
            let error = read(text.as_bytes()).unwrap_err();
            assert!(error.is_usage(), "{error}");
        }
        assert!(read(&[0xff]).is_err());
        assert!(read_password(&scratch.path().join("missing")).is_err());
    }

    #[test]
    fn a_password_goes_with_a_user() {
        let address: CqlAddress = "cql://db/kv/t".parse().unwrap();
        let option = OPTIONS.iter().find(|option| option.name() == PASSWORD_FILE).unwrap();
        let file = Opening::default().with_value(option, "/nowhere").unwrap();
        let error = password(&address, &file).unwrap_err();
        assert!(error.is_usage(), "{error}");
        assert!(password(&address, &Opening::default()).unwrap().is_none());
        let address: CqlAddress = "cql://linera@db/kv/t".parse().unwrap();
        assert!(password(&address, &file).unwrap_err().to_string().contains("/nowhere"));
    }

    #[test]
    fn a_table_has_an_address_and_perhaps_a_layout() {
        let engines = Engines::built_in();
        let plain = "cql://db1,db2:9142/kv/validator_0";
        assert_eq!(engines.source(plain).unwrap().to_string(), plain);
        assert!(engines.target("scylla://linera@db/kv/t?layout=linera-0.16").is_ok());
        for bad in ["scylla:x", "cql://db", "cql://db/kv", "cql://db/kv/t?layout=linera", "cql://db/kv/t?x=y"]
        {
            assert!(engines.source(bad).is_err() && engines.target(bad).is_err(), "{bad}");
        }
        assert!(engines.names_namespace(plain));
    }

    #[tokio::test]
    async fn every_option_is_checked_and_taken() {
        let samples = [
            (TLS_CA, "x", ""),
            (CONSISTENCY, "ALL", "two"),
            (REQUEST_TIMEOUT, "5s", "soon"),
            (PATIENCE, "1m", "1y"),
            (PAGE_BYTES, "1MiB", "0"),
            (SLICE_BYTES, "4MiB", "x"),
            (SLICES, "3", "0"),
            (WRITE_CONCURRENCY, "7", "-1"),
            (REPLICATION, "2", "0"),
        ];
        assert_eq!(samples.len() + 1, OPTIONS.len());
        let mut opening = Opening::default();
        for (name, good, bad) in samples {
            let option = OPTIONS.iter().find(|option| option.name() == name).unwrap();
            assert!(option.check(bad.as_ref()).is_err(), "{name} {bad}");
            opening = opening.with_value(option, good).unwrap();
        }
        let (place, _) = Place::parse("cql", "//db/kv/t".as_ref()).unwrap();
        assert!(Scylla.open_source(&place, &opening).await.is_ok());
    }
}
