//! Forgetting dumps, and taking that back.

use std::collections::{BTreeMap, BTreeSet};

use backup_format::{Limits, Manifest, ObjectId};
use time::OffsetDateTime;

use crate::error::RepositoryError;
use crate::keep::{self, KeepReason, KeepRules};
use crate::progress::Progress;
use crate::reader::DumpReader;
use crate::repository::{self, Dump, Dumps, Repository, no_dump};
use crate::signed::{Signed, Statement};
use crate::store::Store;
use crate::{verify, work};

/// Which dumps are to be forgotten.
#[derive(Clone, Debug, Default)]
pub struct ForgetOptions {
    /// Which dumps of a group stay; those that no rule keeps go. Without a rule only `dumps` go.
    pub rules: KeepRules,
    /// Dumps that go whatever the rules say: the first 4 to 64 hex digits of their ids.
    pub dumps: Vec<String>,
    /// Leaves alone what is of another namespace; `None` means of any.
    pub namespace: Option<String>,
    /// Leaves alone what is of another validator, by its public key; `None` means of any.
    pub origin: Option<String>,
    /// Forgets also if more than half of the dumps go; false by default.
    pub allow_most: bool,
    /// Tells what would go, and changes nothing; false by default.
    pub dry_run: bool,
}

/// What was forgotten, and what stayed.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ForgetReport {
    /// The groups, in the order of namespace, origin and layout.
    pub groups: Vec<ForgetGroup>,
    /// Dumps that were named, go, and are not signed by a trusted key. They are in no group.
    pub untrusted: Vec<ObjectId>,
}

/// Dumps of one namespace of one validator in one layout: rules count them together.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ForgetGroup {
    /// The namespace.
    pub namespace: String,
    /// The validator's public key; `None` where dumps do not say it.
    pub origin: Option<String>,
    /// The layout.
    pub layout: String,
    /// The dumps, the newest first.
    pub dumps: Vec<Verdict>,
}

/// A dump, and what becomes of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Verdict {
    /// The dump.
    pub dump: Dump,
    /// Why it stays; empty if it goes.
    pub reasons: Vec<KeepReason>,
}

impl Verdict {
    /// Returns true if the dump goes.
    #[must_use]
    pub fn goes(&self) -> bool {
        self.reasons.is_empty()
    }
}

impl ForgetReport {
    /// Returns the dumps that go.
    pub fn going(&self) -> impl Iterator<Item = &Dump> {
        self.verdicts().filter(|verdict| verdict.goes()).map(|verdict| &verdict.dump)
    }

    /// Returns the number of dumps that stay.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.verdicts().filter(|verdict| !verdict.goes()).count()
    }

    fn verdicts(&self) -> impl Iterator<Item = &Verdict> {
        self.groups.iter().flat_map(|group| &group.dumps)
    }
}

impl Repository {
    /// Forgets dumps: they are no longer listed, and can no longer be restored.
    ///
    /// Packs stay as they are until [`Repository::prune`] removes them; so long [`Repository::unforget`] can take it back. The newest dump of each group always stays. A
    /// dump is first copied to the forgotten ones and then removed, so an interruption loses nothing.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Forget`] while a manifest is damaged or of a later version, or no trusted key signed it and it is not named. Also when a dump is named that must stay,
    /// or when more than half would go. [`RepositoryError::NoDump`] when digits fit no dump or several.
    /// [`RepositoryError::Store`].
    pub async fn forget(&self, options: &ForgetOptions) -> Result<ForgetReport, RepositoryError> {
        let (repository, options) = (self.clone(), options.clone());
        work::drive(async move { repository.forget_dumps(&options).await }).await
    }

    async fn forget_dumps(&self, options: &ForgetOptions) -> Result<ForgetReport, RepositoryError> {
        if !options.dry_run {
            self.check_signs()?;
        }
        let dumps = self.dumps().await?;
        check_readable(&dumps, &options.rules)?;
        let (untrusted, options) = named_untrusted(&dumps, options)?;
        let report = judge(dumps.good, &options, self.clock.now())?;
        check_share(&report, &options)?;
        if !options.dry_run {
            for id in report.going().map(|dump| dump.id).chain(untrusted.iter().copied()) {
                self.forget_one(id).await?;
            }
        }
        Ok(ForgetReport { untrusted, ..report })
    }

    /// Tells why each good dump would stay if these rules were applied now; one without a reason would go. Nothing is read or changed.
    ///
    /// # Errors
    ///
    /// As [`Repository::forget`], while a manifest cannot be read, or no trusted key signed it.
    pub fn retention(
        &self,
        dumps: &Dumps,
        rules: &KeepRules,
    ) -> Result<Vec<(ObjectId, Vec<KeepReason>)>, RepositoryError> {
        check_readable(dumps, rules)?;
        named_untrusted(dumps, &ForgetOptions::default())?;
        let mut groups = BTreeMap::<_, Vec<&Dump>>::new();
        for dump in dumps.good.iter().rev() {
            groups.entry(group_of(&dump.manifest)).or_default().push(dump);
        }
        let mut verdicts = Vec::with_capacity(dumps.good.len());
        for group in groups.into_values() {
            let manifests: Vec<&Manifest> = group.iter().map(|dump| &dump.manifest).collect();
            let reasons = keep::reasons(&manifests, rules, self.clock.now());
            verdicts.extend(group.iter().map(|dump| dump.id).zip(reasons));
        }
        Ok(verdicts)
    }

    async fn forget_one(&self, id: ObjectId) -> Result<(), RepositoryError> {
        let manifest = Store::manifest_path(id);
        // Somebody else may have forgotten it meanwhile.
        let Some((content, json)) = self.read_manifest(&manifest, id).await? else { return Ok(()) };
        if let Some(signature) = self.sign(Statement::Forgotten, (id, content.sequence), &json)? {
            self.store.write(&Statement::Forgotten.path(id), signature.into()).await?;
        }
        // The signature of the dump itself stays where it is, for the one that takes this back.
        self.store.write(&Store::forgotten_path(id), json.into()).await?;
        self.store.remove(&manifest).await
    }

    /// Lists the forgotten dumps, in the order of their ids. What cannot be read is left out.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Store`].
    pub async fn forgotten(&self) -> Result<Vec<Dump>, RepositoryError> {
        let mut dumps = Vec::new();
        for (id, _) in self.store.forgotten().await? {
            match self.read_manifest(&Store::forgotten_path(id), id).await {
                Ok(Some((manifest, _))) => dumps.push(Dump { id, manifest }),
                Err(error @ RepositoryError::Store { .. }) => return Err(error),
                Ok(None) | Err(_) => {}
            }
        }
        Ok(dumps)
    }

    /// Takes back that a dump was forgotten. All that it reaches is known to be there before it is listed again.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::NoDump`] when the digits fit no forgotten dump or several; [`RepositoryError::Gone`] when what it
    /// reaches is no longer there; [`RepositoryError::Pruned`] when that goes away now.
    pub async fn unforget(&self, digits: &str) -> Result<Dump, RepositoryError> {
        let (repository, digits) = (self.clone(), digits.to_owned());
        work::drive(async move {
            match repository.unforget_dump(&digits).await {
                Err(RepositoryError::Pruned { .. }) => repository.unforget_dump(&digits).await,
                result => result,
            }
        })
        .await
    }

    async fn unforget_dump(&self, digits: &str) -> Result<Dump, RepositoryError> {
        let ids = self.store.forgotten().await?;
        let id = repository::choose(ids.iter().map(|(id, _)| *id), digits, ("forgotten dump", "unforget"))?;
        let path = Store::forgotten_path(id);
        let Some((manifest, json)) = self.read_manifest(&path, id).await? else {
            return Err(no_dump(format!("{path} is gone")));
        };
        let signed = self.check_signature(Statement::Dump, (id, manifest.sequence), (&json, true)).await?;
        let signature = match signed {
            Signed::No | Signed::Unreadable => self.sign(Statement::Dump, (id, manifest.sequence), &json)?,
            _ => None,
        };
        let dump = Dump { id, manifest };
        let packs = match self.secure_forgotten(&dump).await {
            Err(source @ RepositoryError::MissingObject { .. }) => {
                return Err(RepositoryError::Gone { dump: id, source: Box::new(source) });
            }
            result => result?,
        };
        self.publish((id, json, signature), &packs).await?;
        self.store.remove(&path).await?;
        self.store.remove(&Statement::Forgotten.path(id)).await?;
        Ok(dump)
    }

    /// Finds all that a forgotten dump reaches, and copies what is about to be removed. Returns the packs that hold it.
    async fn secure_forgotten(&self, dump: &Dump) -> Result<Vec<(ObjectId, u64)>, RepositoryError> {
        let reader = DumpReader::with_index(self, self.writer_index().await?, dump, Limits::default());
        verify::check_reached(&reader, &dump.manifest).await?;
        self.secure(&reader, &dump.manifest, &Progress::default()).await
    }
}

/// Checks that nothing is hidden from the rules.
fn check_readable(dumps: &Dumps, rules: &KeepRules) -> Result<(), RepositoryError> {
    if let Some((id, _)) = dumps.damaged.iter().chain(&dumps.unsupported).next() {
        let problem = format!(
            "the manifest of dump {id:.12} cannot be read, and it may be one that must stay; `list` says what is wrong"
        );
        return Err(RepositoryError::Forget { problem });
    }
    if !rules.annotations.is_empty() {
        dumps.good.iter().try_for_each(|dump| dump.inventory().map(drop))?;
    }
    Ok(())
}

/// Returns what the dumps have in common that rules count together: namespace, origin and layout.
fn group_of(Manifest { namespace, source, .. }: &Manifest) -> (String, Option<String>, String) {
    (namespace.clone(), source.origin.clone(), source.layout.clone())
}

/// Returns the dumps that are named and not trusted, and the options without them. Others that are not trusted are in the way: a good dump whose
/// signature was removed must not be passed over, and one that somebody added must not count.
fn named_untrusted(
    dumps: &Dumps,
    options: &ForgetOptions,
) -> Result<(Vec<ObjectId>, ForgetOptions), RepositoryError> {
    let mut untrusted: BTreeMap<ObjectId, bool> =
        dumps.untrusted.iter().map(|(id, _)| (*id, false)).collect();
    let mut trusted = Vec::new();
    for digits in &options.dumps {
        let all = dumps.good.iter().map(|dump| dump.id).chain(untrusted.keys().copied());
        match untrusted.get_mut(&repository::choose(all, digits, ("dump", "list"))?) {
            Some(is_named) => *is_named = true,
            None => trusted.push(digits.clone()),
        }
    }
    if let Some((id, error)) = dumps.untrusted.iter().find(|(id, _)| untrusted.get(id) == Some(&false)) {
        let why = match error {
            RepositoryError::Untrusted { source: Some(source), .. } => source.to_string(),
            RepositoryError::Untrusted { problem, .. } => problem.clone(),
            error => error.to_string(),
        };
        let problem = format!(
            "dump {id:.12} is not signed by a trusted key: {why}. If it is yours, sign it; if it is not, forget it by its id"
        );
        return Err(RepositoryError::Forget { problem });
    }
    Ok((untrusted.into_keys().collect(), ForgetOptions { dumps: trusted, ..options.clone() }))
}

/// Decides for each dump whether it goes. `dumps` are sorted, the newest last.
fn judge(
    dumps: Vec<Dump>,
    options: &ForgetOptions,
    now: OffsetDateTime,
) -> Result<ForgetReport, RepositoryError> {
    let named: BTreeSet<ObjectId> = options
        .dumps
        .iter()
        .map(|digits| repository::choose(dumps.iter().map(|dump| dump.id), digits, ("dump", "list")))
        .collect::<Result<_, _>>()?;
    let mut groups = BTreeMap::<_, Vec<Dump>>::new();
    for dump in dumps.into_iter().rev().filter(|dump| is_meant(&dump.manifest, options)) {
        groups.entry(group_of(&dump.manifest)).or_default().push(dump);
    }
    let mut report = ForgetReport::default();
    for ((namespace, origin, layout), dumps) in groups {
        let manifests: Vec<&Manifest> = dumps.iter().map(|dump| &dump.manifest).collect();
        let mut reasons = keep::reasons(&manifests, &options.rules, now);
        for (dump, reasons) in dumps.iter().zip(&mut reasons) {
            let is_newest = reasons.contains(&KeepReason::Newest);
            if named.contains(&dump.id) && is_newest {
                return Err(must_stay(dump));
            }
            if named.contains(&dump.id) {
                reasons.clear();
            } else if options.rules.is_empty() && !is_newest {
                *reasons = vec![KeepReason::NotChosen];
            }
        }
        let dumps = dumps.into_iter().zip(reasons).map(|(dump, reasons)| Verdict { dump, reasons }).collect();
        report.groups.push(ForgetGroup { namespace, origin, layout, dumps });
    }
    match named.into_iter().find(|id| report.going().all(|dump| dump.id != *id)) {
        Some(id) => Err(RepositoryError::Forget {
            problem: format!(
                "dump {id:.12} is of another namespace or validator than the one that was named"
            ),
        }),
        None => Ok(report),
    }
}

fn is_meant(manifest: &Manifest, options: &ForgetOptions) -> bool {
    let is_namespace = options.namespace.as_ref().is_none_or(|name| *name == manifest.namespace);
    is_namespace && (options.origin.is_none() || options.origin == manifest.source.origin)
}

fn must_stay(dump: &Dump) -> RepositoryError {
    let (id, namespace) = (dump.id, &dump.manifest.namespace);
    let problem = format!(
        "dump {id:.12} is the newest of namespace {namespace}; an older one in its place forgets votes"
    );
    RepositoryError::Forget { problem }
}

fn check_share(report: &ForgetReport, options: &ForgetOptions) -> Result<(), RepositoryError> {
    let (going, kept) = (report.going().count(), report.kept());
    if going <= kept || options.allow_most || options.dry_run {
        return Ok(());
    }
    let all = going + kept;
    let problem = format!(
        "{going} of {all} dumps would go, which is more than half; allow that explicitly if it is meant"
    );
    Err(RepositoryError::Forget { problem })
}
