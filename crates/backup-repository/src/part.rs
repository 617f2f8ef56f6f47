//! What one range of a namespace becomes, and how all of them become a dump.

use std::cmp::Ordering;
use std::fmt;

use backup_format::{Consistency, DigestState, Inventory, Level, Manifest, Order, Page, Reference, show};

use crate::range::{self, RangeDigest};
use crate::tally::Tally;

/// Which range of which phase, both counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PartId {
    pub phase: u8,
    pub index: u64,
}

impl fmt::Display for PartId {
    /// Writes the name of its record.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{:04}", u64::from(self.phase) + 1, self.index)
    }
}

/// Root key and key of an entry.
pub(crate) type Place = (Vec<u8>, Vec<u8>);

/// A range that was read to its end, and stored.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub id: PartId,
    /// Pages of level 0, in order.
    pub pages: Vec<Reference>,
    pub digest: RangeDigest,
    pub tally: Tally,
    pub segments: u64,
    pub plain_bytes: u64,
    /// First and last entry; `None` when the range is empty.
    pub edges: Option<(Place, Place)>,
    /// The numbers of its partitions, if a later phase must not have them too.
    pub partitions: Vec<u128>,
    /// What the engine vouched for when this was read.
    pub consistency: Consistency,
    pub finished: String,
}

/// Makes a dump of the parts of all ranges, which come in the order of the dump.
///
/// `whole` says that each part holds whole partitions. Returns the root page, and the manifest without the id of that
/// page; or how the engine broke its contract.
pub(crate) fn assemble(draft: Manifest, parts: Vec<Part>, whole: bool) -> Result<(Page, Manifest), String> {
    check_order(draft.order, &parts, whole)?;
    let ranges: Vec<_> = parts.iter().map(|part| part.digest.clone()).collect();
    let (state, goes_on) = if whole { range::join_whole(&ranges)? } else { range::join(&ranges) };
    let mut tally = Tally::default();
    let mut manifest = draft;
    let mut root = Page { level: Level::Root, references: Vec::new() };
    let mut consistency = Consistency::PointInTime;
    for (part, goes_on) in parts.into_iter().zip(goes_on) {
        tally.add(&part.tally, goes_on);
        manifest.segments = manifest.segments.saturating_add(part.segments);
        manifest.plain_bytes = manifest.plain_bytes.saturating_add(part.plain_bytes);
        consistency = consistency.min(part.consistency);
        manifest.finished = std::mem::take(&mut manifest.finished).max(part.finished);
        root.references.extend(part.pages);
    }
    let counted = root.references.iter().map(|page| page.entries).fold(0, u64::saturating_add);
    if counted != state.entries {
        return Err(format!("{} entries were read, and the pages hold {counted}", state.entries));
    }
    manifest.pages = root.references.len() as u64;
    let annotations = manifest.inventory.take().unwrap_or_else(|| DigestState::default().into()).annotations;
    manifest.inventory = Some(Inventory { contents: tally.contents(), annotations, ..state.into() });
    manifest.consistency = consistency;
    Ok((root, manifest))
}

/// Checks that each part of a phase comes after the one before it, and has no partition of that one if parts hold whole
/// partitions.
fn check_order(order: Order, parts: &[Part], whole: bool) -> Result<(), String> {
    let mut last: Option<(PartId, &Place)> = None;
    for part in parts {
        let Some((first, end)) = &part.edges else { continue };
        if let Some((id, before)) = last
            && id.phase == part.id.phase
            && !comes_after(order, first, before, whole)
        {
            return Err(format!(
                "range {} begins with root_key={} key={}, which does not come after root_key={} key={}, the last entry \
                 of the range before it",
                part.id,
                show(&first.0),
                show(&first.1),
                show(&before.0),
                show(&before.1)
            ));
        }
        last = Some((part.id, end));
    }
    Ok(())
}

fn comes_after(order: Order, place: &Place, before: &Place, whole: bool) -> bool {
    match order.compare_roots(&before.0, &place.0) {
        Ordering::Less => true,
        Ordering::Equal => !whole && before.1 < place.1,
        Ordering::Greater => false,
    }
}

/// Names parts as ranges counted from 1.
pub(crate) fn list(ids: &[PartId]) -> String {
    let runs = ids.chunk_by(|one, next| one.phase == next.phase && one.index + 1 == next.index);
    let run = |run: &[PartId]| {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { return String::new() };
        let phase = u64::from(first.phase) + 1;
        match run.len() {
            1 => format!("range {} of phase {phase}", first.index + 1),
            _ => format!("ranges {} to {} of phase {phase}", first.index + 1, last.index + 1),
        }
    };
    runs.map(run).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_parts_are_named_as_ranges() {
        let id = |phase, index| PartId { phase, index };
        let ids = [id(0, 0), id(0, 1), id(0, 2), id(0, 7), id(1, 8)];
        assert_eq!(list(&ids), "ranges 1 to 3 of phase 1, range 8 of phase 1, range 9 of phase 2");
        assert_eq!(list(&[]), "");
        assert_eq!(id(1, 8).to_string(), "2-0008");
    }
}
