//! Backs up a RocksDB database that this program has open, compares it with its dump, and prints the digest.

use std::sync::Arc;

use anyhow::{Result, ensure};
use backup_repository::{BackupOptions, DigestOptions, Repository, digest, open_location};
use backup_rocksdb::{RocksDbNamespace, RocksDbOptions};
use rocksdb::DB;

#[tokio::main]
async fn main() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let database = Arc::new(DB::open_default(directory.path().join("database"))?);
    database.put(b"alice", b"12")?;
    database.put(b"bob", b"30")?;

    let options = RocksDbOptions::default().with_layout("plain".parse()?);
    let namespace = RocksDbNamespace::from_handle(database.clone(), "accounts", options);
    let location = directory.path().join("repository").display().to_string();
    let repository = Repository::open_or_create(open_location(&location, true, [])?).await?;
    let made = repository.backup(&namespace, BackupOptions::default()).await?;

    let now = digest(&namespace, &DigestOptions::default()).await?;
    ensure!(now.state == made.manifest.digest_state(), "the dump is not what the database holds");
    println!("rocksdb: {} entries, digest {}", made.manifest.entries, made.manifest.digest);
    Ok(())
}
