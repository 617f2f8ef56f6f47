//! Whether what was read can be a validator's namespace at all, and the one that was dumped before.

use backup_format::Manifest;

use crate::error::RepositoryError;
use crate::repository::{Dump, inventory_of};

/// Kinds of partition without which no worker of linera boots, with their names for people.
const NEEDED: [(&str, &str); 2] =
    [("network_description", "network description"), ("chain_state", "chain state")];

/// Checks that the namespace is not empty and, in a layout of linera, has what every validator has.
pub(crate) fn check(manifest: &Manifest) -> Result<(), RepositoryError> {
    let implausible = |problem: String| {
        Err(RepositoryError::Implausible { namespace: manifest.namespace.clone(), problem })
    };
    let inventory = inventory_of(manifest)?;
    if inventory.entries == 0 {
        return implausible("it is empty".to_owned());
    }
    if !manifest.source.layout.starts_with("linera-") {
        return Ok(());
    }
    for (kind, name) in NEEDED {
        if !inventory.contents.iter().any(|content| content.kind == kind) {
            let layout = &manifest.source.layout;
            return implausible(format!(
                "it has {} entries in layout {layout}, but no {name}",
                inventory.entries
            ));
        }
    }
    Ok(())
}

/// Checks that the namespace holds at most `max_percent` fewer entries than the dump before it. How many that holds is not known where
/// it is sealed.
pub(crate) fn check_shrink(
    manifest: &Manifest,
    before: Option<&Dump>,
    max_percent: u8,
) -> Result<(), RepositoryError> {
    let Some(Dump { id, manifest: Manifest { inventory: Some(earlier), .. } }) = before else {
        return Ok(());
    };
    let (before, found) = (earlier.entries, inventory_of(manifest)?.entries);
    let lost = u128::from(before.saturating_sub(found)) * 100;
    if lost <= u128::from(before) * u128::from(max_percent) {
        return Ok(());
    }
    Err(RepositoryError::Shrunk {
        namespace: manifest.namespace.clone(),
        dump: *id,
        before,
        found,
        percent: u64::try_from(lost.div_ceil(u128::from(before.max(1)))).unwrap_or(100),
        max_percent,
    })
}
