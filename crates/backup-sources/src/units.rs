//! Sizes and times as they are written on the command line.

use std::num::NonZeroU64;
use std::time::Duration;

use backup_format::limits;

/// Parses a number of bytes, at most what a value may ever take: `4096`, `300MiB`.
///
/// # Errors
///
/// A text that says what was expected.
pub fn parse_size(text: &str) -> Result<usize, String> {
    match parse_bytes(text)?.map(usize::try_from) {
        Some(Ok(bytes @ 1..=limits::VALUE_BYTES_CEILING)) => Ok(bytes),
        _ => Err(format!(
            "expected 1 to {} bytes (500MiB), the most that fits in a dump",
            limits::VALUE_BYTES_CEILING
        )),
    }
}

/// Parses bytes a second: `500KiB`, `2MiB/s`.
///
/// # Errors
///
/// A text that says what was expected.
pub fn parse_rate(text: &str) -> Result<NonZeroU64, String> {
    let bytes = parse_bytes(text.strip_suffix("/s").unwrap_or(text))?;
    bytes.and_then(NonZeroU64::new).ok_or_else(|| "expected one byte a second to 16 EiB".to_owned())
}

/// Parses a number of bytes; `None` if it is too large.
fn parse_bytes(text: &str) -> Result<Option<u64>, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        unit => return Err(format!("unknown unit {unit:?}; expected B, KiB, MiB or GiB")),
    };
    let number: u64 = digits.trim_end().parse().map_err(|_| format!("{digits:?} is no whole number"))?;
    Ok(number.checked_mul(unit))
}

/// Parses a time from a millisecond to a week: `500ms`, `30s`, `2m`, `1h`.
///
/// # Errors
///
/// A text that says what was expected.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        unit => return Err(format!("unknown unit {unit:?}; expected ms, s, m or h")),
    };
    let number: u64 = digits.parse().map_err(|_| format!("{digits:?} is no whole number"))?;
    match number.checked_mul(unit) {
        Some(millis @ 1..=604_800_000) => Ok(Duration::from_millis(millis)),
        _ => Err("expected a time from 1ms to a week (168h)".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_bytes_a_second() {
        assert_eq!(parse_rate("2GiB").unwrap().get(), 2 << 30);
        assert_eq!(parse_rate("500/s").unwrap().get(), 500);
        for bad in ["0", "fast", "/s", "", "99999999999GiB"] {
            assert!(parse_rate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_have_units_and_a_ceiling() {
        assert_eq!(parse_size("4096"), Ok(4096));
        assert_eq!(parse_size("300MiB"), Ok(300 << 20));
        assert_eq!(parse_size("500 MiB"), Ok(500 << 20));
        for bad in ["", "0", "501MiB", "1GiB", "3MB", "-1", "1.5MiB", "99999999999999999999"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_have_units_and_an_end() {
        for (text, millis) in
            [("500ms", 500), ("30", 30_000), ("30s", 30_000), ("2m", 120_000), ("168h", 604_800_000)]
        {
            assert_eq!(parse_time(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for bad in ["", "0", "s", "-1s", "1.5s", "5 s", "1d", "169h", "99999999999999999999s"] {
            assert!(parse_time(bad).is_err(), "{bad}");
        }
    }
}
