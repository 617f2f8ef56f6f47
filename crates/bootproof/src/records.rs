//! What linera keeps in partitions of their own: blocks, blobs, events and indices. Read past linera's caches, which take a
//! key's word for its content.

use anyhow::{Context, Result};
use linera_base::crypto::CryptoHash;
use linera_base::data_types::BlockHeight;
use linera_base::identifiers::{BlobId, ChainId, StreamId};
use linera_chain::types::ConfirmedBlock;
use linera_storage::RootKey;
use linera_views::store::{KeyValueDatabase, ReadableKeyValueStore};

use crate::database::Database;
use crate::decode::decode;

/// Key of a blob's content in its partition.
pub const BLOB_KEY: &[u8] = &[0x2a];
/// Key of a blob's state in its partition.
pub const BLOB_STATE_KEY: &[u8] = &[0x31];
/// Key of a certificate without its block, in the block's partition.
pub const CERTIFICATE_KEY: &[u8] = &[0x5b];
/// Key of a block in its partition.
pub const BLOCK_KEY: &[u8] = &[0xdd];
/// Key of the network description in its partition.
pub const NETWORK_DESCRIPTION_KEY: &[u8] = &[0x77];

/// Reads values as they are stored.
#[derive(Clone)]
pub struct Records {
    database: Database,
}

/// The two values of a block's partition; `None` where one is not there.
#[derive(Clone, Debug, Default)]
pub struct BlockRecord {
    /// The certificate without the block.
    pub certificate: Option<Vec<u8>>,
    /// The block.
    pub block: Option<Vec<u8>>,
}

impl Records {
    /// Reads from this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Reads a block and its certificate.
    ///
    /// # Errors
    ///
    /// When the database cannot be read; so have all methods here.
    pub async fn block(&self, hash: CryptoHash) -> Result<BlockRecord> {
        let keys = [CERTIFICATE_KEY.to_vec(), BLOCK_KEY.to_vec()];
        let mut values = self.values(&RootKey::ConfirmedBlock(hash), &keys).await?.into_iter();
        Ok(BlockRecord { certificate: values.next().flatten(), block: values.next().flatten() })
    }

    /// Reads a block that hashes to its key; `None` for any other.
    pub async fn good_block(&self, hash: CryptoHash) -> Result<Option<ConfirmedBlock>> {
        let value = self.value(&RootKey::ConfirmedBlock(hash), BLOCK_KEY).await?;
        let block = value.and_then(|bytes| decode::<ConfirmedBlock>(&bytes).ok());
        Ok(block.filter(|block| block.inner().hash() == hash))
    }

    /// Reads rows of a chain's index from heights to blocks.
    pub async fn height_rows(&self, chain: ChainId, heights: &[BlockHeight]) -> Result<Vec<Option<Vec<u8>>>> {
        let keys: Vec<_> = heights.iter().map(|height| height.0.to_le_bytes().to_vec()).collect();
        self.values(&RootKey::BlockByHeight(chain), &keys).await
    }

    /// Reads which block the index has at a height; `None` when it has none, or something else.
    pub async fn hash_at(&self, chain: ChainId, height: BlockHeight) -> Result<Option<CryptoHash>> {
        let row = self.height_rows(chain, &[height]).await?.pop().flatten();
        Ok(row.and_then(|bytes| decode(&bytes).ok()))
    }

    /// Lists all heights of a chain's index, in numeric order. Keys that are no height are left out.
    pub async fn heights(&self, chain: ChainId) -> Result<Vec<u64>> {
        let store = self.store(&RootKey::BlockByHeight(chain))?;
        let keys = store.find_keys_by_prefix(&[]).await.context("listing the height index")?;
        let mut heights: Vec<_> =
            keys.iter().filter_map(|key| Some(u64::from_le_bytes(key.as_slice().try_into().ok()?))).collect();
        heights.sort_unstable();
        Ok(heights)
    }

    /// Returns two answers: whether a blob's content is there, and whether its state is.
    pub async fn blob_presence(&self, blob: BlobId) -> Result<(bool, bool)> {
        let store = self.store(&RootKey::Blob(blob))?;
        let content = store.contains_key(BLOB_KEY).await.context("looking for a blob")?;
        let state = store.contains_key(BLOB_STATE_KEY).await.context("looking for a blob's state")?;
        Ok((content, state))
    }

    /// Reads a blob's content.
    pub async fn blob(&self, blob: BlobId) -> Result<Option<Vec<u8>>> {
        self.value(&RootKey::Blob(blob), BLOB_KEY).await
    }

    /// Reads events of a chain.
    pub async fn events(&self, chain: ChainId, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>> {
        self.values(&RootKey::Event(chain), keys).await
    }

    /// Reads rows of a chain's index from events to heights.
    pub async fn event_heights(&self, chain: ChainId, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>> {
        self.values(&RootKey::EventBlockHeight(chain), keys).await
    }

    /// Reads the network description.
    pub async fn network_description(&self) -> Result<Option<Vec<u8>>> {
        self.value(&RootKey::NetworkDescription, NETWORK_DESCRIPTION_KEY).await
    }

    async fn value(&self, root_key: &RootKey, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let value = self.store(root_key)?.read_value_bytes(key).await;
        value.with_context(|| format!("reading {root_key:?}"))
    }

    async fn values(&self, root_key: &RootKey, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let values = self.store(root_key)?.read_multi_values_bytes(keys).await;
        values.with_context(|| format!("reading {root_key:?}"))
    }

    fn store(&self, root_key: &RootKey) -> Result<<Database as KeyValueDatabase>::Store> {
        self.database.open_shared(&root_key.bytes()).context("opening a partition")
    }
}

/// Returns the key of an event in the partitions of events and of their index.
///
/// # Errors
///
/// When the stream's name is too long for BCS.
pub fn event_key(stream: &StreamId, index: u32) -> Result<Vec<u8>> {
    bcs::to_bytes(&(stream, index)).context("encoding the key of an event")
}
