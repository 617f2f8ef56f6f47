//! The genesis that the operator trusts, against which a database is held.
//!
//! The first committee is that of the genesis. Each later one is named by a block that the one before it certified. Each chain is in the
//! genesis, or opened by such a block. So all that was proven of a database rests on the genesis alone.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context as _, Result};
use backup_console::Problem;
use linera_base::data_types::{ChainDescription, ChainOrigin, NetworkDescription};
use linera_base::identifiers::{BlobId, BlobType, ChainId};
use linera_core::GenesisConfig;

use crate::decode::decode;
use crate::findings::Findings;
use crate::kind::Kind;
use crate::place::Place;
use crate::records::Records;

/// A file of a genesis is shorter than this.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// The genesis of the network that a database must be of.
pub struct Genesis {
    network: NetworkDescription,
    chains: BTreeSet<ChainId>,
}

impl Genesis {
    /// Reads a genesis configuration, in the JSON that linera writes.
    ///
    /// # Errors
    ///
    /// [`Problem::Usage`] when the file is none; those of the file system.
    pub fn read(path: &Path) -> Result<Self> {
        let doing = || format!("reading the genesis in {}", path.display());
        let mut text = String::new();
        let file = File::open(path).with_context(doing)?;
        file.take(FILE_BYTES_MAX).read_to_string(&mut text).with_context(doing)?;
        let none = |problem: String| {
            Problem::Usage(format!("{} is no genesis of linera: {problem}", path.display()))
        };
        let config: GenesisConfig = serde_json::from_str(&text).map_err(|error| none(error.to_string()))?;
        if config.chains.is_empty() {
            return Err(none("it has no chains, so there is no admin chain".to_owned()).into());
        }
        let chains = config.chains.iter().map(ChainDescription::id).collect();
        Ok(Self { network: config.network_description(), chains })
    }

    /// Checks that a database says that it is of this network. That it says nothing is a finding already.
    pub fn check_network(&self, found: &NetworkDescription, findings: &Findings) {
        let expected = &self.network;
        for (what, expected, found) in [
            ("name", expected.name.clone(), found.name.clone()),
            (
                "genesis configuration",
                expected.genesis_config_hash.to_string(),
                found.genesis_config_hash.to_string(),
            ),
            ("time", expected.genesis_timestamp.to_string(), found.genesis_timestamp.to_string()),
            (
                "first committee",
                expected.genesis_committee_blob_hash.to_string(),
                found.genesis_committee_blob_hash.to_string(),
            ),
            ("admin chain", expected.admin_chain_id.to_string(), found.admin_chain_id.to_string()),
        ] {
            if expected != found {
                let place = Place::of(format!("network description, {what}"));
                findings.add(Kind::OtherNetwork, place, expected, found);
            }
        }
    }

    /// Checks that a chain is in the genesis, or was opened by a block of another chain. `is_checked` is true for chains whose blocks are
    /// checked.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub async fn check_chain(
        &self,
        (records, findings): (&Records, &Findings),
        id: ChainId,
        is_checked: impl Fn(ChainId) -> bool,
    ) -> Result<()> {
        if self.chains.contains(&id) {
            return Ok(());
        }
        let blob = BlobId::new(id.0, BlobType::ChainDescription);
        let place = || Place::of("chain description").chain(id).blob(blob);
        let unopened =
            |expected: &str, found: String| findings.add(Kind::ChainUnopened, place(), expected, found);
        let Some(bytes) = records.blob(blob).await? else {
            // A message can be there before the block that opens its chain.
            findings.not_proven("chains without a description, so who opened them is not known", id);
            return Ok(());
        };
        let origin = match decode::<ChainDescription>(&bytes) {
            Ok(description) if description.id() == id => description.origin(),
            Ok(description) => {
                unopened("its description", format!("that of chain {}", description.id()));
                return Ok(());
            }
            Err(problem) => {
                unopened("a description that can be read", problem);
                return Ok(());
            }
        };
        let ChainOrigin::Child { parent, block_height, .. } = origin else {
            unopened("a chain of the genesis", "a root chain that is not in it".to_owned());
            return Ok(());
        };
        let hash = records.hash_at(parent, block_height).await?.filter(|_| is_checked(parent));
        let block = match hash {
            Some(hash) => records.good_block(hash).await?,
            None => None,
        };
        let opens = block.is_some_and(|block| {
            let is_there = block.chain_id() == parent && block.height() == block_height;
            is_there && block.block().created_blob_ids().contains(&blob)
        });
        if !opens {
            let expected = format!("a block of chain {parent} at height {block_height} that opens it");
            unopened(&expected, "no such block".to_owned());
        }
        Ok(())
    }
}
