//! Reading a segment that is stored as a patch: its base is read first, which may be a patch itself.
//!
//! In most cases all that is needed is read at once, and only the result is checked by its id. When that fails, the segment is
//! read link by link: each by itself is checked, and read from the first of its places where it is right.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use backup_format::patch::Patched;
use backup_format::{Kind, ObjectId, Segment, limits};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::codec::{self, Problem};
use crate::error::{RepositoryError, may_be_right_elsewhere};
use crate::index::Location;
use crate::reader::{DumpReader, bad_object};
use crate::store::Store;

/// Readings of one segment, link by link, before it counts as unreadable.
const TRIES_MAX: usize = 4 * limits::PATCH_LINKS_MAX;

/// Bytes of the patches that a segment was made of, before they were compressed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PatchBytes(pub u64);

/// Makes the plaintext of a segment from the stored bytes of its chain, whose last place is the one that is whole.
pub(crate) fn assemble(
    reader: &DumpReader,
    chain: &[(Location, Bytes)],
) -> Result<(Vec<u8>, PatchBytes), Problem> {
    let Some(((whole, stored), patches)) = chain.split_last() else {
        return Err(problem("it has no place".to_owned()));
    };
    let plaintext = codec::decode(whole.codec, stored, whole.plain_len).map_err(problem)?;
    if patches.is_empty() {
        return Ok((plaintext, PatchBytes(0)));
    }
    let base = Segment::decode_base(plaintext, &reader.limits)?;
    let mut left = limits::PATCH_BYTES_MAX;
    let mut bodies = Vec::with_capacity(patches.len());
    for (place, stored) in patches.iter().rev() {
        let body = codec::decode_patch(place.codec, stored, left).map_err(problem)?;
        left = left.saturating_sub(body.len() as u64);
        bodies.push((place.plain_len, body));
    }
    let mut patched = Patched::new(&base);
    for (plain_len, body) in &bodies {
        patched.apply(body)?;
        check_len(&patched, *plain_len).map_err(problem)?;
    }
    Ok((patched.plaintext(), PatchBytes(limits::PATCH_BYTES_MAX.saturating_sub(left))))
}

fn check_len(patched: &Patched<'_>, expected: u64) -> Result<(), String> {
    match patched.plain_len() {
        found if found == expected => Ok(()),
        found => Err(format!("expected a plaintext of {expected} bytes, its patch gives one of {found}")),
    }
}

fn problem(problem: String) -> Problem {
    Problem { problem, source: None }
}

/// Reads the plaintext of a segment from this place of it, and checks it by its id.
pub(crate) async fn read_place(
    reader: &DumpReader,
    id: ObjectId,
    place: Location,
) -> Result<Segment, RepositoryError> {
    let chain = reader.chain(id, place)?;
    let wrong = |found| bad_object((Kind::Segment, id), (place.pack, place.offset), found);
    let parts = reader.read_places(&chain).await?;
    let links: Vec<_> = chain.into_iter().zip(parts).collect();
    let links = reader.open_links(id, &links)?.into_owned();
    let (keys, reader_here) = (reader.repository.keys()?.clone(), reader.clone());
    let decoded = tokio::task::spawn_blocking(move || {
        let (plaintext, _) = assemble(&reader_here, &links)?;
        match keys.id(Kind::Segment, &plaintext) == id {
            true => Ok(Segment::decode(plaintext, reader_here.order, &reader_here.limits)?),
            false => Err(problem("its content does not hash to its id".to_owned())),
        }
    });
    match decoded.await? {
        Ok(segment) => Ok(segment),
        // A base may be right elsewhere.
        Err(found) => {
            let mut careful = Careful { reader, id, tries: TRIES_MAX };
            careful.read_at(id.prefix(), place, limits::PATCH_LINKS_MAX).await.map_err(|_| wrong(found))
        }
    }
}

/// A segment that is read link by link.
struct Careful<'a> {
    reader: &'a DumpReader,
    id: ObjectId,
    tries: usize,
}

/// Reads the plaintext of a segment link by link.
pub(crate) async fn read_link_by_link(reader: &DumpReader, id: ObjectId) -> Result<Segment, RepositoryError> {
    let mut careful = Careful { reader, id, tries: TRIES_MAX };
    careful.read(id.prefix(), limits::PATCH_LINKS_MAX).await
}

impl Careful<'_> {
    /// Reads the segment whose id begins with this half from the first of its places where it is right.
    fn read(&mut self, half: u128, links: usize) -> BoxFuture<'_, Result<Segment, RepositoryError>> {
        async move {
            let mut first_error = None;
            let places: Vec<Location> = self.reader.index.find_half(half).collect();
            for place in places {
                let Some(tries) = self.tries.checked_sub(1) else { break };
                self.tries = tries;
                match self.read_at(half, place, links).await {
                    Err(error) if may_be_right_elsewhere(&error) => first_error = first_error.or(Some(error)),
                    result => return result,
                }
            }
            Err(first_error.unwrap_or(RepositoryError::Stopped))
        }
        .boxed()
    }

    async fn read_at(
        &mut self,
        half: u128,
        place: Location,
        links: usize,
    ) -> Result<Segment, RepositoryError> {
        let reader = self.reader;
        let chain = |problem| RepositoryError::BadChain { id: self.id, problem, source: None };
        let base = match (place.is_patch(), links.checked_sub(1)) {
            (false, _) => None,
            (true, Some(links)) => {
                // Tells why there is no base better than that there is none.
                reader.index.base(&place).map_err(chain)?;
                Some(self.read(reader.index.base_id(&place), links).await?)
            }
            (true, None) => return Err(chain("its chain has more patches than a chain may have".to_owned())),
        };
        let stored = reader.repository.store.read_range(&Store::pack_path(place.pack), place.range()).await?;
        let is_base = half != self.id.prefix();
        let mut opened = reader.open_links(self.id, &[(place, stored)])?.into_owned();
        let Some((_, stored)) = opened.pop() else { return Err(RepositoryError::Stopped) };
        let (order, limits, keys) = (reader.order, reader.limits, reader.repository.keys()?.clone());
        let decoded = tokio::task::spawn_blocking(move || {
            let plaintext = match base {
                None => codec::decode(place.codec, &stored, place.plain_len).map_err(problem)?,
                Some(base) => {
                    let body = codec::decode_patch(place.codec, &stored, limits::PATCH_BYTES_MAX);
                    let body = body.map_err(problem)?;
                    let mut patched = Patched::new(&base);
                    patched.apply(&body)?;
                    check_len(&patched, place.plain_len).map_err(problem)?;
                    patched.plaintext()
                }
            };
            if keys.id(Kind::Segment, &plaintext).prefix() != half {
                return Err(problem("its content does not hash to its id".to_owned()));
            }
            match is_base {
                true => Ok(Segment::decode_base(plaintext, &limits)?),
                false => Ok(Segment::decode(plaintext, order, &limits)?),
            }
        });
        decoded.await?.map_err(|problem| self.bad(half, &place, problem))
    }

    /// Makes the error of a link that is wrong.
    fn bad(&self, half: u128, place: &Location, found: Problem) -> RepositoryError {
        if half == self.id.prefix() {
            return bad_object((Kind::Segment, self.id), (place.pack, place.offset), found);
        }
        let Problem { problem, source } = found;
        let pack = Store::pack_path(place.pack);
        let place = format!("its base {:032x}.. in {pack} at byte {}", half.swap_bytes(), place.offset);
        RepositoryError::BadChain { id: self.id, problem: format!("{place} is wrong: {problem}"), source }
    }
}
