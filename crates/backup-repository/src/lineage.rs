//! What a new dump follows: the dumps that are there before its namespace is opened.

use backup_format::{Manifest, ObjectId, SourceInfo, limits};
use time::OffsetDateTime;

use crate::clock;
use crate::error::RepositoryError;
use crate::latest;
use crate::repository::{Dump, Dumps};
use crate::warning::{BackupWarning, Unusable};

/// The place of a new dump in the order of all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lineage {
    /// Its number.
    pub sequence: u64,
    /// The heads that it follows, ascending.
    pub previous: Vec<ObjectId>,
    pub predecessor: Option<Dump>,
    pub warnings: Vec<BackupWarning>,
}

impl Lineage {
    /// Finds what a dump of this namespace follows. `origin` is the validator, if it is known.
    pub(crate) fn new(
        dumps: &Dumps,
        source: &SourceInfo,
        origin: Option<&str>,
    ) -> Result<Self, RepositoryError> {
        let own = akin(dumps, &source.namespace, origin);
        let mut heads = latest::heads(&own);
        // Dumps of earlier programs name nobody, so all of them are heads; the last ones are enough.
        heads.sort_by_key(|dump| std::cmp::Reverse(latest::key(dump)));
        heads.truncate(limits::PREVIOUS_MAX);
        let sequence = match heads.first() {
            None => 1,
            Some(last) => {
                let next = last.manifest.sequence.checked_add(1);
                next.ok_or(RepositoryError::LastSequence { dump: last.id })?
            }
        };
        let mut previous: Vec<_> = heads.iter().map(|dump| dump.id).collect();
        previous.sort_unstable();
        let predecessor = last_of(&own, &source.layout).cloned();
        Ok(Self { sequence, previous, predecessor, warnings: unreadable(dumps).into_iter().collect() })
    }

    /// Holds the clock against the times of the dumps that are followed. More than five minutes behind is refused unless it is
    /// allowed; less is only said.
    pub(crate) fn check_clock(
        &mut self,
        dumps: &Dumps,
        now: OffsetDateTime,
        allowed: bool,
    ) -> Result<(), RepositoryError> {
        let previous = dumps.good.iter().filter(|dump| self.previous.binary_search(&dump.id).is_ok());
        let times = previous.filter_map(|dump| Some((latest::finished_time(&dump.manifest)?, dump)));
        let Some((time, dump)) = times.max_by_key(|(time, _)| *time).filter(|(time, _)| *time > now) else {
            return Ok(());
        };
        let (dump, finished, now_text) = (dump.id, dump.manifest.finished.clone(), clock::text(now));
        if time > now + latest::AHEAD && !allowed {
            return Err(RepositoryError::ClockBehind { dump, finished, now: now_text });
        }
        self.warnings.push(BackupWarning::ClockBehind { dump, finished, now: now_text });
        Ok(())
    }
}

/// Returns the dump that one of this manifest and id is compared with: the last other one of the same namespace and layout.
pub(crate) fn predecessor<'a>(dumps: &'a Dumps, manifest: &Manifest, id: ObjectId) -> Option<&'a Dump> {
    let mut own = akin(dumps, &manifest.namespace, manifest.source.origin.as_deref());
    own.retain(|dump| dump.id != id);
    last_of(&own, &manifest.source.layout)
}

/// Warns of manifests that cannot be read or are not trusted.
pub(crate) fn unreadable(dumps: &Dumps) -> Option<BackupWarning> {
    let unusable = dumps.unusable();
    let Unusable { damaged, unsupported, untrusted } = unusable;
    (unusable != Unusable::default()).then_some(BackupWarning::Unreadable { damaged, unsupported, untrusted })
}

/// Returns the dumps that may be of the same validator's namespace; one that does not say its origin may be of any.
fn akin<'a>(dumps: &'a Dumps, namespace: &str, origin: Option<&str>) -> Vec<&'a Dump> {
    let is_akin = |dump: &&Dump| {
        let known = dump.manifest.source.origin.as_deref();
        dump.manifest.namespace == namespace && (known.is_none() || origin.is_none() || known == origin)
    };
    dumps.good.iter().filter(is_akin).collect()
}

fn last_of<'a>(dumps: &[&'a Dump], layout: &str) -> Option<&'a Dump> {
    let alike = dumps.iter().copied().filter(|dump| dump.manifest.source.layout == layout);
    alike.max_by_key(|dump| latest::key(dump))
}
