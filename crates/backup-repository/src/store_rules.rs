//! What the protocol of a repository needs of a store, and whether a store keeps it.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use futures::future::join_all;

use crate::error::RepositoryError;
use crate::progress::Progress;
use crate::store::Store;

/// Small files that are written and read.
const FILES: usize = 6;
/// Bytes of a small file.
const SMALL: u64 = 300;
/// Writers that create one file at the same time.
const CREATORS: usize = 8;
/// How often they do.
const ROUNDS: usize = 3;

/// A rule that the protocol of a repository rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreRule {
    /// What was written can be read at once, also if it was asked for before.
    ReadAfterWrite,
    /// What was written is listed at once, with its length.
    ListAfterWrite,
    /// Of several who create one file, exactly one succeeds.
    OneCreator,
    /// A file as long as a pack is stored whole, and ranges of it can be read.
    BigObject,
    /// What was removed cannot be read any more.
    Delete,
    /// What was removed is not listed any more.
    ListAfterDelete,
}

impl StoreRule {
    /// All rules, in the order in which they are checked.
    pub const ALL: [Self; 6] = [
        Self::ReadAfterWrite,
        Self::ListAfterWrite,
        Self::OneCreator,
        Self::BigObject,
        Self::Delete,
        Self::ListAfterDelete,
    ];

    /// Returns its name, of small letters and underscores.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadAfterWrite => "read_after_write",
            Self::ListAfterWrite => "list_after_write",
            Self::OneCreator => "one_creator",
            Self::BigObject => "big_object",
            Self::Delete => "delete",
            Self::ListAfterDelete => "list_after_delete",
        }
    }

    /// Says what does not work where the rule does not hold.
    #[must_use]
    pub fn needed_for(self) -> &'static str {
        match self {
            Self::ReadAfterWrite => "a dump could look damaged just after it was made",
            Self::ListAfterWrite => "a dump could be missing just after it was made",
            Self::OneCreator => "two backups that begin a new repository at once could spoil each other's",
            Self::BigObject => "packs cannot be stored",
            Self::Delete => "dumps cannot be forgotten",
            Self::ListAfterDelete => "a dump that was forgotten could be taken for one that is there",
        }
    }
}

impl fmt::Display for StoreRule {
    /// Writes what it demands, for people.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Self::ReadAfterWrite => "read after write",
            Self::ListAfterWrite => "list after write",
            Self::OneCreator => "one creator",
            Self::BigObject => "big object",
            Self::Delete => "delete",
            Self::ListAfterDelete => "list after delete",
        })
    }
}

/// Whether a store keeps a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleOutcome {
    /// It did.
    Holds,
    /// It did not: what was expected and found, or why it could not be done at all.
    Broken(String),
    /// Nobody can tell, because nothing could be written.
    NotChecked,
}

/// A rule, and whether it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCheck {
    /// The rule.
    pub rule: StoreRule,
    /// Whether it holds.
    pub outcome: RuleOutcome,
}

/// What a store was found to keep.
#[derive(Clone, Debug, Default)]
pub struct ProbeReport {
    /// Every rule once, in the order of [`StoreRule::ALL`].
    pub checks: Vec<RuleCheck>,
    /// Files of the check that could not be removed, below the repository.
    pub left: Vec<String>,
}

impl ProbeReport {
    /// Returns the rules that do not hold, with what was found.
    pub fn broken(&self) -> impl Iterator<Item = (StoreRule, &str)> {
        self.checks.iter().filter_map(|check| match &check.outcome {
            RuleOutcome::Broken(problem) => Some((check.rule, problem.as_str())),
            _ => None,
        })
    }
}

/// How a store is checked.
#[derive(Clone, Debug)]
pub struct ProbeOptions {
    /// Bytes of the big object; 16 MiB, as long as a pack, by default.
    pub big_bytes: u64,
    /// Receives events.
    pub progress: Progress,
}

impl Default for ProbeOptions {
    fn default() -> Self {
        Self { big_bytes: 16 << 20, progress: Progress::default() }
    }
}

impl Store {
    /// Checks what the protocol of a repository needs, with files of a random name beside those of a repository, and removes them.
    /// A repository need not be there. A store that keeps all rules now may break them under load: this finds stores
    /// that are built otherwise, and settings.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Store`] when the store does not answer, and [`RepositoryError::Random`]. What it refuses is no error, but a
    /// rule that does not hold.
    pub async fn check_rules(&self, options: &ProbeOptions) -> Result<ProbeReport, RepositoryError> {
        let mut seed = [0; 16];
        getrandom::fill(&mut seed).map_err(|source| RepositoryError::Random { source })?;
        let folder = format!("probe-{:032x}", u128::from_be_bytes(seed));
        let probe = Probe { store: self, folder, seed, made: Mutex::default() };
        let checks = probe.run(options).await;
        options.progress.phase("removing what was written", None);
        let left = probe.clean_up().await;
        Ok(ProbeReport { checks: checks?, left })
    }
}

/// What is wrong, if anything is.
type Found = Result<Option<String>, RepositoryError>;

struct Probe<'store> {
    store: &'store Store,
    folder: String,
    seed: [u8; 16],
    /// Files that may be there, to be removed in the end.
    made: Mutex<Vec<String>>,
}

impl Probe<'_> {
    async fn run(&self, options: &ProbeOptions) -> Result<Vec<RuleCheck>, RepositoryError> {
        let mut checks: Vec<RuleCheck> = Vec::new();
        for rule in StoreRule::ALL {
            options.progress.phase("checking what the store keeps", None);
            let cannot_write = checks.first().is_some_and(|first| self.is_useless(&first.outcome));
            let outcome = if cannot_write {
                RuleOutcome::NotChecked
            } else {
                outcome(self.check(rule, options.big_bytes).await)?
            };
            checks.push(RuleCheck { rule, outcome });
        }
        Ok(checks)
    }

    /// Returns true if the first rule failed before all small files were written.
    fn is_useless(&self, first: &RuleOutcome) -> bool {
        *first != RuleOutcome::Holds && self.lock().len() < FILES
    }

    async fn check(&self, rule: StoreRule, big_bytes: u64) -> Found {
        match rule {
            StoreRule::ReadAfterWrite => self.read_after_write().await,
            StoreRule::ListAfterWrite => self.list_after_write().await,
            StoreRule::OneCreator => self.one_creator().await,
            StoreRule::BigObject => self.big_object(big_bytes).await,
            StoreRule::Delete => self.delete().await,
            StoreRule::ListAfterDelete => self.list_after_delete().await,
        }
    }

    async fn read_after_write(&self) -> Found {
        let mut problem = None;
        for number in 0..FILES {
            let (path, content) = (self.path(&small(number)), self.content(number, SMALL));
            if self.store.read(&path, SMALL).await?.is_some() {
                return Ok(Some("a file was there before it was written".to_owned()));
            }
            self.store.put(&path, content.clone().into()).await?;
            self.lock().push(path.clone());
            let found = self.store.read(&path, SMALL).await?;
            problem = problem.or_else(|| difference("a file that had just been written", &content, found));
        }
        Ok(problem)
    }

    async fn list_after_write(&self) -> Found {
        let found = self.store.list_files(&self.folder).await?;
        let missing = (0..FILES)
            .map(small)
            .filter(|name| !found.iter().any(|file| (&file.name, file.bytes) == (name, SMALL)))
            .count();
        Ok((missing > 0).then(|| {
            format!(
                "{missing} of {FILES} files that had just been written were not listed with their lengths"
            )
        }))
    }

    async fn one_creator(&self) -> Found {
        for round in 0..ROUNDS {
            let path = self.path(&format!("create-{round}"));
            self.lock().push(path.clone());
            let contents: Vec<_> = (0..CREATORS).map(|creator| self.content(creator, SMALL)).collect();
            let creations = contents.iter().map(|content| self.store.create(&path, content.clone()));
            let created = join_all(creations).await.into_iter().collect::<Result<Vec<_>, _>>()?;
            let winners: Vec<_> =
                contents.iter().zip(&created).filter(|(_, won)| **won).map(|(content, _)| content).collect();
            let [winner] = winners.as_slice() else {
                return Ok(Some(format!(
                    "{} of {CREATORS} writers of one file were answered that they had created it",
                    winners.len()
                )));
            };
            let another = self.content(CREATORS, SMALL);
            if self.store.create(&path, another).await? {
                return Ok(Some("a file that was there was created once more".to_owned()));
            }
            let found = self.store.read(&path, SMALL).await?;
            if let Some(problem) = difference("the file of the one who created it", winner, found) {
                return Ok(Some(problem));
            }
        }
        Ok(None)
    }

    async fn big_object(&self, length: u64) -> Found {
        let (name, content) = ("big", self.content(CREATORS + 1, length));
        let path = self.path(name);
        self.lock().push(path.clone());
        self.store.put(&path, content.clone().into()).await?;
        let listed = self.store.list_files(&self.folder).await?;
        let listed = listed.into_iter().find(|file| file.name == name).map(|file| file.bytes);
        if listed != Some(length) {
            let listed = listed.map_or("not at all".to_owned(), |length| format!("with {length}"));
            return Ok(Some(format!("a file of {length} bytes was listed {listed}")));
        }
        let part = 1_000.min(length);
        for start in [0, length / 2, length].map(|start| start.min(length - part)) {
            let found = self.store.read_range(&path, start..start + part).await?;
            let expected = content.get(start as usize..(start + part) as usize);
            if expected != Some(&*found) {
                return Ok(Some(format!("bytes {start} to {} of {length} came as others", start + part)));
            }
        }
        Ok(difference("a big file", &content, self.store.read(&path, length).await?))
    }

    async fn delete(&self) -> Found {
        let mut left = 0;
        for number in 0..FILES {
            let path = self.path(&small(number));
            self.store.remove(&path).await?;
            left += usize::from(self.store.read(&path, SMALL).await?.is_some());
        }
        Ok((left > 0).then(|| format!("{left} of {FILES} files could be read after they had been removed")))
    }

    async fn list_after_delete(&self) -> Found {
        let found = self.store.list_files(&self.folder).await?;
        let left = (0..FILES).map(small).filter(|name| found.iter().any(|file| file.name == *name)).count();
        Ok((left > 0).then(|| format!("{left} of {FILES} files were listed after they had been removed")))
    }

    /// Removes all that was made; returns what is still there, or may be.
    async fn clean_up(&self) -> Vec<String> {
        let made = std::mem::take(&mut *self.lock());
        let mut left = Vec::new();
        for path in made {
            let is_gone = self.store.remove(&path).await.is_ok()
                && matches!(self.store.read(&path, u64::MAX).await, Ok(None));
            if !is_gone {
                left.push(path);
            }
        }
        self.store.remove_folder(&self.folder);
        left
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }

    /// Makes bytes that nobody else has, and that cannot be compressed.
    fn content(&self, number: usize, length: u64) -> Bytes {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.seed).update(&number.to_le_bytes());
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        hasher.finalize_xof().fill(&mut bytes);
        bytes.into()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn small(number: usize) -> String {
    format!("file-{number}")
}

/// Makes an outcome; what a store refuses for good breaks a rule, and no answer is an error.
fn outcome(found: Found) -> Result<RuleOutcome, RepositoryError> {
    match found {
        Ok(None) => Ok(RuleOutcome::Holds),
        Ok(Some(problem)) => Ok(RuleOutcome::Broken(problem)),
        Err(error) if error.is_transient() => Err(error),
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            Ok(RuleOutcome::Broken(format!("{error}{}", cause.unwrap_or_default())))
        }
    }
}

/// Says how what was read differs from what was written.
fn difference(what: &str, written: &Bytes, found: Option<Bytes>) -> Option<String> {
    match found {
        Some(found) if found == *written => None,
        Some(found) if found.len() == written.len() => Some(format!("{what} was read with other bytes")),
        Some(found) => {
            Some(format!("{what} was written with {} bytes and read with {}", written.len(), found.len()))
        }
        None => Some(format!("{what} could not be read")),
    }
}
