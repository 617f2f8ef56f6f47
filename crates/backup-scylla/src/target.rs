//! The table that a restore makes.

use std::time::{SystemTime, UNIX_EPOCH};

use backup_format::{Order, RestoreMarker};
use backup_layout::Layout;

use crate::client::Client;
use crate::error::CqlError;
use crate::marker::Marker;
use crate::table::{Table, create_keyspace, create_table, replication};

const DOING: &str = "beginning a restore of";
/// Replicas when nobody says how many, and there are as many nodes.
const REPLICAS: usize = 3;
/// How long before now a timestamp must be, in microseconds: clocks differ.
const MARGIN: i64 = 1_000_000;

/// Checks that the target is not there, or belongs to this very restore. Changes nothing.
pub(crate) async fn check(client: &Client, marker: &RestoreMarker) -> Result<(), CqlError> {
    match Table::look(client).await? {
        Table::Missing { .. } => Ok(()),
        Table::There { marker: None } => Err(CqlError::TargetExists { address: client.address.to_string() }),
        Table::There { marker: Some(found) } => found.check_dump(&marker.dump.to_string(), &client.address),
    }
}

/// Creates the table with its marker, or finds the one that an earlier try left. Returns the marker that is there.
pub(crate) async fn begin(
    client: &Client,
    layout: Layout,
    marker: &RestoreMarker,
    order: Order,
) -> Result<Marker, CqlError> {
    let timestamp = client.options.timestamp;
    let wanted = Marker::new(marker, layout, order, timestamp);
    check(client, marker).await?;
    if let Table::Missing { .. } = Table::look(client).await? {
        check_timestamp(client, timestamp).await?;
        create(client, &wanted).await?;
    }
    client.agree().await?;
    match Table::look(client).await? {
        Table::There { marker: Some(found) } => {
            wanted.check(&found, &client.address)?;
            Ok(found)
        }
        _ => Err(CqlError::TargetExists { address: client.address.to_string() }),
    }
}

async fn create(client: &Client, marker: &Marker) -> Result<(), CqlError> {
    let address = &client.address;
    if replication(client).await?.is_none() {
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
