//! A view of one moment of a namespace.

use std::num::NonZeroUsize;

use async_trait::async_trait;
use backup_format::{
    Consistency, ContractError, EngineError, EntryStream, FormatError, Order, Range, ReadPlan, Reader,
    Snapshot, SourceInfo, put_bytes,
};
use futures::{StreamExt, stream};

use crate::contents::{Contents, Cursor};
use crate::options::Options;

/// The content of a namespace at the moment when it was opened.
pub(crate) struct MemorySnapshot {
    source: SourceInfo,
    options: Options,
    contents: Contents,
}

impl MemorySnapshot {
    pub fn new(source: SourceInfo, options: Options, contents: Contents) -> Self {
        Self { source, options, contents }
    }

    /// Chooses the partitions with which the second and later of at most `count` ranges begin.
    ///
    /// The ranges are about equal in bytes.
    fn boundaries(&self, count: NonZeroUsize) -> Vec<&[u8]> {
        let count = count.get() as u128;
        let total = u128::from(self.contents.bytes() + self.contents.entries());
        let mut boundaries = Vec::new();
        let (mut before, mut range) = (0, 0);
        for (root_key, totals) in self.contents.partitions() {
            let reached = before * count / total;
            if reached > range {
                boundaries.push(root_key);
                range = reached;
            }
            before += u128::from(totals.bytes + totals.entries);
        }
        boundaries
    }
}

#[async_trait]
impl Snapshot for MemorySnapshot {
    fn source(&self) -> &SourceInfo {
        &self.source
    }

    fn order(&self) -> Order {
        Order::Plain
    }

    fn kind(&self, root_key: &[u8]) -> Option<&'static str> {
        (self.options.kind)(root_key)
    }

    async fn estimate(&self) -> Result<Option<u64>, EngineError> {
        Ok(Some(self.contents.bytes()))
    }

    async fn plan(&self, ranges_max: NonZeroUsize) -> Result<ReadPlan, EngineError> {
        let boundaries = self.boundaries(ranges_max);
        let starts = [&[][..]].into_iter().chain(boundaries.iter().copied());
        let ends = boundaries.iter().copied().map(Some).chain([None]);
        let ranges = starts.zip(ends).map(|(start, end)| Range { token: encode(start, end) });
        Ok(ReadPlan::of_one_phase(ranges.collect()))
    }

    async fn entries(&self, range: &Range) -> Result<EntryStream, EngineError> {
        let place = || format!("namespace {}", self.source.namespace);
        let (start, end) =
            decode(&range.token).map_err(|source| ContractError::ForeignRange { place: place(), source })?;
        let (contents, bytes_max) = (self.contents.clone(), self.options.batch_bytes);
        let batches = stream::unfold(Cursor::before(&start), move |cursor| {
            let read = contents.read(&cursor, end.as_deref(), bytes_max);
            async move { read.map(|(batch, cursor)| (Ok(batch), cursor)) }
        });
        Ok(batches.boxed())
    }

    fn consistency(&self) -> Consistency {
        Consistency::PointInTime
    }
}

/// Encodes a range from partition `start`, or what follows it, to before partition `end`.
fn encode(start: &[u8], end: Option<&[u8]>) -> Vec<u8> {
    let mut token = Vec::new();
    put_bytes(&mut token, start);
    if let Some(end) = end {
        put_bytes(&mut token, end);
    }
    token
}

fn decode(token: &[u8]) -> Result<(Vec<u8>, Option<Vec<u8>>), FormatError> {
    let mut reader = Reader::new("range token", token);
    let start = reader.byte_string(token.len(), "root key")?.to_vec();
    let end = match reader.remaining() {
        0 => None,
        _ => Some(reader.byte_string(token.len(), "root key")?.to_vec()),
    };
    reader.end()?;
    Ok((start, end))
}
