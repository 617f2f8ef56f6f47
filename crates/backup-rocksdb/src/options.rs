//! How a namespace is read and written.

use std::path::PathBuf;

use backup_format::Limits;
use backup_layout::Layout;
use rocksdb::{
    BlockBasedOptions, Cache, DBCompressionType, DBRecoveryMode, LogLevel, Options, ReadOptions,
    SliceTransform,
};

/// Bytes of rows from a write-ahead log that are kept in memory, of all column families.
const REPLAY_BYTES: usize = 16 << 20;
/// The same for one of many column families.
const REPLAY_BYTES_MIN: usize = 256 << 10;

/// Options of a RocksDB namespace. All have defaults; none is stored anywhere.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RocksDbOptions {
    /// Layout of the rows. `None`, the default, tells it from the rows when reading; to restore, it must be given.
    pub layout: Option<Layout>,
    /// Limits on keys and values.
    pub limits: Limits,
    /// Bytes after which a batch of entries is handed on; default 256 KiB.
    pub batch_bytes: usize,
    /// Bytes that each scan reads ahead; default 256 KiB.
    pub readahead_bytes: usize,
    /// Bytes of the cache for index blocks while a database is read by path; default 8 MiB.
    pub cache_bytes: usize,
    /// Directory of the write-ahead log, if it is not that of the database. It must be the log of this very database.
    pub wal_dir: Option<PathBuf>,
    /// Accepts a database without the write-ahead log that its manifest refers to; default false. Restored native
    /// backups may look like that and lack nothing.
    pub allow_missing_log: bool,
    /// Directory for scratch files while reading by path; default the system's directory for temporary files.
    pub scratch_dir: Option<PathBuf>,
    /// Bytes of rows after which a restore begins another SST file; default 256 MiB.
    pub sst_bytes: usize,
    /// Bytes of rows that a restore sorts at a time when the dump's order is not that of the layout; default
    /// 32 MiB for each writer.
    pub sort_bytes: usize,
}

impl Default for RocksDbOptions {
    fn default() -> Self {
        Self {
            layout: None,
            limits: Limits::default(),
            batch_bytes: 256 << 10,
            readahead_bytes: 256 << 10,
            cache_bytes: 8 << 20,
            wal_dir: None,
            allow_missing_log: false,
            scratch_dir: None,
            sst_bytes: 256 << 20,
            sort_bytes: 32 << 20,
        }
    }
}

impl RocksDbOptions {
    /// Sets the layout.
    #[must_use]
    pub fn with_layout(mut self, layout: Layout) -> Self {
        self.layout = Some(layout);
        self
    }

    /// Sets the limits on keys and values.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Options of a copy with so many column families. It takes logs into SST files as it opens, keeps little in memory, and compacts
    /// nothing.
    pub(crate) fn frozen(&self, families: usize) -> Options {
        let mut tables = BlockBasedOptions::default();
        tables.set_block_cache(&Cache::new_lru_cache(self.cache_bytes));
        tables.set_cache_index_and_filter_blocks(true);
        let mut options = Options::default();
        options.set_block_based_table_factory(&tables);
        options.set_max_open_files(-1);
        options.set_skip_stats_update_on_db_open(true);
        options.set_write_buffer_size((REPLAY_BYTES / families.max(1)).max(REPLAY_BYTES_MIN));
        options.set_compression_type(DBCompressionType::None);
        options.set_disable_auto_compactions(true);
        // The newest log may end in the middle of a record. Damage elsewhere is an error.
        options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
        quiet(&mut options);
        options
    }

    /// Read options of a scan: the whole order, no trace in the caches.
    pub(crate) fn scan(&self) -> ReadOptions {
        let mut options = ReadOptions::default();
        options.set_total_order_seek(true);
        options.fill_cache(false);
        options.set_readahead_size(self.readahead_bytes);
        options
    }
}

/// Options of a restored database and of its SST files: those that linera opens a namespace with, as far as they
/// decide about files. Layout `plain` gets no prefix extractor, since nothing is known about its keys.
pub(crate) fn target(layout: Layout) -> Options {
    let mut tables = BlockBasedOptions::default();
    tables.set_format_version(5);
    tables.set_block_size(32 << 10);
    tables.set_bloom_filter(10.0, false);
    tables.set_cache_index_and_filter_blocks(true);
    tables.set_block_cache(&Cache::new_lru_cache(8 << 20));
    let mut options = Options::default();
    if layout != Layout::Plain {
        tables.set_whole_key_filtering(false);
        options.set_prefix_extractor(SliceTransform::create_fixed_prefix(8));
    }
    options.set_block_based_table_factory(&tables);
    options.set_compression_type(DBCompressionType::Lz4);
    // Acceleration 4: restores take a sixth less time, and files one hundredth more room.
    options.set_compression_options(-14, -4, 0, 0);
    options.set_level_compaction_dynamic_level_bytes(true);
    options.set_max_open_files(512);
    quiet(&mut options);
    options
}

/// Keeps RocksDB from writing statistics and chatter.
pub(crate) fn quiet(options: &mut Options) {
    options.set_log_level(LogLevel::Error);
    options.set_keep_log_file_num(1);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
}
