//! Rules that say which dumps of a group stay.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use backup_format::Manifest;
use time::OffsetDateTime;

use crate::latest;

/// Rules that keep dumps. A dump stays if one of them keeps it; the default keeps none.
///
/// The rules of periods keep the newest dump of each period, in so many periods that have dumps. Periods are those of UTC;
/// weeks begin on Monday.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeepRules {
    /// Keeps so many of the newest.
    pub last: usize,
    /// Keeps what was finished at most so long before the newest.
    pub within: Option<Duration>,
    /// Keeps one in each of so many hours.
    pub hourly: usize,
    /// Keeps one in each of so many days.
    pub daily: usize,
    /// Keeps one in each of so many weeks.
    pub weekly: usize,
    /// Keeps one in each of so many months.
    pub monthly: usize,
    /// Keeps one in each of so many years.
    pub yearly: usize,
    /// Keeps what has one of these annotations: a name, and its value unless any will do.
    pub annotations: Vec<(String, Option<String>)>,
}

impl KeepRules {
    /// Returns true if no rule keeps anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn periods(&self) -> [(KeepReason, usize, Period); 5] {
        [
            (KeepReason::Hourly, self.hourly, |time| (time.to_julian_day(), time.hour().into())),
            (KeepReason::Daily, self.daily, |time| (time.to_julian_day(), 0)),
            (KeepReason::Weekly, self.weekly, |time| {
                let (year, week, _) = time.to_iso_week_date();
                (year, week.into())
            }),
            (KeepReason::Monthly, self.monthly, |time| (time.year(), u8::from(time.month()).into())),
            (KeepReason::Yearly, self.yearly, |time| (time.year(), 0)),
        ]
    }
}

/// Returns what all times of a period have in common.
type Period = fn(OffsetDateTime) -> (i32, u32);

/// Why a dump stays.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeepReason {
    /// It is the newest of its group, which always stays: an older one forgets more votes.
    Newest,
    /// Nothing was said about it.
    NotChosen,
    /// Its time is not past, or is none: rules about times say nothing about it.
    NoPastTime,
    /// It is one of the last.
    Last,
    /// It was finished shortly before the newest.
    Within,
    /// It is the newest of an hour.
    Hourly,
    /// It is the newest of a day.
    Daily,
    /// It is the newest of a week.
    Weekly,
    /// It is the newest of a month.
    Monthly,
    /// It is the newest of a year.
    Yearly,
    /// It has the annotation of this name.
    Annotation(String),
}

impl fmt::Display for KeepReason {
    /// Writes the reason as one or few words.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Newest => "newest",
            Self::NotChosen => "not chosen",
            Self::NoPastTime => "no past time",
            Self::Last => "last",
            Self::Within => "within",
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Yearly => "yearly",
            Self::Annotation(name) => return write!(out, "annotation {name}"),
        })
    }
}

/// Tells why each dump of a group stays, the newest first; one without a reason goes.
///
/// Dumps that are from the future, or whose time is none, always stay and count for no rule. A clock that was wrong once
/// must not push the good ones out.
pub(crate) fn reasons(group: &[&Manifest], rules: &KeepRules, now: OffsetDateTime) -> Vec<Vec<KeepReason>> {
    let times: Vec<_> = group.iter().map(|manifest| past_time(manifest, now)).collect();
    let mut reasons = vec![Vec::new(); group.len()];
    let newest = times.iter().position(Option::is_some).unwrap_or(0);
    if let Some(reasons) = reasons.get_mut(newest) {
        reasons.push(KeepReason::Newest);
    }
    let newest = times.get(newest).copied().flatten();
    let mut periods = rules.periods().map(|(reason, left, period)| (reason, left, period, BTreeSet::new()));
    let mut last = rules.last;
    for ((manifest, time), reasons) in group.iter().zip(&times).zip(&mut reasons) {
        reasons.extend(annotation(manifest, rules));
        let Some(time) = *time else {
            reasons.push(KeepReason::NoPastTime);
            continue;
        };
        if last > 0 {
            last -= 1;
            reasons.push(KeepReason::Last);
        }
        if rules.within.zip(newest).is_some_and(|(within, newest)| newest - time <= within) {
            reasons.push(KeepReason::Within);
        }
        for (reason, left, period, seen) in &mut periods {
            if seen.len() < *left && seen.insert(period(time)) {
                reasons.push(reason.clone());
            }
        }
    }
    reasons
}

fn annotation(manifest: &Manifest, rules: &KeepRules) -> Option<KeepReason> {
    let has = |(name, value): &&(String, Option<String>)| {
        let found = manifest.inventory.as_ref().and_then(|inventory| inventory.annotations.get(name));
        found.is_some_and(|found| value.as_ref().is_none_or(|value| value == found))
    };
    rules.annotations.iter().find(has).map(|(name, _)| KeepReason::Annotation(name.clone()))
}

/// Returns the time when a dump was finished, `None` if that lies in the future or is no time.
fn past_time(manifest: &Manifest, now: OffsetDateTime) -> Option<OffsetDateTime> {
    latest::finished_time(manifest).filter(|_| !latest::is_from_the_future(manifest, now))
}
