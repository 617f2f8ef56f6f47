//! A view of one moment of a namespace.

use std::num::NonZeroUsize;
use std::sync::Arc;

use async_trait::async_trait;
use backup_format::{
    Consistency, EngineError, EntryStream, Estimate, FormatError, Order, Reader, Share, Snapshot, put_bytes,
};
use futures::{StreamExt, stream};

use crate::contents::{Contents, Cursor};
use crate::error::Error;
use crate::options::Options;

/// The content of a namespace at the moment when it was opened.
pub(crate) struct MemorySnapshot {
    namespace: Arc<str>,
    options: Options,
    contents: Contents,
}

impl MemorySnapshot {
    pub fn new(namespace: Arc<str>, options: Options, contents: Contents) -> Self {
        Self { namespace, options, contents }
    }

    /// Chooses the partitions with which the second and later of at most `count` shares begin, so that shares are about
    /// equal in bytes.
    fn boundaries(&self, count: NonZeroUsize) -> Vec<&[u8]> {
        let count = count.get() as u128;
        let total = u128::from(self.contents.bytes() + self.contents.entries());
        let mut boundaries = Vec::new();
        let (mut before, mut share) = (0, 0);
        for (root_key, totals) in self.contents.partitions() {
            let reached = before * count / total;
            if reached > share {
                boundaries.push(root_key);
                share = reached;
            }
            before += u128::from(totals.bytes + totals.entries);
        }
        boundaries
    }
}

#[async_trait]
impl Snapshot for MemorySnapshot {
    fn consistency(&self) -> Consistency {
        Consistency::PointInTime
    }

    fn order(&self) -> Order {
        Order::Plain
    }

    fn kind(&self, root_key: &[u8]) -> Option<&'static str> {
        (self.options.kind)(root_key)
    }

    async fn estimate(&self) -> Result<Estimate, EngineError> {
        Ok(Estimate { plain_bytes: Some(self.contents.bytes()), entries: Some(self.contents.entries()) })
    }

    async fn shares(&self, count: NonZeroUsize) -> Result<Vec<Share>, EngineError> {
        let boundaries = self.boundaries(count);
        let starts = [&[][..]].into_iter().chain(boundaries.iter().copied());
        let ends = boundaries.iter().copied().map(Some).chain([None]);
        let shares = starts.zip(ends).enumerate();
        Ok(shares
            .map(|(index, (start, end))| Share { token: encode(start, end), starts_page: index == 0 })
            .collect())
    }

    async fn entries(&self, share: &Share) -> Result<EntryStream, EngineError> {
        let (start, end) = decode(&share.token)
            .map_err(|source| Error::Share { namespace: self.namespace.to_string(), source })?;
        let (contents, bytes_max) = (self.contents.clone(), self.options.batch_bytes);
        let batches = stream::unfold(Cursor::before(&start), move |cursor| {
            let read = contents.read(&cursor, end.as_deref(), bytes_max);
            async move { read.map(|(batch, cursor)| (Ok(batch), cursor)) }
        });
        Ok(batches.boxed())
    }
}

/// A share begins with the first entry of partition `start` or after, and ends before partition `end`.
fn encode(start: &[u8], end: Option<&[u8]>) -> Vec<u8> {
    let mut token = Vec::new();
    put_bytes(&mut token, start);
    if let Some(end) = end {
        put_bytes(&mut token, end);
    }
    token
}

fn decode(token: &[u8]) -> Result<(Vec<u8>, Option<Vec<u8>>), FormatError> {
    let mut reader = Reader::new("share token", token);
    let start = reader.byte_string(token.len(), "root key")?.to_vec();
    let end = match reader.remaining() {
        0 => None,
        _ => Some(reader.byte_string(token.len(), "root key")?.to_vec()),
    };
    reader.end()?;
    Ok((start, end))
}
