//! A namespace that is to be proven, opened to be read and never written to.

use anyhow::Result;
use backup_console::{Problem, Session};
use backup_format::ErrorClass;
use backup_layout::Layout;
use backup_rocksdb::RocksDbError;
use backup_sources::{Opened, Opening, Role, Source, SourceError};

use crate::findings::Findings;
use crate::kind::Kind;
use crate::place::Place;

/// The layout that this program knows.
pub const LAYOUT: Layout = Layout::Linera015;

/// The option that reads a RocksDB database without its write-ahead log.
const ALLOW_MISSING_LOG: &str = "allow-missing-log";

/// Opens a namespace; returns `None` if it is damaged, which is a finding. One of RocksDB without its write-ahead log is
/// read as it is, and that is a finding.
///
/// # Errors
///
/// When there is no such namespace, it has another layout, or it cannot be read for another reason than damage.
pub async fn open(
    findings: &Findings,
    session: &Session,
    source: &Source,
    opening: &Opening,
) -> Result<Option<Opened>> {
    let place = Place::of(format!("namespace {source}"));
    let mut opened = source.open(opening).await;
    if let Err(error) = &opened
        && let Some(missing @ RocksDbError::LogMissing { .. }) = cause(error)
    {
        findings.add(Kind::LogMissing, place.clone(), "a write-ahead log", missing);
        opened = source.open(&without_log(session, opening)?).await;
    }
    readable(findings, place, opened)
}

fn without_log(session: &Session, opening: &Opening) -> Result<Opening, SourceError> {
    let mut options = session.engines.options(Role::Source).into_iter();
    match options.find(|(_, option)| option.name() == ALLOW_MISSING_LOG) {
        Some((_, option)) => opening.clone().with_value(option, ""),
        None => Ok(opening.clone()),
    }
}

fn cause(error: &SourceError) -> Option<&RocksDbError> {
    match error {
        SourceError::Open { source, .. } | SourceError::Engine(source) => source.get_ref().downcast_ref(),
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
        Err(error) => Err(error.into()),
    }
}

/// Checks the layout of a dump or a namespace.
///
/// # Errors
///
/// [`Problem::Refused`] when it is another than [`LAYOUT`].
pub fn check_layout(layout: &str) -> Result<(), Problem> {
    if layout != LAYOUT.name() {
        return Err(Problem::Refused(format!(
            "this is a database of layout {layout:?}; bootproof knows only {LAYOUT}, that of linera 0.15"
        )));
    }
    Ok(())
}
