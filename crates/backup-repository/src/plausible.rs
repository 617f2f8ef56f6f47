//! Whether what was read can be a validator's namespace at all.

use backup_format::Manifest;

use crate::error::RepositoryError;

/// Kinds of partition without which no worker of linera boots, with their names for people.
const NEEDED: [(&str, &str); 2] =
    [("network_description", "network description"), ("chain_state", "chain state")];

/// Checks that the namespace is not empty and, in a layout of linera, has what every validator has.
pub(crate) fn check(manifest: &Manifest) -> Result<(), RepositoryError> {
    let implausible = |problem: String| {
        Err(RepositoryError::Implausible { namespace: manifest.namespace.clone(), problem })
    };
    if manifest.entries == 0 {
        return implausible("it is empty".to_owned());
    }
    if !manifest.source.layout.starts_with("linera-") {
        return Ok(());
    }
    for (kind, name) in NEEDED {
        if !manifest.contents.iter().any(|content| content.kind == kind) {
            let layout = &manifest.source.layout;
            return implausible(format!(
                "it has {} entries in layout {layout}, but no {name}",
                manifest.entries
            ));
        }
    }
    Ok(())
}
