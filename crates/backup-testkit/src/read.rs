//! Reading a snapshot without a repository.

use std::num::NonZeroUsize;

use backup_format::{EngineError, EntryBatch, ErrorClass, OrderCheck, Range, Snapshot};
use futures::TryStreamExt;

/// An entry of its own: root key, key, value.
pub type OwnedEntry = (Vec<u8>, Vec<u8>, Vec<u8>);

/// Reads all entries of a snapshot, with one range for each phase.
///
/// # Errors
///
/// As the engine reports them.
pub async fn read_all(snapshot: &dyn Snapshot) -> Result<Vec<OwnedEntry>, EngineError> {
    Ok(owned(&read_phases(snapshot, NonZeroUsize::MIN).await?.concat()))
}

/// Reads all entries of a snapshot, and checks that they strictly increase in each phase.
///
/// # Errors
///
/// As the engine reports them; of [`ErrorClass::Damaged`], with a [`FormatError`](backup_format::FormatError), for an
/// entry out of order.
pub async fn read_all_in_order(snapshot: &dyn Snapshot) -> Result<Vec<OwnedEntry>, EngineError> {
    let phases = read_phases(snapshot, NonZeroUsize::MIN).await?;
    for phase in &phases {
        let mut check = OrderCheck::new(snapshot.order());
        for (root_key, entry) in phase.iter().flat_map(EntryBatch::iter) {
            let at = (root_key, entry.key);
            check.advance(at, at, false).map_err(|error| EngineError::new(ErrorClass::Damaged, error))?;
        }
    }
    Ok(owned(&phases.concat()))
}

/// Reads a snapshot range by range, by a plan of up to `ranges_max` ranges a phase. Returns the batches of each phase.
///
/// # Errors
///
/// As the engine reports them.
pub async fn read_phases(
    snapshot: &dyn Snapshot,
    ranges_max: NonZeroUsize,
) -> Result<Vec<Vec<EntryBatch>>, EngineError> {
    let mut phases = Vec::new();
    for ranges in snapshot.plan(ranges_max).await?.phases {
        let mut batches = Vec::new();
        for range in &ranges {
            batches.extend(read_range(snapshot, range).await?);
        }
        phases.push(batches);
    }
    Ok(phases)
}

/// Reads a range to its end.
///
/// # Errors
///
/// As the engine reports them.
pub async fn read_range(snapshot: &dyn Snapshot, range: &Range) -> Result<Vec<EntryBatch>, EngineError> {
    snapshot.entries(range).await?.try_collect().await
}

/// Returns the entries of some batches.
pub(crate) fn owned(batches: &[EntryBatch]) -> Vec<OwnedEntry> {
    let entries = batches.iter().flat_map(EntryBatch::iter);
    entries.map(|(root_key, entry)| (root_key.to_vec(), entry.key.to_vec(), entry.value.to_vec())).collect()
}
