//! Backs up a namespace in memory, restores the dump, and prints the digest of both.

use anyhow::{Result, ensure};
use backup_memory::MemoryNamespace;
use backup_repository::{BackupOptions, DumpChoice, Repository, RestoreOptions, open_location};

#[tokio::main]
async fn main() -> Result<()> {
    let namespace = MemoryNamespace::new("accounts");
    namespace.put(b"alice", b"balance", b"12")?;
    namespace.put(b"bob", b"balance", b"30")?;

    let directory = tempfile::tempdir()?;
    let location = directory.path().join("repository").display().to_string();
    let repository = Repository::open_or_create(open_location(&location, true, [])?).await?;
    repository.backup(&namespace, BackupOptions::default()).await?;

    let copy = MemoryNamespace::new("accounts");
    let dump = repository.dump(&DumpChoice::Latest).await?;
    repository.restore(&dump, &copy, &RestoreOptions::default()).await?;
    ensure!(copy.get(b"bob", b"balance")?.as_deref() == Some(b"30"), "bob's balance is not what it was");

    let inventory = dump.inventory()?;
    println!("memory: {} entries, digest {}", inventory.entries, inventory.digest);
    Ok(())
}
