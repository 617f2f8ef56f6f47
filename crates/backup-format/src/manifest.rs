//! The manifest: the small file that makes a dump.

use serde::{Deserialize, Serialize};

use crate::config::check_header;
use crate::error::FormatError;
use crate::id::ObjectId;
use crate::inventory::{Inventory, SealedInventory};
use crate::limits;
use crate::manifest_file::ManifestFile;
use crate::order::Order;

const FILE: &str = "manifest";
const FORMAT: &str = "kvbackup-dump";

/// What the reading of a namespace proves. Never more than is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", try_from = "String")]
pub enum Consistency {
    /// Partitions may have changed while they were read.
    Fuzzy,
    /// Each partition that one worker owns was proven unchanged while it was read, before all that it refers to.
    Causal,
    /// The content is that of one moment.
    PointInTime,
}

impl TryFrom<String> for Consistency {
    type Error = String;

    /// Unlike serde's own, the error has no characters that a terminal would obey.
    fn try_from(text: String) -> Result<Self, String> {
        [Self::Fuzzy, Self::Causal, Self::PointInTime]
            .into_iter()
            .find(|consistency| consistency.to_string() == text)
            .ok_or_else(|| {
                let found: String = text.chars().take(80).collect();
                format!("consistency {found:?}; expected point_in_time, causal or fuzzy")
            })
    }
}

impl std::fmt::Display for Consistency {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.pad(match self {
            Self::Fuzzy => "fuzzy",
            Self::Causal => "causal",
            Self::PointInTime => "point_in_time",
        })
    }
}

/// Where a dump came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Engine: memory, rocksdb, scylla, or file for an imported one.
    pub engine: String,
    /// Version of the engine; may be empty.
    pub engine_version: String,
    /// Layout: `linera-0.15`, `linera-0.16` or `plain`.
    pub layout: String,
    /// The validator's *public* key, if it was given for the dump.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}

/// A manifest. Its file is named by the hash of its bytes, and that name is the id of the dump.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "ManifestFile", try_from = "ManifestFile")]
pub struct Manifest {
    /// Always `kvbackup-dump`; see [`Manifest::FORMAT`].
    pub format: String,
    /// Always 1.
    pub version: u64,
    /// What a reader must know beyond version 1: nothing, [`Manifest::PATCHES`], [`Manifest::ENCRYPTED`] or both.
    pub requires: Vec<String>,
    /// Program and version that made the dump.
    pub tool: String,
    /// Name of the namespace.
    pub namespace: String,
    /// Order of the entries.
    pub order: Order,
    /// Id of the root page.
    pub root: ObjectId,
    /// What is in the dump; `None` where that is sealed and was not opened.
    pub inventory: Option<Inventory>,
    /// The sealed inventory, of a dump in an encrypted repository.
    pub sealed: Option<SealedInventory>,
    /// Sum of the lengths of the segments' plaintexts.
    pub plain_bytes: u64,
    /// Number of segments.
    pub segments: u64,
    /// Number of pages of level 0.
    pub pages: u64,
    /// When reading began: UTC, RFC 3339, ending in Z.
    pub started: String,
    /// When reading ended.
    pub finished: String,
    /// Place in the order of the dumps: 1 for the first, else one more than the largest of [`Manifest::previous`]. 0 means
    /// that the dump does not say it. Then there is no field in the file.
    pub sequence: u64,
    /// Dumps of the same namespace that were there when reading began, as far as no later one names them: ascending, at most
    /// [`limits::PREVIOUS_MAX`]. Empty means none. Then there is no field in the file.
    pub previous: Vec<ObjectId>,
    /// Whether this is the last dump of its namespace: the engine was kept from opening it while it was read, and opens it
    /// no more. So nothing was written, or signed, that the dump does not know. If it is false there is no field in the file.
    pub last: bool,
    /// What the reading proves.
    pub consistency: Consistency,
    /// Where the dump came from.
    pub source: Source,
}

impl Manifest {
    /// The value of field `format`.
    pub const FORMAT: &str = FORMAT;
    /// What field `requires` says of a dump that reaches a segment which is stored as a patch.
    pub const PATCHES: &str = "patch1";
    /// What field `requires` says of a dump in an encrypted repository.
    pub const ENCRYPTED: &str = "age1";

    /// Returns what the seal of the inventory covers beside it: `kvb2 manifest`, the root, and the sequence as 8 bytes, little-endian.
    #[must_use]
    pub fn seal_context(&self) -> Vec<u8> {
        [b"kvb2 manifest", self.root.0.as_slice(), &self.sequence.to_le_bytes()].concat()
    }

    /// Takes an inventory that was opened.
    ///
    /// # Errors
    ///
    /// As [`Inventory::decode`].
    pub fn open(&mut self, plaintext: &[u8]) -> Result<(), FormatError> {
        self.inventory = Some(Inventory::decode(plaintext)?);
        Ok(())
    }

    /// Encodes as JSON and returns the id of the dump with the bytes.
    ///
    /// # Errors
    ///
    /// As [`Manifest::decode`], so that nothing is published that could not be read.
    pub fn encode(&self) -> Result<(ObjectId, Vec<u8>), FormatError> {
        let source = |source| FormatError::Json { file: FILE, source };
        let mut json = serde_json::to_vec_pretty(self).map_err(source)?;
        json.push(b'\n');
        Self::decode(&json)?;
        Ok((ObjectId::of_file(&json), json))
    }

    /// Parses and checks a manifest.
    ///
    /// # Errors
    ///
    /// [`FormatError::UnknownVersion`], [`FormatError::UnknownRequirement`], [`FormatError::Json`],
    /// [`FormatError::Field`] or [`FormatError::TooLong`]. Unknown fields are ignored.
    pub fn decode(json: &[u8]) -> Result<Self, FormatError> {
        check_header(FILE, (FORMAT, 1..=1, &[Self::PATCHES, Self::ENCRYPTED]), json)?;
        let manifest: Self =
            serde_json::from_slice(json).map_err(|source| FormatError::Json { file: FILE, source })?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), FormatError> {
        let is_said = self.requires.iter().any(|requirement| requirement == Self::ENCRYPTED);
        if is_said != self.sealed.is_some() {
            let found = if is_said { "without one" } else { "there" };
            return field("sealed", found.to_owned(), "one where `requires` has age1, and none elsewhere");
        }
        if let Some(inventory) = &self.inventory {
            inventory.check()?;
        }
        for (name, text) in self.texts() {
            if text.len() > 255 || has_control(text) {
                return field(name, format!("{text:?}"), "at most 255 bytes without control characters");
            }
        }
        if self.source.layout.is_empty() {
            return field("source.layout", "empty".to_owned(), "the name of a layout");
        }
        for (name, time) in [("started", &self.started), ("finished", &self.finished)] {
            if !is_utc_time(time) {
                return field(name, format!("{time:?}"), "a UTC time like 2026-01-31T23:59:59Z");
            }
        }
        if self.previous.len() > limits::PREVIOUS_MAX || !self.previous.is_sorted_by(|one, next| one < next) {
            let found = format!("{} ids", self.previous.len());
            return field("previous", found, "at most 64 different ids in ascending order");
        }
        Ok(())
    }

    fn texts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let source = &self.source;
        [
            ("tool", self.tool.as_str()),
            ("namespace", &self.namespace),
            ("source.engine", &source.engine),
            ("source.engine_version", &source.engine_version),
            ("source.layout", &source.layout),
            ("source.origin", source.origin.as_deref().unwrap_or_default()),
        ]
        .into_iter()
    }
}

pub(crate) fn field<T>(field: &'static str, found: String, expected: &'static str) -> Result<T, FormatError> {
    Err(FormatError::Field { file: FILE, field, found, expected })
}

/// Returns true if a text is a time like `2026-01-31T23:59:59Z` of a day that there is, with or without a fraction of a second.
pub(crate) fn is_utc_time(text: &str) -> bool {
    let Some((date, rest)) = text.split_once('T') else { return false };
    let Some(time) = rest.strip_suffix('Z') else { return false };
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let numbers = |text: &str, separator, widths: [usize; 3]| {
        let parts: Vec<_> = text.split(separator).collect();
        parts.len() == 3 && parts.iter().zip(widths).all(|(part, width)| part.len() == width && digits(part))
    };
    let is_shaped = numbers(date, '-', [4, 2, 2]) && numbers(clock, ':', [2, 2, 2]);
    is_shaped && is_day(date) && is_moment(clock) && fraction.len() <= 9 && digits(fraction)
}

/// Returns true if the calendar has a day, whose digits stand where they should.
fn is_day(date: &str) -> bool {
    let mut numbers = date.split('-').filter_map(|part| part.parse::<u32>().ok());
    let (Some(year), Some(month), Some(day)) = (numbers.next(), numbers.next(), numbers.next()) else {
        return false;
    };
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

/// Returns true if a day has such a moment; it may end with a leap second.
fn is_moment(clock: &str) -> bool {
    let numbers: Vec<_> = clock.split(':').filter_map(|part| part.parse::<u32>().ok()).collect();
    let is_leap_second = numbers == [23, 59, 60];
    is_leap_second || matches!(numbers[..], [hour, minute, second] if hour < 24 && minute < 60 && second < 60)
}

pub(crate) fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
