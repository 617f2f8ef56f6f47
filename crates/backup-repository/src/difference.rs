//! How a dump differs from the one before it, found without reading entries.
//!
//! Segments of equal ids are shared. Of both dumps only those pages are looked at that the other one does not have.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use backup_format::{ObjectId, Page, Reference};
use futures::{StreamExt, TryStreamExt};

use crate::error::RepositoryError;
use crate::reader::DumpReader;
use crate::repository::Dump;
use crate::warning::BackupWarning;

/// Pages that are read at a time.
const READS: usize = 8;

/// How a dump differs from the one before it of the same namespace and layout.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The dump before.
    pub predecessor: Dump,
    /// Segments that only one of the two has; `None` when the dump before could not be read, or is sealed.
    pub segments: Option<SegmentDifference>,
}

/// Segments that only one of two dumps has. An entry that changed, or has a neighbour that did, counts on both sides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentDifference {
    /// Those that the dump before does not have.
    pub new: SegmentCount,
    /// Those that only the dump before has.
    pub gone: SegmentCount,
}

/// Some segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentCount {
    /// Their number.
    pub segments: u64,
    /// Entries in them.
    pub entries: u64,
    /// Sum of the lengths of their plaintexts.
    pub plain_bytes: u64,
}

impl SegmentCount {
    fn add(&mut self, (entries, plain_bytes): (u64, u64)) {
        self.segments += 1;
        self.entries = self.entries.saturating_add(entries);
        self.plain_bytes = self.plain_bytes.saturating_add(plain_bytes);
    }
}

/// Entries and plaintext of segments, by the first half of their ids: 32 bytes of memory for each.
type Leaves = HashMap<u128, (u64, u64)>;

fn leaves(page: &Page) -> impl Iterator<Item = (u128, (u64, u64))> {
    page.references.iter().map(|segment| (segment.id.prefix(), (segment.entries, segment.plain_len)))
}

/// The dump before a new one.
#[derive(Debug)]
pub(crate) struct Predecessor {
    pub dump: Dump,
    /// `None` where it is sealed, and no identity was given.
    tree: Option<Result<Tree, RepositoryError>>,
}

impl Predecessor {
    /// Reads the root of a dump. What cannot be read makes a warning in the end.
    pub(crate) async fn open(reader: DumpReader, dump: Dump) -> Self {
        let tree = match reader.repository.is_locked() {
            true => None,
            false => Some(Tree::open(reader, &dump).await),
        };
        Self { dump, tree }
    }

    /// Takes a page of level 0 of the new dump.
    pub(crate) fn push(&self, id: ObjectId, page: &Page) {
        if let Some(Ok(tree)) = &self.tree {
            tree.push(id, page);
        }
    }

    /// Takes the pages of a new dump whose pages are all in the repository.
    pub(crate) async fn push_stored(&mut self, root: &Page) {
        if let Some(Ok(tree)) = &self.tree
            && let Err(error) = tree.push_stored(root).await
        {
            self.tree = Some(Err(error));
        }
    }

    /// Compares the pages that were taken. `root` is that of the new dump.
    pub(crate) async fn compare(&self, root: &Page) -> (Difference, Option<BackupWarning>) {
        let predecessor = self.dump.clone();
        let compared = match &self.tree {
            Some(Ok(tree)) => tree.compare(root).await.map_err(|error| error.to_string()),
            Some(Err(error)) => Err(error.to_string()),
            None => return (Difference { predecessor, segments: None }, None),
        };
        match compared {
            Ok(segments) => (Difference { predecessor, segments: Some(segments) }, None),
            Err(problem) => {
                let warning = BackupWarning::NotCompared { dump: predecessor.id, problem };
                (Difference { predecessor, segments: None }, Some(warning))
            }
        }
    }
}

/// The pages of the dump before, and what a new dump has beside them.
#[derive(Debug)]
struct Tree {
    reader: DumpReader,
    pages: Vec<Reference>,
    ids: HashSet<u128>,
    new: Mutex<Leaves>,
}

impl Tree {
    async fn open(reader: DumpReader, dump: &Dump) -> Result<Self, RepositoryError> {
        let pages = reader.root(&dump.manifest).await?.references;
        let ids = pages.iter().map(|page| page.id.prefix()).collect();
        Ok(Self { reader, pages, ids, new: Mutex::default() })
    }

    fn push(&self, id: ObjectId, page: &Page) {
        if !self.ids.contains(&id.prefix()) {
            let mut new = self.new.lock().unwrap_or_else(PoisonError::into_inner);
            new.extend(leaves(page));
        }
    }

    async fn push_stored(&self, root: &Page) -> Result<(), RepositoryError> {
        let pages = root.references.iter().filter(|page| !self.ids.contains(&page.id.prefix()));
        let new = self.read(pages.cloned().collect()).await?;
        self.new.lock().unwrap_or_else(PoisonError::into_inner).extend(new);
        Ok(())
    }

    async fn compare(&self, root: &Page) -> Result<SegmentDifference, RepositoryError> {
        let kept: HashSet<_> = root.references.iter().map(|page| page.id.prefix()).collect();
        let gone = self.pages.iter().filter(|page| !kept.contains(&page.id.prefix()));
        let old = self.read(gone.cloned().collect()).await?;
        let new = self.new.lock().unwrap_or_else(PoisonError::into_inner);
        let mut difference = SegmentDifference::default();
        new.iter().filter(|(id, _)| !old.contains_key(id)).for_each(|(_, size)| difference.new.add(*size));
        old.iter().filter(|(id, _)| !new.contains_key(id)).for_each(|(_, size)| difference.gone.add(*size));
        Ok(difference)
    }

    async fn read(&self, pages: Vec<Reference>) -> Result<Leaves, RepositoryError> {
        let pages = futures::stream::iter(pages).map(|page| async move { self.reader.page(&page).await });
        let add = |mut all: Leaves, page: Page| async move {
            all.extend(leaves(&page));
            Ok(all)
        };
        pages.buffer_unordered(READS).try_fold(Leaves::new(), add).await
    }
}
