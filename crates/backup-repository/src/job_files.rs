//! The files of a job: `jobs/NAME/job`, and one for each part.

use std::collections::BTreeSet;

use backup_format::Reference;
use bytes::Bytes;

use crate::error::RepositoryError;
use crate::job::{Job, JobName};
use crate::part::PartId;
use crate::record::{self, Record, RecordHash};
use crate::repository::Repository;
use crate::twice::read_twice;

pub(crate) const JOBS: &str = "jobs";
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
    Good(Box<Record>, RecordHash),
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
        let (store, path) = (&repository.store, &path(name, JOB));
        let read = || store.read(path, JOB_BYTES_MAX);
        let decode = |file: Option<Bytes>| async move {
            let decoded = file.map(|file| Job::decode(&file)).transpose();
            decoded.map_err(|source| RepositoryError::Damaged { path: path.clone(), source })
        };
        let found = read_twice(store, path, read, decode).await?;
        Ok(found.map(|(job, hash)| Self { repository: repository.clone(), name: name.clone(), job, hash }))
    }

    /// Returns the ids of all parts of a phase, counted from 0.
    pub(crate) fn ids(&self, phase: u8) -> Vec<PartId> {
        let count = self.job.ranges.get(usize::from(phase)).copied().unwrap_or(0);
        (0..count).map(|index| PartId { phase, index }).collect()
    }

    /// Returns the numbers of all phases, counted from 0.
    pub(crate) fn phases(&self) -> impl Iterator<Item = u8> + use<> {
        (0u8..).zip(0..self.job.ranges.len()).map(|(phase, _)| phase)
    }

    /// Lists the names of the files that are there.
    pub(crate) async fn names(&self) -> Result<BTreeSet<String>, RepositoryError> {
        let files = self.repository.store.files_below(&format!("{JOBS}/{}", self.name)).await?;
        Ok(files.into_iter().collect())
    }

    /// Looks for a part.
    pub(crate) async fn look(&self, id: PartId) -> Result<Found, RepositoryError> {
        let (store, path) = (&self.repository.store, &path(&self.name, &id.to_string()));
        let read = || store.read(path, record::FILE_BYTES_MAX);
        let decode = |file: Option<Bytes>| async move {
            let decoded = file.map(|file| Record::decode(&file)).transpose();
            decoded.map_err(|source| RepositoryError::Damaged { path: path.clone(), source })
        };
        let found = match read_twice(store, path, read, decode).await {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(Found::Missing),
            Err(RepositoryError::Damaged { source, .. }) => {
                return Ok(Found::Bad(format!("{path} is torn or damaged: {source}")));
            }
            Err(error) => return Err(error),
        };
        Ok(match found {
            (record, _) if record.job != self.hash => Found::Bad(format!("{path} is of another job")),
            (record, _) if record.part.id != id => {
                Found::Bad(format!("{path} is of part {}", record.part.id))
            }
            (record, hash) => Found::Good(Box::new(record), hash),
        })
    }

    /// Writes a record. A good one that is there already stays: others may build on it. Returns true if it was written.
    pub(crate) async fn write(&self, record: &Record, replaces: bool) -> Result<bool, RepositoryError> {
        let path = path(&self.name, &record.part.id.to_string());
        let file = record.encode().map_err(|source| RepositoryError::Entry {
            namespace: self.job.source.namespace.clone(),
            source,
        })?;
        if replaces {
            self.repository.store.write(&path, file.into()).await?;
            return Ok(true);
        }
        self.repository.store.create(&path, file.into()).await
    }

    /// Removes the record of a part.
    pub(crate) async fn remove(&self, id: PartId) -> Result<(), RepositoryError> {
        self.repository.store.remove(&path(&self.name, &id.to_string())).await
    }

    /// Checks that nobody finished or discarded the job.
    pub(crate) async fn check_there(&self) -> Result<(), RepositoryError> {
        match Self::find(&self.repository, &self.name).await? {
            Some(found) if found.hash == self.hash => Ok(()),
            _ => Err(refused(&self.name, "it was finished or discarded by somebody else".to_owned())),
        }
    }
}

/// What a file of a job keeps from being removed.
pub(crate) enum Kept {
    Pages(Vec<Reference>),
    /// What is not known, and what is wrong with the file.
    Unknown(String, Option<Box<RepositoryError>>),
}

/// Reads what the records of a job keep. Those that go away meanwhile are left out.
pub(crate) async fn kept(repository: &Repository, name: &JobName) -> Result<Vec<Kept>, RepositoryError> {
    let mut found = Vec::new();
    for file in repository.store.files_below(&format!("{JOBS}/{name}")).await? {
        if file == JOB {
            continue;
        }
        let path = &path(name, &file);
        let is_record = file.split_once('-').is_some_and(|(phase, index)| {
            [phase, index].iter().all(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
        });
        if !is_record {
            found.push(Kept::Unknown(format!("{path} is of no known kind"), None));
            continue;
        }
        let read = || repository.store.read(path, record::FILE_BYTES_MAX);
        let decode = |file: Option<Bytes>| async move {
            let decoded = file.map(|file| Record::decode(&file)).transpose();
            decoded.map_err(|source| RepositoryError::Damaged { path: path.clone(), source })
        };
        match read_twice(&repository.store, path, read, decode).await {
            Ok(None) => {}
            Ok(Some((record, _))) => found.push(Kept::Pages(record.part.pages)),
            Err(error @ RepositoryError::Damaged { .. }) => {
                let problem = format!("its record {path} cannot be read");
                found.push(Kept::Unknown(problem, Some(Box::new(error))));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(found)
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
