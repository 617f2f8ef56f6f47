//! Each check of a case, seen to fail for the reason that it is there for.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use backup_testkit::Namespace;
use libtest_mimic::{Failed, Trial};
use linera_chain::ChainError;
use linera_core::worker::WorkerError;
use linera_views::batch::Batch;
use linera_views::store::WritableKeyValueStore;
use validator_network::worker::WorkerDatabase;
use validator_network::{Genesis, Node, runtime};
use worker_boot_tests::case;
use worker_boot_tests::check::{self, Failure};
use worker_boot_tests::content::{Content, Difference, EntryKey, What};
use worker_boot_tests::engines::{Engine, Restorable};
use worker_boot_tests::history::History;
use worker_boot_tests::on_engine;
use worker_boot_tests::scenario::{Scenario, Vote};

use crate::histories::Histories;

/// Lists these tests, each on each engine.
pub fn trials(histories: &Arc<Histories>) -> Vec<Trial> {
    let of_engine = |&engine: &Engine| on_engine!(engine, P => of_place::<P>(engine, histories));
    Engine::ALL.iter().flat_map(of_engine).collect()
}

fn of_place<P: Restorable>(engine: Engine, histories: &Arc<Histories>) -> Vec<Trial> {
    type Body = fn(&Histories, Engine) -> Result<(), Failed>;
    let tests: [(&str, Body); 6] = [
        ("a_removed_entry_is_reported", |histories, engine| damaged::<P>(histories, engine, What::Missing)),
        ("an_entry_too_many_is_reported", |histories, engine| damaged::<P>(histories, engine, What::More)),
        ("an_altered_entry_is_reported", |histories, engine| damaged::<P>(histories, engine, What::Other)),
        ("certificates_in_the_wrong_order_are_reported", in_wrong_order::<P>),
        ("a_certificate_of_another_network_is_reported", of_another_network::<P>),
        ("a_vote_that_should_not_be_is_reported", with_another_key::<P>),
    ];
    let trial = |(name, body): (&str, Body)| {
        let histories = Arc::clone(histories);
        Trial::test(format!("{name}/{engine}"), move || body(&histories, engine))
    };
    tests.into_iter().map(trial).collect()
}

/// Restores, and hands the open database to a test.
fn restored<P, F>(
    history: &History,
    test: impl FnOnce(P::Database, Namespace) -> F + Send,
) -> Result<(), Failed>
where
    P: Restorable,
    F: Future<Output = Result<()>>,
{
    let place = P::new().map_err(failed)?;
    let run = runtime::block_on(|| async {
        let namespace = place.namespace().await?;
        history.backup.restore(&*namespace.target).await?;
        test(place.open().await?, namespace).await
    });
    run.map_err(failed)
}

fn failed(error: anyhow::Error) -> Failed {
    Failed::from(format!("{error:?}"))
}

/// One entry differs, in a partition that a worker does not look at when it applies the next certificates. So it boots and
/// catches up with the right tips, and it takes the digest or the entries to see the damage.
fn damaged<P: Restorable>(histories: &Histories, engine: Engine, what: What) -> Result<(), Failed> {
    let history = histories.of(engine)?;
    restored::<P, _>(history, async |database, namespace| {
        let key = damage(&database, what).await?;
        let manifest = history.backup.manifest();
        let found = case::read(database.clone()).await?.digest;
        let failure = check::digest(manifest.inventory.as_ref().unwrap().digest, found);
        ensure!(matches!(failure, Err(Failure::Digest { .. })), "the digest is {failure:?}");

        let node = Node::boot(database, None).await?;
        check::catch_up(&node, &history.genesis, &history.missed).await?;
        let found = Content::read(&*namespace.source).await?;
        let failure = check::content(&history.content, &found).err().context("no difference")?;
        let Failure::Content { differences, expected, found } = failure else { return Err(failure.into()) };
        ensure!(differences == [Difference { what, key }], "found {differences:?}");
        ensure!(expected != found, "the digests are equal");
        Ok(())
    })
}

/// Damages the entry with which linera finds the first block of the first chain by its height.
async fn damage<D: WorkerDatabase>(database: &D, what: What) -> Result<EntryKey> {
    const BLOCK_BY_HEIGHT: u8 = 7;
    let entries = case::read(database.clone()).await?.entries;
    let entry = entries.into_iter().find(|((root_key, _), _)| root_key.first() == Some(&BLOCK_BY_HEIGHT));
    let ((root_key, mut key), mut value) = entry.context("there is no block")?;
    let mut batch = Batch::new();
    match what {
        What::Missing => batch.delete_key(key.clone()),
        What::More => {
            *key.last_mut().context("an empty key")? = 0xff;
            batch.put_key_value_bytes(key.clone(), value);
        }
        What::Other => {
            *value.last_mut().context("an empty value")? ^= 1;
            batch.put_key_value_bytes(key.clone(), value);
        }
    }
    let store = database.open_shared(&root_key).context("opening a partition")?;
    store.write_batch(batch).await.context("damaging a partition")?;
    Ok((root_key, key))
}

/// The worker accepts the second certificate and does nothing with it.
fn in_wrong_order<P: Restorable>(histories: &Histories, engine: Engine) -> Result<(), Failed> {
    let history = histories.of(engine)?;
    restored::<P, _>(history, async |database, _| {
        let node = Node::boot(database, None).await?;
        let mut missed = history.missed.clone();
        missed.swap(0, 1);
        let failure = check::catch_up(&node, &history.genesis, &missed).await;
        let failure = failure.err().context("no difference")?.downcast::<Failure>()?;
        let Failure::Tip { after: 1, chain, expected, found } = failure else { return Err(failure.into()) };
        ensure!(chain == history.genesis.funded(), "another chain");
        ensure!(Some(&*found) == history.before.get(&chain), "the worker moved to {found}");
        ensure!(expected.next_height.0 == found.next_height.0 + 2, "expected {expected}");
        Ok(())
    })
}

/// The validators of the other network are others. Its chains are first the same, and then others too.
fn of_another_network<P: Restorable>(histories: &Histories, engine: Engine) -> Result<(), Failed> {
    let history = histories.of(engine)?;
    for owner in [0, 1] {
        let other = Genesis::new(1, owner).and_then(|genesis| History::record(engine, genesis));
        let theirs = other.map_err(failed)?.missed.remove(0);
        let header = &theirs.certificate.block().header;
        let tip = history.before.get(&header.chain_id);
        let fits = tip.is_some_and(|tip| tip.next_height == header.height);
        restored::<P, _>(history, async |database, _| {
            ensure!(fits == (owner == 0), "other chains than expected");
            let node = Node::boot(database, None).await?;
            let failure = check::catch_up(&node, &history.genesis, &[theirs]).await;
            let failure = failure.err().context("no difference")?.downcast::<Failure>()?;
            let Failure::Refused { after: 0, source } = failure else { return Err(failure.into()) };
            let error = source.downcast_ref::<WorkerError>();
            let Some(WorkerError::ChainError(error)) = error else { return Err(source) };
            ensure!(matches!(**error, ChainError::InvalidSigner), "the worker says: {error}");
            check::tips(&node, &history.genesis, 0, &history.before).await?;
            Ok(())
        })?;
    }
    Ok(())
}

/// Each key is given where another is expected.
fn with_another_key<P: Restorable>(histories: &Histories, engine: Engine) -> Result<(), Failed> {
    let history = histories.of(engine)?;
    for scenario in Scenario::ALL {
        restored::<P, _>(history, async |database, _| {
            let node = Node::boot(database, scenario.key(&history.genesis)?).await?;
            check::catch_up(&node, &history.genesis, &history.missed).await?;
            for wrong in [Vote::None, Vote::Stranger, Vote::Member] {
                let failure = check::vote(&node, &history.genesis, &history.next, wrong).await;
                if wrong == scenario.vote() {
                    failure?;
                    continue;
                }
                let failure = failure.err().context("no difference")?.downcast::<Failure>()?;
                let Failure::Vote { expected, found } = failure else { return Err(failure.into()) };
                ensure!((expected, found) == (wrong, scenario.vote()), "{scenario}: found {found}");
            }
            Ok(())
        })?;
    }
    Ok(())
}
