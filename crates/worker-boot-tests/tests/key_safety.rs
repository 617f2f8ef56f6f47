//! What a validator's own key on a stale backup can do, stated so that nobody overlooks it.
//!
//! A backup holds the votes that were cast until it was made. A validator that is restored from it has forgotten those that
//! it cast since, and votes again. These tests pass because the danger is there.

use anyhow::{Context, Result, ensure};
use backup_fence::{Basis, ChainId as FencedChain, Tip as FencedTip, raise, status, vote_row};
use backup_format::AmendTarget;
use backup_rocksdb::{RocksDbNamespace, RocksDbOptions};
use libtest_mimic::{Arguments, Failed, Trial};
use linera_base::crypto::ValidatorPublicKey;
use linera_base::data_types::{Amount, Round};
use linera_chain::ChainError;
use linera_chain::data_types::{BlockProposal, LiteVote, Vote};
use linera_chain::test::{BlockTestExt, make_child_block};
use linera_chain::types::ValidatedBlock;
use linera_core::worker::WorkerError;
use validator_network::runtime::block_on;
use validator_network::{Genesis, Network, Node, VALIDATORS, confirm, validate};
use worker_boot_tests::backup::Backup;
use worker_boot_tests::engines::{Engine, LAYOUT, Restorable};
use worker_boot_tests::history;
use worker_boot_tests::on_engine;

/// How many validators are backed up and restored.
const RESTORED: usize = 2;

/// A network, the backups of its first two validators, and places to restore them to. Tokens are under way.
struct Scene<'a, P: Restorable> {
    genesis: Genesis,
    network: Network<P::Database>,
    backups: Vec<Backup>,
    places: &'a [P],
    targets: &'a [P],
}

fn main() {
    let arguments = Arguments::from_args();
    let trials =
        Engine::ALL.iter().flat_map(|&engine| on_engine!(engine, P => trials::<P>(engine))).collect();
    libtest_mimic::run(&arguments, trials).exit();
}

fn trials<P: Restorable>(engine: Engine) -> Vec<Trial> {
    type Body = fn() -> Result<()>;
    let tests: [(&str, Body); 7] = [
        ("a_stale_backup_with_the_own_key_signs_a_second_block", || stage::<P>(sign_twice)),
        ("two_stale_backups_with_their_own_keys_fork_the_chain", || stage::<P>(fork)),
        ("a_backup_that_holds_the_vote_refuses_the_second_block", || stage::<P>(hold_the_vote)),
        ("a_worker_that_applied_the_certificate_refuses_the_second_block", || stage::<P>(catch_up)),
        ("a_vote_that_no_certificate_tells_of_stays_forgotten", || stage::<P>(forget)),
        ("a_fenced_backup_signs_no_second_block_and_votes_at_the_next_height", || stage::<P>(fence)),
        ("linera_reads_the_row_of_a_fence_as_the_vote_that_it_is_meant_to_be", || stage::<P>(read_row)),
    ];
    let run = |body: Body| body().map_err(|error| Failed::from(format!("{error:?}")));
    let trial = |(name, body): (&str, Body)| Trial::test(format!("{name}/{engine}"), move || run(body));
    tests.into_iter().map(trial).collect()
}

/// Sets the scene on an engine, and plays.
fn stage<P: Restorable>(play: impl AsyncFnOnce(Scene<'_, P>) -> Result<()> + Send) -> Result<()> {
    let places = (0..VALIDATORS + RESTORED).map(|_| P::new()).collect::<Result<Vec<_>>>()?;
    block_on(|| async {
        let genesis = Genesis::new(0, 0)?;
        let (places, targets) = places.split_at(VALIDATORS);
        let mut network = history::start(&genesis, places).await?;
        network.commit(&genesis, network.transfer(&genesis, 20)).await?;
        let mut backups = Vec::new();
        for place in &places[..RESTORED] {
            backups.push(Backup::take(&*place.namespace().await?.source).await?);
        }
        play(Scene { genesis, network, backups, places, targets }).await
    })
}

impl<P: Restorable> Scene<'_, P> {
    fn live(&self, index: usize) -> &Node<P::Database> {
        &self.network.nodes()[index]
    }

    fn public_key(&self, index: usize) -> ValidatorPublicKey {
        self.genesis.validators().nth(index).expect("there are four validators")
    }

    /// Proposes the next block of the funded chain. Blocks with other amounts are other blocks of the same height and round.
    async fn propose(&self, tokens: u128) -> Result<BlockProposal> {
        self.genesis.propose(self.network.transfer(&self.genesis, tokens)).await
    }

    async fn restore(&self, index: usize) -> Result<P::Database> {
        let target = &self.targets[index];
        self.backups[index].restore(&*target.namespace().await?.target).await?;
        target.open().await
    }

    /// Does what must not be done: boots a validator with its own key on a backup that is older than its votes.
    async fn restore_with_key(&self, index: usize) -> Result<Node<P::Database>> {
        Node::boot(self.restore(index).await?, self.genesis.key(index)).await
    }
}

/// Checks that two votes of one validator contradict each other.
fn contradict(key: ValidatorPublicKey, first: &LiteVote, second: &LiteVote) -> Result<()> {
    first.check(key)?;
    second.check(key)?;
    ensure!(first.value.chain_id == second.value.chain_id, "other chains");
    ensure!((first.round, first.value.kind) == (second.round, second.value.kind), "other rounds");
    ensure!(first.value.value_hash != second.value.value_hash, "the same block");
    Ok(())
}

fn refusal(answer: Result<Option<LiteVote>>) -> Result<WorkerError> {
    let error = answer.map(|vote| format!("{vote:?}")).err().context("the worker did not refuse")?;
    error.downcast()
}

/// Checks that a worker answers that it has voted in this round already.
fn has_voted(answer: Result<Option<LiteVote>>) -> Result<()> {
    let refusal = refusal(answer)?;
    let WorkerError::ChainError(error) = &refusal else { return Err(refusal.into()) };
    ensure!(matches!(**error, ChainError::InsufficientRoundStrict(_)), "the worker says: {error}");
    Ok(())
}

/// Validator 0 has voted for A. The live one refuses B, and the restored one votes for B at the same height and round.
async fn sign_twice<P: Restorable>(scene: Scene<'_, P>) -> Result<()> {
    let (a, b) = (scene.propose(1).await?, scene.propose(2).await?);
    ensure!(a.content.block.height == b.content.block.height, "other heights");
    let vote_a = scene.live(0).propose(a).await?.context("no vote for A")?;
    has_voted(scene.live(0).propose(b.clone()).await)?;

    let restored = scene.restore_with_key(0).await?;
    let vote_b = restored.propose(b).await?.context("no vote for B")?;
    contradict(scene.public_key(0), &vote_a, &vote_b)
}

/// The contrast: it is not the restoring that forgets votes, but the age of the backup.
async fn hold_the_vote<P: Restorable>(mut scene: Scene<'_, P>) -> Result<()> {
    let (a, b) = (scene.propose(1).await?, scene.propose(2).await?);
    scene.live(0).propose(a).await?.context("no vote for A")?;
    scene.backups[0] = Backup::take(&*scene.places[0].namespace().await?.source).await?;
    let restored = scene.restore_with_key(0).await?;
    has_voted(restored.propose(b).await)
}

/// Two restored validators and one that has not heard of A confirm B: the network has forked, and both blocks have valid
/// certificates of the same committee.
async fn fork<P: Restorable>(scene: Scene<'_, P>) -> Result<()> {
    let committee = scene.genesis.committee();
    let (a, b) = (scene.propose(1).await?, scene.propose(2).await?);
    let honest = [scene.live(0), scene.live(1), scene.live(2)];
    let a = confirm(committee, &honest, &validate(committee, &honest, &a).await?).await?;
    for node in honest {
        node.apply(a.clone()).await?;
    }

    let (first, second) = (scene.restore_with_key(0).await?, scene.restore_with_key(1).await?);
    let misled = [&first, &second, scene.live(3)];
    let b = confirm(committee, &misled, &validate(committee, &misled, &b).await?).await?;
    for node in misled {
        node.apply(b.clone()).await?;
    }

    a.check(committee)?;
    b.check(committee)?;
    let place = |block: &linera_chain::block::Block| (block.header.chain_id, block.header.height);
    ensure!((place(a.block()), a.round) == (place(b.block()), b.round), "other heights or rounds");
    ensure!(a.hash() != b.hash(), "the same block");
    for (index, certificate) in [(2, a), (3, b)] {
        let tips = scene.live(index).tips(&scene.genesis).await?;
        let tip = tips.get(&scene.genesis.funded()).context("no tip")?;
        ensure!(tip.block == Some(certificate.hash()), "validator {index} is at {tip}");
    }
    Ok(())
}

/// The way to do it: without a key until all certificates are applied.
async fn catch_up<P: Restorable>(mut scene: Scene<'_, P>) -> Result<()> {
    let b = scene.propose(2).await?;
    let a = scene.network.commit(&scene.genesis, scene.network.transfer(&scene.genesis, 1)).await?;

    let without_key = Node::boot(scene.restore(0).await?, None).await?;
    without_key.apply(a).await?;
    ensure!(
        without_key.tips(&scene.genesis).await? == scene.network.tips(&scene.genesis).await?,
        "other tips"
    );
    drop(without_key);

    let with_key = Node::boot(scene.targets[0].open().await?, scene.genesis.key(0)).await?;
    let refusal = refusal(with_key.propose(b).await)?;
    let WorkerError::ChainError(error) = &refusal else { return Err(refusal.into()) };
    ensure!(matches!(**error, ChainError::UnexpectedBlockHeight { .. }), "the worker says: {error}");
    Ok(())
}

/// What remains: validator 0 has voted for X, of which there is no certificate. So catching up with all certificates
/// that there are does not bring the vote back. The restored validator votes for Y at the same height and round.
async fn forget<P: Restorable>(mut scene: Scene<'_, P>) -> Result<()> {
    let (x, y) = (scene.propose(1).await?, scene.propose(2).await?);
    let vote_x = scene.live(0).propose(x).await?.context("no vote for X")?;
    let certificate =
        scene.network.commit(&scene.genesis, scene.network.receive(&scene.genesis).await?).await?;
    has_voted(scene.live(0).propose(y.clone()).await)?;

    let without_key = Node::boot(scene.restore(0).await?, None).await?;
    without_key.apply(certificate).await?;
    ensure!(
        without_key.tips(&scene.genesis).await? == scene.network.tips(&scene.genesis).await?,
        "other tips"
    );
    drop(without_key);

    let with_key = Node::boot(scene.targets[0].open().await?, scene.genesis.key(0)).await?;
    let vote_y = with_key.propose(y).await?.context("no vote for Y")?;
    contradict(scene.public_key(0), &vote_x, &vote_y)
}

/// Fences the backup of validator 0, in RocksDB and by bytes alone, and restores a dump of that with its own key.
async fn restore_fenced<P: Restorable>(scene: &Scene<'_, P>) -> Result<Node<P::Database>> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("fenced");
    let fenced = RocksDbNamespace::at(path, RocksDbOptions::default().with_layout(LAYOUT));
    scene.backups[0].restore(&fenced).await?;
    let report = raise(&*fenced.amend().await?, Basis::WithoutSurvey).await?;
    ensure!((report.chains, report.written) == (2, 2), "{report:?}");
    ensure!(status(&*fenced.look().await?, None).await?.is_closed(), "a chain is bare");
    let target = &scene.targets[0];
    Backup::take(&fenced).await?.restore(&*target.namespace().await?.target).await?;
    Node::boot(target.open().await?, scene.genesis.key(0)).await
}

/// Checks that a worker refuses because of a vote in a later round.
fn is_fenced(answer: Result<Option<LiteVote>>) -> Result<()> {
    let refusal = refusal(answer)?;
    let WorkerError::ChainError(error) = &refusal else { return Err(refusal.into()) };
    match **error {
        ChainError::InsufficientRoundStrict(_) | ChainError::InsufficientRound(_) => {}
        _ => return Err(refusal.into()),
    }
    Ok(())
}

/// Validator 0 has voted for A, and is restored from a fenced backup. It refuses B, and the certificate of the validated B.
/// The others confirm B. It applies that, also after a restart, and votes at the next height.
async fn fence<P: Restorable>(scene: Scene<'_, P>) -> Result<()> {
    let committee = scene.genesis.committee();
    let (a, b) = (scene.propose(1).await?, scene.propose(2).await?);
    scene.live(0).propose(a).await?.context("no vote for A")?;

    let restored = restore_fenced(&scene).await?;
    is_fenced(restored.propose(b.clone()).await)?;
    let others = [scene.live(1), scene.live(2), scene.live(3)];
    let validated = validate(committee, &others, &b).await?;
    is_fenced(restored.lock(validated.clone()).await)?;
    drop(restored);
    let restored = Node::boot(scene.targets[0].open().await?, scene.genesis.key(0)).await?;
    is_fenced(restored.propose(b).await)?;

    let confirmed = confirm(committee, &others, &validated).await?;
    for node in others.into_iter().chain([&restored]) {
        node.apply(confirmed.clone()).await?;
    }
    let block = make_child_block(confirmed.value());
    let next = block.with_simple_transfer(scene.genesis.empty(), Amount::from_tokens(3));
    let next = scene.genesis.propose(next).await?;
    let voters = [&restored, scene.live(1), scene.live(2)];
    let next = confirm(committee, &voters, &validate(committee, &voters, &next).await?).await?;
    next.check(committee)?;
    Ok(())
}

/// The bytes are those that linera's own types have for this vote.
async fn read_row<P: Restorable>(scene: Scene<'_, P>) -> Result<()> {
    let chain = scene.genesis.funded();
    let tips = scene.live(0).tips(&scene.genesis).await?;
    let tip = tips.get(&chain).context("no tip")?;
    let hash = tip.block.context("no block")?;
    let block: [u8; 32] = hash.as_bytes().0;
    let id: [u8; 32] = chain.0.as_bytes().0;
    for known in [FencedTip { block: Some(block), next_height: tip.next_height.0 }, FencedTip::default()] {
        let row = vote_row(FencedChain(id), &known);
        let vote: Option<Vote<ValidatedBlock>> = bcs::from_bytes(&row)?;
        ensure!(bcs::to_bytes(&vote)? == row, "linera writes other bytes");
        let vote = vote.context("no vote")?;
        let header = &vote.value().block().header;
        ensure!((header.chain_id, header.height.0) == (chain, known.next_height), "another place");
        ensure!(header.previous_block_hash == known.block.map(|_| hash), "another block before it");
        ensure!(vote.round == Round::Validator(u32::MAX), "another round");
    }
    Ok(())
}
