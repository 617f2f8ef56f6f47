//! Telling the layout of a database by some of its rows.

use backup_format::show;

use super::decode::split_prefixed;
use super::{DATA, INDEX};
use crate::error::LayoutError;
use crate::layout::Layout;
use crate::shape::{Kind, is_event_key};
use crate::split::{split_first_segment, split_stored_key};

/// Rows taken here and there from a database, as keys and values: some of the first and last rows, some from
/// between, and the first and last index rows. Neighbours in the database should be neighbours here. Of values longer
/// than 4 bytes the first 4 suffice.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// The rows; the same row may come twice.
    pub rows: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Detects the layout of a database. It never guesses: every sampled row must be one that linera itself writes in
/// that layout and in no other. [`Layout::Plain`] is the answer only where no row looks like linera's and some start
/// with neither 00 nor 01.
///
/// # Errors
///
/// [`LayoutError::Empty`] without rows; [`LayoutError::Unsupported`] for the layout between linera 0.15 and 0.16, and for
/// databases of schema V0; [`LayoutError::Undetectable`] for all else.
pub fn detect(sample: &Sample) -> Result<Layout, LayoutError> {
    if sample.rows.is_empty() {
        return Err(LayoutError::Empty);
    }
    Tally::of(sample).verdict()
}

/// Checks a layout that a person named: the rows must not be surely in another one.
///
/// Where [`detect`] cannot tell, the person knows better. [`Layout::Plain`] fits any database, since it takes the rows as
/// they are.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Candidate {
    Linera015,
    Linera016,
    /// Root keys with their length as in 0.16, values split as in 0.15.
    Between,
    /// Schema V0 of 0.15: all but chain and exporter states beneath the empty root key.
    SchemaV0,
}

impl Candidate {
    const ALL: [Self; 4] = [Self::Linera015, Self::Linera016, Self::Between, Self::SchemaV0];

    /// Returns true if linera writes such a row in this layout.
    fn fits(self, row: &Row<'_>) -> bool {
        match row.part {
            Part::Index(root_key) => row.value.is_empty() && self.fits_index(root_key),
            Part::Data(rest) => self.fits_data(rest, row),
            Part::Foreign => false,
        }
    }

    fn fits_index(self, rest: &[u8]) -> bool {
        let prefixed = || split_prefixed(rest).ok().filter(|(_, key)| key.is_empty());
        match self {
            Self::Linera015 => Kind::of_root_key(Layout::Linera015, rest).is_some(),
            Self::Linera016 => prefixed()
                .is_some_and(|(root_key, _)| Kind::of_root_key(Layout::Linera016, root_key).is_some()),
            Self::Between => prefixed().is_some_and(|(root_key, _)| is_any_root_key(root_key)),
            Self::SchemaV0 => rest.is_empty() || is_kept_root_key(rest),
        }
    }

    fn fits_data(self, rest: &[u8], row: &Row<'_>) -> bool {
        match self {
            Self::Linera015 => Kind::of_prefix(Layout::Linera015, rest).is_some_and(|(kind, root_key)| {
                let key = rest.get(root_key.len()..).and_then(|stored| row.split_key(stored));
                key.is_some_and(|key| kind.has_key(Layout::Linera015, key))
            }),
            Self::Linera016 => split_prefixed(rest).is_ok_and(|(root_key, key)| {
                Kind::of_root_key(Layout::Linera016, root_key)
                    .is_some_and(|kind| kind.has_key(Layout::Linera016, key))
            }),
            Self::Between => split_prefixed(rest).is_ok_and(|(root_key, stored)| {
                is_any_root_key(root_key) && row.split_key(stored).is_some_and(|key| !key.is_empty())
            }),
            Self::SchemaV0 => row.split_key(rest).is_some_and(|key| {
                is_base_key(key)
                    || Kind::of_prefix(Layout::Linera015, key).is_some_and(|(kind, root_key)| {
                        is_kept_root_key(root_key)
                            && key
                                .get(root_key.len()..)
                                .is_some_and(|key| kind.has_key(Layout::Linera015, key))
                    })
            }),
        }
    }
}

/// A sampled row with its neighbours.
struct Row<'a> {
    part: Part<'a>,
    value: &'a [u8],
    /// Keys of the rows before and after where these are data rows, without their first bytes.
    before: Option<&'a [u8]>,
    after: Option<&'a [u8]>,
}

#[derive(Clone, Copy)]
enum Part<'a> {
    Data(&'a [u8]),
    Index(&'a [u8]),
    Foreign,
}

impl<'a> Row<'a> {
    fn at(rows: &'a [(Vec<u8>, Vec<u8>)], index: usize) -> Option<Self> {
        let (key, value) = rows.get(index)?;
        let neighbour = |at: Option<usize>| rows.get(at?).and_then(|(key, _)| key.strip_prefix(&[DATA]));
        let part = match key.as_slice() {
            [DATA, rest @ ..] => Part::Data(rest),
            [INDEX, rest @ ..] => Part::Index(rest),
            _ => Part::Foreign,
        };
        let (before, after) = (neighbour(index.checked_sub(1)), neighbour(index.checked_add(1)));
        Some(Self { part, value, before, after })
    }

    /// Returns the key of a split value's segment, which `stored` ends. Segment 0 must count one segment, or more when
    /// the next row is segment 1. Any other segment must come after the one before it.
    fn split_key<'b>(&self, stored: &'b [u8]) -> Option<&'b [u8]> {
        let (key, number) = split_stored_key(stored)?;
        let neighbour_is = |neighbour: Option<&[u8]>, wanted: u32| {
            neighbour
                .and_then(split_stored_key)
                .is_some_and(|(head, number)| number == wanted && self.head().is_some_and(|own| own == head))
        };
        let fits = match number {
            0 => match split_first_segment(self.value)? {
                (0, _) => false,
                (1, _) => true,
                _ => neighbour_is(self.after, 1),
            },
            _ => neighbour_is(self.before, number.saturating_sub(1)),
        };
        fits.then_some(key)
    }

    /// Returns the row's key without its first byte and without the number of a segment.
    fn head(&self) -> Option<&'a [u8]> {
        match self.part {
            Part::Data(rest) => split_stored_key(rest).map(|(head, _)| head),
            Part::Index(_) | Part::Foreign => None,
        }
    }
}

/// What a sample looks like.
#[derive(Default)]
struct Tally {
    rows: usize,
    data_rows: usize,
    /// Rows that start with neither 00 nor 01.
    foreign: usize,
    /// Rows that fit each candidate, in the order of [`Candidate::ALL`].
    fits: [usize; Candidate::ALL.len()],
    /// Rows that fit linera 0.15 before or after the migration from schema V0.
    of_015: usize,
    /// Data rows whose key and value look split where root keys have a length.
    between_data: usize,
    /// Data rows of 0.16 whose key is too short to be split.
    never_split: usize,
    has_empty_root_key: bool,
    /// The first row that fits no candidate, in hex.
    stranger: Option<String>,
}

impl Tally {
    fn of(sample: &Sample) -> Self {
        let mut tally = Self::default();
        for (index, (key, _)) in sample.rows.iter().enumerate() {
            let Some(row) = Row::at(&sample.rows, index) else { continue };
            tally.add(key, &row);
        }
        tally
    }

    #[expect(clippy::arithmetic_side_effects, reason = "each counts rows of a sample")]
    fn add(&mut self, key: &[u8], row: &Row<'_>) {
        let fits = Candidate::ALL.map(|candidate| candidate.fits(row));
        for (count, fits) in self.fits.iter_mut().zip(fits) {
            *count += usize::from(fits);
        }
        let [fits_015, fits_016, fits_between, fits_v0] = fits;
        self.rows += 1;
        self.of_015 += usize::from(fits_015 || fits_v0);
        match row.part {
            Part::Data(rest) => {
                self.data_rows += 1;
                self.between_data += usize::from(fits_between);
                let is_short = split_prefixed(rest).is_ok_and(|(_, key)| key.len() <= 4);
                self.never_split += usize::from(fits_016 && is_short);
            }
            Part::Index(rest) => self.has_empty_root_key |= rest.is_empty(),
            Part::Foreign => self.foreign += 1,
        }
        if self.stranger.is_none() && !fits.contains(&true) {
            self.stranger = Some(show(key));
        }
    }

    fn verdict(&self) -> Result<Layout, LayoutError> {
        let [in_015, in_016, between, in_v0] = self.fits;
        let all = |fits: usize| fits == self.rows && self.data_rows > 0;
        if all(in_015) {
            return Ok(Layout::Linera015);
        }
        // A row too short to be split disproves the layout between; without one, no row may look split.
        if all(in_016) && (self.never_split > 0 || self.between_data == 0) {
            return Ok(Layout::Linera016);
        }
        if all(between) {
            return Err(LayoutError::Unsupported {
                seen: "root keys have a length as in linera 0.16, values are split as in 0.15; \
                       linera had this between the two and never published it",
                next: "?layout=plain copies the rows as they are",
            });
        }
        if all(in_v0) || (self.has_empty_root_key && all(self.of_015)) {
            return Err(LayoutError::Unsupported {
                seen: "linera 0.15 with the empty root key, as schema V0 has it and leaves it behind when linera \
                       migrates it: the rows of the empty root key cannot be distinguished from others",
                next: "?layout=plain copies the rows as they are",
            });
        }
        if [in_015, in_016, between, in_v0] == [0; 4] && self.foreign > 0 {
            return Ok(Layout::Plain);
        }
        Err(LayoutError::Undetectable { seen: self.describe() })
    }

    fn describe(&self) -> String {
        let [in_015, in_016, between, _] = self.fits;
        let mut text = format!(
            "of {} sampled rows, {} of them data rows, {in_015} look like linera-0.15, {in_016} like linera-0.16, \
             {between} like the layout between them, and {} start with neither 00 nor 01",
            self.rows, self.data_rows, self.foreign
        );
        if let Some(key) = &self.stranger {
            text.push_str("; the first that fits none of linera's has key ");
            text.push_str(key);
        }
        text
    }
}

/// Returns true if any version of linera has such a root key.
fn is_any_root_key(root_key: &[u8]) -> bool {
    [Layout::Linera015, Layout::Linera016].iter().any(|layout| Kind::of_root_key(*layout, root_key).is_some())
}

/// Returns true if schema V0 has partitions of their own for such root keys, as later ones do.
fn is_kept_root_key(root_key: &[u8]) -> bool {
    let kind = Kind::of_root_key(Layout::Linera015, root_key);
    matches!(kind, Some(Kind::ChainState | Kind::ExporterState))
}

/// Returns true if schema V0 has such a key beneath the empty root key.
///
/// - 01, 02: a certificate or block, by hash
/// - 03, 04: a blob or blob state, by hash and type
/// - 05: an event, by chain, stream and index
/// - 07: the network description
fn is_base_key(key: &[u8]) -> bool {
    match key {
        [1 | 2, hash @ ..] => hash.len() == 32,
        [3 | 4, blob_id @ ..] => blob_id.len() == 33,
        [5, event @ ..] => event.get(32..).is_some_and(is_event_key),
        [7] => true,
        _ => false,
    }
}
