//! What a fence does with linera's real worker, and what is not enough for one: each step that is left out convicts.

use anyhow::{Context, Result, ensure};
use backup_fence::{Basis, ChainId as FencedChain, Survey, TIP_KEY, Tip as FencedTip, raise, vote_row};
use backup_format::{AmendTarget, AmendedEntry};
use backup_rocksdb::{RocksDbNamespace, RocksDbOptions};
use libtest_mimic::{Arguments, Failed, Trial};
use linera_base::crypto::ValidatorPublicKey;
use linera_base::data_types::{Amount, Round};
use linera_chain::ChainError;
use linera_chain::data_types::{BlockProposal, LiteVote};
use linera_chain::manager::LockingBlock;
use linera_chain::test::{BlockTestExt, make_child_block};
use linera_chain::types::ConfirmedBlockCertificate;
use linera_core::worker::WorkerError;
use validator_network::runtime::block_on;
use validator_network::{Genesis, Network, Node, VALIDATORS, confirm, validate};
use worker_boot_tests::backup::Backup;
use worker_boot_tests::engines::{Engine, LAYOUT, Restorable};
use worker_boot_tests::history;
use worker_boot_tests::on_engine;

/// Places to restore to.
const TARGETS: usize = 2;
const CONFIRMED_VOTE_KEY: [u8; 10] = [1, 3, 0, 0, 0, 1, 10, 0, 0, 0];
const CURRENT_ROUND_KEY: [u8; 10] = [1, 3, 0, 0, 0, 1, 15, 0, 0, 0];
/// `Round::Validator(u32::MAX)`.
const LAST_ROUND: [u8; 5] = [3, 0xff, 0xff, 0xff, 0xff];

/// A network, and a backup of its first validator.
struct Scene<'a, P: Restorable> {
    genesis: Genesis,
    network: Network<P::Database>,
    backup: Backup,
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
        ("a_fence_in_place_refuses_and_the_fast_round_too", || stage::<P>(Genesis::fast, in_place)),
        ("the_current_round_alone_lets_the_fast_round_sign_twice", || {
            stage::<P>(Genesis::fast, current_round)
        }),
        ("a_confirmed_vote_alone_votes_to_confirm", || stage::<P>(Genesis::new, confirmed_vote)),
        ("a_fence_before_the_catch_up_signs_twice", || stage::<P>(Genesis::new, before_catch_up)),
        ("a_hidden_certificate_without_a_survey_signs_twice", || stage::<P>(Genesis::new, hidden)),
        ("a_hidden_certificate_that_a_survey_finishes_convicts_nobody", || {
            stage::<P>(Genesis::new, surveyed)
        }),
        ("a_frozen_chain_refuses_everything_and_others_do_not", || stage::<P>(Genesis::new, frozen)),
    ];
    let run = |body: Body| body().map_err(|error| Failed::from(format!("{error:?}")));
    let trial = |(name, body): (&str, Body)| Trial::test(format!("{name}/{engine}"), move || run(body));
    tests.into_iter().map(trial).collect()
}

/// Sets the scene on an engine, and plays.
fn stage<P: Restorable>(
    genesis: fn(u32, u64) -> Result<Genesis>,
    play: impl AsyncFnOnce(Scene<'_, P>) -> Result<()> + Send,
) -> Result<()> {
    let places = (0..VALIDATORS + TARGETS).map(|_| P::new()).collect::<Result<Vec<_>>>()?;
    block_on(|| async {
        let genesis = genesis(0, 0)?;
        let (places, targets) = places.split_at(VALIDATORS);
        let network = history::start(&genesis, places).await?;
        let backup = Backup::take(&*places[0].namespace().await?.source).await?;
        play(Scene { genesis, network, backup, targets }).await
    })
}

impl<P: Restorable> Scene<'_, P> {
    fn live(&self, index: usize) -> &Node<P::Database> {
        &self.network.nodes()[index]
    }

    fn others(&self) -> [&Node<P::Database>; 3] {
        [self.live(1), self.live(2), self.live(3)]
    }

    fn public_key(&self) -> ValidatorPublicKey {
        self.genesis.validators().next().expect("there are four validators")
    }

    fn chain(&self) -> FencedChain {
        FencedChain(self.genesis.funded().0.as_bytes().0)
    }

    async fn propose(&self, round: Round, tokens: u128) -> Result<BlockProposal> {
        self.genesis.propose_in(round, self.network.transfer(&self.genesis, tokens)).await
    }

    /// Proposes a block above another one.
    async fn propose_above(&self, below: &ConfirmedBlockCertificate, tokens: u128) -> Result<BlockProposal> {
        let block = make_child_block(below.value());
        let block = block.with_simple_transfer(self.genesis.empty(), Amount::from_tokens(tokens));
        self.genesis.propose(block).await
    }

    /// Restores a backup into a target, and changes it: in place, or where the engine cannot do that, in RocksDB on the way.
    async fn restore(
        &self,
        backup: &Backup,
        target: usize,
        change: impl AsyncFnOnce(&dyn AmendTarget) -> Result<()>,
    ) -> Result<()> {
        let target = &self.targets[target];
        let namespace = target.namespace().await?;
        if let Some(place) = target.amendable()? {
            backup.restore(&*namespace.target).await?;
            return change(&*place).await;
        }
        let directory = tempfile::tempdir()?;
        let options = RocksDbOptions::default().with_layout(LAYOUT);
        let scratch = RocksDbNamespace::at(directory.path().join("changed"), options);
        backup.restore(&scratch).await?;
        change(&scratch).await?;
        Backup::take(&scratch).await?.restore(&*namespace.target).await
    }

    /// Boots a validator with its own key.
    async fn boot(&self, target: usize) -> Result<Node<P::Database>> {
        Node::boot(self.targets[target].open().await?, self.genesis.key(0)).await
    }

    /// Restores the backup with the own key, after one register of the funded chain was set.
    async fn restore_with(&self, key: [u8; 10], value: Vec<u8>) -> Result<Node<P::Database>> {
        let entry = AmendedEntry { root_key: self.chain().root_key(), key: key.to_vec(), value };
        let write = async |place: &dyn AmendTarget| Ok(place.amend().await?.write(vec![entry]).await?);
        self.restore(&self.backup, 0, write).await?;
        self.boot(0).await
    }

    /// Makes the row of a fence at the height of the backup.
    async fn fence_row(&self, place: &dyn AmendTarget) -> Result<Vec<u8>> {
        let chain = self.chain();
        let rows = place.look().await?.values(&[chain.root_key()], &[TIP_KEY.to_vec()]).await?;
        let row = rows.into_iter().flatten().next().flatten();
        Ok(vote_row(chain, &FencedTip::decode(chain, row.as_deref())?))
    }

    /// Restores the backup with the fence of nobody's survey.
    async fn restore_fenced(&self) -> Result<()> {
        self.restore(&self.backup, 0, async |place| fence(place, Basis::WithoutSurvey).await).await
    }

    /// Says where the second validator stands, as a survey.
    async fn survey(&self, place: &dyn AmendTarget, verdict: &str) -> Result<Survey> {
        let rows = place.look().await?.values(&[vec![5]], &[vec![0x77]]).await?;
        let row = rows.into_iter().flatten().next().flatten().context("no network description")?;
        let network = row.get(1 + usize::from(row[0])..).and_then(|rest| rest.get(..32));
        let network = hex(network.context("a short network description")?);
        let tips = self.live(1).tips(&self.genesis).await?;
        let mut text = format!(
            "{{\"survey\":1,\"network\":\"{network}\",\"validator\":\"own\",\"committees\":{{\"0\":{{\"key\":1}}}},\
             \"started\":\"now\",\"old_instance\":\"it is gone\",\"chains\":{}}}\n",
            tips.len()
        );
        for (chain, tip) in &tips {
            let verdict = if *chain == self.genesis.funded() { verdict } else { "clean" };
            let block = tip.block.context("no block")?;
            text.push_str(&format!(
                "{{\"chain\":\"{}\",\"next_height\":{},\"block_hash\":\"{}\",\"verdict\":\"{verdict}\",\"answers\":[\"eA==\"]}}\n",
                hex(&chain.0.as_bytes().0),
                tip.next_height.0,
                hex(&block.as_bytes().0)
            ));
        }
        Ok(Survey::read(text.as_bytes())?)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn fence(place: &dyn AmendTarget, basis: Basis<'_>) -> Result<()> {
    let report = raise(&*place.amend().await?, basis).await?;
    ensure!(report.chains == report.written, "{report:?}");
    Ok(())
}

fn refusal(answer: Result<Option<LiteVote>>) -> Result<WorkerError> {
    let error = answer.map(|vote| format!("{vote:?}")).err().context("the worker did not refuse")?;
    error.downcast()
}

/// Checks that a worker refuses because of a vote in a later round.
fn is_fenced(answer: Result<Option<LiteVote>>) -> Result<()> {
    let refusal = refusal(answer)?;
    let WorkerError::ChainError(error) = &refusal else { return Err(refusal.into()) };
    match **error {
        ChainError::InsufficientRoundStrict(_) | ChainError::InsufficientRound(_) => Ok(()),
        _ => Err(refusal.into()),
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

async fn in_place<P: Restorable>(scene: Scene<'_, P>) -> Result<()> {
    let (a, b) = (scene.propose(Round::Fast, 1).await?, scene.propose(Round::Fast, 2).await?);
    scene.live(0).propose(a).await?.context("no vote for A")?;
    scene.restore_fenced().await?;
    let restored = scene.boot(0).await?;
    is_fenced(restored.propose(b).await)?;
    for round in [Round::MultiLeader(0), Round::MultiLeader(1), Round::SingleLeader(0)] {
        is_fenced(restored.propose(scene.propose(round, 2).await?).await)?;
    }
    Ok(())
}

async fn current_round<P: Restorable>(scene: Scene<'_, P>) -> Result<()> {
    let (a, b) = (scene.propose(Round::Fast, 1).await?, scene.propose(Round::Fast, 2).await?);
    let vote_a = scene.live(0).propose(a).await?.context("no vote for A")?;
    let restored = scene.restore_with(CURRENT_ROUND_KEY, LAST_ROUND.to_vec()).await?;
    let later = scene.propose(Round::MultiLeader(0), 2).await?;
    ensure!(restored.propose(later).await.is_err(), "the register says nothing");
    let vote_b = restored.propose(b).await?.context("no vote for B")?;
    contradict(scene.public_key(), &vote_a, &vote_b)
}

async fn confirmed_vote<P: Restorable>(scene: Scene<'_, P>) -> Result<()> {
    let round = Round::MultiLeader(0);
    let (a, b) = (scene.propose(round, 1).await?, scene.propose(round, 2).await?);
    scene.live(0).propose(a).await?.context("no vote for A")?;
    // A confirmed vote has the same bytes.
    let write = async |place: &dyn AmendTarget| {
        let (root_key, value) = (scene.chain().root_key(), scene.fence_row(place).await?);
        let entry = AmendedEntry { root_key, key: CONFIRMED_VOTE_KEY.to_vec(), value };
        Ok(place.amend().await?.write(vec![entry]).await?)
    };
    scene.restore(&scene.backup, 0, write).await?;
    let restored = scene.boot(0).await?;
    ensure!(restored.propose(b.clone()).await.is_err(), "the register says nothing");
    let validated = validate(scene.genesis.committee(), &scene.others(), &b).await?;
    let vote = restored.lock(validated).await?.context("no vote to confirm B")?;
    vote.check(scene.public_key())?;
    Ok(())
}

async fn before_catch_up<P: Restorable>(mut scene: Scene<'_, P>) -> Result<()> {
    let block = scene.network.transfer(&scene.genesis, 5);
    let certificate = scene.network.commit(&scene.genesis, block).await?;
    let (x, y) = (scene.propose_above(&certificate, 1).await?, scene.propose_above(&certificate, 2).await?);
    let vote_x = scene.live(0).propose(x).await?.context("no vote for X")?;
    scene.restore_fenced().await?;
    let without_key = Node::boot(scene.targets[0].open().await?, None).await?;
    without_key.apply(certificate).await?;
    drop(without_key);
    let vote_y = scene.boot(0).await?.propose(y).await?.context("no vote for Y")?;
    contradict(scene.public_key(), &vote_x, &vote_y)
}

/// Lets three validators confirm a block whose certificate only the first one gets to see.
async fn hide<P: Restorable>(scene: &Scene<'_, P>) -> Result<ConfirmedBlockCertificate> {
    let committee = scene.genesis.committee();
    let signers = [scene.live(0), scene.live(1), scene.live(2)];
    let validated = validate(committee, &signers, &scene.propose(Round::MultiLeader(0), 1).await?).await?;
    let hidden = confirm(committee, &signers, &validated).await?;
    scene.live(0).apply(hidden.clone()).await?;
    Ok(hidden)
}

async fn hidden<P: Restorable>(scene: Scene<'_, P>) -> Result<()> {
    let hidden = hide(&scene).await?;
    let (x, y) = (scene.propose_above(&hidden, 1).await?, scene.propose_above(&hidden, 2).await?);
    let vote_x = scene.live(0).propose(x).await?.context("no vote for X")?;
    scene.restore_fenced().await?;
    let restored = scene.boot(0).await?;
    restored.apply(hidden).await?;
    let vote_y = restored.propose(y).await?.context("no vote for Y")?;
    contradict(scene.public_key(), &vote_x, &vote_y)
}

/// The survey sees that two have voted to confirm, and hands what one of them holds fast to all three.
async fn surveyed<P: Restorable>(scene: Scene<'_, P>) -> Result<()> {
    let hidden = hide(&scene).await?;
    let (x, y) = (scene.propose_above(&hidden, 1).await?, scene.propose_above(&hidden, 2).await?);
    scene.live(0).propose(x).await?.context("no vote for X")?;
    let shown = scene.live(1).manager(scene.genesis.funded()).await?;
    ensure!(shown.requested_confirmed.is_some(), "a validator hides its vote");
    let Some(LockingBlock::Regular(locked)) = shown.requested_locking.map(|block| *block) else {
        anyhow::bail!("a validator hides what it holds fast to");
    };
    let finished = confirm(scene.genesis.committee(), &scene.others(), &locked).await?;
    ensure!(finished.hash() == hidden.hash(), "another block was finished");
    for node in scene.others() {
        node.apply(finished.clone()).await?;
    }

    scene.backup.restore(&*scene.targets[1].namespace().await?.target).await?;
    let without_key = Node::boot(scene.targets[1].open().await?, None).await?;
    without_key.apply(finished).await?;
    drop(without_key);
    let caught_up = Backup::take(&*scene.targets[1].namespace().await?.source).await?;
    let raise = async |place: &dyn AmendTarget| {
        let survey = scene.survey(place, "clean").await?;
        fence(place, Basis::Survey(&survey)).await
    };
    scene.restore(&caught_up, 0, raise).await?;
    let restored = scene.boot(0).await?;
    restored.apply(hidden).await?;
    is_fenced(restored.propose(y).await)
}

async fn frozen<P: Restorable>(scene: Scene<'_, P>) -> Result<()> {
    let hidden = hide(&scene).await?;
    let y = scene.propose_above(&hidden, 2).await?;
    let raise = async |place: &dyn AmendTarget| {
        let survey = scene.survey(place, "open").await?;
        let report = raise(&*place.amend().await?, Basis::Survey(&survey)).await?;
        ensure!((report.frozen, report.fenced) == (1, 1), "{report:?}");
        Ok(())
    };
    scene.restore(&scene.backup, 0, raise).await?;
    let restored = scene.boot(0).await?;
    ensure!(restored.apply(hidden).await.is_err(), "a frozen chain takes a certificate");
    for proposal in [y, scene.propose(Round::MultiLeader(0), 3).await?] {
        ensure!(restored.propose(proposal).await.is_err(), "a frozen chain takes a proposal");
    }
    restored.manager(scene.genesis.empty()).await.context("reading a chain that is not frozen")?;
    Ok(())
}
