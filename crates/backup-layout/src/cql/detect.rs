//! Telling the layout of a table by some of its rows.

use backup_format::show;

use super::root_key;
use crate::error::LayoutError;
use crate::journal::JournalKey;
use crate::layout::Layout;
use crate::shape::Kind;
use crate::split::{split_first_segment, split_stored_key};

/// A row of a table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// Its partition key.
    pub partition_key: Vec<u8>,
    /// Its key.
    pub key: Vec<u8>,
    /// The first bytes of its value: 4 suffice.
    pub value_head: Vec<u8>,
}

/// Rows taken here and there from a table. Rows of one partition stand together, in the order of their keys, from the first
/// on.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// The rows.
    pub rows: Vec<Row>,
}

/// Detects the layout of a table. It never guesses: every sampled row must be one that linera itself writes in that
/// layout and in no other. [`Layout::Plain`] is never the answer: such a table is named.
///
/// # Errors
///
/// [`LayoutError::Empty`] without rows, [`LayoutError::Unsupported`] for what linera wrote between 0.15 and 0.16,
/// [`LayoutError::Undetectable`] for all else.
pub fn detect(sample: &Sample) -> Result<Layout, LayoutError> {
    let tally = Tally::of(sample);
    if tally.rows == 0 {
        return Err(LayoutError::Empty);
    }
    tally.verdict()
}

/// Checks a layout that a person named: the rows must not be surely in another one.
///
/// # Errors
///
/// [`LayoutError::WrongLayout`] and [`LayoutError::Unsupported`].
pub fn check(layout: Layout, sample: &Sample) -> Result<(), LayoutError> {
    if layout == Layout::Plain {
        return Ok(());
    }
    match detect(sample) {
        Ok(found) if found != layout => {
            Err(LayoutError::WrongLayout { asked: layout.name(), found: found.name() })
        }
        Err(unsupported @ LayoutError::Unsupported { .. }) => Err(unsupported),
        _ => Ok(()),
    }
}

/// A layout that linera has or had.
#[derive(Clone, Copy)]
enum Candidate {
    Linera015,
    Linera016,
    /// Root keys of either version, values split as in 0.15 or not, but not both as one of the versions has them.
    SplitWith016,
    PlainWith015,
}

impl Candidate {
    const ALL: [Self; 4] = [Self::Linera015, Self::Linera016, Self::SplitWith016, Self::PlainWith015];

    /// Returns true if linera writes such a row in this layout.
    fn fits(self, root_key: &[u8], row: &Row, previous: Option<&Row>) -> bool {
        let (layout, is_split) = match self {
            Self::Linera015 => (Layout::Linera015, true),
            Self::Linera016 => (Layout::Linera016, false),
            Self::SplitWith016 => (Layout::Linera016, true),
            Self::PlainWith015 => (Layout::Linera015, false),
        };
        let Some(kind) = Kind::of_root_key(layout, root_key) else { return false };
        if kind.is_exclusive() && JournalKey::of(&row.key).is_some() {
            return true;
        }
        match is_split {
            true => split_key(row, previous).is_some_and(|key| kind.has_key(layout, key)),
            false => kind.has_key(layout, &row.key),
        }
    }
}

/// Returns the key of the split value that the row is a segment of. Segment 0 counts at least one segment. Any other
/// one comes after the one before it.
fn split_key<'a>(row: &'a Row, previous: Option<&Row>) -> Option<&'a [u8]> {
    let (key, number) = split_stored_key(&row.key)?;
    let fits = match number.checked_sub(1) {
        None => split_first_segment(&row.value_head).is_some_and(|(count, _)| count > 0),
        Some(before) => previous.is_some_and(|previous| {
            previous.partition_key == row.partition_key
                && split_stored_key(&previous.key) == Some((key, before))
        }),
    };
    fits.then_some(key)
}

/// What a sample looks like. Sentinels tell nothing, and are not counted.
#[derive(Default)]
struct Tally {
    rows: usize,
    /// Rows that fit each candidate, in the order of [`Candidate::ALL`].
    fits: [usize; Candidate::ALL.len()],
    /// The first row that fits no candidate: partition key and key in hex.
    stranger: Option<String>,
}

impl Tally {
    fn of(sample: &Sample) -> Self {
        let mut tally = Self::default();
        let mut previous = None;
        for row in &sample.rows {
            let is_sentinel = row.key.is_empty() && row.value_head.is_empty();
            let root = root_key(&row.partition_key);
            if !is_sentinel || root.is_none() {
                let fits = Candidate::ALL
                    .map(|candidate| root.is_some_and(|root| candidate.fits(root, row, previous)));
                tally.add(row, fits);
            }
            previous = Some(row);
        }
        tally
    }

    fn add(&mut self, row: &Row, fits: [bool; Candidate::ALL.len()]) {
        self.rows = self.rows.saturating_add(1);
        for (count, fits) in self.fits.iter_mut().zip(fits) {
            *count = count.saturating_add(usize::from(fits));
        }
        if self.stranger.is_none() && !fits.contains(&true) {
            self.stranger = Some(format!("{} and {}", show(&row.partition_key), show(&row.key)));
        }
    }

    fn verdict(&self) -> Result<Layout, LayoutError> {
        let [in_015, in_016, split_016, plain_015] = self.fits.map(|fits| fits == self.rows);
        match (in_015, in_016, split_016, plain_015) {
            (true, false, false, false) => Ok(Layout::Linera015),
            (false, true, false, false) => Ok(Layout::Linera016),
            (false, false, true, false) => Err(LayoutError::Unsupported {
                seen: "root keys are those of linera 0.16, values are split as in 0.15; \
                       linera had this between the two and never published it",
                next: "?layout=plain copies the rows as they are",
            }),
            (false, false, false, true) => Err(LayoutError::Unsupported {
                seen: "root keys are those of linera 0.15, values are not split; \
                       linera had this between 0.15 and 0.16 and never published it",
                next: "?layout=plain copies the rows as they are",
            }),
            _ => Err(LayoutError::Undetectable { seen: self.describe() }),
        }
    }

    fn describe(&self) -> String {
        let [in_015, in_016, ..] = self.fits;
        let mut text = format!(
            "of {} sampled rows, {in_015} look like linera-0.15 and {in_016} like linera-0.16",
            self.rows
        );
        if let Some(row) = &self.stranger {
            text.push_str("; the first that fits none of linera's has partition key and key ");
            text.push_str(row);
        }
        text
    }
}
