//! The namespace that a dump is compared with.

use std::ffi::OsStr;

use anyhow::Result;
use backup_console::{Places, RepositoryLocation, Session, SourceArgs};
use backup_sources::{Opening, Source};

/// Finds the namespace that `--against` names, which must not lie where the repository does. If none is named, options that are for one
/// are refused.
pub(crate) fn find(
    (named, args): (Option<&OsStr>, &SourceArgs),
    opening: &Opening,
    repository: &RepositoryLocation,
    session: &Session,
) -> Result<Option<Source>> {
    let Some(named) = named else {
        args.refuse(&session.opening, "which --against names")?;
        return Ok(None);
    };
    let source = session.source(named)?;
    source.check(opening)?;
    Places::default().with_source(&source, opening)?.with_repository(repository)?.check()?;
    Ok(Some(source))
}
