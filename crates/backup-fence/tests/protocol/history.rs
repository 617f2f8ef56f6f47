//! A history: an adversary that knows all votes and decides who sees what, a dump, a loss, and a second incarnation.

use std::collections::{BTreeMap, BTreeSet};

use backup_fence::{Basis, FROZEN, SEED_KEY, Survey, raise, status};
use backup_format::{AmendTarget, AmendedEntry};
use futures::executor::block_on;

use crate::model::{Block, Database, Kind, NETWORK, Node, Original, Proposal, Registers, Round, Signed, id};

/// The validator that is restored; the others are 1 to 3.
const OURS: usize = 0;
const VALIDATORS: usize = 4;
const QUORUM: usize = 3;
/// More chains are not opened in a history.
const CHAINS_MAX: u8 = 24;
/// One of the others, which is faulty in half of the histories. It signs all that it is asked for.
const FAULTY: usize = 3;
const LAST: Round = Round::Validator(u32::MAX);

/// What is done between the restore and the start with the own key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Nothing.
    Nothing,
    /// All that the others have is applied.
    CatchUp,
    /// The whole procedure: survey, catch-up, fence.
    Fence,
    /// Catch-up and a fence that asked nobody.
    FenceWithoutSurvey,
    /// The fence first, and then the catch-up.
    FenceBeforeCatchUp,
    /// The whole procedure with another register in place of the vote: `current_round`.
    CurrentRound,
    /// The same: `confirmed_vote`.
    ConfirmedVote,
}

/// What came of a history.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    /// Heights of chains on which the key signed for two different blocks, one in each incarnation.
    pub contradictions: u64,
    /// Heights of chains on which both incarnations signed.
    pub overlaps: u64,
    /// Votes of each incarnation.
    pub votes: [u64; 2],
    /// Chains that were frozen.
    pub frozen: u64,
    /// Blocks that the survey finished.
    pub finished: u64,
    /// Fences that were passed.
    pub passed: u64,
    /// Certificates that no other correct validator knew when the validator was lost.
    pub hidden: u64,
}

/// Numbers that look random, and are the same for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        if of.is_empty() { None } else { Some(of[self.below(of.len() as u64) as usize]) }
    }
}

struct History {
    random: Random,
    nodes: Vec<Option<Node>>,
    faulty: bool,
    first: Round,
    incarnation: usize,
    blocks: Vec<Block>,
    /// Number of the chain that is opened next.
    chains: u8,
    votes: BTreeMap<Signed, BTreeSet<usize>>,
    validated: Vec<Signed>,
    /// By chain and height.
    confirmed: BTreeMap<(u8, u64), Signed>,
    /// By chain, height and incarnation: the blocks that our key signed for.
    ours: BTreeMap<(u8, u64), [BTreeSet<u64>; 2]>,
    outcome: Outcome,
}

/// Plays a history.
pub fn play(seed: u64, guard: Guard) -> Outcome {
    let mut random = Random(seed);
    let first = if random.below(2) == 0 { Round::Fast } else { Round::MultiLeader(0) };
    let node = || Some(Node { database: Database::new(first), votes: true });
    let faulty = random.below(2) == 0;
    let mut history = History {
        random,
        nodes: (0..VALIDATORS).map(|_| node()).collect(),
        faulty,
        first,
        incarnation: 0,
        blocks: Vec::new(),
        chains: 1,
        votes: BTreeMap::new(),
        validated: Vec::new(),
        confirmed: BTreeMap::new(),
        ours: BTreeMap::new(),
        outcome: Outcome::default(),
    };
    history.run(guard);
    history.judge()
}

impl History {
    fn run(&mut self, guard: Guard) {
        self.steps(4, 40);
        let dump = self.nodes[OURS].as_ref().unwrap().database.copy();
        self.steps(2, 60);
        self.nodes[OURS] = None;
        self.incarnation = 1;
        let mut ours = Node { database: dump, votes: false };
        self.guard(&mut ours, guard);
        ours.votes = true;
        self.nodes[OURS] = Some(ours);
        self.steps(30, 80);
    }

    fn steps(&mut self, least: u64, more: u64) {
        for _ in 0..least + self.random.below(more) {
            match self.random.below(10) {
                0..=3 => self.propose(),
                4 => self.retry(),
                5 | 6 => self.lock(),
                7 | 8 => self.apply(),
                _ => self.time_out(),
            }
        }
    }

    /// Chooses validators, most of them more often than few.
    fn some(&mut self) -> Vec<usize> {
        let most = self.random.below(3) > 0;
        (0..VALIDATORS).filter(|_| self.random.below(4) < if most { 3 } else { 1 }).collect()
    }

    fn round(&mut self) -> Round {
        let number = self.random.below(3) as u32;
        match self.random.below(5) {
            0 | 1 => self.first,
            2 | 3 => Round::MultiLeader(number),
            _ => Round::SingleLeader(number),
        }
    }

    fn next_height(&self, chain: u8) -> u64 {
        (0..).find(|height| !self.confirmed.contains_key(&(chain, *height))).unwrap()
    }

    fn propose(&mut self) {
        let opened = self.confirmed.values().filter_map(|certificate| certificate.block.opens);
        let chains: Vec<u8> = [0].into_iter().chain(opened).collect();
        let chain = self.random.one(&chains).unwrap();
        let height = self.next_height(chain);
        let parent = height.checked_sub(1).map_or(0, |height| self.confirmed[&(chain, height)].block.number);
        let known: Vec<Block> = self
            .blocks
            .iter()
            .copied()
            .filter(|block| (block.chain, block.height) == (chain, height))
            .collect();
        let block = match self.random.one(&known) {
            Some(block) if self.random.below(2) == 0 => block,
            _ => {
                let number = self.blocks.len() as u64 + 1;
                let wants = chain == 0 && self.random.below(4) == 0 && self.chains < CHAINS_MAX;
                let opens = wants.then_some(self.chains);
                self.chains += u8::from(wants);
                let block = Block { chain, height, number, parent, opens };
                self.blocks.push(block);
                block
            }
        };
        let round = self.round();
        let original = match self.random.below(8) {
            0 if round != Round::Fast => Original::Fast,
            _ => Original::Nothing,
        };
        let some = self.some();
        self.hand(&some, |node| node.propose(&Proposal { block, round, original }));
        self.sign(Signed {
            kind: if round == Round::Fast { Kind::Confirmed } else { Kind::Validated },
            block,
            round,
        });
    }

    /// Proposes a block again that a quorum has validated.
    fn retry(&mut self) {
        let Some(certificate) = self.random.one(&self.validated) else { return };
        let (round, some) = (self.round(), self.some());
        if round <= certificate.round {
            return;
        }
        let original = Original::Validated(certificate.round);
        let proposal = Proposal { block: certificate.block, round, original };
        self.hand(&some, |node| node.propose(&proposal));
        self.sign(Signed { kind: Kind::Validated, block: certificate.block, round });
    }

    fn lock(&mut self) {
        let Some(certificate) = self.random.one(&self.validated) else { return };
        let some = self.some();
        self.hand(&some, |node| node.lock(&certificate));
        self.sign(Signed { kind: Kind::Confirmed, ..certificate });
    }

    fn apply(&mut self) {
        let known: Vec<Signed> = self.confirmed.values().copied().collect();
        let Some(certificate) = self.random.one(&known) else { return };
        for index in self.some() {
            self.nodes[index].iter_mut().for_each(|node| node.apply(&certificate));
        }
    }

    fn time_out(&mut self) {
        let (next, some) = (self.round(), self.some());
        for index in some {
            self.nodes[index].iter_mut().for_each(|node| node.time_out(0, next));
        }
    }

    fn hand(&mut self, to: &[usize], mut hand: impl FnMut(&mut Node) -> Option<Signed>) {
        for index in to {
            let Some(vote) = self.nodes[*index].as_mut().and_then(&mut hand) else { continue };
            self.votes.entry(vote).or_default().insert(*index);
            if *index == OURS {
                self.outcome.votes[self.incarnation] += 1;
                let of = self.ours.entry((vote.block.chain, vote.block.height)).or_default();
                of[self.incarnation].insert(vote.block.number);
            }
            self.count(vote);
        }
    }

    /// Lets the faulty validator sign, too.
    fn sign(&mut self, vote: Signed) {
        if self.faulty {
            self.votes.entry(vote).or_default().insert(FAULTY);
            self.count(vote);
        }
    }

    /// Makes a certificate where there is a quorum.
    fn count(&mut self, vote: Signed) {
        if self.votes[&vote].len() < QUORUM {
            return;
        }
        match vote.kind {
            Kind::Validated if !self.validated.contains(&vote) => self.validated.push(vote),
            Kind::Validated => {}
            // A second one for this height is a fork, which the judge notices.
            Kind::Confirmed => {
                self.confirmed.entry((vote.block.chain, vote.block.height)).or_insert(vote);
            }
        }
    }

    fn correct(&self) -> Vec<usize> {
        (1..VALIDATORS).filter(|index| !(self.faulty && *index == FAULTY)).collect()
    }

    fn guard(&mut self, ours: &mut Node, guard: Guard) {
        self.outcome.hidden = self.hidden();
        match guard {
            Guard::Nothing => {}
            Guard::CatchUp => self.catch_up(ours),
            Guard::Fence => {
                let survey = self.survey(ours);
                self.catch_up(ours);
                self.fence(ours, Some(&survey));
                self.check_idempotent(ours, &survey);
            }
            Guard::FenceWithoutSurvey => {
                self.catch_up(ours);
                self.fence(ours, None);
            }
            Guard::FenceBeforeCatchUp => {
                self.fence(ours, None);
                self.survey(ours);
                self.catch_up(ours);
            }
            Guard::CurrentRound | Guard::ConfirmedVote => {
                self.survey(ours);
                self.catch_up(ours);
                let write = |registers: &mut Registers| match guard {
                    Guard::CurrentRound => registers.current = LAST,
                    _ => registers.confirmed = Some((u64::MAX, LAST)),
                };
                ours.database.registers.values_mut().for_each(write);
            }
        }
    }

    /// Counts the certificates that no other correct validator has.
    fn hidden(&self) -> u64 {
        let is_known = |place: &(u8, u64)| {
            self.correct().iter().any(|index| {
                let tip = self.nodes[*index].as_ref().and_then(|node| node.database.tip(place.0));
                tip.is_some_and(|tip| tip.next_height > place.1)
            })
        };
        self.confirmed.keys().filter(|place| !is_known(place)).count() as u64
    }

    /// The height that correct validators, or ours, can prove.
    fn proven(&self, chain: u8, ours: &Node) -> Option<u64> {
        let others = self.correct();
        let others = others.iter().filter_map(|index| self.nodes[*index].as_ref());
        others.chain([ours]).filter_map(|node| node.database.tip(chain)).map(|tip| tip.next_height).max()
    }

    /// Brings all correct validators to what any of them, or ours, can prove; lists the chains.
    fn exchange(&mut self, ours: &mut Node) -> Vec<u8> {
        loop {
            let before = self.heights(ours);
            let chains: Vec<u8> =
                (0..CHAINS_MAX).filter(|chain| self.proven(*chain, ours).is_some()).collect();
            for chain in &chains {
                for height in 0..self.proven(*chain, ours).unwrap_or_default() {
                    let certificate = self.confirmed[&(*chain, height)];
                    for index in self.correct() {
                        self.nodes[index].iter_mut().for_each(|node| node.apply(&certificate));
                    }
                    ours.apply(&certificate);
                }
            }
            if self.heights(ours) == before {
                return chains;
            }
        }
    }

    fn heights(&self, ours: &Node) -> Vec<Option<u64>> {
        let others = self.correct();
        let nodes = others.iter().filter_map(|index| self.nodes[*index].as_ref()).chain([ours]);
        nodes
            .flat_map(|node| (0..CHAINS_MAX).map(|chain| node.database.tip(chain).map(|tip| tip.next_height)))
            .collect()
    }

    fn catch_up(&mut self, ours: &mut Node) {
        self.exchange(ours);
    }

    /// Asks the others: where a correct one shows a vote to confirm at the next height, tries to finish that block.
    fn survey(&mut self, ours: &mut Node) -> Survey {
        let chains = loop {
            let chains = self.exchange(ours);
            let finished = chains.iter().filter(|chain| self.finish(**chain)).count();
            if finished == 0 {
                break chains;
            }
            self.outcome.finished += finished as u64;
        };
        let lines: Vec<String> = chains.iter().map(|chain| self.line(*chain)).collect();
        let head = format!(
            "{{\"survey\":1,\"network\":\"{}\",\"validator\":\"02\",\"committees\":{{\"0\":{{\"03\":1}}}},\"started\":\"now\",\
             \"old_instance\":\"it is gone\",\"chains\":{}}}\n",
            hex::encode(NETWORK),
            lines.len()
        );
        Survey::read(format!("{head}{}", lines.concat()).as_bytes()).unwrap()
    }

    fn shows_confirmed(&self, chain: u8) -> bool {
        self.correct().iter().any(|index| {
            let node = self.nodes[*index].as_ref();
            node.and_then(|node| node.database.registers.get(&chain)).is_some_and(|it| it.confirmed.is_some())
        })
    }

    fn line(&self, chain: u8) -> String {
        let node = self
            .correct()
            .into_iter()
            .find_map(|index| self.nodes[index].as_ref().filter(|node| node.database.tip(chain).is_some()));
        let tip = node.and_then(|node| node.database.tip(chain)).unwrap();
        let block = tip.block.map_or("null".to_owned(), |hash| format!("\"{}\"", hex::encode(hash)));
        let verdict = if self.shows_confirmed(chain) { "open" } else { "clean" };
        format!(
            "{{\"chain\":\"{}\",\"next_height\":{},\"block_hash\":{block},\"verdict\":\"{verdict}\",\"answers\":[\"eA==\"]}}\n",
            id(chain),
            tip.next_height
        )
    }

    /// Hands what correct validators hold fast to the others; returns true if that made the certificate of the height.
    fn finish(&mut self, chain: u8) -> bool {
        if !self.shows_confirmed(chain) {
            return false;
        }
        let correct = self.correct();
        let locks = correct
            .iter()
            .filter_map(|index| self.nodes[*index].as_ref()?.database.registers.get(&chain)?.locking);
        let mut locks: Vec<_> = locks.collect();
        locks.sort_by_key(|locking| locking.round);
        for locking in locks {
            let (block, round) = (locking.block, locking.round);
            let proposal = Proposal { block, round, original: Original::Nothing };
            let certificate = Signed { kind: Kind::Validated, block, round };
            self.hand(&correct, |node| match round {
                Round::Fast => node.propose(&proposal),
                _ => node.lock(&certificate),
            });
        }
        // The faulty one may help or not: what the adversary has is not handed out. So only what is known counts.
        let tip = self.nodes[correct[0]].as_ref().and_then(|node| node.database.tip(chain));
        let Some(certificate) = tip.and_then(|tip| self.confirmed.get(&(chain, tip.next_height)).copied())
        else {
            return false;
        };
        let signers = &self.votes[&certificate];
        if self.random.below(2) == 0
            || correct.iter().filter(|index| signers.contains(index)).count() == QUORUM
        {
            for index in &correct {
                self.nodes[*index].iter_mut().for_each(|node| node.apply(&certificate));
            }
            return true;
        }
        false
    }

    fn fence(&mut self, ours: &Node, survey: Option<&Survey>) {
        let basis = survey.map_or(Basis::WithoutSurvey, Basis::Survey);
        let report = block_on(async { raise(&*ours.database.rows.amend().await.unwrap(), basis).await });
        self.outcome.frozen += report.unwrap().frozen;
    }

    fn check_idempotent(&self, ours: &Node, survey: &Survey) {
        let rows = &ours.database.rows;
        let again =
            block_on(async { raise(&*rows.amend().await.unwrap(), Basis::Survey(survey)).await }).unwrap();
        assert_eq!(again.written, 0);
        let found = block_on(async { status(&*rows.look().await.unwrap(), Some(survey)).await }).unwrap();
        assert!(found.is_closed(), "{found:?}");
        // Opened and closed without a write, nothing changes.
        let nothing: Vec<AmendedEntry> = Vec::new();
        block_on(async { rows.amend().await.unwrap().write(nothing).await }).unwrap();
    }

    fn judge(mut self) -> Outcome {
        for [old, new] in self.ours.values() {
            let differs = old.iter().any(|one| new.iter().any(|other| one != other));
            self.outcome.contradictions += u64::from(differs);
            self.outcome.overlaps += u64::from(!old.is_empty() && !new.is_empty());
        }
        let ours = self.nodes[OURS].as_ref().unwrap();
        let frozen = |chain: &u8| {
            let row = ours.database.rows.get(&id(*chain).root_key(), &SEED_KEY).unwrap();
            row.is_some_and(|row| *row == FROZEN)
        };
        let voted = self.ours.values().filter(|[_, new]| !new.is_empty()).count();
        assert!(
            self.outcome.frozen == 0 || ours.database.registers.keys().any(frozen),
            "a frozen chain thawed by itself"
        );
        self.outcome.passed = voted as u64;
        self.outcome
    }
}
