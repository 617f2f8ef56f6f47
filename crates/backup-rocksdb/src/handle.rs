//! Open databases, whichever threading mode of the driver they have.

use std::path::Path;

use rocksdb::backup::BackupEngine;
use rocksdb::{
    DBAccess, DBRawIteratorWithThreadMode, DBWithThreadMode, LiveFile, MultiThreaded, ReadOptions,
    SingleThreaded,
};

/// The column family that every database has.
pub(crate) const DEFAULT_FAMILY: &str = "default";

/// An open database of the driver: `DBWithThreadMode` in either of its modes. No other type can be one.
pub trait Handle: Open {}

impl Handle for DBWithThreadMode<SingleThreaded> {}
impl Handle for DBWithThreadMode<MultiThreaded> {}

/// What is needed of an open database; the driver has no trait for column families in both modes.
pub trait Open: DBAccess + Send + Sync + Sized + 'static {
    /// Opens an iterator over a column family; `None` when the handle does not know that family.
    fn rows(&self, family: &str, options: ReadOptions) -> Option<DBRawIteratorWithThreadMode<'_, Self>>;

    /// Returns a property of a column family as text; `None` when there is none.
    fn property(&self, family: &str, name: &str) -> Result<Option<String>, rocksdb::Error>;

    /// Lists the SST files.
    fn files(&self) -> Result<Vec<LiveFile>, rocksdb::Error>;

    /// Flushes the database and adds it to the backups of an engine.
    fn back_up(&self, engine: &mut BackupEngine) -> Result<(), rocksdb::Error>;

    /// Returns the directory.
    fn directory(&self) -> &Path;
}

/// A handle that was opened without naming families has no entry for the default one, hence the two ways.
macro_rules! open {
    ($mode:ty) => {
        impl Open for DBWithThreadMode<$mode> {
            fn rows(
                &self,
                family: &str,
                options: ReadOptions,
            ) -> Option<DBRawIteratorWithThreadMode<'_, Self>> {
                match family {
                    DEFAULT_FAMILY => Some(self.raw_iterator_opt(options)),
                    _ => self.cf_handle(family).map(|family| self.raw_iterator_cf_opt(&family, options)),
                }
            }

            fn property(&self, family: &str, name: &str) -> Result<Option<String>, rocksdb::Error> {
                match family {
                    DEFAULT_FAMILY => self.property_value(name),
                    _ => match self.cf_handle(family) {
                        Some(family) => self.property_value_cf(&family, name),
                        None => Ok(None),
                    },
                }
            }

            fn files(&self) -> Result<Vec<LiveFile>, rocksdb::Error> {
                self.live_files()
            }

            fn back_up(&self, engine: &mut BackupEngine) -> Result<(), rocksdb::Error> {
                engine.create_new_backup_flush(self, true)
            }

            fn directory(&self) -> &Path {
                self.path()
            }
        }
    };
}

open!(SingleThreaded);
open!(MultiThreaded);
