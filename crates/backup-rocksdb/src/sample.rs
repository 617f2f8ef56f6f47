//! Some rows of a database, by which its layout is recognised.

use backup_layout::rocksdb::{INDEX, Sample};

use crate::error::RocksDbError;
use crate::handle::DEFAULT_FAMILY;
use crate::options::RocksDbOptions;
use crate::view::{Rows, View};

/// Rows taken at each end of data and index.
const ROWS_AT_END: usize = 16;
/// Places between the ends, and rows taken at each.
const PLACES: usize = 64;
const ROWS_AT_PLACE: usize = 4;
/// Bytes kept of a value: what layouts differ in stands at its start.
const VALUE_BYTES: usize = 64;

/// Takes rows from the start, the end, the start of the index, and where SST files begin.
pub(crate) fn sample(view: &dyn View, options: &RocksDbOptions) -> Result<Sample, RocksDbError> {
    let mut rows = view.rows(DEFAULT_FAMILY, options.scan())?;
    let mut places: Vec<Vec<u8>> = view
        .files()?
        .into_iter()
        .filter(|file| file.column_family_name == DEFAULT_FAMILY)
        .filter_map(|file| file.start_key)
        .collect();
    places.sort();
    let step = places.len().div_ceil(PLACES).max(1);
    let mut sample = Sample::default();
    for (start, count) in [(&[][..], ROWS_AT_END), (&[INDEX], ROWS_AT_END), (&[INDEX + 1], ROWS_AT_END)] {
        rows.seek(start);
        take(&mut rows, count, &mut sample)?;
    }
    for place in places.iter().step_by(step) {
        rows.seek(place);
        take(&mut rows, ROWS_AT_PLACE, &mut sample)?;
    }
    for end in [&[INDEX][..], &[INDEX + 1], &[0xff; 64]] {
        rows.seek_back(end);
        take(&mut rows, ROWS_AT_PLACE, &mut sample)?;
    }
    sample.rows.sort();
    sample.rows.dedup();
    Ok(sample)
}

fn take(rows: &mut Rows<'_>, count: usize, sample: &mut Sample) -> Result<(), RocksDbError> {
    for _ in 0..count {
        let Some((key, value)) = rows.current()? else { break };
        let value = value.get(..VALUE_BYTES).unwrap_or(value);
        sample.rows.push((key.to_vec(), value.to_vec()));
        rows.advance();
    }
    Ok(())
}
