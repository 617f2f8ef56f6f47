//! Signatures of nothing: what is left of writers that died before what they had signed was there.

use std::collections::BTreeSet;

use crate::error::RepositoryError;
use crate::repository::Repository;
use crate::store::Store;

impl Repository {
    /// Returns the signatures of what is not there, which were written at least so many milliseconds ago.
    ///
    /// A writer stages before it signs, and removes the stage when the manifest is there; what is forgotten is recorded before its manifest is
    /// removed. So it is looked for in the order in which it moves, and nothing is missed on its way.
    pub(crate) async fn stray_signatures(
        &self,
        now: i64,
        min_age: i64,
    ) -> Result<Vec<String>, RepositoryError> {
        let signatures = self.store.signature_files().await?;
        if signatures.is_empty() {
            return Ok(Vec::new());
        }
        let mut there: BTreeSet<String> = BTreeSet::new();
        let mut records = self.store.forgotten().await?;
        there.extend(self.store.staged().await?.into_iter().map(|(id, _)| Store::manifest_path(id)));
        there.extend(self.store.manifests().await?.into_iter().map(|(id, _)| Store::manifest_path(id)));
        records.extend(self.store.forgotten().await?);
        // The signature of a dump stays while it can be had back.
        let both = |(id, _)| [Store::manifest_path(id), Store::forgotten_path(id)];
        there.extend(records.into_iter().flat_map(both));
        there.extend(self.store.skipped().await?.into_iter().map(|(id, _)| Store::skipped_path(id)));
        there.extend(self.store.reports().await?.into_iter().map(|file| Store::report_path(file.id)));
        let is_stray =
            |(signed, written): &(String, i64)| !there.contains(signed) && now - written >= min_age;
        let strays = signatures.into_iter().filter(is_stray);
        Ok(strays.map(|(signed, _)| Store::signature_path(&signed)).collect())
    }
}
