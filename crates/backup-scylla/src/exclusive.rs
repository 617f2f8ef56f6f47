//! The first phase: exclusive partitions.

use std::sync::Arc;

use futures::{StreamExt, stream};

use crate::ordered::{Output, Stop, Work};
use crate::pages::{Pages, Question};
use crate::partition;
use crate::range::TokenRange;
use crate::source::{OrderWatch, Source};

const DOING: &str = "reading the partition keys of";
/// What a partition that is only listed adds to the weight of a slice, in bytes.
const LISTED_WEIGHT: u64 = 256;
/// Exclusive partitions that are read at the same time in a slice.
const PARTITIONS_IN_FLIGHT: usize = 8;

/// Reads the exclusive partitions of a range: lists all keys, and reads each such partition by its
/// key.
pub(crate) fn exclusive(source: Arc<Source>) -> Work {
    Arc::new(move |range, out| {
        let source = source.clone();
        Box::pin(async move { read_exclusive(&source, range, &out).await })
    })
}

async fn read_exclusive(source: &Arc<Source>, range: TokenRange, out: &Output) -> Result<u64, Stop> {
    let client = &source.client;
    let question = Question {
        doing: DOING,
        statement: client.routed(&source.statements.list, range),
        values: (range.after, range.to),
        size: source.list_pages.clone(),
    };
    let mut pages = Pages::of(client.clone(), question);
    let mut order = OrderWatch::default();
    let mut weight = 0;
    while let Some(rows) = pages.next().await? {
        let mut found = Vec::new();
        for row in rows.rows::<(&[u8],)>().map_err(client.answer(DOING))? {
            let (partition_key,) = row.map_err(client.answer(DOING))?;
            order.enter(source, partition_key)?;
            weight += LISTED_WEIGHT;
            if source.is_exclusive(partition_key) {
                found.push(partition_key.to_vec());
            }
        }
        drop(rows);
        weight += read_partitions(source, found, out).await?;
    }
    Ok(weight)
}

/// Reads partitions by their keys, hands them on in the order given, and returns their bytes.
async fn read_partitions(source: &Arc<Source>, partitions: Vec<Vec<u8>>, out: &Output) -> Result<u64, Stop> {
    let read = async |partition_key: Vec<u8>| partition::read(source, &partition_key).await;
    let readings = partitions.into_iter().map(read);
    let mut readings = stream::iter(readings).buffered(PARTITIONS_IN_FLIGHT);
    let mut bytes = 0;
    while let Some(reading) = readings.next().await {
        let mut entries = reading?;
        while let Some(batch) = entries.next().await? {
            bytes += batch.byte_len() as u64;
            out.send(batch).await?;
        }
    }
    Ok(bytes)
}
