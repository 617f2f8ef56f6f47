//! Dividing a namespace into ranges of about equal size.

use backup_layout::Layout;
use backup_layout::rocksdb::{DATA, Encoder, INDEX, root_of};

use crate::error::RocksDbError;
use crate::handle::DEFAULT_FAMILY;
use crate::index::{index_key, root_of_index_row};
use crate::options::RocksDbOptions;
use crate::range::RawRange;
use crate::view::View;

/// A place where one range may end and the next begin.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cut {
    /// Position of the column family among those that are read.
    family: usize,
    key: Vec<u8>,
}

/// Returns the ranges that are all of a namespace, in order.
pub(crate) fn whole(layout: Layout, families: &[String]) -> Vec<RawRange> {
    match layout {
        Layout::Linera015 | Layout::Linera016 => {
            vec![RawRange { family: DEFAULT_FAMILY.to_owned(), from: vec![DATA], to: Some(vec![DATA + 1]) }]
        }
        Layout::Plain => families
            .iter()
            .map(|family| RawRange { family: family.clone(), from: Vec::new(), to: None })
            .collect(),
    }
}

/// Divides a namespace into at most `count` ranges, by the sizes and first keys of its SST files.
pub(crate) fn divide(
    view: &dyn View,
    layout: Layout,
    families: &[String],
    count: usize,
    options: &RocksDbOptions,
) -> Result<Vec<Vec<RawRange>>, RocksDbError> {
    let whole = whole(layout, families);
    let mut cuts = Vec::new();
    for cut in weigh(view, &whole, count)? {
        match layout {
            Layout::Plain => cuts.push(cut),
            _ => cuts.extend(align(view, layout, cut, options)?),
        }
    }
    cuts.sort();
    cuts.dedup();
    Ok(split(whole, &cuts))
}

/// Chooses cuts between which about the same number of bytes lies.
fn weigh(view: &dyn View, whole: &[RawRange], count: usize) -> Result<Vec<Cut>, RocksDbError> {
    let mut points = Vec::new();
    for file in view.files()? {
        let family = whole.iter().position(|range| range.family == file.column_family_name);
        let (Some(family), Some(key)) = (family, file.start_key) else { continue };
        let inside = whole.get(family).is_some_and(|range| range.to.as_ref().is_none_or(|to| key < *to));
        if inside {
            points.push((Cut { family, key }, file.size as u64));
        }
    }
    points.sort();
    let total: u64 = points.iter().map(|(_, size)| size).sum();
    let count = count as u64;
    let (mut before, mut next) = (0u64, 1u64);
    let mut cuts = Vec::new();
    for (cut, size) in points {
        if next < count && u128::from(before) * u128::from(count) >= u128::from(total) * u128::from(next) {
            let reached = (u128::from(before) * u128::from(count)).checked_div(u128::from(total));
            next =
                reached.map_or(count, |reached| u64::try_from(reached).expect("before is within total")) + 1;
            cuts.push(cut);
        }
        before += size;
    }
    Ok(cuts)
}

/// Moves a cut back to the start of the partition that it lies in; drops it where that cannot be found.
fn align(
    view: &dyn View,
    layout: Layout,
    cut: Cut,
    options: &RocksDbOptions,
) -> Result<Option<Cut>, RocksDbError> {
    let Some(after) = cut.key.strip_prefix(&[DATA]) else { return Ok(None) };
    let mut scan = options.scan();
    scan.set_iterate_lower_bound([INDEX]);
    scan.set_iterate_upper_bound([INDEX + 1]);
    let mut index = view.rows(DEFAULT_FAMILY, scan)?;
    index.seek_back(&index_key(&cut.key));
    let indexed = match index.current()? {
        Some((key, _)) => Some(root_of_index_row(key)).filter(|root| after.starts_with(root)),
        None => None,
    };
    let key = match indexed {
        Some(root) => Some([&[DATA], root].concat()),
        None => root_of(layout, &cut.key).map(|root| Encoder::new(layout).data_prefix(&root).to_vec()),
    };
    Ok(key.map(|key| Cut { family: cut.family, key }))
}

/// Splits the rows at the cuts, which are in order.
fn split(whole: Vec<RawRange>, cuts: &[Cut]) -> Vec<Vec<RawRange>> {
    let mut ranges = Vec::new();
    let mut range = Vec::new();
    for (family, mut rows) in whole.into_iter().enumerate() {
        for cut in cuts.iter().filter(|cut| cut.family == family) {
            if cut.key > rows.from {
                let to = Some(cut.key.clone());
                let rest =
                    RawRange { family: rows.family.clone(), from: cut.key.clone(), to: rows.to.take() };
                range.push(RawRange { to, ..rows });
                rows = rest;
            }
            if !range.is_empty() {
                ranges.push(std::mem::take(&mut range));
            }
        }
        range.push(rows);
    }
    ranges.push(range);
    ranges
}
