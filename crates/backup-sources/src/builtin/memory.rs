//! `memory:`, a rehearsal of a restore.

use async_trait::async_trait;
use backup_format::{Manifest, RestoreTarget};
use backup_layout::Layout;
use backup_memory::MemoryNamespace;

use crate::engine::{Engine, Native, Scheme};
use crate::error::SourceError;
use crate::layout::kinds_of;
use crate::locator::Place;
use crate::opening::Opening;

pub(crate) struct Memory;

#[async_trait]
impl Engine for Memory {
    fn title(&self) -> &'static str {
        "memory"
    }

    fn schemes(&self) -> &'static [Scheme] {
        const REHEARSAL: Scheme = Scheme::new(&["memory"], "memory:")
            .with_target("a rehearsal: restored, read back and compared, then gone")
            .not_kept();
        &[REHEARSAL]
    }

    fn check(&self, place: &Place) -> Result<(), SourceError> {
        match place.rest().is_empty() {
            true => Ok(()),
            false => Err(SourceError::locator(format!("{place}: expected memory: with nothing after it"))),
        }
    }

    async fn open_target(
        &self,
        _: &Place,
        dump: &Manifest,
        opening: &Opening,
    ) -> Result<Box<dyn RestoreTarget>, SourceError> {
        let layout = opening.layout().unwrap_or(Layout::Plain);
        Ok(Box::new(MemoryNamespace::new(&dump.namespace).with_layout(layout.name(), kinds_of(layout))))
    }

    fn native(&self, place: &Place) -> Result<&dyn Native, SourceError> {
        Err(SourceError::locator(format!(
            "a native backup cannot be restored to {place}; expected rocksdb:DIR/NAMESPACE"
        )))
    }
}
