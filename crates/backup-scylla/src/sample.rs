//! Some rows of a table, from which its layout is detected.

use backup_format::RING_PARTS;
use backup_layout::cql::{Row, Sample};
use scylla::response::PagingState;

use crate::client::{Client, Page};
use crate::error::CqlError;
use crate::page_size::PageSize;
use crate::range::TokenRange;

const DOING: &str = "detecting the layout of";
/// Places of the ring where rows are taken.
const PLACES: usize = 8;
const ROWS_AT_PLACE: u32 = 8;
const ROWS_OF_PARTITION: u32 = 4;
/// Bytes kept of a value: layouts differ in its first bytes.
const VALUE_BYTES: usize = 4;

/// Takes rows from some places of the table.
pub(crate) async fn sample(client: &Client) -> Result<Sample, CqlError> {
    let text = format!(
        "SELECT root_key, k, v FROM {} WHERE token(root_key) > ? PER PARTITION LIMIT {ROWS_OF_PARTITION} \
         LIMIT {ROWS_AT_PLACE}",
        client.address.quoted()
    );
    let statement = client.prepare_select(DOING, &text).await?;
    // A value may have many megabytes, even after short ones.
    let pages = PageSize::beginning_with(1);
    let mut sample = Sample::default();
    for part in (0..RING_PARTS).step_by(usize::from(RING_PARTS) / PLACES) {
        let from = TokenRange::of_parts(&(part..part)).after;
        let mut state = Some(PagingState::start());
        while let Some(begins) = state {
            let Page { rows, next, .. } = client.page(DOING, &statement, &(from,), &pages, begins).await?;
            state = next;
            for row in rows.rows::<(&[u8], &[u8], Option<&[u8]>)>().map_err(client.answer(DOING))? {
                let (partition_key, key, value) = row.map_err(client.answer(DOING))?;
                let value = client.value(partition_key, key, value)?;
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
