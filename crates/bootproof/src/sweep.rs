//! One pass over all entries of the restored namespace: what there is, and whether blobs are what their ids say.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use anyhow::{Context, Result};
use backup_console::Counter;
use backup_format::{DatabaseBackup, Group};
use futures::StreamExt;
use linera_base::identifiers::ChainId;
use linera_storage::RootKey;
use serde::Serialize;

use crate::blobs::Blobs;
use crate::decode::decode;
use crate::findings::Findings;
use crate::records::{BLOCK_KEY, CERTIFICATE_KEY, NETWORK_DESCRIPTION_KEY, Records};

/// What a namespace holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Entries of all kinds.
    pub entries: u64,
    /// Chains that have a state.
    pub chains: u64,
    /// Blocks, whether or not a chain refers to them.
    pub blocks: u64,
    /// Certificates.
    pub certificates: u64,
    /// Blobs that have a content, or only a state.
    pub blobs: u64,
    /// Events.
    pub events: u64,
    /// Rows of the indices from heights to blocks.
    pub height_rows: u64,
    /// Rows of the indices from events to heights.
    pub event_rows: u64,
    /// Partitions with the state of a block exporter.
    pub exporter_states: u64,
    /// Partitions whose root keys linera does not write.
    pub foreign_partitions: u64,
}

/// What there is of one chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Entries of its state.
    pub state: u64,
    /// Rows of its index from heights to blocks.
    pub heights: u64,
    /// Its events.
    pub events: u64,
    /// Rows of its index from events to heights.
    pub event_heights: u64,
}

/// The result of the pass.
#[derive(Debug, Default)]
pub struct Sweep {
    /// How much there is of everything.
    pub counts: Counts,
    /// All chains that anything is there of.
    pub chains: BTreeMap<ChainId, Rows>,
}

/// Reads all entries of a namespace.
///
/// # Errors
///
/// When it cannot be read. What is wrong with its content is a finding.
pub async fn sweep(
    namespace: &dyn DatabaseBackup,
    records: &Records,
    findings: &Findings,
    counter: &Counter,
) -> Result<Sweep> {
    let mut sweep = Sweep::default();
    let mut blobs = Blobs::new(records, findings);
    counter.begin("counting", "entries", None);
    let snapshot = namespace.snapshot().await.context("opening the restored namespace")?;
    let plan = snapshot.plan(NonZeroUsize::MIN).await.context("dividing the restored namespace")?;
    for range in plan.phases.iter().flatten() {
        let mut entries = snapshot.entries(range).await.context("reading the restored namespace")?;
        while let Some(batch) = entries.next().await {
            let batch = batch.context("reading the restored namespace")?;
            let before = sweep.counts.entries;
            for group in batch.groups() {
                sweep.group(&group, &mut blobs, findings).await?;
            }
            counter.advance(sweep.counts.entries - before);
        }
    }
    blobs.finish().await?;
    sweep.counts.blobs = blobs.count();
    sweep.counts.chains = sweep.chains.values().filter(|rows| rows.state > 0).count() as u64;
    Ok(sweep)
}

impl Sweep {
    /// Takes entries of one partition; the next group may bring more of the same.
    async fn group(&mut self, group: &Group<'_>, blobs: &mut Blobs<'_>, findings: &Findings) -> Result<()> {
        let entries = u64::from(group.entries);
        self.counts.entries += entries;
        match decode::<RootKey>(group.root_key) {
            Ok(RootKey::ChainState(chain)) => self.chain(chain).state += entries,
            Ok(RootKey::ConfirmedBlock(_)) => {
                for entry in group.iter() {
                    self.counts.blocks += u64::from(entry.key == BLOCK_KEY);
                    self.counts.certificates += u64::from(entry.key == CERTIFICATE_KEY);
                }
                foreign_keys(group, &[BLOCK_KEY, CERTIFICATE_KEY], findings);
            }
            Ok(RootKey::Blob(blob)) => blobs.push(blob, group).await?,
            Ok(RootKey::Event(chain)) => {
                self.counts.events += entries;
                self.chain(chain).events += entries;
            }
            Ok(RootKey::BlockByHeight(chain)) => {
                self.counts.height_rows += entries;
                self.chain(chain).heights += entries;
            }
            Ok(RootKey::EventBlockHeight(chain)) => {
                self.counts.event_rows += entries;
                self.chain(chain).event_heights += entries;
            }
            Ok(RootKey::NetworkDescription) => foreign_keys(group, &[NETWORK_DESCRIPTION_KEY], findings),
            Ok(RootKey::BlockExporterState(id)) => {
                self.counts.exporter_states += 1;
                findings.not_proven("states of block exporters: nothing else tells what they should be", id);
            }
            Ok(RootKey::Placeholder) | Err(_) => {
                self.counts.foreign_partitions += 1;
                let root_key = hex::encode(group.root_key);
                findings.remark("entries in partitions that linera does not write", entries, root_key);
            }
        }
        Ok(())
    }

    fn chain(&mut self, chain: ChainId) -> &mut Rows {
        self.chains.entry(chain).or_default()
    }
}

/// Remarks entries that linera does not write into a partition.
pub(crate) fn foreign_keys(group: &Group<'_>, known: &[&[u8]], findings: &Findings) {
    for entry in group.iter().filter(|entry| !known.contains(&entry.key)) {
        let place = format!("{} in {}", hex::encode(entry.key), hex::encode(group.root_key));
        findings.remark("keys that linera does not write", 1, place);
    }
}
