//! Partitions that a server leaves out by itself, by comparing their keys.
//!
//! Apache Cassandra compares the key of a partition before it reads any of its rows, so that a range of tokens can be asked for
//! partitions of one owner alone, with all their rows: that costs less than to list all partitions and to ask for each of these by
//! its key. It is done where there is a single replica. With several the node that passes the request on would keep the rows of all
//! replicas in memory until it has compared them, and refuse to when there are many. `ScyllaDB` filters on the node that passes the
//! request on, which then reads everything.

use std::fmt::Write;
use std::ops::Range;

use backup_format::ErrorClass;
use backup_layout::Layout;
use backup_layout::cql::{DATA, exclusive_ranges};
use scylla::statement::prepared::PreparedStatement;

use crate::client::Client;
use crate::error::CqlError;
use crate::replication::Replication;

const DOING: &str = "preparing to read";

/// Statements for ranges of tokens that leave partitions out.
pub(crate) struct Filtered {
    /// The first rows of each partition in the range of keys that holds most owned ones.
    pub owned: PreparedStatement,
    /// Partition keys of the other ranges that hold owned ones.
    pub owned_elsewhere: Vec<PreparedStatement>,
    /// The first rows of each partition behind the range of `owned`; `None` where that range is not the first of all.
    pub shared: Option<PreparedStatement>,
    /// The end of what `shared` leaves out, all of which is in the range of `owned`.
    left_out_before: [u8; 2],
}

impl Filtered {
    /// Prepares the statements; `None` where the server is not to filter, or refuses to.
    pub(crate) async fn prepare(
        client: &Client,
        layout: Layout,
        replication: Replication,
    ) -> Result<Option<Self>, CqlError> {
        let ranges = exclusive_ranges(layout);
        let (Some((first, others)), false, true) =
            (ranges.split_first(), client.server.is_scylla, replication.is_single())
        else {
            return Ok(None);
        };
        match Self::prepare_all(client, first, others).await {
            Ok(filtered) => Ok(Some(filtered)),
            // An operator may have forbidden it. Whatever else is wrong shows without filters too.
            Err(error) if error.class() == ErrorClass::Failed => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn prepare_all(
        client: &Client,
        first: &Range<[u8; 2]>,
        others: &[Range<[u8; 2]>],
    ) -> Result<Self, CqlError> {
        let owned = client.prepare(DOING, &rows(client, Some(&within(first)))).await?;
        let mut owned_elsewhere = Vec::new();
        for range in others {
            owned_elsewhere.push(client.prepare(DOING, &keys(client, Some(&within(range)))).await?);
        }
        let shared = match is_first(first) {
            true => Some(client.prepare(DOING, &rows(client, Some(&from(first.end)))).await?),
            false => None,
        };
        // Whether a server may filter it says only when it is to.
        client.execute(DOING, &owned, &(i64::MAX - 1, i64::MAX, 1), |_| ()).await?;
        Ok(Self { owned, owned_elsewhere, shared, left_out_before: first.end })
    }

    /// Tells whether `shared` leaves a partition out.
    pub(crate) fn leaves_out(&self, partition_key: &[u8]) -> bool {
        self.shared.is_some() && partition_key < &self.left_out_before[..]
    }
}

/// Selects the first rows of each partition in a range of tokens: the tokens before and at its end, and the number of rows, are values.
pub(crate) fn rows(client: &Client, filter: Option<&str>) -> String {
    select(client, "root_key, k, v", filter, " PER PARTITION LIMIT ?")
}

/// Selects the partition keys of a range of tokens: the tokens before and at its end are values.
pub(crate) fn keys(client: &Client, filter: Option<&str>) -> String {
    select(client, "DISTINCT root_key", filter, "")
}

fn select(client: &Client, what: &str, filter: Option<&str>, limit: &str) -> String {
    let (table, tokens) = (client.address.quoted(), "token(root_key) > ? AND token(root_key) <= ?");
    let mut text = format!("SELECT {what} FROM {table} WHERE {tokens}");
    // Writing to a string cannot fail.
    let _ = match filter {
        Some(filter) => write!(text, " AND {filter}{limit} ALLOW FILTERING"),
        None => write!(text, "{limit}"),
    };
    text
}

/// Selects a range of keys. The first of all has no start, so that no key comes before it: there are shorter ones.
fn within(range: &Range<[u8; 2]>) -> String {
    let before_end = format!("root_key < 0x{}", hex::encode(range.end));
    match is_first(range) {
        true => before_end,
        false => format!("{} AND {before_end}", from(range.start)),
    }
}

fn from(key: [u8; 2]) -> String {
    format!("root_key >= 0x{}", hex::encode(key))
}

fn is_first(range: &Range<[u8; 2]>) -> bool {
    range.start == [DATA, 0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_lies_before_the_first_range() {
        assert_eq!(within(&([0, 0]..[0, 1])), "root_key < 0x0001");
        assert_eq!(within(&([0, 6]..[0, 7])), "root_key >= 0x0006 AND root_key < 0x0007");
    }
}
