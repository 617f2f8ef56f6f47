//! `config.json`: what all dumps of a repository have in common.

use serde::{Deserialize, Serialize};

use crate::error::FormatError;
use crate::id::Keys;
use crate::limits;
use crate::manifest::Manifest;
use crate::pack::PackVersion;

const FILE: &str = "config.json";
const FORMAT: &str = "kvbackup-repository";
const RULE: &str = "norm1";

/// The config of a repository: created once, never changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Always `kvbackup-repository`.
    format: String,
    /// 1 or 2.
    version: u64,
    /// 16 random bytes in hex that tell repositories apart.
    pub repository: String,
    /// Name of the cut rule: always `norm1`.
    rule: String,
    /// Target length of segments in bytes (T).
    pub segment_target: u64,
    /// Target plaintext of the segments of a page in bytes (P).
    pub page_target: u64,
    /// Bytes of bodies at which a pack is closed.
    pub pack_target: u64,
    /// 16 random bytes, from which [`Config::keys`] derives; none in an encrypted repository.
    #[serde(default, with = "some_hex", skip_serializing_if = "Option::is_none")]
    cut_salt: Option<[u8; 16]>,
    /// Whether packs and manifests are sealed.
    encrypted: bool,
    /// In an encrypted repository 16 bytes by which its key is known to be the right one.
    #[serde(default, with = "some_hex", skip_serializing_if = "Option::is_none")]
    key_check: Option<[u8; 16]>,
    /// What a reader must know beyond the version.
    #[serde(default)]
    requires: Vec<String>,
}

impl Config {
    /// Default of `segment_target`: 256 KiB. Smaller segments share more with the next dump and compress less.
    pub const SEGMENT_TARGET: u64 = 256 << 10;
    /// Default of `page_target`: 64 MiB.
    pub const PAGE_TARGET: u64 = 64 << 20;
    /// Default of `pack_target`: 16 MiB.
    pub const PACK_TARGET: u64 = 16 << 20;

    /// The versions that this library reads and writes.
    pub const VERSIONS: std::ops::RangeInclusive<u64> = 1..=2;
    /// The version of new repositories when nobody asks for another one.
    pub const DEFAULT_VERSION: u64 = 1;

    /// Makes a config of version 1 with default targets. Both arguments should be random: the first names the repository, the
    /// second keeps those who choose keys from choosing the cuts.
    #[must_use]
    pub fn new(repository: [u8; 16], cut_salt: [u8; 16]) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: 1,
            repository: hex::encode(repository),
            rule: RULE.to_owned(),
            segment_target: Self::SEGMENT_TARGET,
            page_target: Self::PAGE_TARGET,
            pack_target: Self::PACK_TARGET,
            cut_salt: Some(cut_salt),
            encrypted: false,
            key_check: None,
            requires: Vec::new(),
        }
    }

    /// Makes the config of an encrypted repository, of version 2, with default targets. By `check` a repository
    /// key is known to be the right one.
    #[must_use]
    pub fn encrypted(repository: [u8; 16], check: [u8; 16]) -> Self {
        Self {
            version: 2,
            cut_salt: None,
            encrypted: true,
            key_check: Some(check),
            requires: vec![Manifest::ENCRYPTED.to_owned()],
            ..Self::new(repository, [0; 16])
        }
    }

    /// Sets the three targets, in bytes; [`Config::decode`] tells which are accepted.
    #[must_use]
    pub fn with_targets(mut self, segment: u64, page: u64, pack: u64) -> Self {
        (self.segment_target, self.page_target, self.pack_target) = (segment, page, pack);
        self
    }

    /// Sets the version, which must be one of [`Config::VERSIONS`].
    #[must_use]
    pub fn with_version(self, version: u64) -> Self {
        Self { version, ..self }
    }

    /// Returns the version: in repositories of version 2 packs have salts, and segments may be stored as patches.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Returns the version of the packs.
    #[must_use]
    pub fn pack_version(&self) -> PackVersion {
        if self.version == 1 { PackVersion::V1 } else { PackVersion::V2 }
    }

    /// Derives the keys of the repository from its salt; `None` if it is encrypted, where they derive from the repository key.
    #[must_use]
    pub fn keys(&self) -> Option<Keys> {
        self.cut_salt.as_ref().map(Keys::derive)
    }

    /// Returns the bytes by which a repository key is known to be the right one; `None` if the repository is not encrypted.
    #[must_use]
    pub fn key_check(&self) -> Option<[u8; 16]> {
        self.key_check
    }

    /// Returns true if packs and manifests are sealed.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// Returns the 16 bytes that tell repositories apart.
    #[must_use]
    pub fn repository_id(&self) -> [u8; 16] {
        let mut id = [0; 16];
        hex::decode_to_slice(&self.repository, &mut id).expect("it was checked when the config was made");
        id
    }

    /// Encodes as JSON.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec_pretty(self).expect("a config has only strings, numbers and lists");
        json.push(b'\n');
        json
    }

    /// Parses and checks a config. Targets must be within 64 bytes to 16 MiB for segments, that of the segments to
    /// 1 GiB for pages, and 1 KiB to 512 MiB for packs.
    ///
    /// # Errors
    ///
    /// [`FormatError::UnknownVersion`], [`FormatError::UnknownRequirement`], [`FormatError::Json`],
    /// [`FormatError::Field`] or [`FormatError::TooLong`]. Unknown fields are ignored.
    pub fn decode(json: &[u8]) -> Result<Self, FormatError> {
        check_header(FILE, (FORMAT, Self::VERSIONS, &[Manifest::ENCRYPTED]), json)?;
        let config: Self =
            serde_json::from_slice(json).map_err(|source| FormatError::Json { file: FILE, source })?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), FormatError> {
        let field = |field, found: &dyn ToString, expected| {
            Err(FormatError::Field { file: FILE, field, found: found.to_string(), expected })
        };
        let mut id = [0; 16];
        if hex::decode_to_slice(&self.repository, &mut id).is_err() {
            return field("repository", &format!("{:?}", self.repository), "16 bytes in hex");
        }
        // What a later version needs, although it stands in fields of its own.
        let unknown = |requirement| Err(FormatError::UnknownRequirement { file: FILE, requirement });
        if self.rule != RULE {
            return unknown(format!("rule {}", self.rule.chars().take(80).collect::<String>()));
        }
        let is_said = self.requires.iter().any(|requirement| requirement == Manifest::ENCRYPTED);
        if self.encrypted && (!is_said || self.version < 2) {
            return unknown("encrypted".to_owned());
        }
        if (self.encrypted, self.encrypted, self.encrypted)
            != (is_said, self.key_check.is_some(), self.cut_salt.is_none())
        {
            let found = format!("encrypted {} with the fields of the opposite", self.encrypted);
            return field(
                "encrypted",
                &found,
                "true with key_check and age1 in requires, or false with cut_salt",
            );
        }
        if !(64..=16 << 20).contains(&self.segment_target) {
            return field("segment_target", &self.segment_target, "64 to 16,777,216 bytes");
        }
        if !(self.segment_target..=1 << 30).contains(&self.page_target) {
            return field("page_target", &self.page_target, "segment_target to 1,073,741,824 bytes");
        }
        if !(1 << 10..=512 << 20).contains(&self.pack_target) {
            return field("pack_target", &self.pack_target, "1,024 to 536,870,912 bytes");
        }
        Ok(())
    }
}

/// Checks length, format name, version and requirements before the rest is looked at: a file of a later version
/// may have other fields.
pub(crate) fn check_header(
    file: &'static str,
    (expected, versions, requirements): (&'static str, std::ops::RangeInclusive<u64>, &[&str]),
    json: &[u8],
) -> Result<(), FormatError> {
    #[derive(Deserialize)]
    struct Header {
        format: String,
        version: u64,
        #[serde(default)]
        requires: Vec<String>,
    }
    let found = json.len() as u64;
    if found > limits::MANIFEST_BYTES_MAX {
        let limit = limits::MANIFEST_BYTES_MAX;
        return Err(FormatError::TooLong { object: file, offset: 0, what: "file", found, limit });
    }
    let header: Header = serde_json::from_slice(json).map_err(|source| FormatError::Json { file, source })?;
    if header.format != expected || !versions.contains(&header.version) {
        let format = header.format.chars().take(80).collect();
        let (version, newest) = (header.version, *versions.end());
        return Err(FormatError::UnknownVersion { file, format, version, expected, newest });
    }
    match header.requires.iter().find(|requirement| !requirements.contains(&requirement.as_str())) {
        Some(requirement) => {
            let requirement = requirement.chars().take(80).collect();
            Err(FormatError::UnknownRequirement { file, requirement })
        }
        None => Ok(()),
    }
}

/// Bytes in hex, or no field.
mod some_hex {
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "serde calls it like this")]
    pub(super) fn serialize<S: Serializer>(
        bytes: &Option<[u8; 16]>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match bytes {
            Some(bytes) => hex::serde::serialize(bytes, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<[u8; 16]>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes).map_err(serde::de::Error::custom)?;
        Ok(Some(bytes))
    }
}
