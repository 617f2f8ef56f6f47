//! What lies in the directories of a repository.

use std::collections::{BTreeSet, HashMap};

use backup_format::ObjectId;
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;

use super::{
    CONFIGS, FORGOTTEN, KEYS, MANIFESTS, PACKS, PENDING, REPORTS, SIGNATURE, SKIPPED, STAGED, Store,
};
use crate::error::RepositoryError;
#[cfg(feature = "fs")]
use crate::local;

/// A file of no content that matters: its time is that of the store's clock when it was written.
const CLOCK: &str = "clock";

/// A file in a directory of a repository.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub name: String,
    pub bytes: u64,
    /// When it was written, by the store's clock: milliseconds since 1970.
    pub written: i64,
}

/// An attestation, as it is listed.
#[derive(Clone, Debug)]
pub(crate) struct ReportFile {
    pub id: ObjectId,
    /// When it was written, by the store's clock: milliseconds since 1970.
    pub written: i64,
    /// Whether a signature of it is there.
    pub is_signed: bool,
}

impl Store {
    /// Lists the packs: their names and lengths. Other files are ignored.
    pub(crate) async fn packs(&self) -> Result<Vec<(ObjectId, u64)>, RepositoryError> {
        self.list(PACKS, "").await
    }

    /// Returns when each pack was written, by the store's clock.
    pub(crate) async fn pack_times(&self) -> Result<HashMap<ObjectId, i64>, RepositoryError> {
        let files = self.list_files(PACKS).await?;
        Ok(files.into_iter().filter_map(|file| Some((file.name.parse().ok()?, file.written))).collect())
    }

    /// Lists the manifests: the ids of the dumps and the files' lengths. Other files are ignored.
    pub(crate) async fn manifests(&self) -> Result<Vec<(ObjectId, u64)>, RepositoryError> {
        self.list(MANIFESTS, ".json").await
    }

    /// Lists the ids of the dumps, and of which of them there are signatures.
    pub(crate) async fn manifests_and_signatures(
        &self,
    ) -> Result<(Vec<ObjectId>, BTreeSet<ObjectId>), RepositoryError> {
        let (manifests, signatures) = self.list_signed(MANIFESTS).await?;
        let mut ids: Vec<_> = manifests.into_iter().map(|(id, _)| id).collect();
        ids.sort_unstable();
        Ok((ids, signatures))
    }

    /// Lists the manifests of forgotten dumps, as [`Store::manifests`] does.
    pub(crate) async fn forgotten(&self) -> Result<Vec<(ObjectId, u64)>, RepositoryError> {
        self.list(FORGOTTEN, ".json").await
    }

    /// Lists the records of dumps that a copy left out, as [`Store::manifests`] does.
    pub(crate) async fn skipped(&self) -> Result<Vec<(ObjectId, u64)>, RepositoryError> {
        self.list(FORGOTTEN, SKIPPED).await
    }

    /// Lists the attestations.
    pub(crate) async fn reports(&self) -> Result<Vec<ReportFile>, RepositoryError> {
        let (reports, signed) = self.list_signed(REPORTS).await?;
        let report = |(id, written)| ReportFile { id, written, is_signed: signed.contains(&id) };
        Ok(reports.into_iter().map(report).collect())
    }

    /// Lists the signatures: what they are of, and when they were written.
    pub(crate) async fn signature_files(&self) -> Result<Vec<(String, i64)>, RepositoryError> {
        let mut signatures = Vec::new();
        for folder in [MANIFESTS, FORGOTTEN, REPORTS] {
            for file in self.list_files(folder).await? {
                let Some(signed) = file.name.strip_suffix(SIGNATURE) else { continue };
                let id = signed.strip_suffix(".json").or_else(|| signed.strip_suffix(SKIPPED));
                if id.is_some_and(|id| id.parse::<ObjectId>().is_ok()) {
                    signatures.push((format!("{folder}/{signed}"), file.written));
                }
            }
        }
        Ok(signatures)
    }

    /// Lists the copies of the config, as [`Store::manifests`] does.
    pub(crate) async fn config_copies(&self) -> Result<Vec<(ObjectId, u64)>, RepositoryError> {
        self.list(CONFIGS, ".json").await
    }

    /// Lists the files of data keys that are wrapped together.
    pub(crate) async fn shared_keys(&self) -> Result<Vec<(ObjectId, u64)>, RepositoryError> {
        self.list(KEYS, ".age").await
    }

    /// Lists the manifests that are about to be published, and when they were written.
    pub(crate) async fn staged(&self) -> Result<Vec<(ObjectId, i64)>, RepositoryError> {
        let files = self.list_files(STAGED).await?;
        let named = |file: Listed| Some((file.name.strip_suffix(".json")?.parse().ok()?, file.written));
        Ok(files.into_iter().filter_map(named).collect())
    }

    /// Lists the tombstones: their names and when they were written.
    pub(crate) async fn pending(&self) -> Result<Vec<(String, i64)>, RepositoryError> {
        let files = self.list_files(PENDING).await?;
        let named = |file: Listed| {
            let name = file.name.strip_suffix(".json")?;
            let fits = name.len() == 32 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            fits.then(|| (name.to_owned(), file.written))
        };
        let mut names: Vec<_> = files.into_iter().filter_map(named).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Asks the store what time it is: writes a file, and looks when that was written.
    pub(crate) async fn time(&self) -> Result<i64, RepositoryError> {
        let path = format!("{PENDING}/{CLOCK}");
        self.write(&path, Bytes::from_static(b"the time of this file is that of the store\n").into()).await?;
        let files = self.list_files(PENDING).await?;
        match files.into_iter().find(|file| file.name == CLOCK) {
            Some(file) => Ok(file.written),
            None => {
                let problem = format!("{path} was written, and is not listed");
                Err(RepositoryError::Changed { problem })
            }
        }
    }

    /// Lists JSON files that are named by an id, with the times when they were written, and the ids of which there are signatures.
    async fn list_signed(
        &self,
        directory: &str,
    ) -> Result<(Vec<(ObjectId, i64)>, BTreeSet<ObjectId>), RepositoryError> {
        let (mut files, mut signatures) = (Vec::new(), BTreeSet::new());
        for file in self.list_files(directory).await? {
            let signed = file.name.strip_suffix(SIGNATURE);
            let Some(id) = signed.unwrap_or(&file.name).strip_suffix(".json") else { continue };
            match (id.parse(), signed) {
                (Ok(id), None) => files.push((id, file.written)),
                (Ok(id), Some(_)) => drop(signatures.insert(id)),
                (Err(_), _) => {}
            }
        }
        Ok((files, signatures))
    }

    async fn list(&self, directory: &str, suffix: &str) -> Result<Vec<(ObjectId, u64)>, RepositoryError> {
        let files = self.list_files(directory).await?;
        let named = |file: Listed| Some((file.name.strip_suffix(suffix)?.parse().ok()?, file.bytes));
        let mut names: Vec<(ObjectId, u64)> = files.into_iter().filter_map(named).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Lists the files in a directory.
    pub(crate) async fn list_files(&self, directory: &str) -> Result<Vec<Listed>, RepositoryError> {
        #[cfg(feature = "fs")]
        if let Some(files) = self.local(directory, local::files).await? {
            return Ok(files);
        }
        let (inner, prefix) = (&self.inner, &self.path(directory));
        let list = move || async move {
            let files = inner.list(Some(prefix)).try_filter_map(|file| {
                let below = file.location.prefix_match(prefix).map(|parts| parts.collect::<Vec<_>>());
                let name = match below.as_deref() {
                    Some([name]) => Some(Listed {
                        name: name.as_ref().to_owned(),
                        bytes: file.size,
                        written: file.last_modified.timestamp_millis(),
                    }),
                    _ => None,
                };
                std::future::ready(Ok(name))
            });
            files.try_collect().await
        };
        self.patience.run(list).await.map_err(self.failed("listing", directory))
    }

    /// Lists the names of the files in a directory.
    pub(crate) async fn files_below(&self, directory: &str) -> Result<Vec<String>, RepositoryError> {
        // Others cannot be named to the object store.
        let fits = |name: &String| Path::parse(name).is_ok() && !name.contains('#');
        Ok(self.list_files(directory).await?.into_iter().map(|file| file.name).filter(fits).collect())
    }

    /// Lists the names of the directories in a directory.
    pub(crate) async fn directories_below(&self, directory: &str) -> Result<Vec<String>, RepositoryError> {
        #[cfg(feature = "fs")]
        if let Some(names) = self.local(directory, local::directories).await? {
            return Ok(names);
        }
        let (inner, prefix) = (&self.inner, &self.path(directory));
        let list = move || async move { inner.list_with_delimiter(Some(prefix)).await };
        let found = self.patience.run(list).await.map_err(self.failed("listing", directory))?;
        let names = found.common_prefixes.iter().filter_map(|path| path.filename().map(str::to_owned));
        Ok(names.collect())
    }
}
