//! Which objects of a repository a dump reaches.

use backup_format::{Manifest, ObjectId, Reference};
use futures::{StreamExt, TryStreamExt};

use crate::error::RepositoryError;
use crate::index::Index;
use crate::reader::DumpReader;

/// Pages are read this many at a time.
const READS: usize = 8;

/// A set of objects of an index: one bit for each.
#[derive(Clone, Debug)]
pub(crate) struct Marks(Vec<u64>);

impl Marks {
    /// Returns the empty set.
    pub(crate) fn none(index: &Index) -> Self {
        Self(vec![0; index.len().div_ceil(64)])
    }

    /// Returns the objects that a dump reaches, its root page and the bases of patches among them. An object that lies in several packs is marked at
    /// its first place.
    pub(crate) async fn of(reader: &DumpReader, manifest: &Manifest) -> Result<Self, RepositoryError> {
        let mut marks = Self::none(&reader.index);
        marks.add_dump(reader, manifest).await?;
        Ok(marks)
    }

    /// Adds the objects that a dump reaches. Pages that are in the set are not read again: what they reach is in it, too.
    pub(crate) async fn add_dump(
        &mut self,
        reader: &DumpReader,
        manifest: &Manifest,
    ) -> Result<(), RepositoryError> {
        if reader.repository.config().is_encrypted() {
            self.add_sealed_pages(reader, manifest.root).await?;
        } else {
            let root = reader.root(manifest).await?;
            self.add_pages(reader, root.references).await?;
        }
        self.add(&reader.index, manifest.root);
        Ok(())
    }

    /// Adds pages and the segments that they refer to, as far as pages are not in the set.
    pub(crate) async fn add_pages(
        &mut self,
        reader: &DumpReader,
        mut pages: Vec<Reference>,
    ) -> Result<(), RepositoryError> {
        pages.retain(|page| !reader.index.number(page.id).is_some_and(|number| self.has(number)));
        let mut pages = futures::stream::iter(pages)
            .map(|reference| async move {
                let page = reader.page(&reference).await?;
                reader.check_present(&reference, &page)?;
                Ok::<_, RepositoryError>((reference.id, page))
            })
            .buffer_unordered(READS);
        while let Some((id, page)) = pages.try_next().await? {
            self.add(&reader.index, id);
            page.references.iter().for_each(|segment| self.add(&reader.index, segment.id));
        }
        Ok(())
    }

    /// Adds what a sealed root reaches: all that is needed stands in clear.
    async fn add_sealed_pages(&mut self, reader: &DumpReader, root: ObjectId) -> Result<(), RepositoryError> {
        let mut pages = reader.page_ids(root, "the manifest").await?;
        pages.retain(|page| !reader.index.number(*page).is_some_and(|number| self.has(number)));
        let mut pages = futures::stream::iter(pages)
            .map(|page| async move { Ok::<_, RepositoryError>((page, reader.segment_ids(page).await?)) })
            .buffer_unordered(READS);
        while let Some((page, segments)) = pages.try_next().await? {
            self.add(&reader.index, page);
            segments.into_iter().for_each(|segment| self.add(&reader.index, segment));
        }
        Ok(())
    }

    /// Adds an object, and the bases that it is read from if it is a patch.
    fn add(&mut self, index: &Index, id: ObjectId) {
        let mut next = index.number(id);
        // The bases of what is in the set are, too. So this ends, even if patches go in a circle.
        while let Some(number) = next.filter(|number| !self.has(*number)) {
            self.insert(number);
            next = index.base_number(number);
        }
    }

    /// Adds the object of this number.
    pub(crate) fn insert(&mut self, number: usize) {
        if let Some(word) = self.0.get_mut(number / 64) {
            *word |= 1 << (number % 64);
        }
    }

    /// Adds all objects of another set; those that were in both already are added to `again`.
    pub(crate) fn join(&mut self, other: &Self, again: &mut Self) {
        for ((word, other), again) in self.0.iter_mut().zip(&other.0).zip(&mut again.0) {
            *again |= *word & other;
            *word |= other;
        }
    }

    /// Returns the numbers of the objects in the set.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> {
        (0..self.0.len() * 64).filter(|number| self.has(*number))
    }

    /// Returns true if the object of this number is in the set.
    pub(crate) fn has(&self, number: usize) -> bool {
        self.0.get(number / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }
}
