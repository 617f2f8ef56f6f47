//! Our own way, as the program goes it.

use std::path::Path;

use anyhow::{Context, Result};
use backup_layout::Layout;
use backup_repository::{
    BackupOptions, DumpChoice, Repository, RestoreOptions, VerifyLevel, VerifyOptions, open_location,
};
use backup_rocksdb::{RocksDbNamespace, RocksDbOptions};

/// Backs up, with this codec or the program's default.
pub(crate) async fn back_up(from: &Path, to: &Path, codec: Option<&str>) -> Result<()> {
    let repository = Repository::open_or_create(open_location(text(to)?, true, [])?).await?;
    let mut options = BackupOptions::default();
    if let Some(codec) = codec {
        options.compression = codec.parse().map_err(anyhow::Error::msg)?;
    }
    let namespace = RocksDbNamespace::at(from, RocksDbOptions::default());
    repository.backup(&namespace, options).await.context("backing up")?;
    Ok(())
}

pub(crate) async fn restore(from: &Path, to: &Path) -> Result<()> {
    let repository = Repository::open(open_location(text(from)?, false, [])?).await?;
    let dump = repository.dump(&DumpChoice::Latest).await?;
    let options = RocksDbOptions::default().with_layout(Layout::Linera015);
    let namespace = RocksDbNamespace::at(to, options);
    repository.restore(&dump, &namespace, &RestoreOptions::default()).await.context("restoring")?;
    Ok(())
}

pub(crate) async fn verify(from: &Path) -> Result<()> {
    let repository = Repository::open(open_location(text(from)?, false, [])?).await?;
    let dump = repository.dump(&DumpChoice::Latest).await?;
    let options = VerifyOptions { level: VerifyLevel::Content, ..VerifyOptions::default() };
    repository.verify(&dump, &options).await.context("verifying")?;
    Ok(())
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("the path is not UTF-8")
}
