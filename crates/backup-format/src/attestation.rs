//! The attestation: the file that says what was proven of dumps, by which program and when.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::config::check_header;
use crate::digest::Digest;
use crate::error::FormatError;
use crate::id::ObjectId;
use crate::manifest::{has_control, is_utc_time};

const FILE: &str = "attestation";
const FORMAT: &str = "kvbackup-attestation";

/// What was proven of a dump. What comes later proves more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Proven {
    /// Its manifest, tables and pages are good, and all segments are there.
    Structure,
    /// All of it was read, and its digest computed anew.
    Content,
    /// It was also restored, and the digest computed from what was restored.
    Restored,
    /// It was restored, and the program of its validators boots on it.
    Boot,
}

impl Proven {
    /// Returns the word that stands in the file.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Structure => "structure",
            Self::Content => "content",
            Self::Restored => "restored",
            Self::Boot => "boot",
        }
    }
}

impl fmt::Display for Proven {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.word())
    }
}

/// The network that a proof takes as given. Hashes and ids are texts as the network writes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// Its name.
    pub name: String,
    /// Hash of its genesis configuration.
    pub genesis_config: String,
    /// Hash of its first committee.
    pub genesis_committee: String,
    /// Its admin chain.
    pub admin_chain: String,
}

/// What was proven of dumps. The file is named by the hash of its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attestation {
    /// Always `kvbackup-attestation`.
    pub format: String,
    /// Always 1.
    pub version: u64,
    /// What a reader must know beyond version 1; always empty here.
    #[serde(default)]
    pub requires: Vec<String>,
    /// The repository's id.
    pub repository: String,
    /// What was proven.
    pub proven: Proven,
    /// The dumps, each with the digest that was computed. `None` where none was, and where digests are sealed.
    pub dumps: BTreeMap<ObjectId, Option<Digest>>,
    /// Program and version.
    pub tool: String,
    /// When the proof was finished: UTC, RFC 3339, ending in Z.
    pub time: String,
    /// The network that the proof takes as given; `None` unless it boots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Anchor>,
    /// What could not be proven, in words; empty if nothing was left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_proven: Vec<String>,
}

impl Attestation {
    /// The most dumps of a file.
    pub const DUMPS_MAX: usize = 4_096;
    /// The most texts of what could not be proven.
    pub const NOT_PROVEN_MAX: usize = 64;
    /// The longest text of a file, in bytes.
    pub const TEXT_BYTES_MAX: usize = 512;

    /// Makes an attestation of dumps of a repository, by a program at a time.
    #[must_use]
    pub fn new(
        repository: String,
        (proven, dumps): (Proven, BTreeMap<ObjectId, Option<Digest>>),
        (tool, time): (String, String),
    ) -> Self {
        let (format, requires, network) = (FORMAT.to_owned(), Vec::new(), None);
        let not_proven = Vec::new();
        Self { format, version: 1, requires, repository, proven, dumps, tool, time, network, not_proven }
    }

    /// Encodes as JSON; returns the name, which is that of the file without `.json`, and the bytes.
    ///
    /// # Errors
    ///
    /// As [`Attestation::decode`].
    pub fn encode(&self) -> Result<(ObjectId, Vec<u8>), FormatError> {
        let mut json =
            serde_json::to_vec_pretty(self).map_err(|source| FormatError::Json { file: FILE, source })?;
        json.push(b'\n');
        Self::decode(&json)?;
        Ok((ObjectId::of_file(&json), json))
    }

    /// Parses and checks an attestation.
    ///
    /// # Errors
    ///
    /// [`FormatError::UnknownVersion`], [`FormatError::UnknownRequirement`], [`FormatError::Json`],
    /// [`FormatError::TooLong`] when there is too much of something, or [`FormatError::Field`] when there is no dump or the
    /// time is none. Unknown fields are ignored.
    pub fn decode(json: &[u8]) -> Result<Self, FormatError> {
        check_header(FILE, (FORMAT, 1..=1, &[]), json)?;
        let attestation: Self =
            serde_json::from_slice(json).map_err(|source| FormatError::Json { file: FILE, source })?;
        attestation.check()?;
        Ok(attestation)
    }

    fn check(&self) -> Result<(), FormatError> {
        if self.dumps.is_empty() {
            return field("dumps", "empty".to_owned(), "one dump at least");
        }
        if !is_utc_time(&self.time) {
            let found = format!("{:.80?}", self.time);
            return field("time", found, "a UTC time like 2026-01-31T23:59:59Z");
        }
        for (what, found, limit) in [
            ("dumps", self.dumps.len(), Self::DUMPS_MAX),
            ("not_proven", self.not_proven.len(), Self::NOT_PROVEN_MAX),
        ] {
            if found > limit {
                let (found, limit) = (found as u64, limit as u64);
                return Err(FormatError::TooLong { object: FILE, offset: 0, what, found, limit });
            }
        }
        let is_good = |text: &&String| text.len() <= Self::TEXT_BYTES_MAX && !has_control(text);
        match self.texts().find(|text| !is_good(text)) {
            Some(text) => {
                let found = format!("{text:.80?}");
                field("a text", found, "at most 512 bytes without control characters")
            }
            None => Ok(()),
        }
    }

    fn texts(&self) -> impl Iterator<Item = &String> {
        let network = self.network.iter().flat_map(|network| {
            [&network.name, &network.genesis_config, &network.genesis_committee, &network.admin_chain]
        });
        [&self.repository, &self.tool].into_iter().chain(network).chain(&self.not_proven)
    }
}

fn field(field: &'static str, found: String, expected: &'static str) -> Result<(), FormatError> {
    Err(FormatError::Field { file: FILE, field, found, expected })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attestation() -> Attestation {
        let dumps = BTreeMap::from([(ObjectId([7; 32]), Some(Digest([8; 32]))), (ObjectId([9; 32]), None)]);
        let by = ("kvbackup 0.1.0".to_owned(), "2026-01-31T00:00:00.123Z".to_owned());
        Attestation::new("07".repeat(16), (Proven::Content, dumps), by)
    }

    fn texts(text: &str) -> Anchor {
        let text = || text.to_owned();
        Anchor { name: text(), genesis_config: text(), genesis_committee: text(), admin_chain: text() }
    }

    #[test]
    fn an_attestation_is_read_as_it_was_written() {
        let plain = attestation();
        let full = Attestation {
            proven: Proven::Boot,
            network: Some(texts("net")),
            not_proven: vec!["x".into()],
            ..attestation()
        };
        for attestation in [plain, full] {
            let (name, json) = attestation.encode().unwrap();
            assert_eq!(name, ObjectId::of_file(&json));
            assert_eq!(Attestation::decode(&json).unwrap(), attestation);
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        let long = "x".repeat(Attestation::TEXT_BYTES_MAX + 1);
        let most = Attestation::DUMPS_MAX as u64 + 1;
        let many = (0..most).map(|number| (ObjectId::of_file(&number.to_le_bytes()), None)).collect();
        for bad in [
            Attestation { dumps: BTreeMap::new(), ..attestation() },
            Attestation { dumps: many, ..attestation() },
            Attestation { time: "yesterday".to_owned(), ..attestation() },
            Attestation { tool: long.clone(), ..attestation() },
            Attestation { network: Some(texts(&long)), ..attestation() },
            Attestation { network: Some(texts("\u{1b}[31m")), ..attestation() },
            Attestation { not_proven: vec![String::new(); Attestation::NOT_PROVEN_MAX + 1], ..attestation() },
            Attestation { version: 2, ..attestation() },
            Attestation { requires: vec!["more".to_owned()], ..attestation() },
        ] {
            assert!(bad.encode().is_err(), "{bad:?}");
        }
        assert!(matches!(Attestation::decode(b"{"), Err(FormatError::Json { .. })));
    }

    #[test]
    fn what_proves_more_is_greater() {
        let all = [Proven::Structure, Proven::Content, Proven::Restored, Proven::Boot];
        assert!(all.is_sorted());
        for proven in all {
            assert_eq!(serde_json::to_value(proven).unwrap(), proven.word());
        }
    }
}
