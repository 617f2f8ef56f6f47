//! The fields of a manifest's file. Those of the inventory stand in it, or sealed.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::{Digest, LtHash};
use crate::id::ObjectId;
use crate::inventory::{Content, Inventory, SealedInventory, put_lthash, take_lthash};
use crate::limits;
use crate::manifest::{Consistency, Manifest, Source};
use crate::order::Order;

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ManifestFile {
    format: String,
    version: u64,
    #[serde(default)]
    requires: Vec<String>,
    tool: String,
    namespace: String,
    order: Order,
    root: ObjectId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<Digest>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "put_some_lthash",
        deserialize_with = "take_some_lthash"
    )]
    lthash: Option<LtHash>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    partitions: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    entries: Option<u64>,
    plain_bytes: u64,
    segments: u64,
    pages: u64,
    started: String,
    finished: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    sequence: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    previous: Vec<ObjectId>,
    #[serde(default, skip_serializing_if = "is_false")]
    last: bool,
    consistency: Consistency,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    contents: Option<Vec<Content>>,
    source: Source,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    annotations: Option<BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealed: Option<SealedFile>,
}

#[derive(Clone, Serialize, Deserialize)]
struct SealedFile {
    aead: u8,
    #[serde(with = "hex::serde")]
    kid: [u8; 32],
    wrapped: String,
    body: String,
}

impl From<Manifest> for ManifestFile {
    /// Of a sealed inventory the seal alone goes into the file.
    fn from(manifest: Manifest) -> Self {
        let is_sealed = manifest.sealed.is_some();
        let inventory = manifest.inventory.filter(|_| !is_sealed);
        let mut file = Self {
            format: manifest.format,
            version: manifest.version,
            requires: manifest.requires,
            tool: manifest.tool,
            namespace: manifest.namespace,
            order: manifest.order,
            root: manifest.root,
            digest: None,
            lthash: None,
            partitions: None,
            entries: None,
            plain_bytes: manifest.plain_bytes,
            segments: manifest.segments,
            pages: manifest.pages,
            started: manifest.started,
            finished: manifest.finished,
            sequence: manifest.sequence,
            previous: manifest.previous,
            last: manifest.last,
            consistency: manifest.consistency,
            contents: None,
            source: manifest.source,
            annotations: None,
            sealed: manifest.sealed.map(SealedFile::from),
        };
        if let Some(inventory) = inventory {
            file.digest = Some(inventory.digest);
            file.lthash = Some(inventory.lthash);
            file.partitions = Some(inventory.partitions);
            file.entries = Some(inventory.entries);
            file.contents = Some(inventory.contents);
            file.annotations = Some(inventory.annotations);
        }
        file
    }
}

impl TryFrom<ManifestFile> for Manifest {
    type Error = String;

    fn try_from(mut file: ManifestFile) -> Result<Self, String> {
        let sealed = file.sealed.take().map(SealedInventory::try_from).transpose()?;
        let inventory = if sealed.is_none() { Some(file.inventory()?) } else { None };
        Ok(Self {
            format: file.format,
            version: file.version,
            requires: file.requires,
            tool: file.tool,
            namespace: file.namespace,
            order: file.order,
            root: file.root,
            inventory,
            sealed,
            plain_bytes: file.plain_bytes,
            segments: file.segments,
            pages: file.pages,
            started: file.started,
            finished: file.finished,
            sequence: file.sequence,
            previous: file.previous,
            last: file.last,
            consistency: file.consistency,
            source: file.source,
        })
    }
}

impl ManifestFile {
    /// Takes the inventory out of a file in which it is not sealed.
    fn inventory(&mut self) -> Result<Inventory, String> {
        let missing = |field| move || format!("missing field `{field}`");
        Ok(Inventory {
            digest: self.digest.take().ok_or_else(missing("digest"))?,
            lthash: self.lthash.take().ok_or_else(missing("lthash"))?,
            partitions: self.partitions.take().ok_or_else(missing("partitions"))?,
            entries: self.entries.take().ok_or_else(missing("entries"))?,
            contents: self.contents.take().unwrap_or_default(),
            annotations: self.annotations.take().unwrap_or_default(),
        })
    }
}

impl From<SealedInventory> for SealedFile {
    fn from(sealed: SealedInventory) -> Self {
        let SealedInventory { aead, key, wrapped, body } = sealed;
        Self { aead, kid: key, wrapped: STANDARD.encode(wrapped), body: STANDARD.encode(body) }
    }
}

impl TryFrom<SealedFile> for SealedInventory {
    type Error = String;

    fn try_from(file: SealedFile) -> Result<Self, String> {
        let SealedFile { aead, kid, wrapped, body } = file;
        if !(1..=2).contains(&aead) {
            return Err(format!("expected aead 1 or 2 in field `sealed`, found {aead}"));
        }
        let decode = |field, text: String| {
            STANDARD.decode(text).map_err(|error| format!("field `sealed.{field}`: {error}"))
        };
        let (wrapped, body) = (decode("wrapped", wrapped)?, decode("body", body)?);
        if wrapped.len() > limits::WRAPPED_KEY_BYTES_MAX {
            return Err(format!(
                "field `sealed.wrapped` has {} bytes; expected at most {}",
                wrapped.len(),
                limits::WRAPPED_KEY_BYTES_MAX
            ));
        }
        Ok(Self { aead, key: kid, wrapped, body })
    }
}

fn put_some_lthash<S: Serializer>(lthash: &Option<LtHash>, serializer: S) -> Result<S::Ok, S::Error> {
    match lthash {
        Some(lthash) => put_lthash(lthash, serializer),
        None => serializer.serialize_none(),
    }
}

fn take_some_lthash<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<LtHash>, D::Error> {
    take_lthash(deserializer).map(Some)
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn is_false(said: &bool) -> bool {
    !said
}
