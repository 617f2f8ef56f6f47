//! Opening repositories, and finding dumps in them.

use std::sync::Arc;

use anyhow::{Context, Result};
use backup_repository::{Dump, DumpChoice, Repository, Store, open_location};
use clap::Args;
use object_store::memory::InMemory;

use crate::locator::RepositoryLocation;

/// Which dump of a repository is meant.
#[derive(Args, Clone, Debug)]
pub(crate) struct DumpArgs {
    /// The dump: `latest`, or the first 4 to 64 digits of its id
    #[arg(long = "dump", value_name = "ID", default_value = "latest")]
    choice: DumpChoice,
}

/// Opens a repository that is there.
pub(crate) async fn open(location: &RepositoryLocation) -> Result<Repository> {
    Ok(Repository::open(store(location, false)?).await?)
}

/// Opens a repository, or creates one where nothing is. What is created can be read by its owner alone.
pub(crate) async fn open_or_create(location: &RepositoryLocation) -> Result<Repository> {
    let empty = is_empty_place(location)?;
    Ok(Repository::open_or_create(store(location, empty)?).await?)
}

/// Opens a repository for a dry run: what is not there yet is made in memory.
pub(crate) async fn open_for_dry_run(location: &RepositoryLocation) -> Result<Repository> {
    if is_empty_place(location)? {
        let nothing = Store::new(Arc::new(InMemory::new()), object_store::path::Path::default());
        return Ok(Repository::open_or_create(nothing).await?);
    }
    open(location).await
}

/// Finds the dump that is meant.
pub(crate) async fn find(repository: &Repository, args: &DumpArgs) -> Result<Dump> {
    Ok(repository.dump(&args.choice).await?)
}

fn store(location: &RepositoryLocation, create: bool) -> Result<Store> {
    // Variables that are no text cannot be settings of a store.
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Ok(open_location(location.as_str(), create, variables)?)
}

/// Tells whether a repository may be made there: in a directory that is missing or empty. What stores elsewhere hold
/// is looked at when they are opened.
fn is_empty_place(location: &RepositoryLocation) -> Result<bool> {
    let Some(directory) = location.directory() else { return Ok(false) };
    match directory.read_dir() {
        Ok(mut files) => Ok(files.next().is_none()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error).with_context(|| format!("opening repository {location}")),
    }
}

/// Keeps what this process creates from now on from everybody but its owner.
pub(crate) fn keep_private() {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
}
