//! Read views of a namespace.

use std::num::NonZeroUsize;

use async_trait::async_trait;
use backup_format::{Consistency, EngineError, EntryStream, Estimate, Order, Share, Snapshot};
use backup_layout::Layout;
use backup_layout::rocksdb::{check, detect};

use crate::error::RocksDbError;
use crate::handle::DEFAULT_FAMILY;
use crate::options::RocksDbOptions;
use crate::range;
use crate::sample::sample;
use crate::scan::Scan;
use crate::shares;
use crate::view::{View, ViewClient};

/// A namespace at one moment.
#[derive(Debug)]
pub(crate) struct RocksDbSnapshot {
    client: ViewClient,
    scan: Scan,
    /// Column families to be read, in order.
    families: Vec<String>,
}

impl RocksDbSnapshot {
    /// Tells the layout of what `client` views, and checks that all there is belongs to it. `families` are the names of
    /// all column families.
    pub(crate) async fn open(
        client: ViewClient,
        namespace: &str,
        families: Vec<String>,
        options: &RocksDbOptions,
    ) -> Result<Self, RocksDbError> {
        let namespace = namespace.to_owned();
        let options = options.clone();
        let (scan, families) =
            client.ask("telling the layout", move |view| examine(view, namespace, families, options)).await?;
        Ok(Self { client, scan, families })
    }

    /// Returns the layout of the rows.
    pub(crate) fn layout(&self) -> Layout {
        self.scan.layout
    }
}

fn examine(
    view: &dyn View,
    namespace: String,
    mut families: Vec<String>,
    options: RocksDbOptions,
) -> Result<(Scan, Vec<String>), RocksDbError> {
    families.sort();
    if families.len() > range::FAMILIES_MAX {
        return Err(RocksDbError::TooManyFamilies { namespace, found: families.len() });
    }
    let foreign = families.iter().find(|family| *family != DEFAULT_FAMILY);
    if let (Some(layout), Some(family)) = (options.layout.filter(|layout| *layout != Layout::Plain), foreign)
    {
        let (layout, family) = (layout.name(), family.clone());
        return Err(RocksDbError::ForeignFamily { namespace, layout, family });
    }
    let layout_error =
        |source| RocksDbError::Layout { namespace: namespace.clone(), source: Box::new(source) };
    let layout = match options.layout {
        Some(Layout::Plain) => Layout::Plain,
        Some(layout) => {
            check(layout, &sample(view, &options)?).map_err(layout_error)?;
            layout
        }
        None if families.len() > 1 => Layout::Plain,
        None => detect(&sample(view, &options)?).map_err(layout_error)?,
    };
    let single = families.len() <= 1;
    let scan = Scan { namespace, layout, single, options };
    scan.check(view)?;
    if !single {
        let mut rows = view.rows(DEFAULT_FAMILY, scan.options.scan())?;
        rows.seek(&[]);
        if rows.current()?.is_none() {
            families.retain(|family| family != DEFAULT_FAMILY);
        }
    }
    Ok((scan, families))
}

#[async_trait]
impl Snapshot for RocksDbSnapshot {
    fn consistency(&self) -> Consistency {
        Consistency::PointInTime
    }

    fn order(&self) -> Order {
        self.scan.layout.rocksdb_order()
    }

    fn kind(&self, root_key: &[u8]) -> Option<&'static str> {
        self.scan.layout.kind(root_key)
    }

    async fn estimate(&self) -> Result<Estimate, EngineError> {
        let families = self.families.clone();
        let estimate = self.client.ask("estimating", move |view| Ok(estimate(view, &families))).await?;
        Ok(estimate)
    }

    async fn shares(&self, count: NonZeroUsize) -> Result<Vec<Share>, EngineError> {
        let (families, scan) = (self.families.clone(), self.scan.clone());
        let divide =
            move |view: &dyn View| shares::divide(view, scan.layout, &families, count.get(), &scan.options);
        let shares = self.client.ask("dividing into shares", divide).await?;
        let shares = shares.iter().map(|ranges| Share { token: range::encode(ranges), starts_page: false });
        Ok(shares.collect())
    }

    async fn entries(&self, share: &Share) -> Result<EntryStream, EngineError> {
        let namespace = || self.scan.namespace.clone();
        let ranges = range::decode(&share.token)
            .map_err(|source| RocksDbError::Share { namespace: namespace(), source: Box::new(source) })?;
        Ok(self.scan.clone().stream(&self.client, ranges)?)
    }
}

/// Sums up what the table files and the memory tables say of themselves. RocksDB's own estimates are 0 in a secondary
/// instance that was opened quickly.
fn estimate(view: &dyn View, families: &[String]) -> Estimate {
    let (mut bytes, mut entries) = (0u64, 0u64);
    for family in families {
        let tables = view.property(family, "rocksdb.aggregated-table-properties");
        let number = |name: &str| view.property(family, name).parse().unwrap_or(0u64);
        let in_memory = number("rocksdb.num-entries-active-mem-table")
            .saturating_add(number("rocksdb.num-entries-imm-mem-tables"));
        entries = entries.saturating_add(table_number(&tables, "# entries")).saturating_add(in_memory);
        bytes = bytes
            .saturating_add(table_number(&tables, "raw key size"))
            .saturating_add(table_number(&tables, "raw value size"));
        if in_memory > 0 {
            bytes = bytes.saturating_add(number("rocksdb.cur-size-all-mem-tables"));
        }
    }
    let known = |sum: u64| (sum > 0).then_some(sum);
    Estimate { plain_bytes: known(bytes), entries: known(entries) }
}

/// Takes a number out of the text of RocksDB's table properties; 0 if it is not there.
fn table_number(tables: &str, name: &str) -> u64 {
    let mut fields = tables.split(';').filter_map(|field| field.split_once('='));
    let field = fields.find(|(found, _)| found.trim() == name);
    field.and_then(|(_, number)| number.trim().parse().ok()).unwrap_or(0)
}
