//! Runs of numbers.

use std::ops::Range;

/// Gathers increasing numbers into ranges.
#[must_use]
pub fn ranges(numbers: impl IntoIterator<Item = u64>) -> Vec<Range<u64>> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some(range) if range.end == number => range.end += 1,
            _ => ranges.push(number..number.saturating_add(1)),
        }
    }
    ranges
}

/// Writes a range with its last number, or the number alone.
#[must_use]
pub fn show(range: &Range<u64>) -> String {
    let last = range.end.saturating_sub(1);
    if range.start == last { last.to_string() } else { format!("{} to {last}", range.start) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_share_a_range() {
        assert_eq!(ranges([1, 2, 3, 7, 9, 10]), [1..4, 7..8, 9..11]);
        assert!(ranges([]).is_empty());
        assert_eq!(show(&(1..4)), "1 to 3");
        assert_eq!(show(&(7..8)), "7");
    }
}
