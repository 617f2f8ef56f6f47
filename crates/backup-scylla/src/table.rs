//! What the schema says of a table, and the statements that change it.

use std::collections::HashMap;

use backup_format::ContractError;
use scylla::value::CqlValue;

use crate::address::CqlAddress;
use crate::client::Client;
use crate::error::CqlError;
use crate::marker::Marker;
use crate::replication::Replication;

const DOING: &str = "reading the schema of";

/// Columns of a table of linera: name, role, type.
const COLUMNS: [(&str, &str, &str); 3] =
    [("k", "clustering", "blob"), ("root_key", "partition_key", "blob"), ("v", "regular", "blob")];

/// A table as the schema has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    /// It is missing; there may be one with a similar name.
    Missing { similar: Option<String> },
    /// It exists, and is half restored if it has a marker.
    There { marker: Option<Marker> },
}

impl Table {
    /// Looks the table up.
    pub(crate) async fn look(client: &Client) -> Result<Self, CqlError> {
        let (keyspace, table) = (client.address.keyspace(), client.address.table());
        let tables = "SELECT table_name, comment FROM system_schema.tables WHERE keyspace_name = ?";
        let tables: Vec<(String, Option<String>)> = client.all(DOING, tables, (keyspace,)).await?;
        match tables.iter().find(|(name, _)| name == table) {
            Some((_, comment)) => {
                check_columns(client).await?;
                let marker = Marker::of(comment.as_deref().unwrap_or(""), &client.address)?;
                Ok(Self::There { marker })
            }
            None => {
                let similar = tables.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(table));
                Ok(Self::Missing { similar: similar.map(|(name, _)| name) })
            }
        }
    }

    /// Looks the table up, and checks that it exists and is whole.
    pub(crate) async fn look_for_reading(client: &Client) -> Result<(), CqlError> {
        match Self::look(client).await? {
            Self::There { marker: None } => Ok(()),
            Self::There { marker: Some(Marker { dump, .. }) } => {
                let place = client.address.to_string();
                Err(ContractError::HalfRestored { doing: "reading", place, dump }.into())
            }
            Self::Missing { similar } => Err(missing(client, similar)),
        }
    }
}

fn missing(client: &Client, similar: Option<String>) -> CqlError {
    let (keyspace, table) = (client.address.keyspace().to_owned(), client.address.table().to_owned());
    let hint = similar.map(|name| format!("; there is a table {name}")).unwrap_or_default();
    CqlError::NoTable { keyspace, table, hint }
}

async fn check_columns(client: &Client) -> Result<(), CqlError> {
    let (keyspace, table) = (client.address.keyspace(), client.address.table());
    let columns = "SELECT column_name, kind, type FROM system_schema.columns WHERE keyspace_name = ? AND table_name = ?";
    let mut columns: Vec<(String, String, String)> = client.all(DOING, columns, (keyspace, table)).await?;
    columns.sort();
    let found = columns.iter().map(|(name, kind, kind_of)| (name.as_str(), kind.as_str(), kind_of.as_str()));
    if found.clone().eq(COLUMNS) {
        return Ok(());
    }
    let describe = |columns: &mut dyn Iterator<Item = (&str, &str, &str)>| {
        columns.map(|(name, kind, of)| format!("{name} {of} ({kind})")).collect::<Vec<_>>().join(", ")
    };
    let expected = describe(&mut COLUMNS.into_iter());
    let problem = format!("expected the columns {expected}; found {}", describe(&mut found.clone()));
    Err(CqlError::ForeignTable { address: client.address.to_string(), problem })
}

/// Returns the id that the cluster gave the table: that of no other table, not even of one of the
/// same name.
pub(crate) async fn id(client: &Client) -> Result<String, CqlError> {
    let ids = "SELECT id FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?";
    let names = (client.address.keyspace(), client.address.table());
    let ids: Vec<(CqlValue,)> = client.all(DOING, ids, names).await?;
    let id = ids.first().and_then(|(id,)| id.as_uuid());
    id.map(|id| id.to_string()).ok_or_else(|| missing(client, None))
}

/// Returns how often rows of an existing table are kept.
pub(crate) async fn replication(client: &Client) -> Result<Replication, CqlError> {
    keyspace_replication(client).await?.ok_or_else(|| missing(client, None))
}

/// Returns how often the rows of the keyspace are kept; `None` when there is no such keyspace.
pub(crate) async fn keyspace_replication(client: &Client) -> Result<Option<Replication>, CqlError> {
    let keyspaces = "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = ?";
    let found: Vec<(HashMap<String, String>,)> =
        client.all(DOING, keyspaces, (client.address.keyspace(),)).await?;
    Ok(found.first().map(|(options,)| Replication::of(options)))
}

/// Returns the statement that creates the keyspace as linera does.
pub(crate) fn create_keyspace(address: &CqlAddress, replicas: u32) -> String {
    format!(
        "CREATE KEYSPACE IF NOT EXISTS \"{}\" WITH replication = \
         {{'class': 'NetworkTopologyStrategy', 'replication_factor': {replicas}}}",
        address.keyspace()
    )
}

/// Returns the statement that creates the table as linera does.
///
/// Options that the server does not know are left out.
pub(crate) fn create_table(address: &CqlAddress, is_scylla: bool, comment: &str) -> String {
    let (compression, only_scylla) = match is_scylla {
        true => (
            "sstable_compression",
            " AND caching = {'enabled': 'true'} AND tombstone_gc = {'mode': 'immediate'}",
        ),
        false => ("class", ""),
    };
    format!(
        "CREATE TABLE {} (root_key blob, k blob, v blob, PRIMARY KEY (root_key, k)) WITH comment = '{comment}' \
         AND compaction = {{'class': 'LeveledCompactionStrategy', 'sstable_size_in_mb': '160'}} \
         AND compression = {{'{compression}': 'LZ4Compressor', 'chunk_length_in_kb': '4'}} \
         AND gc_grace_seconds = 0{only_scylla}",
        address.quoted()
    )
}

/// Returns the statement that creates the table of a restore's records.
pub(crate) fn create_records(records: &str, target: &str) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {records} (page blob PRIMARY KEY) \
         WITH comment = 'kvbackup: records of the restore of {target}; they are dropped when it ends'"
    )
}

/// Returns the statement that removes the marker.
pub(crate) fn clear_comment(table: &str) -> String {
    format!("ALTER TABLE {table} WITH comment = ''")
}

/// Returns the statement that removes a table.
pub(crate) fn drop_table(table: &str) -> String {
    format!("DROP TABLE IF EXISTS {table}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_only_one_kind_of_server_knows_are_left_to_it() {
        let address = "cql://a/kv/Ns".parse().unwrap();
        let cassandra = create_table(&address, false, "c");
        let scylla = create_table(&address, true, "c");
        for text in [&cassandra, &scylla] {
            assert!(
                text.starts_with("CREATE TABLE \"kv\".\"Ns\" (root_key blob, k blob, v blob, "),
                "{text}"
            );
            assert!(
                text.contains("WITH comment = 'c' AND") && text.contains("gc_grace_seconds = 0"),
                "{text}"
            );
        }
        for option in ["tombstone_gc", "'enabled'", "sstable_compression"] {
            assert!(scylla.contains(option) && !cassandra.contains(option), "{option}");
        }
        assert!(create_keyspace(&address, 3).ends_with("'replication_factor': 3}"));
    }
}
