//! The engines that this program was built with: from SOURCE and TARGET to databases.

#[cfg(feature = "rocksdb")]
pub(crate) mod rocksdb;
#[cfg(feature = "scylla")]
mod scylla;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use backup_format::{DatabaseBackup, Limits, Manifest};
use backup_layout::Layout;
use backup_memory::MemoryNamespace;

#[cfg(feature = "scylla")]
use crate::cql::CqlGiven;
use crate::locator::{LayoutChoice, Source, Target};
use crate::problem::Problem;
use crate::report::Report;

/// How a namespace is read or written, besides where it is.
#[derive(Clone, Debug, Default)]
#[cfg_attr(
    not(any(feature = "rocksdb", feature = "scylla")),
    expect(dead_code, reason = "memory needs the layout alone")
)]
pub(crate) struct EngineOptions {
    /// Option `--layout`, if it was given.
    pub(crate) layout: Option<LayoutChoice>,
    /// Ceilings on what is read.
    pub(crate) limits: Limits,
    /// Directory of the write-ahead log, if it is not that of the database.
    pub(crate) wal_dir: Option<PathBuf>,
    /// Accepts a database without its write-ahead log.
    pub(crate) allow_missing_log: bool,
    /// Options of ScyllaDB and Cassandra.
    #[cfg(feature = "scylla")]
    pub(crate) cql: CqlGiven,
}

impl EngineOptions {
    /// Names an option of RocksDB that was given.
    fn first_of_rocksdb(&self) -> Option<&'static str> {
        match self {
            Self { wal_dir: Some(_), .. } => Some("--wal-dir"),
            Self { allow_missing_log: true, .. } => Some("--allow-missing-log"),
            _ => None,
        }
    }

    fn first_of_cql(&self) -> Option<&'static str> {
        #[cfg(feature = "scylla")]
        return self.cql.first();
        #[cfg(not(feature = "scylla"))]
        None
    }

    /// Names an option about a namespace that was given.
    pub(crate) fn first(&self) -> Option<&'static str> {
        let layout = self.layout.map(|_| "--layout");
        layout.or_else(|| self.first_of_rocksdb()).or_else(|| self.first_of_cql())
    }

    /// Refuses what would be ignored, because it is for another engine.
    fn check(&self, place: &impl fmt::Display, is_cql: bool) -> Result<()> {
        let (foreign, engine) = match is_cql {
            true => (self.first_of_rocksdb(), "RocksDB"),
            false => (self.first_of_cql(), "ScyllaDB and Cassandra"),
        };
        let Some(option) = foreign else { return Ok(()) };
        Err(Problem::Usage(format!("{option} is for {engine}, and {place} is none of it")).into())
    }
}

/// Opens a namespace that is to be read.
pub(crate) async fn open_source(source: &Source, options: EngineOptions) -> Result<Box<dyn DatabaseBackup>> {
    options.check(source, source.is_cql())?;
    let layout = one_layout(source.layout(), options.layout)?;
    #[cfg(feature = "scylla")]
    if let Source::Cql(place) = source {
        return scylla::open(place, layout, options);
    }
    #[cfg(feature = "rocksdb")]
    return rocksdb::open_source(source, layout, options).await;
    #[cfg(not(feature = "rocksdb"))]
    {
        let _ = layout;
        Err(left_out(source))
    }
}

/// Opens a namespace that is to be compared with a dump, in the layout of the dump unless another one was asked for.
pub(crate) async fn open_compared(
    source: &Source,
    manifest: &Manifest,
    mut options: EngineOptions,
) -> Result<Box<dyn DatabaseBackup>> {
    let asked = one_layout(source.layout(), options.layout)?;
    // A layout that only a later version knows cannot be that of what is compared; it is told from the rows.
    options.layout = Some(LayoutChoice(asked.or(manifest.source.layout.parse().ok())));
    open_source(source, options).await
}

/// Opens a namespace that a dump is to be restored into, in the layout of the dump unless another one was asked for.
pub(crate) fn open_target(
    target: &Target,
    manifest: &Manifest,
    options: EngineOptions,
) -> Result<Box<dyn DatabaseBackup>> {
    options.check(target, target.is_cql())?;
    let asked = one_layout(target.layout(), options.layout)?;
    let layout = target_layout(&manifest.source.layout, asked)?;
    match target {
        Target::Memory => Ok(Box::new(memory(manifest, layout))),
        #[cfg(feature = "rocksdb")]
        Target::RocksDb(path) => Ok(rocksdb::open_target(path, layout, options.limits)),
        #[cfg(not(feature = "rocksdb"))]
        Target::RocksDb(_) => Err(left_out(target)),
        #[cfg(feature = "scylla")]
        Target::Cql(place) => scylla::open(place, Some(layout), options),
    }
}

/// Backs up with the engine's own means.
pub(crate) async fn native_backup(
    source: &Source,
    directory: &Path,
    options: EngineOptions,
) -> Result<Report> {
    if source.is_cql() {
        return Err(no_native(source));
    }
    #[cfg(feature = "rocksdb")]
    return rocksdb::native_backup(source, directory, options).await;
    #[cfg(not(feature = "rocksdb"))]
    {
        let _ = (directory, options);
        Err(left_out(source))
    }
}

/// Restores what the engine's own means backed up, by default the latest.
pub(crate) async fn native_restore(directory: &Path, id: Option<u32>, target: &Target) -> Result<Report> {
    if target.is_cql() {
        return Err(no_native(target));
    }
    #[cfg(feature = "rocksdb")]
    return rocksdb::native_restore(directory, id, target).await;
    #[cfg(not(feature = "rocksdb"))]
    {
        let _ = (directory, id);
        Err(left_out(target))
    }
}

/// Says why there are no native backups of ScyllaDB and Cassandra.
fn no_native(place: impl fmt::Display) -> anyhow::Error {
    Problem::Usage(format!(
        "{place}: the snapshots of ScyllaDB and Cassandra are files on each of their nodes, which nodetool and ScyllaDB \
         Manager make and put back; `kvbackup backup` and `restore` read and write the table itself"
    ))
    .into()
}

/// Waits until engines have come to rest and removed their scratch files, for at most `patience`.
pub(crate) fn rest(patience: Duration) {
    #[cfg(feature = "rocksdb")]
    // What is not done by then is left: nobody is told, since the command has its result.
    let _ = backup_rocksdb::wait_for_threads(patience);
    #[cfg(not(feature = "rocksdb"))]
    let _ = patience;
}

/// Makes a namespace in memory that calls its content as the dump does.
fn memory(manifest: &Manifest, layout: Layout) -> MemoryNamespace {
    MemoryNamespace::new(&manifest.namespace).with_layout(layout.name(), kinds_of(layout))
}

/// Returns how a layout names the kind of a partition.
pub(crate) fn kinds_of(layout: Layout) -> fn(&[u8]) -> Option<&'static str> {
    match layout {
        Layout::Linera015 => |root_key| Layout::Linera015.kind(root_key),
        Layout::Linera016 => |root_key| Layout::Linera016.kind(root_key),
        Layout::Plain => |_| None,
    }
}

/// Decides in which layout a dump is restored: in its own. Entries of one linera are not those of another, nor rows the
/// entries that stand in them: a worker that starts from the wrong ones may fail late, or not at all.
fn target_layout(from: &str, asked: Option<Layout>) -> Result<Layout> {
    let Ok(from) = from.parse::<Layout>() else {
        let text = format!(
            "the dump is in layout {from:?}, which this version does not know; use a newer version of this program"
        );
        return Err(Problem::Refused(text).into());
    };
    match (from, asked) {
        (from, Some(asked)) if from != asked => {
            let text = format!(
                "the dump is in layout {from} and cannot be restored as {asked}: their keys and values differ, and \
                 neither is converted to the other; leave the layout out"
            );
            Err(Problem::Refused(text).into())
        }
        (_, asked) => Ok(asked.unwrap_or(from)),
    }
}

/// Takes the layout from the two places where it may be given.
fn one_layout(inside: Option<Layout>, option: Option<LayoutChoice>) -> Result<Option<Layout>> {
    match (inside, option) {
        (Some(inside), Some(LayoutChoice(Some(option)))) if inside != option => Err(Problem::Usage(format!(
            "?layout={inside} and --layout {option} contradict each other; give one of them"
        ))
        .into()),
        (inside, option) => Ok(inside.or(option.and_then(|choice| choice.0))),
    }
}

#[cfg(not(feature = "rocksdb"))]
fn left_out(place: impl fmt::Display) -> anyhow::Error {
    Problem::Usage(format!("the engine of {place} is not built into this program")).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn a_dump_keeps_its_layout_unless_another_is_asked_for() {
        let layout = |from: &str, asked| target_layout(from, asked).unwrap();
        assert_eq!(layout("linera-0.15", None), Layout::Linera015);
        assert_eq!(layout("linera-0.16", Some(Layout::Linera016)), Layout::Linera016);
        assert_eq!(layout("plain", None), Layout::Plain);
    }

    #[test]
    fn no_layout_is_restored_as_another_and_unknown_layouts_are_refused_by_name() {
        let refused = [
            ("linera-0.15", Some(Layout::Linera016), "linera-0.16"),
            ("linera-0.16", Some(Layout::Linera015), "linera-0.15"),
            ("plain", Some(Layout::Linera015), "plain"),
            ("linera-0.16", Some(Layout::Plain), "linera-0.16"),
            ("linera-0.17", None, "linera-0.17"),
            ("linera-0.17", Some(Layout::Linera016), "linera-0.17"),
        ];
        for (from, asked, named) in refused {
            let error = target_layout(from, asked).unwrap_err();
            assert_eq!(Exit::of(&error), Exit::Refused);
            assert!(error.to_string().contains(named), "{error}");
        }
    }

    #[test]
    fn two_layouts_that_contradict_each_other_are_a_usage_error() {
        let option = |layout| Some(LayoutChoice(layout));
        let one = one_layout(Some(Layout::Plain), option(Some(Layout::Plain))).unwrap();
        assert_eq!(one, Some(Layout::Plain));
        assert_eq!(one_layout(None, option(None)).unwrap(), None);
        let error = one_layout(Some(Layout::Plain), option(Some(Layout::Linera015))).unwrap_err();
        assert_eq!(Exit::of(&error), Exit::Usage);
    }
}
