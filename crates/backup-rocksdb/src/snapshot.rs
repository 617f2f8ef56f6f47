//! Read views of a namespace.

use std::num::NonZeroUsize;

use async_trait::async_trait;
use backup_format::{
    Consistency, ContractError, EngineError, EntryStream, Order, Range, ReadPlan, Snapshot, SourceInfo,
};
use backup_layout::Layout;
use backup_layout::rocksdb::{check, detect};

use crate::divide;
use crate::error::RocksDbError;
use crate::handle::DEFAULT_FAMILY;
use crate::options::RocksDbOptions;
use crate::range;
use crate::sample::sample;
use crate::scan::Scan;
use crate::view::{View, ViewClient};

/// Version of RocksDB in this build.
const ENGINE_VERSION: &str = "10.4.2";

/// A namespace at one moment.
#[derive(Debug)]
pub(crate) struct RocksDbSnapshot {
    source: SourceInfo,
    client: ViewClient,
    scan: Scan,
    /// Column families to be read, in order.
    families: Vec<String>,
}

impl RocksDbSnapshot {
    /// Detects the layout of what `client` views, and checks that all there is belongs to it.
    ///
    /// `families` are the names of all column families.
    pub(crate) async fn open(
        client: ViewClient,
        namespace: &str,
        families: Vec<String>,
        options: &RocksDbOptions,
    ) -> Result<Self, RocksDbError> {
        let namespace = namespace.to_owned();
        let options = options.clone();
        let (scan, families) = client
            .ask("detecting the layout", move |view| examine(view, namespace, families, options))
            .await?;
        let source = SourceInfo {
            engine: "rocksdb".to_owned(),
            engine_version: ENGINE_VERSION.to_owned(),
            layout: scan.layout.name().to_owned(),
            namespace: scan.namespace.clone(),
        };
        Ok(Self { source, client, scan, families })
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
    fn source(&self) -> &SourceInfo {
        &self.source
    }

    fn order(&self) -> Order {
        self.scan.layout.rocksdb_order()
    }

    fn kind(&self, root_key: &[u8]) -> Option<&'static str> {
        self.scan.layout.kind(root_key)
    }

    async fn estimate(&self) -> Result<Option<u64>, EngineError> {
        let families = self.families.clone();
        Ok(self.client.ask("estimating", move |view| estimate(view, &families)).await?)
    }

    async fn plan(&self, ranges_max: NonZeroUsize) -> Result<ReadPlan, EngineError> {
        let (families, scan) = (self.families.clone(), self.scan.clone());
        let divide = move |view: &dyn View| {
            divide::divide(view, scan.layout, &families, ranges_max.get(), &scan.options)
        };
        let ranges = self.client.ask("dividing into ranges", divide).await?;
        Ok(ReadPlan::of_one_phase(ranges.iter().map(|rows| range::encode(rows)).collect()))
    }

    async fn entries(&self, range: &Range) -> Result<EntryStream, EngineError> {
        let place = || format!("namespace {}", self.scan.namespace);
        let rows = range::decode(range, self.scan.layout)
            .map_err(|source| ContractError::ForeignRange { place: place(), source })?;
        Ok(self.scan.clone().stream(&self.client, rows)?)
    }

    fn consistency(&self) -> Consistency {
        Consistency::PointInTime
    }
}

/// Sums up what the table files and the memory tables say of themselves; `None` when one does not say it.
///
/// RocksDB's own estimates are 0 in a database that was opened quickly.
fn estimate(view: &dyn View, families: &[String]) -> Result<Option<u64>, RocksDbError> {
    let mut sum = Some(0u64);
    for family in families {
        let number = |name: &str| -> Result<Option<u64>, RocksDbError> {
            Ok(view.property(family, name)?.and_then(|text| text.parse().ok()))
        };
        let tables = view.property(family, "rocksdb.aggregated-table-properties")?;
        let of_tables = |name| tables.as_deref().and_then(|tables| table_number(tables, name));
        let in_memory = match number("rocksdb.num-entries-active-mem-table")?
            .zip(number("rocksdb.num-entries-imm-mem-tables")?)
        {
            // An empty memory table has room already.
            Some((0, 0)) => Some(0),
            Some(_) => number("rocksdb.cur-size-all-mem-tables")?,
            None => None,
        };
        for part in [of_tables("raw key size"), of_tables("raw value size"), in_memory] {
            sum = sum.zip(part).and_then(|(sum, part)| sum.checked_add(part));
        }
    }
    Ok(sum)
}

/// Takes a number out of the text of RocksDB's table properties.
fn table_number(tables: &str, name: &str) -> Option<u64> {
    let mut fields = tables.split(';').filter_map(|field| field.split_once('='));
    fields.find(|(found, _)| found.trim() == name)?.1.trim().parse().ok()
}
