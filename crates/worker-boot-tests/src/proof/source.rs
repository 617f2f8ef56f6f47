//! A namespace that is to be proven, opened to be read and never written to.

use std::path::Path;

#[cfg(feature = "scylla")]
use anyhow::Context;
use anyhow::{Result, bail};
use backup_format::{DatabaseBackup, EngineError, ErrorClass};
use backup_layout::Layout;
use backup_rocksdb::{RocksDbError, RocksDbNamespace, RocksDbOptions};
#[cfg(feature = "scylla")]
use backup_scylla::{CqlAddress, CqlNamespace, CqlOptions, Password};

use crate::proof::args::Args;
use crate::proof::findings::Findings;
use crate::proof::kind::Kind;
use crate::proof::place::Place;
use crate::proof::restore::value_limits;

/// The layout that this program knows.
pub const LAYOUT: Layout = Layout::Linera015;

/// Opens a RocksDB directory; `None` when it is damaged, which is a finding. One without its write-ahead log is read as it
/// is, and that is a finding.
///
/// # Errors
///
/// When there is no such namespace, it has another layout, or it cannot be read for another reason than damage.
pub async fn rocksdb(findings: &Findings, path: &Path, args: &Args) -> Result<Option<RocksDbNamespace>> {
    let place = Place::of(format!("namespace {}", path.display()));
    let mut options = RocksDbOptions::default().with_limits(value_limits());
    options.allow_missing_log = args.allow_missing_log;
    let mut source = RocksDbNamespace::at(path, options.clone());
    let mut opened = source.snapshot().await.map(drop);
    if let Err(error) = &opened
        && let Some(missing @ RocksDbError::LogMissing { .. }) = error.get_ref().downcast_ref()
    {
        findings.add(Kind::LogMissing, place.clone(), "a write-ahead log", missing);
        options.allow_missing_log = true;
        source = RocksDbNamespace::at(path, options);
        opened = source.snapshot().await.map(drop);
    }
    readable(findings, place, opened, source)
}

/// Opens a table of a CQL server; `None` when it is damaged, which is a finding.
///
/// # Errors
///
/// When there is no such table, it has another layout, or it cannot be read for another reason than damage.
#[cfg(feature = "scylla")]
pub async fn cql(findings: &Findings, address: &CqlAddress, args: &Args) -> Result<Option<CqlNamespace>> {
    let place = Place::of(format!("namespace {address}"));
    let mut options = CqlOptions::default().with_limits(value_limits());
    options.tls_ca_file.clone_from(&args.cql_ca_file);
    if let Some(path) = &args.cql_password_file {
        let password = std::fs::read_to_string(path);
        let password = password.with_context(|| format!("reading the password in {}", path.display()))?;
        options = options.with_password(Password::new(password.trim_end_matches(['\r', '\n'])));
    }
    let source = CqlNamespace::at(address.clone(), options);
    let opened = source.snapshot().await.map(drop);
    readable(findings, place, opened, source)
}

fn readable<D: DatabaseBackup>(
    findings: &Findings,
    place: Place,
    opened: Result<(), EngineError>,
    source: D,
) -> Result<Option<D>> {
    if let Err(error) = opened {
        let damaged = error.class() == ErrorClass::Damaged;
        let error = anyhow::Error::from(error).context(format!("opening {place}"));
        if !damaged {
            return Err(error);
        }
        let expected = "a namespace that can be read";
        findings.add(Kind::NamespaceDamaged, place, expected, format!("{error:#}"));
        return Ok(None);
    }
    check_layout(&source.source().layout)?;
    Ok(Some(source))
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
