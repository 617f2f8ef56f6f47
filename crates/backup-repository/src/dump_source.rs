//! A dump as the source of another one.

use std::num::NonZeroUsize;

use async_trait::async_trait;
use backup_format::{
    Consistency, ContractError, DatabaseBackup, EngineError, EntryBatch, EntryStream, FormatError, Manifest,
    Order, Range, ReadPlan, Reference, Snapshot, SourceInfo,
};
use futures::{StreamExt, TryStreamExt};

use crate::error::RepositoryError;
use crate::phase;
use crate::reader::{DumpReader, ReadSegment};

/// Names the kind of a partition.
pub(crate) type KindOf = fn(&[u8]) -> Option<&'static str>;

/// A dump whose pages were read.
#[derive(Clone, Debug)]
pub(crate) struct DumpSource {
    reader: DumpReader,
    manifest: Manifest,
    pages: Vec<Reference>,
    kind_of: KindOf,
    source: SourceInfo,
}

impl DumpSource {
    pub(crate) fn new(
        reader: DumpReader,
        manifest: Manifest,
        pages: Vec<Reference>,
        kind_of: KindOf,
    ) -> Self {
        let source = SourceInfo {
            engine: manifest.source.engine.clone(),
            engine_version: manifest.source.engine_version.clone(),
            layout: manifest.source.layout.clone(),
            namespace: manifest.namespace.clone(),
        };
        Self { reader, manifest, pages, kind_of, source }
    }
}

fn failed(error: RepositoryError) -> EngineError {
    let class = error.class();
    EngineError::new(class, error)
}

#[async_trait]
impl DatabaseBackup for DumpSource {
    fn name(&self) -> &str {
        &self.manifest.namespace
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl Snapshot for DumpSource {
    fn source(&self) -> &SourceInfo {
        &self.source
    }

    fn order(&self) -> Order {
        self.manifest.order
    }

    fn kind(&self, root_key: &[u8]) -> Option<&'static str> {
        (self.kind_of)(root_key)
    }

    async fn estimate(&self) -> Result<Option<u64>, EngineError> {
        Ok(Some(self.manifest.plain_bytes))
    }

    async fn plan(&self, _: NonZeroUsize) -> Result<ReadPlan, EngineError> {
        let (second, end) = (phase::second(self.manifest.order, &self.pages), self.pages.len());
        let range = |start: usize, end: usize| Range { token: [start, end].map(usize::to_be_bytes).concat() };
        let mut plan = ReadPlan::of_one_phase(vec![range(0, second)]);
        if second < end {
            plan.phases.push(vec![range(second, end)]);
            plan.starts_pages = true;
        }
        Ok(plan)
    }

    async fn entries(&self, range: &Range) -> Result<EntryStream, EngineError> {
        let pages = match range.token.as_chunks().0 {
            [start, end] => self.pages.get(usize::from_be_bytes(*start)..usize::from_be_bytes(*end)),
            _ => None,
        };
        let Some(pages) = pages.map(<[Reference]>::to_vec) else {
            let problem = "it is no range of pages".to_owned();
            let source = FormatError::Malformed { object: "range", offset: 0, problem };
            let place = self.manifest.namespace.clone();
            return Err(ContractError::ForeignRange { place, source }.into());
        };
        let reader = self.reader.clone();
        let segments = futures::stream::iter(pages).then(move |reference| {
            let reader = reader.clone();
            async move {
                let page = reader.page(&reference).await?;
                Ok::<_, RepositoryError>(reader.segments(&reference, page))
            }
        });
        let batch = |read: ReadSegment| {
            let mut batch = EntryBatch::with_capacity(read.segment.plaintext().len());
            for group in read.segment.groups() {
                batch.push_run(group.root_key, group.into());
            }
            batch
        };
        Ok(segments.try_flatten().map_ok(batch).map_err(failed).boxed())
    }

    fn consistency(&self) -> Consistency {
        self.manifest.consistency
    }
}
