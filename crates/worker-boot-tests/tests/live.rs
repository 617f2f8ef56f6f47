//! Dumps of a validator that is at work.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use backup_format::Consistency;
use backup_memory::MemoryNamespace;
use libtest_mimic::{Arguments, Failed, Trial};
use linera_chain::types::ConfirmedBlockCertificate;
use linera_storage::Storage as _;
use validator_network::places::{Memory, Place};
use validator_network::worker::{WorkerDatabase, open_storage};
use validator_network::{Genesis, Network, Node, Tips, VALIDATORS, runtime};
use worker_boot_tests::backup::Backup;
use worker_boot_tests::content::Content;
use worker_boot_tests::engines::{Engine, LAYOUT, Restorable};
use worker_boot_tests::history;
use worker_boot_tests::on_engine;

/// Rounds of a transfer and its receipt, which continue while dumps are taken.
const ROUNDS: u128 = 12;

/// Pause between dumps: a few dozen are enough to meet the validator at every kind of work.
const PAUSE: Duration = Duration::from_millis(40);

/// One of so many dumps is restored to the engine that it is from, which takes seconds with a server. The others go to the
/// first of all engines: what they hold is what matters.
const OWN_ENGINE: usize = 4;

fn main() {
    let arguments = Arguments::from_args();
    let run = |engine| on_engine!(engine, P => dump_while_it_works::<P>(engine));
    let trial = |&engine: &Engine| {
        let name = format!("a_dump_of_a_validator_at_work_boots_and_catches_up/{engine}");
        Trial::test(name, move || run(engine).map_err(|error| Failed::from(format!("{error:?}"))))
    };
    let lost = || lost_message().map_err(|error| Failed::from(format!("{error:?}")));
    let lost = Trial::test("a_message_that_was_on_its_way_comes_again_if_linera_may_ask_for_it", lost);
    libtest_mimic::run(&arguments, Engine::ALL.iter().map(trial).chain([lost]).collect()).exit();
}

/// A receiver as it was before a message came, and a sender that knows that it came: so a table may be read while the validator works.
fn lost_message() -> Result<()> {
    let places = (0..VALIDATORS).map(|_| Memory::new()).collect::<Result<Vec<_>>>()?;
    let genesis = Genesis::new(0, 0)?;
    runtime::block_on(|| async {
        let mut network = history::start(&genesis, &places).await?;
        let source = places.first().context("there are no validators")?.namespace().await?.source;
        let before = Content::read(&*source).await?.entries;
        network.commit(&genesis, network.transfer(&genesis, 1)).await?;
        let after = Content::read(&*source).await?.entries;
        let next = network.commit(&genesis, network.transfer(&genesis, 2)).await?;

        let receiver = [&[0][..], genesis.empty().0.as_bytes().0.as_slice()].concat();
        let is_receiver = |(root_key, _): &(Vec<u8>, Vec<u8>)| *root_key == receiver;
        let kind = |root_key: &[u8]| LAYOUT.kind(root_key);
        let mixed = MemoryNamespace::new("validator").with_layout(LAYOUT.name(), kind);
        let own = before.iter().filter(|(key, _)| is_receiver(key));
        for ((root_key, key), value) in after.iter().filter(|(key, _)| !is_receiver(key)).chain(own) {
            mixed.put(root_key, key, value)?;
        }
        let backup = Backup::take(&mixed).await?;
        let (plain, recovering) = (Memory::new()?, Memory::new()?);
        for place in [&plain, &recovering] {
            backup.restore(&*place.namespace().await?.target).await?;
        }
        let node = Node::boot(plain.open().await?, None).await?;
        let refused = node.apply(next.clone()).await.err().context("the message was not missed")?;
        ensure!(format!("{refused:?}").contains("Inbox gap"), "{refused:?}");
        let node = Node::boot_recovering(recovering.open().await?, None).await?;
        node.apply(next).await?;
        let waiting = node.incoming(genesis.empty()).await?;
        ensure!(waiting.len() == 2, "both messages should wait, and these do: {waiting:?}");
        Ok(())
    })
}

fn dump_while_it_works<P: Restorable>(engine: Engine) -> Result<()> {
    let places = (0..VALIDATORS).map(|_| P::new()).collect::<Result<Vec<_>>>()?;
    let genesis = Genesis::new(0, 0)?;
    let (certificates, tips, backups) = runtime::block_on(|| watch(&genesis, &places))?;
    let digests: BTreeSet<_> = backups
        .iter()
        .map(|backup| backup.manifest().inventory.as_ref().unwrap().digest.to_string())
        .collect();
    ensure!(digests.len() > 2, "the validator did nothing during {} dumps", backups.len());
    for (number, backup) in backups.iter().enumerate() {
        let consistency = backup.manifest().consistency;
        ensure!(consistency != Consistency::Fuzzy, "a dump of one engine that is {consistency}");
        let target = if number % OWN_ENGINE == 0 { engine } else { Engine::ALL[0] };
        on_engine!(target, T => {
            let place = T::new()?;
            runtime::block_on(|| catch_up(&genesis, &place, backup, &certificates, &tips))?;
        });
    }
    Ok(())
}

/// Lets the network work, and dumps the first validator's database all the while.
async fn watch<P: Restorable>(
    genesis: &Genesis,
    places: &[P],
) -> Result<(Vec<ConfirmedBlockCertificate>, Tips, Vec<Backup>)> {
    let mut network = history::start(genesis, places).await?;
    let namespace = places.first().context("there are no validators")?.namespace().await?;
    let done = AtomicBool::new(false);
    let work = async {
        let made = work(genesis, &mut network).await;
        done.store(true, Ordering::Relaxed);
        made
    };
    let dump = async {
        let mut backups = Vec::new();
        while !done.load(Ordering::Relaxed) {
            backups.push(Backup::take(&*namespace.source).await?);
            tokio::time::sleep(PAUSE).await;
        }
        anyhow::Ok(backups)
    };
    let (certificates, backups) = futures::join!(work, dump);
    Ok((certificates?, network.tips(genesis).await?, backups?))
}

async fn work<D: WorkerDatabase>(
    genesis: &Genesis,
    network: &mut Network<D>,
) -> Result<Vec<ConfirmedBlockCertificate>> {
    let mut certificates = Vec::new();
    for round in 1..=ROUNDS {
        certificates.push(network.commit(genesis, network.transfer(genesis, round)).await?);
        certificates.push(network.commit(genesis, network.receive(genesis).await?).await?);
    }
    Ok(certificates)
}

/// Restores a dump, looks for the block that each chain ends with, and lets a worker apply what it missed.
async fn catch_up<P: Restorable>(
    genesis: &Genesis,
    place: &P,
    backup: &Backup,
    certificates: &[ConfirmedBlockCertificate],
    tips: &Tips,
) -> Result<()> {
    backup.restore(&*place.namespace().await?.target).await?;
    let database = place.open().await?;
    let storage = open_storage(database.clone()).await?;
    // The chains of a dump may be of different moments.
    let node = Node::boot_recovering(database, None).await?;
    for (chain, tip) in node.tips(genesis).await? {
        let block = tip.block.with_context(|| format!("chain {chain} has no block"))?;
        ensure!(
            storage.contains_certificate(block).await?,
            "chain {chain} ends with block {block}, which is missing"
        );
    }
    for certificate in certificates {
        node.apply(certificate.clone()).await?;
    }
    let found = node.tips(genesis).await?;
    ensure!(found == *tips, "expected {tips:?}, found {found:?}");
    Ok(())
}
