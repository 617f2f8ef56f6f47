//! A journal that linera's own store left behind, because it was stopped while it wrote.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use backup_layout::JournalKey;
use backup_layout::cql::partition_key;
use linera_views::batch::Batch;
use linera_views::context::ViewContext;
use linera_views::store::{KeyValueDatabase, WritableKeyValueStore};
use scylla::client::session::Session;
use validator_network::cql::connect;
use validator_network::places::{Place, RocksDb, Scylla};
use validator_network::runtime::block_on;
use worker_boot_tests::backup::Backup;
use worker_boot_tests::engines::Restorable;

use crate::support::{CHAIN, Entries, fill, network, read, read_table};

/// Entries before the long batch.
const BEFORE: u32 = 300;
/// Entries that it adds or overwrites: four times as many as one write may have.
const WRITTEN: u32 = 20_000;
/// Those of before that it deletes, which are the first.
const DELETED: u32 = 100;
/// Times that linera is stopped until it was in the middle.
const TRIES: usize = 20;
const PAUSE: Duration = Duration::from_millis(1);

fn key(number: u32) -> Vec<u8> {
    [&[1][..], &number.to_be_bytes()].concat()
}

fn entries(numbers: std::ops::Range<u32>, value: u8) -> Entries {
    numbers.map(|number| ((CHAIN.to_vec(), key(number)), vec![value; 20])).collect()
}

fn before() -> Entries {
    entries(0..BEFORE, 1).into_iter().chain([network()]).collect()
}

/// What is there after the long batch.
fn after() -> Entries {
    let deleted: Vec<_> = (0..DELETED).map(|number| (CHAIN.to_vec(), key(number))).collect();
    let kept = before().into_iter().filter(|(key, _)| !deleted.contains(key));
    kept.chain(entries(DELETED..DELETED + WRITTEN, 2)).collect()
}

/// A batch that is too long for one write.
fn batch() -> Batch {
    let mut batch = Batch::new();
    (0..DELETED).for_each(|number| batch.delete_key(key(number)));
    for number in DELETED..DELETED + WRITTEN {
        batch.put_key_value_bytes(key(number), vec![2; 20]);
    }
    batch
}

/// Lists the journal's rows: the header, if it is there, and how many blocks.
async fn journal(session: &Session, table: &Scylla) -> Result<(Option<Vec<u8>>, usize)> {
    let text = format!("SELECT k, v FROM {} WHERE root_key = ? AND k > 0x00 AND k < 0x01", table.full_name());
    let found = session.query_unpaged(text, (partition_key(&CHAIN),)).await.context("reading the journal")?;
    let found = found.into_rows_result().context("reading the journal")?;
    let (mut header, mut blocks) = (None, 0);
    for row in found.rows::<(Vec<u8>, Vec<u8>)>().context("reading the journal")? {
        let (key, value) = row.context("reading the journal")?;
        match JournalKey::of(&key).context("this is no row of a journal")? {
            JournalKey::Header => header = Some(value),
            JournalKey::Block(_) => blocks += 1,
        }
    }
    Ok((header, blocks))
}

/// Stops linera while it resolves the journal of a long batch, and dumps what it left.
async fn dump_between(session: &Session, table: &Scylla) -> Result<Option<Backup>> {
    table.create_table()?;
    let database = table.open().await?;
    fill(&database, &before()).await?;
    let store = database.open_exclusive(&CHAIN)?;
    let begun = async {
        while journal(session, table).await?.0.is_none() {
            tokio::time::sleep(PAUSE).await;
        }
        anyhow::Ok(())
    };
    tokio::select! {
        written = store.write_batch(batch()) => {
            written.context("writing the long batch")?;
            return Ok(None);
        }
        begun = begun => begun?,
    }
    drop((store, database));
    let before = journal(session, table).await?;
    let backup = Backup::take(&*table.namespace().await?.source).await?;
    // The write that was under way may have come to its end in between.
    let after = journal(session, table).await?;
    let is_pending = before.0.is_some() && after.0.is_some();
    ensure!(!is_pending || after.1 > 0, "a header without blocks");
    Ok(is_pending.then_some(backup))
}

#[test]
fn a_journal_that_linera_left_is_resolved_in_the_dump_as_linera_does() -> Result<()> {
    let expected = after();
    let tables = (0..TRIES).map(|_| Scylla::new()).collect::<Result<Vec<_>>>()?;
    let (target, rocksdb) = (Scylla::new()?, RocksDb::new()?);
    block_on(|| async {
        let session = connect().await?;
        for table in &tables {
            let Some(backup) = dump_between(&session, table).await? else { continue };
            backup.restore(&*target.namespace().await?.target).await?;
            ensure!(journal(&session, &target).await? == (None, 0), "the restored table has a journal");
            ensure!(read_table(&target).await?.0 == expected, "the dump has something else");
            backup.restore(&*rocksdb.namespace().await?.target).await?;
            ensure!(read(&rocksdb.open().await?).await? == expected, "RocksDB has something else");

            // linera's own way: it resolves the journal when it loads the chain.
            let loaded = table.open().await?;
            ViewContext::create_root_context(loaded.open_exclusive(&CHAIN)?, ()).await?;
            ensure!(read_table(table).await?.0 == expected, "linera resolves it to something else");
            return Ok(());
        }
        anyhow::bail!("linera was too fast {TRIES} times")
    })
}
