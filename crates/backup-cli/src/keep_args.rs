//! Rules that say which dumps stay, as options; and times and annotations in options.

use std::time::Duration;

use backup_repository::KeepRules;
use clap::Args;

/// Rules that keep dumps. A dump stays if one of them keeps it.
#[derive(Args, Clone, Debug)]
pub(crate) struct KeepArgs {
    /// Keep the newest N dumps
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    keep_last: usize,
    /// Keep what was finished at most so long before the newest dump: hours, days, weeks or years, like 36h, 14d, 8w, 1y
    #[arg(long, value_name = "TIME", value_parser = parse_age)]
    keep_within: Option<Duration>,
    /// Keep one dump of each of the last N hours that have one
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    keep_hourly: usize,
    /// Keep one dump of each of the last N days that have one
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    keep_daily: usize,
    /// Keep one dump of each of the last N weeks that have one
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    keep_weekly: usize,
    /// Keep one dump of each of the last N months that have one
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    keep_monthly: usize,
    /// Keep one dump of each of the last N years that have one
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    keep_yearly: usize,
    /// Keep dumps with this annotation; may be repeated
    #[arg(long, value_name = "NAME[=VALUE]", value_parser = parse_annotation)]
    keep_annotation: Vec<(String, Option<String>)>,
}

impl KeepArgs {
    /// Returns the rules; they are empty if no option was given.
    pub(crate) fn rules(&self) -> KeepRules {
        KeepRules {
            last: self.keep_last,
            within: self.keep_within,
            hourly: self.keep_hourly,
            daily: self.keep_daily,
            weekly: self.keep_weekly,
            monthly: self.keep_monthly,
            yearly: self.keep_yearly,
            annotations: self.keep_annotation.clone(),
        }
    }
}

/// Parses an annotation: its name, and its value if one is asked for.
pub(crate) fn parse_annotation(text: &str) -> Result<(String, Option<String>), String> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (text, None),
    };
    if name.is_empty() { Err("expected NAME or NAME=VALUE".to_owned()) } else { Ok((name.to_owned(), value)) }
}

/// Parses a time from an hour to a century: `36h`, `14d`, `8w`, `1y` of 365 days.
pub(crate) fn parse_age(text: &str) -> Result<Duration, String> {
    const HOURS_MAX: u64 = 100 * 365 * 24;
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "h" => 1,
        "d" => 24,
        "w" => 7 * 24,
        "y" => 365 * 24,
        unit => return Err(format!("unknown unit {unit:?}; expected h, d, w or y")),
    };
    let number: u64 = digits.parse().map_err(|_| format!("{digits:?} is no whole number"))?;
    match number.checked_mul(unit) {
        Some(hours @ 1..=HOURS_MAX) => Ok(Duration::from_secs(hours * 3_600)),
        _ => Err("expected a time from 1h to 100y".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_units_and_an_end() {
        for (text, hours) in [("36h", 36), ("14d", 336), ("8w", 1_344), ("1y", 8_760), ("100y", 876_000)] {
            assert_eq!(parse_age(text), Ok(Duration::from_secs(hours * 3_600)), "{text}");
        }
        for bad in ["", "7", "0d", "1m", "-1d", "1.5d", "101y", "99999999999999999999y"] {
            assert!(parse_age(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn annotations_have_a_name_and_perhaps_a_value() {
        assert_eq!(parse_annotation("release"), Ok(("release".to_owned(), None)));
        assert_eq!(parse_annotation("a=b=c"), Ok(("a".to_owned(), Some("b=c".to_owned()))));
        assert!(parse_annotation("").is_err() && parse_annotation("=x").is_err());
    }
}
