//! What must stay in a repository: all that dumps reach, dumps that are about to be published, and parts of jobs.

use std::collections::HashSet;
use std::sync::Arc;

use backup_format::{Limits, ObjectId, Order, Reference};

use crate::error::RepositoryError;
use crate::index::Index;
use crate::job::JobName;
use crate::job_files::{self, Kept};
use crate::mark::Marks;
use crate::reader::DumpReader;
use crate::repository::{Dump, Dumps, Repository};
use crate::store::Store;

/// A stage that is older belongs to nobody, in milliseconds: its writer publishes within a day.
const STAGE_AGE_MAX: i64 = 30 * 24 * 3_600_000;
/// The stage of a dump that was published is left over when it is older: its writer could not remove it.
const PUBLISHED_AGE_MAX: i64 = 2 * 24 * 3_600_000;

/// What must stay.
pub(crate) struct Roots {
    /// Pages that the records of jobs name.
    pages: Vec<Vec<Reference>>,
    staged: Vec<Dump>,
    dumps: Vec<Dump>,
    /// Stages that keep nothing any more.
    pub stale: Vec<ObjectId>,
}

impl Roots {
    /// Returns the number of dumps that are about to be published, or of writers that died on the way.
    pub(crate) fn staged(&self) -> u64 {
        self.staged.len() as u64
    }

    /// Marks all that must stay.
    pub(crate) async fn mark(
        &self,
        repository: &Repository,
        index: &Arc<Index>,
    ) -> Result<Marks, RepositoryError> {
        let mut marks = Marks::none(index);
        for dump in &self.dumps {
            let reader = DumpReader::with_index(repository, index.clone(), dump, Limits::default());
            marks.add_dump(&reader, &dump.manifest).await?;
        }
        for dump in &self.staged {
            let reader = DumpReader::with_index(repository, index.clone(), dump, Limits::default());
            ignore_missing(marks.add_dump(&reader, &dump.manifest).await)?;
        }
        for pages in &self.pages {
            let reader = DumpReader::in_order(repository, index.clone(), Order::Plain, Limits::default());
            for page in pages {
                ignore_missing(marks.add_pages(&reader, vec![page.clone()]).await)?;
            }
        }
        Ok(marks)
    }
}

/// Passes over what lacks an object, or the base of one: it cannot be published, because its writer looks for its packs after it is staged.
fn ignore_missing(result: Result<(), RepositoryError>) -> Result<(), RepositoryError> {
    match result {
        Err(RepositoryError::MissingObject { .. } | RepositoryError::BadChain { .. }) => Ok(()),
        result => result,
    }
}

impl Repository {
    /// Finds what must stay. What a writer makes of a record is a stage, and of a stage a manifest; so they are listed in this
    /// order, and nothing is missed on its way. Without `now` no stage is stale but those to be discarded.
    pub(crate) async fn roots(&self, now: i64, discard_staged: bool) -> Result<Roots, RepositoryError> {
        let pages = self.recorded_pages().await?;
        let listed = self.store.staged().await?;
        let (mut staged, mut unreadable) = (Vec::new(), Vec::new());
        for (id, written) in listed {
            let is_old = now.saturating_sub(written) > STAGE_AGE_MAX;
            let path = Store::staged_path(id);
            match self.read_manifest(&path, id).await {
                Ok(Some((manifest, _))) => staged.push((Dump { id, manifest }, written, is_old)),
                Ok(None) => {}
                Err(source) if !discard_staged && !is_old && is_unreadable(&source) => {
                    return Err(unreadable_stage(&path, source));
                }
                Err(source) if is_unreadable(&source) => unreadable.push(id),
                Err(error) => return Err(error),
            }
        }
        let dumps = self.dumps().await?;
        self.check_complete(&dumps).await?;
        let dumps = dumps.certain(|what, source| {
            let problem =
                format!("{what}, so it is not known what must stay; `list` names what cannot be used");
            RepositoryError::Prune { problem, source: Some(source) }
        })?;
        let published = if staged.is_empty() { HashSet::new() } else { self.published(&dumps).await? };
        let is_stale = |(dump, written, is_old): &(Dump, i64, bool)| {
            let is_done = published.contains(&dump.id) && now.saturating_sub(*written) > PUBLISHED_AGE_MAX;
            discard_staged || *is_old || is_done
        };
        let (stale, staged): (Vec<_>, Vec<_>) = staged.into_iter().partition(is_stale);
        Ok(Roots {
            pages,
            staged: staged.into_iter().map(|(dump, ..)| dump).collect(),
            dumps,
            stale: stale.into_iter().map(|(dump, ..)| dump.id).chain(unreadable).collect(),
        })
    }

    /// Refuses where keys are trusted and a dump is missing: what somebody took away can still be put back while its packs are there.
    async fn check_complete(&self, dumps: &Dumps) -> Result<(), RepositoryError> {
        if self.trust.is_none() {
            return Ok(());
        }
        match self.missing(dumps).await?.into_iter().next() {
            None => Ok(()),
            Some(error) => {
                let problem = "a dump is missing, and its packs would be removed".to_owned();
                Err(RepositoryError::Prune { problem, source: Some(Box::new(error)) })
            }
        }
    }

    /// Returns the dumps that are or were published.
    async fn published(&self, dumps: &[Dump]) -> Result<HashSet<ObjectId>, RepositoryError> {
        let forgotten = self.store.forgotten().await?.into_iter().map(|(id, _)| id);
        Ok(forgotten.chain(dumps.iter().map(|dump| dump.id)).collect())
    }

    async fn recorded_pages(&self) -> Result<Vec<Vec<Reference>>, RepositoryError> {
        let mut pages = Vec::new();
        for name in self.store.directories_below(job_files::JOBS).await? {
            let job: JobName = name.parse().map_err(|problem| refused(&name, problem, None))?;
            for file in job_files::kept(self, &job).await? {
                match file {
                    Kept::Pages(found) => pages.push(found),
                    Kept::Unknown(problem, source) => return Err(refused(&name, problem, source)),
                }
            }
        }
        Ok(pages)
    }
}

fn refused(job: &str, problem: String, source: Option<Box<RepositoryError>>) -> RepositoryError {
    let problem = format!(
        "what job {job} needs is not known: {problem}; finish the job, or remove it with `finish {job} --discard`"
    );
    RepositoryError::Prune { problem, source }
}

fn is_unreadable(error: &RepositoryError) -> bool {
    use RepositoryError::{Damaged, Unsupported, WrongName};
    matches!(error, Damaged { .. } | Unsupported { .. } | WrongName { .. })
}

fn unreadable_stage(path: &str, source: RepositoryError) -> RepositoryError {
    let problem = format!(
        "{path} cannot be read, so it is not known what a writer relies on; if none is at work, discard what is staged"
    );
    RepositoryError::Prune { problem, source: Some(Box::new(source)) }
}
