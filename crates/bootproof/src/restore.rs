//! Getting a dump, or a copy of a namespace, into the scratch directory.

use std::path::Path;

use anyhow::{Context, Result};
use backup_console::{Exit, ReadArgs, RepositoryLocation, Session};
use backup_format::{Content, DatabaseBackup, DigestState, Limits};
use backup_repository::{BackupOptions, Dump, DumpChoice, Repository, RestoreOptions, open_location};
use backup_rocksdb::{RocksDbNamespace, RocksDbOptions};

use crate::TOOL;
use crate::findings::Findings;
use crate::kind::Kind;
use crate::place::Place;
use crate::scratch::Scratch;
use crate::source::{LAYOUT, check_layout};

/// Restores things into a scratch directory.
pub struct Restorer<'a> {
    /// The directory.
    pub scratch: &'a Scratch,
    /// Where damage goes.
    pub findings: &'a Findings,
    /// How repositories are opened, and where progress goes.
    pub session: &'a Session,
    /// How namespaces and dumps are read.
    pub read: &'a ReadArgs,
}

impl Restorer<'_> {
    /// Finds a dump and restores it; `None` when it is damaged, which is a finding.
    ///
    /// # Errors
    ///
    /// When there is no such dump, it has another layout, or it cannot be restored for another reason than damage.
    pub async fn dump(&self, location: &RepositoryLocation, choice: &DumpChoice) -> Result<Option<Dump>> {
        let found = self.damage(find(self.session, location, choice).await, Kind::DumpDamaged)?;
        let Some((repository, dump)) = found else { return Ok(None) };
        check_layout(&dump.manifest.source.layout)?;
        let restored = self.restore(&repository, &dump).await;
        Ok(self.damage(restored, Kind::DumpDamaged)?.map(|()| dump))
    }

    /// Copies a namespace by way of a dump, which is returned; `None` when it is damaged, which is a finding. A process that
    /// has it open is not disturbed.
    ///
    /// # Errors
    ///
    /// When it cannot be copied for another reason than damage.
    pub async fn namespace(&self, source: &dyn DatabaseBackup) -> Result<Option<Dump>> {
        let directory = self.scratch.repository();
        let copied = self.copy(source, &directory).await;
        let Some(dump) = self.damage(copied, Kind::NamespaceDamaged)? else { return Ok(None) };
        std::fs::remove_dir_all(&directory).with_context(|| format!("removing {}", directory.display()))?;
        Ok(Some(dump))
    }

    async fn copy(&self, source: &dyn DatabaseBackup, directory: &Path) -> Result<Dump> {
        let repository = Repository::open_or_create(open_location(directory, true, [])?).await?;
        let options = BackupOptions {
            workers: self.read.workers(),
            limits: self.read.limits(),
            tool: TOOL.to_owned(),
            // What is missing is to be found, not refused.
            allow_implausible: true,
            progress: self.session.progress.clone(),
            ..BackupOptions::default()
        };
        let made = repository.backup(source, options).await?;
        let dump = Dump { id: made.dump, manifest: made.manifest };
        self.restore(&repository, &dump).await?;
        Ok(dump)
    }

    async fn restore(&self, repository: &Repository, dump: &Dump) -> Result<()> {
        let options = RestoreOptions {
            workers: self.read.workers(),
            limits: self.read.limits(),
            progress: self.session.progress.clone(),
            ..RestoreOptions::default()
        };
        repository.restore(dump, &restored(self.scratch, self.read.limits()), &options).await?;
        Ok(())
    }

    /// Makes a finding of an error that means damage.
    fn damage<T>(&self, result: Result<T>, kind: Kind) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if Exit::of(&error) == Exit::Damage => {
                let (what, expected) = match kind {
                    Kind::DumpDamaged => ("dump", "a dump that can be restored"),
                    _ => ("namespace", "a namespace that can be read"),
                };
                let text = format!("{error:#}");
                self.findings.add(kind, Place::of(what), expected, text);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Returns the restored namespace, to be read or restored to.
#[must_use]
pub fn restored(scratch: &Scratch, limits: Limits) -> RocksDbNamespace {
    let options = RocksDbOptions::default().with_layout(LAYOUT).with_limits(limits);
    RocksDbNamespace::at(scratch.restored(), options)
}

/// Finds a dump in a repository.
///
/// # Errors
///
/// As the repository reports them.
pub async fn find(
    session: &Session,
    location: &RepositoryLocation,
    choice: &DumpChoice,
) -> Result<(Repository, Dump)> {
    let repository = session.repository(location).await?;
    let dump = repository.dump(choice).await?;
    Ok((repository, dump))
}

/// Compares the digest of a copied namespace with that of a dump.
pub fn compare(findings: &Findings, dump: &Dump, copy: &Dump) {
    let (Some(original), Some(copied)) = (&dump.manifest.inventory, &copy.manifest.inventory) else {
        let what = Place::of("namespace".to_owned());
        return findings.add(Kind::DigestDiffers, what, "a digest", "a sealed one");
    };
    let (expected, found) = (original.digest_state(), copied.digest_state());
    if expected == found {
        return;
    }
    let kinds = different(&original.contents, &copied.contents);
    let what =
        if kinds.is_empty() { "namespace".to_owned() } else { format!("namespace: {}", kinds.join(", ")) };
    findings.add(Kind::DigestDiffers, Place::of(what), show(&expected), show(&found));
}

fn show(state: &DigestState) -> String {
    let DigestState { partitions, entries, .. } = state;
    format!("digest {} ({entries} entries in {partitions} partitions)", state.digest())
}

/// Names the kinds of partitions that have other numbers of entries, with both.
fn different(expected: &[Content], found: &[Content]) -> Vec<String> {
    let entries = |contents: &[Content], kind: &str| {
        contents.iter().find(|content| content.kind == kind).map_or(0, |content| content.entries)
    };
    let kinds: std::collections::BTreeSet<_> =
        expected.iter().chain(found).map(|content| content.kind.as_str()).collect();
    kinds
        .into_iter()
        .map(|kind| (kind, entries(expected, kind), entries(found, kind)))
        .filter(|(_, expected, found)| expected != found)
        .map(|(kind, expected, found)| format!("{found} entries of kind {kind} instead of {expected}"))
        .collect()
}
