//! A namespace that takes a while: some 60 MB that do not compress, in the layout of linera 0.15.

use std::path::Path;

use backup_layout::{Layout, LayoutError, rocksdb::Encoder};
use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};
use rocksdb::{DB, Options, WriteBatch};

const BLOCKS: usize = 600;
const BLOCK_BYTES: usize = 100_000;

/// Makes the database. The same seed makes the same content.
pub fn create(path: &Path, seed: u64) {
    create_blocks(path, seed, (BLOCKS, BLOCK_BYTES));
}

/// Makes a database of so many blocks of so many bytes.
pub fn create_blocks(path: &Path, seed: u64, (blocks, bytes): (usize, usize)) {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut options = Options::default();
    options.create_if_missing(true);
    std::fs::create_dir_all(path).unwrap();
    let database = DB::open(&options, path).unwrap();
    let put = |root_key: &[u8], key: &[u8], value: &[u8]| {
        let mut batch = WriteBatch::default();
        let mut encoder = Encoder::new(Layout::Linera015);
        let write = &mut |key: &[u8], value: &[u8]| {
            batch.put(key, value);
            Ok::<_, LayoutError>(())
        };
        encoder.encode(root_key, key, value, write).unwrap();
        if let Some(index) = encoder.index_row(root_key) {
            batch.put(index, []);
        }
        database.write(batch).unwrap();
    };
    put(&[5], &[0x77], b"network description");
    put(&[&[0][..], &[1; 32]].concat(), &[1, 0], b"chain state");
    for _ in 0..blocks {
        let mut root_key = [1; 33];
        random.fill_bytes(&mut root_key[1..]);
        let mut value = vec![0; bytes];
        random.fill_bytes(&mut value);
        put(&root_key, &[0x5b], &value);
        put(&root_key, &[0xdd], &value[..200]);
    }
}
