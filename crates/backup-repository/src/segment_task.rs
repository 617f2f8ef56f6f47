//! What is done with a segment apart from its neighbours: it is named, encoded, and sketched.

use std::ops::Range;
use std::sync::Arc;

use backup_format::{DigestState, Fingerprint, Kind, Reference, Segment, limits};
use tokio::task::{JoinSet, spawn_blocking};

use crate::backup::Context;
use crate::bases::{Base, New};
use crate::codec::{self, Stored};
use crate::error::RepositoryError;
use crate::finder::Found;
use crate::segmenter::Piece;
use crate::sketch::{Line, Links, kept_chain};

/// A segment after all that can be done apart from its neighbours.
pub(crate) struct Encoded {
    pub segment: Segment,
    pub reference: Reference,
    pub starts_page: bool,
    /// The stored bytes, unless the repository has the segment already.
    pub stored: Option<Stored>,
    /// The digest of its inner groups: all but the first and the last.
    pub inner: DigestState,
    /// What the sketch has of it, if one is written.
    pub sketched: Option<Line>,
}

/// A segment that has a name.
struct Named {
    encoded: Encoded,
    /// Those of its entries, if anything is sketched.
    fingerprints: Option<Vec<Fingerprint>>,
    /// Whether it must be stored.
    is_new: bool,
}

/// Encodes a segment apart from what else is done. It stops when it is dropped.
pub(crate) struct Task(JoinSet<Result<Encoded, RepositoryError>>);

impl Task {
    /// Encodes a segment. `found` are those that it may be a patch of.
    pub(crate) fn of(context: Arc<Context>, piece: Piece, found: Found) -> Self {
        let mut task = JoinSet::new();
        match found {
            Found::Stored(base) => drop(task.spawn(encode(context, piece, base))),
            Found::Sketched(numbers) => drop(task.spawn_blocking(move || {
                let named = Named::of(&context, piece);
                let noted = match named.is_new || numbers.len() != 1 {
                    true => None,
                    false => context.sketches.links(numbers.start, named.encoded.reference.id),
                };
                let base = named.is_new.then(|| named.sketched_base(&context, numbers)).flatten();
                named.complete(&context, base.as_ref(), noted)
            })),
            Found::Nothing => {
                drop(task.spawn_blocking(move || Named::of(&context, piece).complete(&context, None, None)))
            }
        }
        Self(task)
    }

    pub(crate) async fn finish(mut self) -> Result<Encoded, RepositoryError> {
        self.0.join_next().await.ok_or(RepositoryError::Stopped)??
    }
}

/// Encodes a segment, as a patch of another one that is read back if that is shorter.
async fn encode(context: Arc<Context>, piece: Piece, base: Reference) -> Result<Encoded, RepositoryError> {
    let shared = context.clone();
    let named = spawn_blocking(move || Named::of(&shared, piece)).await?;
    let base = match &context.bases {
        Some(bases) if named.is_new => bases.read(&base, named.encoded.reference.plain_len).await,
        _ => None,
    };
    if !named.is_new && named.fingerprints.is_none() {
        return Ok(named.encoded);
    }
    spawn_blocking(move || named.complete(&context, base.as_ref(), None)).await?
}

impl Named {
    /// Encodes a segment and names it.
    fn of(context: &Context, piece: Piece) -> Self {
        let segment = Segment::from_batch(&piece.batch);
        drop(piece.batch);
        let plaintext = segment.plaintext();
        let id = context.keys.id(Kind::Segment, plaintext);
        let mut inner = DigestState::default();
        let groups = segment.groups();
        let count = groups.len();
        groups.take(count.saturating_sub(1)).skip(1).for_each(|group| inner.add_group(&group));
        let (first_root, first_key) = segment.first();
        let reference = Reference {
            id,
            first_root: first_root.to_vec(),
            first_key: Reference::first_key_of(first_key).to_vec(),
            plain_len: plaintext.len() as u64,
            entries: segment.entries(),
        };
        let is_new = context.known.claim(id);
        let fingerprints = context.sketches.fingerprints(&segment);
        let starts_page = piece.starts_page;
        let encoded = Encoded { segment, reference, starts_page, stored: None, inner, sketched: None };
        Self { encoded, fingerprints, is_new }
    }

    fn sketched_base(&self, context: &Context, numbers: Range<u32>) -> Option<Base> {
        let found = self.fingerprints.as_ref()?;
        context.sketches.read.as_ref()?.base(numbers, found, self.encoded.reference.plain_len)
    }

    /// Makes the stored bytes where it must be stored, and sketches it. `noted` is what the sketch before had of its chain.
    fn complete(
        mut self,
        context: &Context,
        base: Option<&Base>,
        noted: Option<Links>,
    ) -> Result<Encoded, RepositoryError> {
        let links = match (self.is_new, base) {
            (false, _) => {
                let links = kept_chain(context.known.index(), self.encoded.reference.id)
                    .map(|chain| Links::of(&chain));
                links.map(|links| noted.map_or(links, |noted| links.sharpened(noted)))
            }
            (true, Some(base)) => Some(self.patch(context, base)?),
            (true, None) => Some(self.whole(context)?),
        };
        let object = (self.encoded.reference.id, &self.encoded.segment);
        self.encoded.sketched = context.sketches.note(object, (links, self.fingerprints.as_deref()));
        Ok(self.encoded)
    }

    /// Makes the stored bytes of the whole segment.
    fn whole(&mut self, context: &Context) -> Result<Links, RepositoryError> {
        let Encoded { reference, segment, .. } = &self.encoded;
        let stored =
            codec::encode(context.options.compression, Kind::Segment, reference.id, segment.plaintext())?;
        let object = (Kind::Segment, reference.id, reference.plain_len);
        let stored = context.repository.seal(object, &[], stored)?;
        let links = Links::whole(stored.bytes.len() as u64);
        self.encoded.stored = Some(stored);
        Ok(links)
    }

    /// Makes the stored bytes of a patch, or of the whole segment if that is better.
    fn patch(&mut self, context: &Context, base: &Base) -> Result<Links, RepositoryError> {
        let Encoded { reference, segment, .. } = &self.encoded;
        let new = New { id: reference.id, segment, fingerprints: self.fingerprints.as_deref() };
        let Some((stored, patch_bytes)) = base.encode(&new, (context.order, context.options.compression))?
        else {
            return self.whole(context);
        };
        let object = (Kind::Segment, reference.id, reference.plain_len);
        let stored = context.repository.seal(object, &[], stored)?;
        if stored.bytes.len() as u64 > limits::PATCH_BYTES_MAX {
            return self.whole(context);
        }
        context.known.rely_on(base.chain());
        context.known.patched();
        let links = Links::of(base.chain()).followed_by(patch_bytes, stored.bytes.len() as u64);
        self.encoded.stored = Some(stored);
        Ok(links)
    }
}
