//! What the dumps of a month cost: bytes added to the repository for each byte that changed.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use backup_memory::MemoryNamespace;
use backup_repository::{
    BackupOptions, DumpChoice, Repository, RestoreOptions, StatsOptions, VerifyOptions, open_location,
};
use rand::rngs::SmallRng;
use rand::{Rng, RngCore, SeedableRng};

use kvbackup_bench_content::SEED;

/// What is measured.
pub(crate) struct Month {
    pub(crate) megabytes: u64,
    pub(crate) days: u32,
    /// Entries that change a day.
    pub(crate) percent: f64,
}

/// A namespace whose keys are hashes, as blocks, blobs and events have.
struct Content {
    random: SmallRng,
    namespace: MemoryNamespace,
    keys: Vec<[u8; 33]>,
}

impl Content {
    fn new(bytes: u64) -> Result<Self> {
        let (random, namespace) = (SmallRng::seed_from_u64(SEED), MemoryNamespace::new("validator"));
        let mut content = Self { random, namespace, keys: Vec::new() };
        let mut written = 0;
        while written < bytes {
            written += content.insert()?;
        }
        Ok(content)
    }

    /// Writes 200 to 4,000 bytes, half of which can be compressed; returns the length of key and value.
    fn put(&mut self, key: &[u8]) -> Result<u64> {
        let mut value = vec![b'.'; self.random.random_range(200..=4_000)];
        value.chunks_mut(16).for_each(|chunk| {
            let half = chunk.len() / 2;
            self.random.fill_bytes(&mut chunk[..half]);
        });
        self.namespace.put(key, b"", &value)?;
        Ok((key.len() + value.len()) as u64)
    }

    fn insert(&mut self) -> Result<u64> {
        let mut key = [1; 33];
        self.random.fill_bytes(&mut key[1..]);
        self.keys.push(key);
        self.put(&key)
    }

    /// Changes entries, of 20 of them 12 by inserts, 7 by other values and one by a delete; returns the length of what changed.
    fn change(&mut self, entries: usize) -> Result<u64> {
        let mut bytes = 0;
        for number in 0..entries {
            let index = self.random.random_range(0..self.keys.len());
            bytes += match number % 20 {
                0 => {
                    let key = self.keys.swap_remove(index);
                    self.namespace.delete(&key, b"")?;
                    key.len() as u64
                }
                1..8 => self.put(&self.keys[index].clone())?,
                _ => self.insert()?,
            };
        }
        Ok(bytes)
    }
}

/// Makes the dumps in a new repository of version 2 in `directory`, and prints what each costs.
pub(crate) async fn run(month: &Month, directory: &Path) -> Result<()> {
    let directory = directory.to_str().context("the path is not UTF-8")?;
    let repository = Repository::create_version(open_location(directory, true, [])?, 2).await?;
    let mut content = Content::new(month.megabytes * 1_000_000)?;
    let options = || BackupOptions { allow_implausible: true, ..BackupOptions::default() };
    let started = Instant::now();
    let first = repository.backup(&content.namespace, options()).await?;
    let first_seconds = started.elapsed().as_secs_f64();
    println!("day 0: {} bytes stored in {first_seconds:.2} s", first.stored_bytes);
    check(&repository, "day 0").await?;
    let (mut changed, mut stored) = (0, 0);
    for day in 1..=month.days {
        let entries = (content.keys.len() as f64 * month.percent / 100.0).ceil() as usize;
        let bytes = content.change(entries)?;
        let started = Instant::now();
        let made = repository.backup(&content.namespace, options()).await?;
        let seconds = started.elapsed().as_secs_f64();
        (changed, stored) = (changed + bytes, stored + made.stored_bytes);
        let ratio = made.stored_bytes as f64 / bytes as f64;
        println!(
            "day {day}: {bytes} bytes changed, {} stored: {ratio:.2}, {seconds:.2} s",
            made.stored_bytes
        );
    }
    let grown = (first.stored_bytes + stored) as f64 / first.stored_bytes as f64;
    println!("{:.2} bytes stored for each that changed", stored as f64 / changed as f64);
    println!("the repository is {grown:.2} times as long as the first dump");
    let stats = repository.stats(&StatsOptions::default()).await?;
    println!("{} patches, at most {} in a chain", stats.patches.number, stats.longest_chain);
    check(&repository, "the last day").await
}

/// Verifies and restores the latest dump, and prints how long that takes.
async fn check(repository: &Repository, when: &str) -> Result<()> {
    let dump = repository.dump(&DumpChoice::Latest).await?;
    let started = Instant::now();
    repository.verify(&dump, &VerifyOptions::default()).await?;
    let verify = started.elapsed().as_secs_f64();
    let started = Instant::now();
    let target = MemoryNamespace::new("target");
    repository.restore(&dump, &target, &RestoreOptions::default()).await?;
    println!("{when}: verify {verify:.2} s, restore into memory {:.2} s", started.elapsed().as_secs_f64());
    Ok(())
}
