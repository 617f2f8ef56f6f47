//! Which segments of the dump before a new one may be a patch of: found in its pages, or in its sketch.

use std::ops::Range;

use backup_format::Reference;

use crate::backup::Context;
use crate::bases::BaseFinder;
use crate::part::PartId;
use crate::sketch_reader::SketchFinder;

/// Looks for the bases of one segment after the other.
pub(crate) enum Finder {
    Nothing,
    Stored(BaseFinder),
    Sketched(SketchFinder),
}

/// Segments that may be bases.
pub(crate) enum Found {
    Nothing,
    /// One that can be read back from the store.
    Stored(Reference),
    /// Those of these numbers in the sketch.
    Sketched(Range<u32>),
}

impl Finder {
    pub(crate) fn of(context: &Context) -> Self {
        match (&context.sketches.read, &context.bases) {
            (Some(_), _) => Self::Sketched(SketchFinder::new(context.sketches.clone())),
            (None, Some(bases)) => Self::Stored(BaseFinder::new(bases.clone())),
            (None, None) => Self::Nothing,
        }
    }

    /// Finds those for the segment of a part that begins with an entry.
    pub(crate) async fn find(&mut self, part: PartId, first: (&[u8], &[u8])) -> Found {
        match self {
            Self::Nothing => Found::Nothing,
            Self::Stored(bases) => bases.find(part.phase, first).await.map_or(Found::Nothing, Found::Stored),
            Self::Sketched(bases) => Found::Sketched(bases.find(part, first)),
        }
    }
}
