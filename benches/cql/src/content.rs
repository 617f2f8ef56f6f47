//! A repository with content like a validator's, to be restored into tables.

use std::path::Path;

use anyhow::{Context, Result};
use backup_layout::Layout;
use backup_memory::MemoryNamespace;
use backup_repository::{BackupOptions, Repository, open_location};
use kvbackup_bench_content::{Content, Mix, NETWORK, SEED, Written};

use crate::ours::text;

/// Writes a repository with one dump of so many megabytes (10^6 bytes) of keys and values.
pub(crate) async fn generate(path: &Path, megabytes: u64) -> Result<Written> {
    let kind = |root_key: &[u8]| Layout::Linera015.kind(root_key);
    let namespace = MemoryNamespace::new("validator").with_layout(Layout::Linera015.name(), kind);
    let written = fill(&namespace, megabytes)?;
    let repository = Repository::open_or_create(open_location(text(path)?, true, [])?).await?;
    repository.backup(&namespace, BackupOptions::default()).await.context("writing the repository")?;
    Ok(written)
}

fn fill(namespace: &MemoryNamespace, megabytes: u64) -> Result<Written> {
    let mut content = Content::new(Mix::Chains, SEED);
    let mut written = Written::default();
    let (mut root_key, mut keys) = (NETWORK.0.to_vec(), vec![NETWORK.1.to_vec()]);
    loop {
        for key in &keys {
            let value = content.value(&root_key);
            written.add(key, &value);
            namespace.put(&root_key, key, &value)?;
        }
        written.partitions += 1;
        if written.plain_bytes >= megabytes * 1_000_000 {
            return Ok(written);
        }
        (root_key, keys) = content.shape();
    }
}
