//! The table that a restore makes.

use std::time::{SystemTime, UNIX_EPOCH};

use backup_format::{ContractError, ObjectId};
use backup_layout::Layout;

use crate::client::Client;
use crate::error::CqlError;
use crate::marker::Marker;
use crate::table::{Table, create_keyspace, create_table, keyspace_replication};

const DOING: &str = "beginning a restore of";
/// What a table that exists holds in any case.
const EXISTS: &str = "the table exists, and deleted rows may hide new ones even if none is left: drop it";
/// Replicas by default, if there are as many nodes.
const REPLICAS: usize = 3;
/// Microseconds that a timestamp must be before now: clocks differ.
const MARGIN: i64 = 1_000_000;

/// Returns the marker that an earlier try left; `None` if the target is missing. Changes nothing.
///
/// It is an error if the restore may not begin.
pub(crate) async fn check(
    client: &Client,
    layout: Layout,
    dump: ObjectId,
) -> Result<Option<Marker>, CqlError> {
    match Table::look(client).await? {
        Table::Missing { .. } => {
            check_timestamp(client, client.options.timestamp).await?;
            Ok(None)
        }
        Table::There { marker: None } => {
            let place = client.address.to_string();
            Err(ContractError::NotEmpty { place, dump, found: EXISTS.to_owned() }.into())
        }
        Table::There { marker: Some(found) } => {
            found.check(dump, layout, &client.address)?;
            Ok(Some(found))
        }
    }
}

/// Creates the table with its marker, or finds the one that an earlier try left. Returns the marker
/// that is there.
pub(crate) async fn begin(client: &Client, layout: Layout, dump: ObjectId) -> Result<Marker, CqlError> {
    if check(client, layout, dump).await?.is_none() {
        create(client, &Marker::new(dump, layout, client.options.timestamp)).await?;
    }
    client.agree().await?;
    // Another process may have been faster.
    let found = check(client, layout, dump).await?;
    found.ok_or_else(|| {
        let place = client.address.to_string();
        ContractError::Ended { doing: DOING, place, dump }.into()
    })
}

async fn create(client: &Client, marker: &Marker) -> Result<(), CqlError> {
    let address = &client.address;
    if keyspace_replication(client).await?.is_none() {
        let nodes = client.nodes().clamp(1, REPLICAS);
        let replicas = client.options.replication.unwrap_or(u32::try_from(nodes).unwrap_or(1)).max(1);
        client.run(DOING, &create_keyspace(address, replicas), ()).await?;
    }
    let text = create_table(address, client.server.is_scylla, &marker.comment());
    let created = client.run(DOING, &text, ()).await;
    match created {
        Ok(_) => Ok(()),
        // A first try may have created the table although its answer was lost.
        Err(error) => match Table::look(client).await? {
            Table::There { marker: Some(found) } if found == *marker => Ok(()),
            _ => Err(error),
        },
    }
}

async fn check_timestamp(client: &Client, timestamp: i64) -> Result<(), CqlError> {
    let doing = "asking for the time of";
    let now: Vec<(i64,)> = client.all(doing, "SELECT toUnixTimestamp(now()) FROM system.local", ()).await?;
    let server = now.first().map_or(i64::MIN, |(milliseconds,)| milliseconds.saturating_mul(1_000));
    let client_now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    let client_now = i64::try_from(client_now).unwrap_or(i64::MAX);
    let clocks = [("the server's clock", server), ("the clock here", client_now)];
    match later_clock(timestamp, clocks) {
        None => Ok(()),
        Some((clock, now)) => {
            Err(CqlError::Timestamp { address: client.address.to_string(), timestamp, clock, now })
        }
    }
}

/// Finds a clock for which a timestamp is not in the past.
fn later_clock(timestamp: i64, clocks: [(&str, i64); 2]) -> Option<(&str, i64)> {
    clocks.into_iter().find(|(_, now)| timestamp >= now.saturating_sub(MARGIN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::RESTORED_AT;

    const NOW: i64 = 1_800_000_000_000_000;

    #[test]
    fn restored_rows_are_in_the_past_of_every_clock() {
        let clocks = |server, here| [("server", server), ("here", here)];
        assert_eq!(later_clock(RESTORED_AT, clocks(NOW, NOW)), None);
        assert_eq!(later_clock(NOW - MARGIN - 1, clocks(NOW, NOW)), None);
        assert_eq!(later_clock(NOW - MARGIN, clocks(NOW, NOW)), Some(("server", NOW)));
        // A clock that is behind, whichever it is, would make later writes lose.
        let behind = NOW - 3_600_000_000;
        assert_eq!(later_clock(NOW - 60_000_000, clocks(behind, NOW)), Some(("server", behind)));
        assert_eq!(later_clock(NOW - 60_000_000, clocks(NOW, behind)), Some(("here", behind)));
        assert_eq!(later_clock(i64::MAX, clocks(NOW, NOW)), Some(("server", NOW)));
        // Even if it was never set.
        assert_eq!(later_clock(RESTORED_AT, clocks(NOW, 0)), Some(("here", 0)));
    }
}
