//! Some rows of a table, by which its layout is told.

use backup_layout::cql::{Row, Sample};
use scylla::response::PagingState;

use crate::client::{Client, Page};
use crate::error::CqlError;
use crate::page_size::PageSize;
use crate::range::{SLICES, TokenRange};

const DOING: &str = "telling the layout of";
/// Slices at whose beginnings rows are taken.
const PLACES: usize = 8;
const ROWS_AT_PLACE: u32 = 8;
const ROWS_OF_PARTITION: u32 = 4;
/// Bytes kept of a value: what layouts differ in stands at its start.
const VALUE_BYTES: usize = 4;

/// Takes rows here and there.
pub(crate) async fn sample(client: &Client) -> Result<Sample, CqlError> {
    let text = format!(
        "SELECT root_key, k, v FROM {} WHERE token(root_key) > ? PER PARTITION LIMIT {ROWS_OF_PARTITION} \
         LIMIT {ROWS_AT_PLACE}",
        client.address.quoted()
    );
    let statement = client.prepare_select(DOING, &text).await?;
    // Values may have many megabytes, and the next one may be a thousand times as long as this.
    let pages = PageSize::beginning_with(1);
    let mut sample = Sample::default();
    for slice in (0..SLICES).step_by(usize::from(SLICES) / PLACES) {
        let from = TokenRange::of_slices(&(slice..slice)).after;
        let mut state = Some(PagingState::start());
        while let Some(begins) = state {
            let Page { rows, next, .. } = client.page(DOING, &statement, &(from,), &pages, begins).await?;
            state = next;
            for row in rows.rows::<(&[u8], &[u8], Option<&[u8]>)>().map_err(client.answer(DOING))? {
                let (partition_key, key, value) = row.map_err(client.answer(DOING))?;
                let value = value.unwrap_or_default();
                let value_head = value.get(..VALUE_BYTES).unwrap_or(value).to_vec();
                let (partition_key, key) = (partition_key.to_vec(), key.to_vec());
                sample.rows.push(Row { partition_key, key, value_head });
            }
        }
    }
    sample.rows.sort();
    sample.rows.dedup();
    Ok(sample)
}
