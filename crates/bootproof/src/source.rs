//! A namespace that is to be proven, opened to be read and never written to.

use std::path::Path;

#[cfg(feature = "scylla")]
use anyhow::Context;
use anyhow::{Result, bail};
use backup_format::{DatabaseBackup, ErrorClass};
use backup_layout::Layout;
use backup_rocksdb::{RocksDbError, RocksDbNamespace, RocksDbOptions};
#[cfg(feature = "scylla")]
use backup_scylla::{CqlAddress, CqlNamespace, CqlOptions, Password};
use backup_sources::{Opened, SourceError};

use crate::args::Args;
use crate::findings::Findings;
use crate::kind::Kind;
use crate::place::Place;
use crate::restore::value_limits;

/// The layout that this program knows.
pub const LAYOUT: Layout = Layout::Linera015;

/// Opens a RocksDB directory; returns `None` if it is damaged, which is a finding. One without its write-ahead log is
/// read as it is, and that is a finding.
///
/// # Errors
///
/// When there is no such namespace, it has another layout, or it cannot be read for another reason than damage.
pub async fn rocksdb(findings: &Findings, path: &Path, args: &Args) -> Result<Option<Opened>> {
    let place = Place::of(format!("namespace {}", path.display()));
    let mut options = RocksDbOptions::default().with_limits(value_limits());
    options.allow_missing_log = args.allow_missing_log;
    let mut opened = open(RocksDbNamespace::at(path, options.clone())).await;
    if let Err(error) = &opened
        && let Some(missing @ RocksDbError::LogMissing { .. }) = cause(error)
    {
        findings.add(Kind::LogMissing, place.clone(), "a write-ahead log", missing);
        options.allow_missing_log = true;
        opened = open(RocksDbNamespace::at(path, options)).await;
    }
    readable(findings, place, opened)
}

/// Opens a table of a CQL server; returns `None` if it is damaged, which is a finding.
///
/// # Errors
///
/// When there is no such table, it has another layout, or it cannot be read for another reason than damage.
#[cfg(feature = "scylla")]
pub async fn cql(findings: &Findings, address: &CqlAddress, args: &Args) -> Result<Option<Opened>> {
    let place = Place::of(format!("namespace {address}"));
    let mut options =
        CqlOptions::default().with_limits(value_limits()).with_tls_ca_file(args.cql_ca_file.clone());
    if let Some(path) = &args.cql_password_file {
        let password = std::fs::read_to_string(path);
        let password = password.with_context(|| format!("reading the password in {}", path.display()))?;
        options = options.with_password(Password::new(password.trim_end_matches(['\r', '\n'])));
    }
    readable(findings, place, open(CqlNamespace::at(address.clone(), options)).await)
}

async fn open(namespace: impl DatabaseBackup + 'static) -> Result<Opened, SourceError> {
    Opened::open(Box::new(namespace)).await
}

fn cause(error: &SourceError) -> Option<&RocksDbError> {
    match error {
        SourceError::Open { source, .. } => source.get_ref().downcast_ref(),
        _ => None,
    }
}

fn readable(
    findings: &Findings,
    place: Place,
    opened: Result<Opened, SourceError>,
) -> Result<Option<Opened>> {
    match opened {
        Ok(opened) => {
            check_layout(&opened.source().layout)?;
            Ok(Some(opened))
        }
        Err(error) if error.class() == ErrorClass::Damaged => {
            let expected = "a namespace that can be read";
            findings.add(
                Kind::NamespaceDamaged,
                place,
                expected,
                format!("{:#}", anyhow::Error::from(error)),
            );
            Ok(None)
        }
        Err(error) => Err(anyhow::Error::from(error).context(format!("opening {place}"))),
    }
}

/// Checks the layout of a dump or a namespace.
///
/// # Errors
///
/// When it is another than [`LAYOUT`].
pub fn check_layout(layout: &str) -> Result<()> {
    if layout != LAYOUT.name() {
        bail!("this is a database of layout {layout:?}; bootproof knows only {LAYOUT}, that of linera 0.15");
    }
    Ok(())
}
