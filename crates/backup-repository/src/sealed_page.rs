//! Reading what is sealed: bodies, and the ids that stand in clear before a page.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::borrow::Cow;
use std::collections::HashSet;

use backup_format::{Kind, ObjectId, Page, clear_ids, read_clear_ids, split_clear_ids};
use bytes::Bytes;

use crate::codec::Problem;
use crate::error::{RepositoryError, may_be_right_elsewhere};
use crate::index::Location;
use crate::reader::{DumpReader, bad_object};
use crate::store::Store;

/// The ids that stand before a page, if it is sealed, and its stored bytes as they were before they were sealed.
pub(crate) type OpenedPage<'a> = (Option<&'a [u8]>, Cow<'a, [u8]>);

/// Checks that the ids before a sealed page are those in the page. Before one that is not sealed there are none.
pub(crate) fn check_ids(page: &Page, clear: Option<&[u8]>) -> Result<(), Problem> {
    match clear.is_none_or(|clear| clear == clear_ids(&page.references)) {
        true => Ok(()),
        false => {
            let problem = "the ids that stand before the page are not those in it".to_owned();
            Err(Problem { problem, source: None })
        }
    }
}

impl Location {
    /// Returns what lies there, as its table says: a seal covers that.
    pub(crate) fn kind(&self) -> Kind {
        if self.is_page { Kind::Page } else { Kind::Segment }
    }
}

impl DumpReader {
    /// Opens the stored bytes of a segment and of the bases of patches. `id` is the segment that they are read for.
    pub(crate) fn open_links<'a>(
        &self,
        id: ObjectId,
        links: &'a [(Location, Bytes)],
    ) -> Result<Cow<'a, [(Location, Bytes)]>, RepositoryError> {
        if !self.repository.config.is_encrypted() {
            return Ok(Cow::Borrowed(links));
        }
        let open = |(place, stored): &(Location, Bytes)| {
            Ok((*place, Bytes::from(self.open_at(id, place, (&[], stored))?)))
        };
        links.iter().map(open).collect::<Result<_, _>>().map(Cow::Owned)
    }

    /// Opens the stored bytes of a page; returns also the ids that stood before them.
    pub(crate) fn open_page<'a>(
        &self,
        id: ObjectId,
        place: &Location,
        stored: &'a [u8],
    ) -> Result<OpenedPage<'a>, RepositoryError> {
        if !self.repository.config.is_encrypted() {
            return Ok((None, Cow::Borrowed(stored)));
        }
        let bad = |problem| bad_object((Kind::Page, id), (place.pack, place.offset), problem);
        let (clear, sealed) = split_clear_ids(stored).map_err(|error| bad(error.into()))?;
        Ok((Some(clear), Cow::Owned(self.open_at(id, place, (clear, sealed))?)))
    }

    /// Opens the stored bytes of any object.
    pub(crate) fn open_object<'a>(
        &self,
        id: ObjectId,
        place: &Location,
        stored: &'a [u8],
    ) -> Result<Cow<'a, [u8]>, RepositoryError> {
        match (self.repository.config.is_encrypted(), place.is_page) {
            (false, _) => Ok(Cow::Borrowed(stored)),
            (true, true) => self.open_page(id, place, stored).map(|(_, opened)| opened),
            (true, false) => self.open_at(id, place, (&[], stored)).map(Cow::Owned),
        }
    }

    fn open_at(
        &self,
        id: ObjectId,
        place: &Location,
        parts: (&[u8], &[u8]),
    ) -> Result<Vec<u8>, RepositoryError> {
        let wrapped = place.seal.and_then(|(_, key)| self.index.key(key));
        let key = self.repository.data_key(place, wrapped)?;
        let bad = |problem| bad_object((place.kind(), id), (place.pack, place.offset), problem);
        self.repository.open_body(place, key.as_ref(), parts).map_err(bad)
    }

    /// Returns the ids that a sealed page refers to. It is not opened for that, so no identity is needed; then nothing is known of it but that it has
    /// these ids. Somebody may have added a pack with the same page and fewer ids: the ids of all its places count.
    pub(crate) async fn page_ids(
        &self,
        id: ObjectId,
        needed_by: &str,
    ) -> Result<Vec<ObjectId>, RepositoryError> {
        self.find(Kind::Page, id, needed_by)?;
        let (mut first_error, mut ids, mut known) = (None, Vec::new(), HashSet::new());
        for place in self.index.find(id) {
            match self.clear_ids_at(id, &place).await {
                Err(error) if may_be_right_elsewhere(&error) => first_error = first_error.or(Some(error)),
                // Which place is right is not known without a key: what any of them names must stay.
                found => ids.extend(found?.into_iter().filter(|id| known.insert(*id))),
            }
        }
        match (ids.is_empty(), first_error) {
            (true, Some(error)) => Err(error),
            _ => Ok(ids),
        }
    }

    /// Returns the ids of the segments of a sealed page. They are in packs, and so are the bases of those that are patches.
    pub(crate) async fn segment_ids(&self, page: ObjectId) -> Result<Vec<ObjectId>, RepositoryError> {
        let segments = self.page_ids(page, "the root page").await?;
        let needed_by = format!("page {page}");
        segments.iter().try_for_each(|segment| self.find_chain(*segment, &needed_by).map(drop))?;
        Ok(segments)
    }

    async fn clear_ids_at(&self, id: ObjectId, place: &Location) -> Result<Vec<ObjectId>, RepositoryError> {
        let path = Store::pack_path(place.pack);
        let stored = self.repository.store.read_range(&path, place.range()).await?;
        let bad = |problem| bad_object((Kind::Page, id), (place.pack, place.offset), problem);
        if !place.is_page || place.seal.is_none() {
            let problem = "expected a sealed page, found something else".to_owned();
            return Err(bad(Problem { problem, source: None }));
        }
        let (clear, _) = split_clear_ids(&stored).map_err(|error| bad(error.into()))?;
        Ok(read_clear_ids(clear).collect())
    }
}
