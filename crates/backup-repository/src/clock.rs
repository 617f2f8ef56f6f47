//! The clock by which dumps are made.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

type Read = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Tells the time that goes into manifests, and against which times in manifests are held. By default it is the system's.
///
/// No order of dumps rests on it: see [`DumpChoice::Latest`](crate::DumpChoice::Latest).
#[derive(Clone, Default)]
pub struct Clock(Option<Read>);

impl Clock {
    /// Makes a clock that shows what `read` returns, a time of the years 1 to 9999.
    pub fn new(read: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(read)))
    }

    pub(crate) fn now(&self) -> OffsetDateTime {
        self.0.as_ref().map_or_else(OffsetDateTime::now_utc, |read| read().into())
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if self.0.is_some() { "Clock(given)" } else { "Clock(system)" })
    }
}

/// Writes a time in UTC, RFC 3339, to the second.
#[must_use]
pub fn time_text(time: SystemTime) -> String {
    let text = text(time.into());
    text.split_once('.').map_or_else(|| text.clone(), |(seconds, _)| format!("{seconds}Z"))
}

/// Reads a time of a manifest. `None` for what has its form and is no time, like the 31st of February.
#[must_use]
pub fn parse_time_text(text: &str) -> Option<SystemTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok().map(SystemTime::from)
}

/// Writes a time in UTC, RFC 3339, to the millisecond: finer than two dumps follow each other.
pub(crate) fn text(time: OffsetDateTime) -> String {
    let (date, clock) = (time.date(), time.time());
    format!(
        "{date}T{:02}:{:02}:{:02}.{:03}Z",
        clock.hour(),
        clock.minute(),
        clock.second(),
        clock.millisecond()
    )
}
