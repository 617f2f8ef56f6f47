//! Removing what no dump needs any more.
//!
//! In two steps. First packs are condemned by a tombstone, when all of them that must stay lies elsewhere, too. Later, when
//! those that were at work had time to end, what must stay is looked for once more, and the packs are removed.

use std::collections::HashSet;
use std::time::Duration;

use backup_format::ObjectId;

use crate::choice::{self, Choice};
use crate::error::RepositoryError;
use crate::progress::Progress;
use crate::repack::{Action, Copier};
use crate::repository::Repository;
use crate::signed::Statement;
use crate::store::Store;
use crate::survey::Survey;
use crate::tombstone::{self, Pending};
use crate::work;

/// How often a prune begins anew because another one removed packs meanwhile.
const ATTEMPTS: usize = 3;

/// How a repository is pruned.
#[derive(Clone, Debug)]
pub struct PruneOptions {
    /// How long packs stay after they were condemned, and how old they are before that: 48 hours by default. With zero they go
    /// at once. It spares writers and readers at work a second run; no data rests on it.
    pub grace: Duration,
    /// Percent of the bytes that may stay unused in packs that hold something else: 10 by default. 100 repacks nothing.
    pub max_unused_percent: u8,
    /// Removes what is staged, whatever its age; false by default. A writer at work may then publish a dump that lacks objects,
    /// so there must be none.
    pub discard_staged: bool,
    /// Tells what would be removed, and changes nothing; false by default. Ages are then those by the clock of this machine.
    pub dry_run: bool,
    /// Receives events.
    pub progress: Progress,
}

impl PruneOptions {
    /// Default of [`PruneOptions::grace`].
    pub const GRACE: Duration = Duration::from_secs(48 * 3_600);
    /// Default of [`PruneOptions::max_unused_percent`].
    pub const MAX_UNUSED_PERCENT: u8 = 10;
}

impl Default for PruneOptions {
    fn default() -> Self {
        Self {
            grace: Self::GRACE,
            max_unused_percent: Self::MAX_UNUSED_PERCENT,
            discard_staged: false,
            dry_run: false,
            progress: Progress::default(),
        }
    }
}

/// Packs, and the lengths of their files together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PackCount {
    /// Their number.
    pub packs: u64,
    /// Bytes of their files.
    pub bytes: u64,
}

impl PackCount {
    fn add(&mut self, bytes: u64) {
        self.packs += 1;
        self.bytes += bytes;
    }
}

/// What a prune did, or would do.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PruneReport {
    /// Packs that were removed: condemned earlier, or now without a grace.
    pub removed: PackCount,
    /// Packs that are condemned and wait for the end of the grace.
    pub waiting: PackCount,
    /// Packs that were condemned now, because nothing in them must stay.
    pub empty: PackCount,
    /// Packs that were condemned now, after what must stay of them was copied.
    pub repacked: PackCount,
    /// Bytes of objects that were copied.
    pub copied_bytes: u64,
    /// Packs that stay, without those that were written now.
    pub left: PackCount,
    /// Bytes of objects in these that need not stay.
    pub unused_bytes: u64,
    /// Packs that stay because they are younger than the grace; they are among [`PruneReport::left`].
    pub young: PackCount,
    /// Packs whose tables cannot be read; they stay. `verify` names them.
    pub damaged: u64,
    /// Stages that were removed.
    pub stages_removed: u64,
    /// Signatures of nothing that were removed.
    pub signatures_removed: u64,
    /// Attestations that were removed: of dumps that are gone, or made needless by newer ones.
    pub attestations_removed: u64,
    /// Stages of writers at work, or of some that died: what they reach stays.
    pub stages: u64,
}

impl Repository {
    /// Removes packs that no dump needs any more, and copies what must stay of packs that are mostly unused.
    ///
    /// Safe beside backups, restores and other prunes at work. What this condemns, a later call removes, after the grace. When
    /// it is interrupted, at any moment, nothing that a dump reaches is missing, and the next call continues from there.
    ///
    /// This takes 32 bytes of memory for each object, and some bits.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Prune`] while a manifest, a stage or the record of a job cannot be read.
    /// [`RepositoryError::MissingObject`] and the like when a dump is damaged. [`RepositoryError::Store`].
    pub async fn prune(&self, options: &PruneOptions) -> Result<PruneReport, RepositoryError> {
        let (repository, options) = (self.clone(), options.clone());
        work::drive(async move {
            for _ in 1..ATTEMPTS {
                match repository.prune_once(&options).await {
                    Err(error) if error.is_gone() => {}
                    result => return result,
                }
            }
            repository.prune_once(&options).await
        })
        .await
    }

    async fn prune_once(&self, options: &PruneOptions) -> Result<PruneReport, RepositoryError> {
        self.check_unchanged().await?;
        let mut report = PruneReport::default();
        if options.dry_run {
            let survey = self.survey(options).await?;
            let strays = self.stray_signatures(survey.now, millis(options.grace)).await?;
            report.signatures_removed = strays.len() as u64;
            report.attestations_removed = self.needless_attestations().await?.len() as u64;
            plan(&survey, options, &mut report);
            return Ok(report);
        }
        self.check_writable().await?;
        self.store.remove_leftovers().await?;
        let survey = self.safe_survey(options, &mut report).await?;
        for id in self.needless_attestations().await? {
            self.store.remove(&Store::report_path(id)).await?;
            self.store.remove(&Statement::Attestation.path(id)).await?;
            report.attestations_removed += 1;
        }
        for path in self.stray_signatures(survey.now, millis(options.grace)).await? {
            self.store.remove(&path).await?;
            report.signatures_removed += 1;
        }
        self.remove_due(&survey, options, &mut report).await?;
        let choice = plan(&survey, options, &mut report);
        self.condemn(&survey, &choice, options, &mut report).await?;
        if options.grace.is_zero() && report.waiting.packs > 0 {
            let survey = self.safe_survey(options, &mut report).await?;
            self.remove_due(&survey, options, &mut report).await?;
            report.waiting = PackCount::default();
        }
        Ok(report)
    }

    /// Looks at everything until all that must stay lies in packs that stay; what does not is copied.
    async fn safe_survey(
        &self,
        options: &PruneOptions,
        report: &mut PruneReport,
    ) -> Result<Survey, RepositoryError> {
        loop {
            let survey = self.survey(options).await?;
            report.stages_removed += survey.stale;
            let (written, bytes) = self.rescue(&survey, &options.progress).await?;
            report.copied_bytes += bytes;
            if written.packs.is_empty() {
                return Ok(survey);
            }
        }
    }

    /// Copies what must stay of the chosen packs, and condemns them.
    async fn condemn(
        &self,
        survey: &Survey,
        choice: &Choice,
        options: &PruneOptions,
        report: &mut PruneReport,
    ) -> Result<(), RepositoryError> {
        let goes: Vec<usize> = [choice.empty.as_slice(), &choice.repacked].concat();
        if goes.is_empty() {
            return Ok(());
        }
        options.progress.phase("copying what must stay", None);
        let mut copier = Copier::new(self, &survey.index, &options.progress);
        let mut going = vec![false; survey.index.packs().len()];
        for pack in &goes {
            if let Some(going) = going.get_mut(*pack) {
                *going = true;
            }
        }
        for pack in goes.iter().copied().filter(|pack| !survey.is_dead(*pack)) {
            let action = |first| match survey.marks.has(first).then(|| survey.home(first)).flatten() {
                Some(home) if home == pack => Action::Copy,
                Some(home) if going.get(home) == Some(&false) => Action::Check(home),
                _ => Action::Leave,
            };
            copier.copy_from(pack, action).await?;
        }
        report.copied_bytes += copier.bytes;
        copier.finish().await?;
        let names: Vec<ObjectId> =
            goes.iter().filter_map(|pack| survey.index.packs().get(*pack)).map(|(name, _)| *name).collect();
        tombstone::write(&self.store, &names).await
    }

    /// Removes the packs of tombstones that are old enough. All that must stay lies in packs that stay.
    async fn remove_due(
        &self,
        survey: &Survey,
        options: &PruneOptions,
        report: &mut PruneReport,
    ) -> Result<(), RepositoryError> {
        let due: Vec<&Pending> = survey.due(millis(options.grace)).collect();
        if due.is_empty() {
            return Ok(());
        }
        options.progress.phase("removing packs", None);
        // After a power cut what was forgotten must not be back, nor what stays be gone.
        self.store.make_durable(&survey.staying()).await?;
        self.store.sync_marks().await?;
        for pending in due {
            self.store.remove_packs(&pending.packs).await?;
            pending
                .packs
                .iter()
                .filter_map(|pack| survey.length(*pack))
                .for_each(|bytes| report.removed.add(bytes));
            self.store.remove(&Store::pending_path(&pending.name)).await?;
        }
        Ok(())
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// Chooses the packs that go, and says what becomes of all of them.
fn plan(survey: &Survey, options: &PruneOptions, report: &mut PruneReport) -> Choice {
    let uses = survey.uses(millis(options.grace));
    let choice = choice::choose(&uses, options.max_unused_percent);
    let due = survey.due(millis(options.grace)).flat_map(|pending| pending.packs.iter().copied());
    let due: HashSet<ObjectId> = due.collect();
    let empty: HashSet<usize> = choice.empty.iter().copied().collect();
    let repacked: HashSet<usize> = choice.repacked.iter().copied().collect();
    for (number, pack) in uses.iter().enumerate() {
        let name = survey.index.packs().get(number).map(|(name, _)| *name);
        if empty.contains(&number) {
            report.empty.add(pack.bytes);
        } else if repacked.contains(&number) {
            report.repacked.add(pack.bytes);
            if options.dry_run {
                report.copied_bytes += pack.live;
            }
        } else if !survey.index.is_condemned(number) {
            report.left.add(pack.bytes);
            report.unused_bytes += pack.unused;
            if !pack.may_go {
                report.young.add(pack.bytes);
            }
            continue;
        }
        match (name.is_some_and(|name| due.contains(&name)), options.dry_run) {
            (true, true) => report.removed.add(pack.bytes),
            (true, false) => {}
            (false, true) if options.grace.is_zero() => report.removed.add(pack.bytes),
            (false, _) => report.waiting.add(pack.bytes),
        }
    }
    report.damaged = survey.index.damaged().len() as u64;
    report.stages = survey.staged;
    if options.dry_run {
        report.stages_removed = survey.stale;
    }
    choice
}
