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

/// Checks that the namespace holds at most `max_percent` fewer entries than the dump before it. Where the number of those is sealed, the bytes
/// are compared.
pub(crate) fn check_shrink(
    manifest: &Manifest,
    before: Option<&Dump>,
    max_percent: u8,
) -> Result<(), RepositoryError> {
    let Some(Dump { id, manifest: earlier }) = before else { return Ok(()) };
    let (what, before, found) = match &earlier.inventory {
        Some(inventory) => ("entries", inventory.entries, inventory_of(manifest)?.entries),
        None => ("bytes", earlier.plain_bytes, manifest.plain_bytes),
    };
    let lost = u128::from(before.saturating_sub(found)) * 100;
    if lost <= u128::from(before) * u128::from(max_percent) {
        return Ok(());
    }
    let percent = lost.div_ceil(u128::from(before.max(1)));
    let problem = format!(
        "{found} {what}, and dump {id:.12} before it {before}: {percent} % less, where at most {max_percent} % are allowed"
    );
    Err(RepositoryError::Shrunk { namespace: manifest.namespace.clone(), problem })
}
