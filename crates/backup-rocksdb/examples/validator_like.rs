//! Writes a RocksDB namespace of a chosen size in layout `linera-0.15`, with content like a validator's: for measurements.
//!
//! ```text
//! cargo run --release --package backup-rocksdb --example validator_like -- DIR/NAMESPACE MEGABYTES [small]
//! ```
//!
//! One in ten partitions is a chain state with 10 to 60 entries, the others have two or three. Values are 20 to 200 bytes in
//! 80 %, 0.2 to 8 KiB in 18 %, 8 to 256 KiB in 2 % of the cases; with `small`, all are 20 to 200 bytes. They are
//! drawn from a vocabulary, so that zstd at level 1 makes them a little more than half as long.

use std::error::Error;

use backup_layout::Layout;
use backup_layout::rocksdb::Encoder;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngCore, SeedableRng};
use rocksdb::{BlockBasedOptions, DB, DBCompressionType, Options, SliceTransform, WriteBatch, WriteOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: validator_like DIR/NAMESPACE MEGABYTES [small]";
    let path = arguments.next().ok_or(usage)?;
    let megabytes: u64 = arguments.next().ok_or(usage)?.parse()?;
    let small = arguments.next().as_deref() == Some("small");
    let mut writer = Writer::open(&path, small)?;
    writer.partition(&[5], &[&[0x77]])?;
    while writer.plain_bytes < megabytes * 1_000_000 {
        writer.random_partition()?;
    }
    writer.finish()?;
    println!(
        "{path}: {} partitions, {} entries, {} bytes",
        writer.partitions, writer.entries, writer.plain_bytes
    );
    Ok(())
}

struct Writer {
    db: DB,
    encoder: Encoder,
    random: SmallRng,
    words: Vec<[u8; 8]>,
    small: bool,
    partitions: u64,
    entries: u64,
    plain_bytes: u64,
}

impl Writer {
    fn open(path: &str, small: bool) -> Result<Self, Box<dyn Error>> {
        let mut random = SmallRng::seed_from_u64(42);
        let words = (0..1_024).map(|_| random.random::<[u8; 8]>()).collect();
        Ok(Self {
            db: DB::open(&options(), path)?,
            encoder: Encoder::new(Layout::Linera015),
            random,
            words,
            small,
            partitions: 0,
            entries: 0,
            plain_bytes: 0,
        })
    }

    /// A chain state, block, blob or height index, in the proportions of a validator.
    fn random_partition(&mut self) -> Result<(), Box<dyn Error>> {
        let mut root_key = vec![0; 33];
        self.random.fill_bytes(&mut root_key);
        let kind = self.random.random_range(0..100);
        let keys: Vec<Vec<u8>> = match kind {
            0..10 => {
                root_key[0] = 0;
                let count = self.random.random_range(10..=60);
                (0..count).map(|number| self.view_key(number)).collect()
            }
            10..60 => {
                root_key[0] = 1;
                vec![vec![0x5b], vec![0xdd]]
            }
            60..80 => {
                root_key[0] = 2;
                root_key.push(6);
                vec![vec![0x2a], vec![0x31]]
            }
            _ => {
                root_key[0] = 7;
                let height = self.random.random_range(0..1u64 << 20);
                (0..3).map(|next| (height + next).to_le_bytes().to_vec()).collect()
            }
        };
        let keys: Vec<_> = keys.iter().map(Vec::as_slice).collect();
        self.partition(&root_key, &keys)
    }

    fn view_key(&mut self, number: u32) -> Vec<u8> {
        let mut key = vec![1];
        key.extend_from_slice(&number.to_be_bytes());
        let mut rest = vec![0; self.random.random_range(0..=55)];
        self.random.fill_bytes(&mut rest);
        key.extend_from_slice(&rest);
        key
    }

    fn partition(&mut self, root_key: &[u8], keys: &[&[u8]]) -> Result<(), Box<dyn Error>> {
        let mut batch = WriteBatch::default();
        for key in keys {
            let value = self.value();
            self.plain_bytes += (key.len() + value.len()) as u64;
            self.entries += 1;
            self.encoder.encode(root_key, key, &value, &mut |raw_key, raw_value| {
                batch.put(raw_key, raw_value);
                Ok::<_, rocksdb::Error>(())
            })?;
        }
        if let Some(index) = self.encoder.index_row(root_key) {
            batch.put(index, b"");
        }
        let mut without_log = WriteOptions::default();
        without_log.disable_wal(true);
        self.db.write_opt(batch, &without_log)?;
        self.partitions += 1;
        Ok(())
    }

    fn value(&mut self) -> Vec<u8> {
        let length = match self.random.random_range(0..100) {
            _ if self.small => self.random.random_range(20..=200),
            0..80 => self.random.random_range(20..=200),
            80..98 => self.random.random_range(200..=8 << 10),
            _ => self.random.random_range(8 << 10..=256 << 10),
        };
        let mut value = Vec::with_capacity(length + 16);
        while value.len() < length {
            // A third is noise, like hashes and signatures.
            if self.random.random_range(0..6) < 2 {
                value.extend_from_slice(&self.random.random::<[u8; 8]>());
            } else {
                value.extend_from_slice(self.words.choose(&mut self.random).unwrap_or(&[0; 8]));
            }
        }
        value.truncate(length);
        value
    }

    fn finish(&mut self) -> Result<(), rocksdb::Error> {
        self.db.flush()?;
        self.db.compact_range(None::<&[u8]>, None::<&[u8]>);
        Ok(())
    }
}

/// The options with which linera 0.15 opens a namespace, as far as they matter for the files.
fn options() -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_format_version(5);
    table.set_block_size(32 << 10);
    table.set_bloom_filter(10.0, false);
    table.set_whole_key_filtering(false);
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_block_based_table_factory(&table);
    options.set_prefix_extractor(SliceTransform::create_fixed_prefix(8));
    options.set_write_buffer_size(16 << 20);
    options.set_max_write_buffer_number(6);
    options.set_max_background_jobs(2);
    options
}
