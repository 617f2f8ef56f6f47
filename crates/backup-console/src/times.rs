//! Times as people read them: in the zone of this machine, or in UTC.

use chrono::{DateTime, FixedOffset, Local, NaiveDateTime, SecondsFormat, Utc};

/// How times are written for people.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    utc: bool,
}

impl Times {
    pub(crate) fn new(utc: bool) -> Self {
        // By POSIX an empty variable means UTC; without it the zone is that of the system.
        let is_empty = std::env::var_os("TZ").is_some_and(|zone| zone.is_empty());
        Self { utc: utc || is_empty }
    }

    /// Writes a time of a manifest, which is in UTC, to the second. What is no time is returned as it is.
    #[must_use]
    pub fn text(self, time: &str) -> String {
        let Ok(moment) = DateTime::parse_from_rfc3339(time) else { return time.to_owned() };
        let moment = moment.to_utc();
        if self.utc { text(moment.fixed_offset()) } else { text(local(moment)) }
    }
}

/// Returns a moment in the zone of this machine; in UTC, where nothing says which that is.
fn local(moment: DateTime<Utc>) -> DateTime<FixedOffset> {
    moment.with_timezone(&Local).fixed_offset()
}

fn text(moment: DateTime<FixedOffset>) -> String {
    let is_utc = moment.offset().local_minus_utc() == 0;
    moment.format(if is_utc { "%Y-%m-%d %H:%M:%SZ" } else { "%Y-%m-%d %H:%M:%S %:z" }).to_string()
}

/// Reads a moment as [`Times::text`] and manifests write it, with its zone. Returns it in UTC, like `2026-01-31T04:00:00Z`; `None` for what is
/// none.
#[must_use]
pub fn parse_moment(text: &str) -> Option<String> {
    const SECONDS: usize = "2026-01-31T04:00:00".len();
    let (moment, zone) = (text.get(..SECONDS)?, text.get(SECONDS..)?);
    let moment = NaiveDateTime::parse_from_str(&moment.replacen('T', " ", 1), "%Y-%m-%d %H:%M:%S").ok()?;
    let zone = match zone.strip_prefix(' ').unwrap_or(zone) {
        "Z" => "+00:00",
        zone => zone,
    };
    let offset: FixedOffset = zone.parse().ok().filter(|_| zone.len() == "+00:00".len())?;
    let moment = moment.and_local_timezone(offset).single()?.to_utc();
    Some(moment.to_rfc3339_opts(SecondsFormat::Secs, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utc_is_marked_and_what_is_no_time_is_left_alone() {
        let utc = Times { utc: true };
        assert_eq!(utc.text("2026-01-31T04:00:00.955Z"), "2026-01-31 04:00:00Z");
        assert_eq!(utc.text("2026-01-31T04:00:00Z"), "2026-01-31 04:00:00Z");
        for odd in ["", "yesterday", "2026-02-30T00:00:00Z"] {
            assert_eq!(utc.text(odd), odd);
        }
        let berlin = FixedOffset::east_opt(3_600).unwrap();
        let moment: DateTime<Utc> = "2026-01-31T23:30:00Z".parse().unwrap();
        assert_eq!(text(moment.with_timezone(&berlin)), "2026-02-01 00:30:00 +01:00");
    }

    #[test]
    fn what_is_written_is_read_again() {
        for (moment, utc) in [
            ("2026-01-31T04:00:00Z", "2026-01-31T04:00:00Z"),
            ("2026-01-31 04:00:00Z", "2026-01-31T04:00:00Z"),
            ("2026-02-01 00:30:00 +01:00", "2026-01-31T23:30:00Z"),
            ("2026-01-31T20:00:00-03:30", "2026-01-31T23:30:00Z"),
        ] {
            assert_eq!(parse_moment(moment).as_deref(), Some(utc), "{moment}");
        }
        for bad in [
            "2026-01-31 04:00:00",
            "2026-01-31",
            "",
            "2026-13-01 00:00:00Z",
            "2026-01-31 04:00:00 CET",
            "2026-01-31 04:00:00 +1:00",
        ] {
            assert_eq!(parse_moment(bad), None, "{bad}");
        }
    }

    #[test]
    fn no_year_of_a_manifest_is_too_early_or_too_late() {
        for time in ["0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z"] {
            assert!(!Times { utc: false }.text(time).is_empty());
        }
    }
}
