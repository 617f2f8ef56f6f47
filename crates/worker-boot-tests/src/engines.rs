//! The engines that take part, as data, and how their databases are backed up and restored.

use std::fmt;
use std::sync::Arc;
#[cfg(feature = "scylla")]
use std::time::Duration;

use anyhow::Result;
use backup_format::AmendTarget;
use backup_layout::Layout;
#[cfg(feature = "rocksdb")]
use backup_rocksdb::{RocksDbNamespace, RocksDbOptions};
#[cfg(feature = "scylla")]
use backup_scylla::{CqlNamespace, CqlOptions};
use backup_testkit::Namespace;
#[cfg(feature = "memory")]
use linera_views_adapter::ViewsNamespace;
use validator_network::places::Place;

#[cfg(feature = "memory")]
pub use validator_network::places::Memory;
#[cfg(feature = "rocksdb")]
pub use validator_network::places::RocksDb;
#[cfg(feature = "scylla")]
pub use validator_network::places::Scylla;

/// Layout of what linera 0.15 writes.
pub const LAYOUT: Layout = Layout::Linera015;

/// An engine. A new one needs a place that is [`Restorable`], lines in [`Engine::ALL`] and [`Engine::name`], and one in
/// [`on_engine`](crate::on_engine): all cases and tests follow from these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Engine {
    /// linera's own `MemoryDatabase`, through linera's stores.
    #[cfg(feature = "memory")]
    Memory,
    /// linera's own `RocksDbDatabase`, backed up and restored by its path.
    #[cfg(feature = "rocksdb")]
    RocksDb,
    /// linera's own `ScyllaDbDatabase` on a real server, backed up and restored over CQL.
    #[cfg(feature = "scylla")]
    Scylla,
}

impl Engine {
    /// The engines that this build knows.
    pub const ALL: &[Self] = &[
        #[cfg(feature = "memory")]
        Self::Memory,
        #[cfg(feature = "rocksdb")]
        Self::RocksDb,
        #[cfg(feature = "scylla")]
        Self::Scylla,
    ];

    /// Returns the name that manifests have for the engine.
    pub fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "memory")]
            Self::Memory => "memory",
            #[cfg(feature = "rocksdb")]
            Self::RocksDb => "rocksdb",
            #[cfg(feature = "scylla")]
            Self::Scylla => "scylla",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.name())
    }
}

/// Evaluates an expression in which a name stands for the place of an engine: `on_engine!(engine, P => run::<P>())`.
#[macro_export]
macro_rules! on_engine {
    ($engine:expr, $place:ident => $body:expr) => {
        match $engine {
            #[cfg(feature = "memory")]
            $crate::engines::Engine::Memory => {
                type $place = $crate::engines::Memory;
                $body
            }
            #[cfg(feature = "rocksdb")]
            $crate::engines::Engine::RocksDb => {
                type $place = $crate::engines::RocksDb;
                $body
            }
            #[cfg(feature = "scylla")]
            $crate::engines::Engine::Scylla => {
                type $place = $crate::engines::Scylla;
                $body
            }
        }
    };
}

/// A place whose database can be backed up and restored to, in the way that its engine has.
pub trait Restorable: Place {
    /// Returns the database as the source of a backup and the target of a restore. A missing one is an error only
    /// when it is used.
    ///
    /// # Errors
    ///
    /// When the engine cannot prepare for that.
    fn namespace(&self) -> impl Future<Output = Result<Namespace>> + Send;

    /// Returns the database to change entries in place; `None` where the engine has no such.
    ///
    /// # Errors
    ///
    /// When the engine cannot prepare for that.
    fn amendable(&self) -> Result<Option<Arc<dyn AmendTarget>>>;
}

/// Uses linera's stores: there is no other way to this memory.
#[cfg(feature = "memory")]
impl Restorable for Memory {
    /// Makes the namespace if it is missing: a restore goes into an open database.
    async fn namespace(&self) -> Result<Namespace> {
        let database = if self.exists().await? { self.open().await? } else { self.create().await? };
        Ok(Namespace::of(ViewsNamespace::new(self.name(), LAYOUT, database)))
    }

    fn amendable(&self) -> Result<Option<Arc<dyn AmendTarget>>> {
        Ok(None)
    }
}

/// Uses the directory, beside linera.
#[cfg(feature = "rocksdb")]
impl Restorable for RocksDb {
    async fn namespace(&self) -> Result<Namespace> {
        let options = RocksDbOptions::default().with_layout(LAYOUT);
        Ok(Namespace::of(RocksDbNamespace::at(self.path(), options)))
    }

    fn amendable(&self) -> Result<Option<Arc<dyn AmendTarget>>> {
        let options = RocksDbOptions::default().with_layout(LAYOUT);
        Ok(Some(Arc::new(RocksDbNamespace::at(self.path(), options))))
    }
}

/// Uses CQL, beside linera.
#[cfg(feature = "scylla")]
impl Restorable for Scylla {
    async fn namespace(&self) -> Result<Namespace> {
        let options = CqlOptions::default().with_layout(LAYOUT);
        Ok(Namespace::of(CqlNamespace::at(self.address().parse()?, options)))
    }

    fn amendable(&self) -> Result<Option<Arc<dyn AmendTarget>>> {
        // Nothing else in the process has the table open.
        let options = CqlOptions::default().with_layout(LAYOUT).with_quiet(Duration::from_millis(100));
        Ok(Some(Arc::new(CqlNamespace::at(self.address().parse()?, options))))
    }
}
