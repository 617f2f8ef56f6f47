//! What linera's own store reads from a restored table: all of it, and nothing else.

use anyhow::{Result, ensure};
use backup_format::Order;
use backup_testkit::{Content, Spec, seed};
use validator_network::cql::connect;
use validator_network::places::{Place, RocksDb, Scylla};
use validator_network::runtime::block_on;
use worker_boot_tests::backup::Backup;
use worker_boot_tests::engines::Restorable;

use crate::support::{BLOB, CHAIN, Entries, fill, network, read, read_table, rows};

/// Bytes after the first one in root keys of each kind: chain state, block, blob, event, network description, exporter state,
/// blocks by height, events by height.
const KINDS: [(u8, usize); 8] = [(0, 32), (1, 32), (2, 33), (3, 32), (5, 0), (6, 4), (7, 32), (8, 32)];

/// Partitions of each kind.
const PER_KIND: u8 = 12;

/// The longest value that linera writes to one row of a CQL table.
const UNSPLIT_MAX: usize = 16_752_727 - 4;

/// Partitions of all of linera's kinds.
fn of_all_kinds() -> Entries {
    let spec =
        Spec { partitions: 1, entries: 1..=60, key_bytes: 1..=40, value_bytes: 0..=3_000, ..Spec::default() };
    let mut entries = Entries::new();
    for (tag, bytes) in KINDS {
        for number in 0..if bytes == 0 { 1 } else { PER_KIND } {
            let mut root_key = vec![tag];
            root_key.extend((0..bytes).map(|index| number.wrapping_mul(37).wrapping_add(index as u8)));
            let seed = seed() ^ u64::from(tag) << 8 ^ u64::from(number);
            for (_, key, value) in Content::seeded(seed, &spec).iter() {
                // linera's views never have an empty key, nor one that begins with 0.
                entries.insert((root_key.clone(), [&[1], key].concat()), value.to_vec());
            }
        }
    }
    entries
}

/// Values around the length from which on they are split, and one of three segments.
fn long() -> Entries {
    let value = |bytes: usize| (0..bytes).map(|index| (index ^ index >> 8 ^ index >> 16) as u8).collect();
    let mut other = CHAIN;
    other[1] = 1;
    Entries::from([
        network(),
        ((BLOB.to_vec(), vec![0x2a]), value(UNSPLIT_MAX)),
        ((CHAIN.to_vec(), vec![1, 1]), value(UNSPLIT_MAX + 1)),
        ((CHAIN.to_vec(), vec![1, 2]), value(7)),
        ((other.to_vec(), vec![1, 1]), value(2 * UNSPLIT_MAX + 5)),
    ])
}

/// Writes entries to one engine with linera's store, and reads what became of them on another one by way of a dump.
async fn round_trip<S: Restorable, T: Restorable>(
    source: &S,
    target: &T,
    entries: &Entries,
) -> Result<Backup> {
    let database = source.create().await?;
    fill(&database, entries).await?;
    ensure!(read(&database).await? == *entries, "linera reads something else than it wrote");
    drop(database);
    let backup = Backup::take(&*source.namespace().await?.source).await?;
    backup.restore(&*target.namespace().await?.target).await?;
    ensure!(read(&target.open().await?).await? == *entries, "linera sees something else on the target");
    Ok(backup)
}

#[test]
fn a_table_restored_from_rocksdb_is_what_linera_wrote_there() -> Result<()> {
    let entries = of_all_kinds();
    let (source, table) = (RocksDb::new()?, Scylla::new()?);
    block_on(|| async {
        let backup = round_trip(&source, &table, &entries).await?;
        let (found, digest) = read_table(&table).await?;
        ensure!(
            found == entries && digest == backup.manifest().inventory.as_ref().unwrap().digest,
            "the table is something else"
        );
        Ok(())
    })
}

#[test]
fn a_table_that_linera_wrote_is_the_same_in_rocksdb_and_in_another_table() -> Result<()> {
    let entries = of_all_kinds();
    let (source, target) = (Scylla::new()?, RocksDb::new()?);
    let (again, table) = (RocksDb::new()?, Scylla::new()?);
    block_on(|| async {
        let there = round_trip(&source, &target, &entries).await?;
        let back = round_trip(&again, &table, &entries).await?;
        ensure!(
            there.manifest().inventory.as_ref().unwrap().digest
                == back.manifest().inventory.as_ref().unwrap().digest,
            "two digests"
        );
        ensure!(there.manifest().order == Order::Token && there.manifest().source.engine == "scylla");
        Ok(())
    })
}

#[test]
fn values_that_need_several_rows_are_read_as_one() -> Result<()> {
    let entries = long();
    let (source, table) = (RocksDb::new()?, Scylla::new()?);
    let (own, back) = (Scylla::new()?, RocksDb::new()?);
    block_on(|| async {
        round_trip(&source, &table, &entries).await?;
        let session = connect().await?;
        let restored = lengths(&session, &table).await?;
        ensure!(restored.iter().map(Vec::len).collect::<Vec<_>>() == [1, 4], "rows: {restored:?}");

        // The same entries as linera itself splits them. Only an owner can write such values.
        let mut entries = entries.clone();
        entries.retain(|(root_key, _), _| *root_key != BLOB);
        round_trip(&own, &back, &entries).await?;
        let written = lengths(&session, &own).await?;
        ensure!(written[1] == restored[1], "linera splits otherwise: {written:?}, not {restored:?}");
        Ok(())
    })
}

/// Lists the lengths of the rows of the blob and of the first chain.
async fn lengths(session: &scylla::client::session::Session, table: &Scylla) -> Result<Vec<Vec<usize>>> {
    let mut lengths = Vec::new();
    for root_key in [&BLOB[..], &CHAIN] {
        lengths.push(rows(session, table, root_key).await?.into_iter().map(|(_, bytes, _)| bytes).collect());
    }
    Ok(lengths)
}
