//! Sizes and times as they are written on the command line.

use std::time::Duration;

use backup_format::limits;

/// Reads a number of bytes, at most what a value may ever take.
pub(crate) fn parse_size(text: &str) -> Result<usize, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        unit => return Err(format!("unknown unit {unit:?}; expected B, KiB, MiB or GiB")),
    };
    let number: usize = digits.trim_end().parse().map_err(|_| format!("{digits:?} is no whole number"))?;
    match number.checked_mul(unit) {
        Some(bytes @ 1..=limits::VALUE_BYTES_CEILING) => Ok(bytes),
        _ => Err(format!(
            "expected 1 to {} bytes (500MiB), the most that fits in a dump",
            limits::VALUE_BYTES_CEILING
        )),
    }
}

/// Reads a time, at least a millisecond.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
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
