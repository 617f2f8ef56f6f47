//! Backs up a RocksDB database that this program has open, restores the dump to another directory, and opens that.

use std::sync::Arc;

use anyhow::{Result, ensure};
use backup_repository::{BackupOptions, DumpChoice, Repository, RestoreOptions, open_location};
use backup_rocksdb::{RocksDbNamespace, RocksDbOptions};
use rocksdb::DB;
use tempfile::TempDir;

#[tokio::main]
async fn main() -> Result<()> {
    let (home, database) = open_accounts()?;
    let repository = Repository::open_or_create(open_location(home.path().join("backup"), true, [])?).await?;
    let options = RocksDbOptions::default().with_layout("plain".parse()?);
    let source = RocksDbNamespace::from_handle(database, "accounts", options.clone());
    repository.backup(&source, BackupOptions::default()).await?;
    let dump = repository.dump(&DumpChoice::Latest).await?;
    let target = RocksDbNamespace::at(home.path().join("copy"), options);
    repository.restore(&dump, &target, &RestoreOptions::default()).await?;
    let copy = DB::open_default(home.path().join("copy"))?;
    ensure!(copy.get(b"bob")?.as_deref() == Some(b"30"), "bob's balance is not what it was");
    println!("rocksdb: {} entries, digest {}", dump.inventory()?.entries, dump.inventory()?.digest);
    Ok(())
}

/// What the program does anyway: it opens its database, and writes to it.
fn open_accounts() -> Result<(TempDir, Arc<DB>)> {
    let home = tempfile::tempdir()?;
    let database = DB::open_default(home.path().join("accounts"))?;
    database.put(b"alice", b"12")?;
    database.put(b"bob", b"30")?;
    Ok((home, Arc::new(database)))
}
