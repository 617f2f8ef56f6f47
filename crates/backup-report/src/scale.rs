//! The axis of values: round steps, in the unit of what is shown.

use std::time::Duration;

use crate::numbers;

/// Steps that an axis has at least, as far as values allow it.
const STEPS: f64 = 3.0;
const KIB: f64 = 1024.0;
/// Round steps of time, in seconds, above the minute.
const TIMES: [f64; 12] =
    [60.0, 120.0, 300.0, 600.0, 1_200.0, 1_800.0, 3_600.0, 7_200.0, 10_800.0, 21_600.0, 43_200.0, 86_400.0];

/// What values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Bytes,
    Number,
    Seconds,
}

/// An axis that shows zero, and all values.
#[derive(Clone, Debug)]
pub(crate) struct Scale {
    low: f64,
    high: f64,
    /// Values with their labels, the lowest first.
    pub(crate) ticks: Vec<(f64, String)>,
}

impl Scale {
    /// Makes an axis from the lowest value, or zero, to the highest one.
    pub(crate) fn new(unit: Unit, low: f64, high: f64) -> Self {
        let (low, high) = (low.min(0.0), high.max(0.0));
        let step = unit.step((high - low) / STEPS);
        let (first, last) = ((low / step).floor(), (high / step).ceil().max(1.0));
        let mut ticks = Vec::new();
        let mut number = first;
        // The step is about a third of the range, so there are few.
        while number <= last {
            ticks.push((number * step, unit.label(number * step)));
            number += 1.0;
        }
        Self { low: first * step, high: last * step, ticks }
    }

    /// Returns true if a value is above the axis.
    pub(crate) fn cuts(&self, value: f64) -> bool {
        value > self.high
    }

    /// Returns where a value stands: percents of the height, from the top.
    pub(crate) fn place(&self, value: f64) -> f64 {
        ((self.high - value) / (self.high - self.low) * 100.0).clamp(0.0, 100.0)
    }
}

impl Unit {
    /// Returns the next round number that is not smaller.
    fn step(self, least: f64) -> f64 {
        match self {
            Self::Number => round(least.max(1.0)),
            Self::Bytes => {
                let mut unit = 1.0;
                while least / unit > 500.0 {
                    unit *= KIB;
                }
                round((least / unit).max(1.0)) * unit
            }
            Self::Seconds if least <= 30.0 => {
                let least = least.max(0.1);
                if least > 20.0 { 30.0 } else { round(least) }
            }
            Self::Seconds => match TIMES.into_iter().find(|time| *time >= least) {
                Some(time) => time,
                None => round(least / 86_400.0) * 86_400.0,
            },
        }
    }

    fn label(self, value: f64) -> String {
        let (sign, size) = (if value < 0.0 { "\u{2212}" } else { "" }, value.abs());
        let text = match self {
            Self::Bytes => numbers::bytes(size as u64).replace(".00 ", " "),
            Self::Number => short_number(size),
            Self::Seconds => short_time(size),
        };
        format!("{sign}{text}")
    }
}

/// Returns the next of 1, 2, 5, 10, 20, 50 and so on, and of tenths of them, that is not smaller.
fn round(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    let found =
        [1.0, 2.0, 5.0].into_iter().map(|digit| digit * power).find(|step| *step >= least * 0.999_999);
    found.unwrap_or(10.0 * power)
}

fn short_number(number: f64) -> String {
    let units = [(1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    match units.into_iter().find(|(unit, _)| number >= *unit) {
        Some((unit, letter)) => format!("{} {letter}", short_fraction(number / unit)),
        None => short_fraction(number),
    }
}

fn short_time(seconds: f64) -> String {
    let units = [(86_400.0, "d"), (3_600.0, "h"), (60.0, "min")];
    match units.into_iter().find(|(unit, _)| seconds >= *unit) {
        Some((unit, letter)) => format!("{} {letter}", short_fraction(seconds / unit)),
        None => format!("{} s", short_fraction(seconds)),
    }
}

/// Writes a number with at most one digit behind the point.
fn short_fraction(number: f64) -> String {
    let text = format!("{number:.1}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

/// Returns a time as seconds with a fraction.
pub(crate) fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(unit: Unit, low: f64, high: f64) -> Vec<String> {
        Scale::new(unit, low, high).ticks.into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn steps_are_round_in_their_unit() {
        const MIB: f64 = KIB * KIB;
        assert_eq!(labels(Unit::Bytes, 0.0, 137.0 * MIB), ["0 B", "50 MiB", "100 MiB", "150 MiB"]);
        assert_eq!(labels(Unit::Bytes, 0.0, 1_800.0), ["0 B", "1 KiB", "2 KiB"]);
        assert_eq!(labels(Unit::Number, -700.0, 1_500.0), ["\u{2212}1 k", "0", "1 k", "2 k"]);
        assert_eq!(labels(Unit::Seconds, 0.0, 200.0), ["0 s", "2 min", "4 min"]);
        assert_eq!(labels(Unit::Seconds, 0.0, 0.4), ["0 s", "0.2 s", "0.4 s"]);
        assert_eq!(labels(Unit::Number, 0.0, 0.0), ["0", "1"]);
    }

    #[test]
    fn any_value_has_a_place_between_few_ticks() {
        for high in [0.0, 1.0, 511.0, 1e3, 1_025.0, 7e6, 3e9, u64::MAX as f64] {
            for unit in [Unit::Bytes, Unit::Number, Unit::Seconds] {
                let scale = Scale::new(unit, -high, high);
                assert!((2..=8).contains(&scale.ticks.len()), "{high} {scale:?}");
                for value in [-high, 0.0, high] {
                    assert!((0.0..=100.0).contains(&scale.place(value)), "{high} {scale:?}");
                }
                assert!(scale.place(high) <= scale.place(-high));
            }
        }
    }
}
