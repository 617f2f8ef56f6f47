//! What this machine remembers of repositories: a file, by which a dump that was taken away at the end is noticed.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use backup_console::{Problem, Readers, RepositoryLocation, Session, replace_durably};
use backup_format::ObjectId;
use backup_repository::{Dump, Dumps, Repository};
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

const FORMAT: &str = "kvbackup-state";
const VERSION: u64 = 1;
/// A file of this length remembers some thousand namespaces.
const BYTES_MAX: u64 = 1 << 20;

/// The content of the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Content {
    format: String,
    version: u64,
    /// By location: an absolute path, or a URL as it is written on the command line.
    repositories: BTreeMap<String, Remembered>,
}

/// What was seen of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    /// The id of its config.
    repository: String,
    /// The newest dump of each namespace.
    namespaces: BTreeMap<String, Newest>,
}

/// The newest dump of a namespace that was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Newest {
    sequence: u64,
    dump: ObjectId,
}

impl Default for Content {
    fn default() -> Self {
        Self { format: FORMAT.to_owned(), version: VERSION, repositories: BTreeMap::new() }
    }
}

/// What is remembered of one repository, if a file was named for that.
#[derive(Debug)]
pub(crate) struct State {
    file: Option<PathBuf>,
    location: String,
}

impl State {
    /// Takes the file that was named.
    pub(crate) fn of(session: &Session, location: &RepositoryLocation) -> Self {
        // One directory is one repository, wherever the program stands.
        let directory = location.directory().and_then(|directory| std::path::absolute(directory).ok());
        let location =
            directory.map_or_else(|| location.to_string(), |directory| directory.display().to_string());
        Self { file: session.state_file(), location }
    }

    /// Looks at all dumps of a repository, if there is a file: those that were seen before must be there, or later ones.
    pub(crate) async fn check(&self, repository: &Repository) -> Result<()> {
        match self.file {
            Some(_) => self.check_dumps(repository, &repository.dumps().await?),
            None => Ok(()),
        }
    }

    /// Checks that the newest dump of each namespace is not older than the one that was seen; then remembers it.
    pub(crate) fn check_dumps(&self, repository: &Repository, dumps: &Dumps) -> Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let found = self.found(repository, dumps);
        let _lock = lock(file)?;
        let mut content = read(file)?;
        if let Some(before) = content.repositories.get(&self.location) {
            self.compare(file, before, &found)?;
        }
        self.remember(file, &mut content, found)
    }

    /// Remembers a dump that was just made.
    pub(crate) fn made(&self, repository: &Repository, dump: &Dump) -> Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let newest = Newest { sequence: dump.manifest.sequence, dump: dump.id };
        let namespaces = [(dump.manifest.namespace.clone(), newest)].into();
        let found = Remembered { repository: repository.config().repository.clone(), namespaces };
        let _lock = lock(file)?;
        self.remember(file, &mut read(file)?, found)
    }

    fn found(&self, repository: &Repository, dumps: &Dumps) -> Remembered {
        let mut namespaces: BTreeMap<String, Newest> = BTreeMap::new();
        for Dump { id, manifest } in &dumps.good {
            let newest = Newest { sequence: manifest.sequence, dump: *id };
            let known = namespaces.entry(manifest.namespace.clone()).or_insert_with(|| newest.clone());
            if known.sequence < newest.sequence {
                *known = newest;
            }
        }
        Remembered { repository: repository.config().repository.clone(), namespaces }
    }

    fn compare(&self, file: &Path, before: &Remembered, found: &Remembered) -> Result<()> {
        let (location, file) = (&self.location, file.display());
        if before.repository != found.repository {
            return Err(Problem::Damage(format!(
                "{location} is repository {}, and by {file} it was {}: another one was put in its place. If that was you, remove its entry \
                 from the file",
                found.repository, before.repository
            ))
            .into());
        }
        for (namespace, Newest { sequence, dump }) in &before.namespaces {
            let now = found.namespaces.get(namespace).map_or(0, |newest| newest.sequence);
            if now < *sequence {
                return Err(Problem::Damage(format!(
                    "the newest dump of namespace {namespace} in {location} has sequence {now}, and by {file} dump {dump:.12} with sequence \
                     {sequence} was there: newer dumps were lost, or somebody took them away; an older one in their place forgets votes"
                ))
                .into());
            }
        }
        Ok(())
    }

    /// Writes what was found, unless later dumps are remembered.
    fn remember(&self, file: &Path, content: &mut Content, found: Remembered) -> Result<()> {
        let known = content.repositories.entry(self.location.clone()).or_default();
        let before = known.clone();
        known.repository = found.repository;
        for (namespace, newest) in found.namespaces {
            match known.namespaces.get(&namespace) {
                Some(before) if before.sequence >= newest.sequence => {}
                _ => drop(known.namespaces.insert(namespace, newest)),
            }
        }
        if *known == before {
            return Ok(());
        }
        let mut json = serde_json::to_vec_pretty(content)?;
        json.push(b'\n');
        replace_durably(file, &json, Readers::Owner)
            .with_context(|| format!("writing the state file {}", file.display()))
    }
}

/// Keeps other processes from the file until the result is dropped.
fn lock(file: &Path) -> Result<File> {
    let doing = || format!("locking the state file {}", file.display());
    let mut name = file.as_os_str().to_owned();
    name.push(".lock");
    let opened = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&name);
    let opened = opened.with_context(doing)?;
    rustix::fs::flock(&opened, FlockOperation::LockExclusive)
        .map_err(std::io::Error::from)
        .with_context(doing)?;
    Ok(opened)
}

/// Reads the file; one that is not there remembers nothing.
fn read(file: &Path) -> Result<Content> {
    let doing = || format!("reading the state file {}", file.display());
    let opened = match File::open(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Content::default()),
        opened => opened.with_context(doing)?,
    };
    let mut json = Vec::new();
    opened.take(BYTES_MAX).read_to_end(&mut json).with_context(doing)?;
    let unusable = |problem: &str| {
        Problem::Failed(format!(
            "{} {problem}; nothing was written. Remove it to forget what was seen",
            file.display()
        ))
    };
    let content: Content = serde_json::from_slice(&json).map_err(|_| unusable("is no state file"))?;
    match (content.format.as_str(), content.version) {
        (FORMAT, VERSION) => Ok(content),
        _ => Err(unusable("was written by another version of the program").into()),
    }
}
