//! The files of a job: `jobs/NAME/job`, and one for each part.

use std::collections::BTreeSet;

use crate::error::RepositoryError;
use crate::job::{Job, JobName};
use crate::part::{self, Part, PartId, Phase};
use crate::repository::Repository;

const JOBS: &str = "jobs";
const JOB: &str = "job";
const JOB_BYTES_MAX: u64 = 1 << 20;

/// A job whose file was read or written.
#[derive(Clone, Debug)]
pub(crate) struct JobFiles {
    pub repository: Repository,
    pub name: JobName,
    pub job: Job,
    pub hash: [u8; 32],
}

/// What the file of a part is.
#[derive(Debug)]
pub(crate) enum Found {
    Missing,
    /// It cannot be used, and why.
    Bad(String),
    Good(Box<Part>, [u8; 32]),
}

impl JobFiles {
    /// Begins a job, or joins the one of that name, which must be the same.
    pub(crate) async fn join(
        repository: &Repository,
        name: &JobName,
        own: Job,
    ) -> Result<Self, RepositoryError> {
        repository.store.create(&path(name, JOB), own.encode().into()).await?;
        let Some(files) = Self::find(repository, name).await? else {
            return Err(refused(name, "it went away while it was begun: was it finished?".to_owned()));
        };
        if let Some((what, found, expected)) = files.job.difference(&own) {
            return Err(refused(
                name,
                format!("its {what} is {found}, and this process has {expected}; a new job needs a new name"),
            ));
        }
        Ok(files)
    }

    /// Finds a job.
    pub(crate) async fn find(
        repository: &Repository,
        name: &JobName,
    ) -> Result<Option<Self>, RepositoryError> {
        let path = path(name, JOB);
        let Some(file) = repository.store.read(&path, JOB_BYTES_MAX).await? else { return Ok(None) };
        let decoded = Job::decode(&file);
        let (job, hash) = decoded.map_err(|source| RepositoryError::Damaged { path, source })?;
        Ok(Some(Self { repository: repository.clone(), name: name.clone(), job, hash }))
    }

    /// Returns the ids of all parts of a phase.
    pub(crate) fn ids(&self, phase: Phase) -> Vec<PartId> {
        let count = match phase {
            Phase::First => self.job.first,
            Phase::Second => self.job.second,
        };
        (0..count).map(|index| PartId { phase, index }).collect()
    }

    /// Lists the names of the files that are there.
    pub(crate) async fn names(&self) -> Result<BTreeSet<String>, RepositoryError> {
        let files = self.repository.store.files_below(&format!("{JOBS}/{}", self.name)).await?;
        Ok(files.into_iter().collect())
    }

    /// Looks for a part.
    pub(crate) async fn look(&self, id: PartId) -> Result<Found, RepositoryError> {
        let path = path(&self.name, &id.to_string());
        let file = match self.repository.store.read(&path, part::FILE_BYTES_MAX).await {
            Ok(Some(file)) => file,
            Ok(None) => return Ok(Found::Missing),
            Err(RepositoryError::Damaged { source, .. }) => {
                return Ok(Found::Bad(format!("{path}: {source}")));
            }
            Err(error) => return Err(error),
        };
        Ok(match Part::decode(&file) {
            Err(error) => Found::Bad(format!("{path} is torn or damaged: {error}")),
            Ok((part, _)) if part.job != self.hash => Found::Bad(format!("{path} is of another job")),
            Ok((part, _)) if part.id != id => Found::Bad(format!("{path} is of part {}", part.id)),
            Ok((part, hash)) => Found::Good(Box::new(part), hash),
        })
    }

    /// Writes a part. A good one that is there already stays: others may build on it. Tells whether it was written.
    pub(crate) async fn write(&self, part: &Part, replaces: bool) -> Result<bool, RepositoryError> {
        let path = path(&self.name, &part.id.to_string());
        let file = part.encode().map_err(|source| RepositoryError::Entry {
            namespace: self.job.source.namespace.clone(),
            source,
        })?;
        if replaces {
            self.repository.store.write(&path, file.into()).await?;
            return Ok(true);
        }
        self.repository.store.create(&path, file.into()).await
    }

    /// Checks that nobody finished or discarded the job.
    pub(crate) async fn check_there(&self) -> Result<(), RepositoryError> {
        match Self::find(&self.repository, &self.name).await? {
            Some(found) if found.hash == self.hash => Ok(()),
            _ => Err(refused(&self.name, "it was finished or discarded by somebody else".to_owned())),
        }
    }
}

/// Removes all files of a job, its own first: what is left after an interruption belongs to nobody. Returns their number.
pub(crate) async fn remove(repository: &Repository, name: &JobName) -> Result<u64, RepositoryError> {
    let mut files = repository.store.files_below(&format!("{JOBS}/{name}")).await?;
    files.sort_by_key(|file| file != JOB);
    for file in &files {
        repository.store.remove(&path(name, file)).await?;
    }
    Ok(files.len() as u64)
}

fn path(name: &JobName, file: &str) -> String {
    format!("{JOBS}/{name}/{file}")
}

pub(crate) fn refused(name: &JobName, problem: String) -> RepositoryError {
    RepositoryError::Job { job: name.to_string(), problem }
}
