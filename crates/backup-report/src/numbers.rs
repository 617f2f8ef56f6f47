//! Numbers as people read them; the units are those of the program's other reports.

use std::time::Duration;

use indicatif::{HumanBytes, HumanCount};

use crate::text::plain;

/// Digits of an id that people compare; the program takes them, too.
const ID_DIGITS: usize = 12;
/// Units of time with the seconds of each, the largest first. Those that are smaller than what is counted in days are of no interest.
const TIMES: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
/// From here on, days are counted; before that, hours.
const DAYS_FROM: u64 = 3 * 86_400;

pub(crate) fn bytes(number: u64) -> String {
    HumanBytes(number).to_string()
}

pub(crate) fn count(number: u64) -> String {
    HumanCount(number).to_string()
}

/// Writes a number with its noun.
pub(crate) fn counted(number: u64, (one, many): (&str, &str)) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// Writes a difference with its sign; the minus is the one that is as wide as a plus.
pub(crate) fn signed(difference: i64, shown: fn(u64) -> String) -> String {
    let sign = match difference {
        0 => "\u{b1}",
        1.. => "+",
        _ => "\u{2212}",
    };
    format!("{sign}{}", shown(difference.unsigned_abs()))
}

/// Writes how long something took, in one unit or two.
pub(crate) fn took(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 100 {
        return format!("{:.1} s", time.as_secs_f64());
    }
    let units = TIMES.into_iter().filter(|(unit, _)| *unit < 86_400 || seconds >= DAYS_FROM);
    let mut left = seconds;
    let counts = units.map(|(unit, name)| {
        let number = left / unit;
        left %= unit;
        (number, name)
    });
    let counts = counts.skip_while(|(number, _)| *number == 0).take(2).filter(|(number, _)| *number > 0);
    counts.map(|(number, name)| format!("{} {name}", count(number))).collect::<Vec<_>>().join(" ")
}

/// Writes how old something is.
pub(crate) fn age(time: Duration) -> String {
    if time < Duration::from_secs(100) {
        "less than 2 min old".to_owned()
    } else {
        format!("{} old", took(time))
    }
}

/// Writes a ratio; `None` if there is nothing to compare with.
pub(crate) fn ratio(whole: u64, part: u64) -> Option<String> {
    (part > 0).then(|| format!("{:.2} to 1", whole as f64 / part as f64))
}

/// Writes a time of a manifest to the second: `2026-01-31 04:00:00 UTC`. What has another form stays.
pub(crate) fn time(text: &str) -> String {
    match moment(text) {
        Some((day, clock)) => format!("{day} {clock} UTC"),
        None => plain(text),
    }
}

/// Writes the day and the minute of a time of a manifest.
pub(crate) fn minute(text: &str) -> String {
    match moment(text) {
        Some((day, clock)) => format!("{day} {}", clock.get(..5).unwrap_or(clock)),
        None => plain(text),
    }
}

/// Returns the day and the clock time, without fractions.
fn moment(text: &str) -> Option<(&str, &str)> {
    let is_known = |letter: char| letter.is_ascii_digit() || "-:.TZ".contains(letter);
    let (day, clock) = text.strip_suffix('Z').filter(|text| text.chars().all(is_known))?.split_once('T')?;
    Some((day, clock.split_once('.').map_or(clock, |(seconds, _)| seconds)))
}

/// Returns the first digits of an id.
pub(crate) fn short(id: &str) -> &str {
    id.get(..ID_DIGITS).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_signs_units_and_nouns() {
        assert_eq!(signed(-1_500, count), "\u{2212}1,500");
        assert_eq!((signed(0, count), signed(2_048, bytes)), ("\u{b1}0".into(), "+2.00 KiB".into()));
        assert_eq!(signed(i64::MIN, count), "\u{2212}9,223,372,036,854,775,808");
        assert_eq!(counted(1, ("dump", "dumps")), "1 dump");
        assert_eq!((ratio(300, 200), ratio(1, 0)), (Some("1.50 to 1".to_owned()), None));
    }

    #[test]
    fn times_are_cut_to_the_second_or_minute_and_odd_ones_stay() {
        assert_eq!(time("2026-01-31T04:00:01.123Z"), "2026-01-31 04:00:01 UTC");
        assert_eq!(
            (minute("2026-01-31T04:00:01Z"), minute("soon")),
            ("2026-01-31 04:00".into(), "soon".into())
        );
        assert_eq!(
            (minute("2026-01-31T\u{202e}Z"), time("\u{202e}")),
            (r"2026-01-31T\u{202e}Z".into(), r"\u{202e}".into())
        );
    }

    #[test]
    fn spans_of_time_have_one_unit_or_two() {
        let cases = [
            (0, "0.0 s"),
            (99, "99.0 s"),
            (115, "1 min 55 s"),
            (3_600, "1 h"),
            (129_600, "36 h"),
            (259_199, "71 h 59 min"),
        ];
        let days = [(259_200, "3 d"), (1_000_000, "11 d 13 h"), (864_001, "10 d")];
        for (seconds, text) in cases.into_iter().chain(days) {
            assert_eq!(took(Duration::from_secs(seconds)), text);
        }
        assert_eq!(age(Duration::ZERO), "less than 2 min old");
    }
}
