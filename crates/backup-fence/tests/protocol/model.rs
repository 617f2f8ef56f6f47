//! A validator's guards against a second vote, as linera-chain 0.15.23 has them in `manager.rs`.
//!
//! Tip, seed and validation vote of a chain are the rows that linera writes, in memory. So a fence is raised on it by the
//! same code and in the same bytes as on a real database. `worker-boot-tests` shows on linera's own worker that it reads
//! them like this.

use std::collections::BTreeMap;

use backup_fence::{ChainId, SEED_KEY, TIP_KEY, Tip, VOTE_KEY, seed_row, vote_row};
use backup_memory::MemoryNamespace;

/// Bytes at the end of a vote row: round, signature.
const ROUND: usize = 5;
const SIGNATURE: usize = 64;
pub const NETWORK: [u8; 32] = [0x9e; 32];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Round {
    Fast,
    MultiLeader(u32),
    SingleLeader(u32),
    Validator(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Block {
    pub chain: u8,
    pub height: u64,
    /// Names the block: no other one has this number.
    pub number: u64,
    /// Number of the block before it, 0 for none.
    pub parent: u64,
    /// The chain that it opens.
    pub opens: Option<u8>,
}

impl Block {
    pub fn hash(number: u64) -> [u8; 32] {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&number.to_le_bytes());
        hash
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Validated,
    Confirmed,
}

/// A vote, or a certificate of many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signed {
    pub kind: Kind,
    pub block: Block,
    pub round: Round,
}

/// What a proposal retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Original {
    Nothing,
    Fast,
    Validated(Round),
}

#[derive(Clone, Copy, Debug)]
pub struct Proposal {
    pub block: Block,
    pub round: Round,
    pub original: Original,
}

/// A block that a validator holds fast to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Locking {
    pub block: Block,
    pub round: Round,
}

/// The registers of a chain's manager that a fence does not write.
#[derive(Clone, Copy, Debug)]
pub struct Registers {
    pub confirmed: Option<(u64, Round)>,
    pub locking: Option<Locking>,
    pub proposed: Option<(u64, Round)>,
    pub current: Round,
}

/// A validator's database: rows, and the registers beside them.
pub struct Database {
    pub rows: MemoryNamespace,
    pub registers: BTreeMap<u8, Registers>,
    /// The round in which heights begin.
    first: Round,
}

pub fn id(chain: u8) -> ChainId {
    ChainId([chain + 1; 32])
}

impl Database {
    pub fn new(first: Round) -> Self {
        let rows = MemoryNamespace::new("validator").with_layout("linera-0.15", |_| None);
        rows.put(&[5], &[0x77], &[&[0][..], &NETWORK].concat()).unwrap();
        let mut database = Self { rows, registers: BTreeMap::new(), first };
        database.open(0);
        database
    }

    /// Makes a database of what a dump of this one holds.
    pub fn copy(&self) -> Self {
        let mut copy = Self::new(self.first);
        copy.registers = self.registers.clone();
        for chain in self.registers.keys() {
            for key in [&TIP_KEY[..], &SEED_KEY, &VOTE_KEY] {
                let root_key = id(*chain).root_key();
                copy.rows.delete(&root_key, key).unwrap();
                if let Some(value) = self.rows.get(&root_key, key).unwrap() {
                    copy.rows.put(&root_key, key, &value).unwrap();
                }
            }
        }
        copy
    }

    fn open(&mut self, chain: u8) {
        if !self.registers.contains_key(&chain) {
            self.reset(chain, Tip::default());
        }
    }

    /// Moves a chain to a height: the manager begins anew.
    fn reset(&mut self, chain: u8, tip: Tip) {
        let root_key = id(chain).root_key();
        let block = tip.block.map_or(vec![0], |hash| [&[1][..], &hash].concat());
        let row = [&block[..], &tip.next_height.to_le_bytes(), &[0; 12]].concat();
        self.rows.put(&root_key, &TIP_KEY, &row).unwrap();
        self.rows.put(&root_key, &SEED_KEY, &seed_row(tip.next_height)).unwrap();
        self.rows.delete(&root_key, &VOTE_KEY).unwrap();
        let registers = Registers { confirmed: None, locking: None, proposed: None, current: self.first };
        self.registers.insert(chain, registers);
    }

    /// Returns where a chain stands; `None` where there is no state, or none that can be decoded.
    pub fn tip(&self, chain: u8) -> Option<Tip> {
        let root_key = id(chain).root_key();
        let seed = self.rows.get(&root_key, &SEED_KEY).unwrap()?;
        let row = self.rows.get(&root_key, &TIP_KEY).unwrap()?;
        (seed.len() == 8).then(|| Tip::decode(id(chain), Some(&row)).unwrap())
    }

    fn validated_round(&self, chain: u8) -> Option<Round> {
        let row = self.rows.get(&id(chain).root_key(), &VOTE_KEY).unwrap()?;
        let start = row.len() - SIGNATURE - ROUND;
        let number = u32::from_le_bytes(row[start + 1..start + ROUND].try_into().unwrap());
        Some([Round::MultiLeader, Round::SingleLeader, Round::Validator][usize::from(row[start]) - 1](number))
    }

    fn set_validated(&self, chain: u8, round: Option<Round>) {
        let root_key = id(chain).root_key();
        let (tag, number) = match round {
            None => return self.rows.delete(&root_key, &VOTE_KEY).unwrap(),
            Some(Round::Fast) => unreachable!("fast blocks are not validated"),
            Some(Round::MultiLeader(number)) => (1, number),
            Some(Round::SingleLeader(number)) => (2, number),
            Some(Round::Validator(number)) => (3, number),
        };
        let mut row = vote_row(id(chain), &self.tip(chain).unwrap());
        let start = row.len() - SIGNATURE - ROUND;
        row[start] = tag;
        row[start + 1..start + ROUND].copy_from_slice(&number.to_le_bytes());
        row[start + ROUND..].fill(7);
        self.rows.put(&root_key, &VOTE_KEY, &row).unwrap();
    }
}

/// A validator that keeps to the rules, on its database.
pub struct Node {
    pub database: Database,
    /// Whether it has a key: without one it follows, and votes for nothing.
    pub votes: bool,
}

impl Node {
    /// `handle_block_proposal`: `None` when it refuses, or has no key.
    pub fn propose(&mut self, proposal: &Proposal) -> Option<Signed> {
        let Proposal { block, round, original } = *proposal;
        self.check_place(&block)?;
        self.check_proposal(proposal)?;
        let first = self.database.first;
        let registers = self.database.registers.get_mut(&block.chain).unwrap();
        match original {
            Original::Validated(of) if registers.locking.is_none_or(|locking| locking.round < of) => {
                registers.locking = Some(Locking { block, round: of });
            }
            Original::Fast if registers.locking.is_none() => {
                registers.locking = Some(Locking { block, round: Round::Fast });
            }
            Original::Nothing if round == Round::Fast && registers.locking.is_none() => {
                registers.locking = Some(Locking { block, round });
            }
            _ => {}
        }
        registers.proposed = Some((block.number, round));
        update_current(registers, first);
        if !self.votes {
            return None;
        }
        if round == Round::Fast {
            registers.confirmed = Some((block.number, round));
            self.database.set_validated(block.chain, None);
            return Some(Signed { kind: Kind::Confirmed, block, round });
        }
        self.database.set_validated(block.chain, Some(round));
        Some(Signed { kind: Kind::Validated, block, round })
    }

    /// Checks that a block is the next one of its chain.
    fn check_place(&self, block: &Block) -> Option<()> {
        let tip = self.database.tip(block.chain)?;
        let parent = (block.parent > 0).then(|| Block::hash(block.parent));
        ((tip.next_height, tip.block) == (block.height, parent)).then_some(())
    }

    /// `check_proposed_block`.
    fn check_proposal(&self, proposal: &Proposal) -> Option<()> {
        let Proposal { block, round, original } = *proposal;
        let registers = &self.database.registers[&block.chain];
        let is_current = match round {
            Round::Fast => self.database.first == Round::Fast,
            Round::MultiLeader(_) | Round::SingleLeader(0) => round >= registers.current,
            Round::SingleLeader(_) | Round::Validator(_) => round == registers.current,
        };
        let is_new = registers.proposed != Some((block.number, round));
        let is_after_vote = self.database.validated_round(block.chain).is_none_or(|voted| round > voted);
        let is_after_lock = registers.locking.is_none_or(|locking| locking.round < round);
        let is_compatible = registers.confirmed.is_none_or(|(number, voted)| match original {
            Original::Nothing => false,
            Original::Validated(of) => voted <= of,
            Original::Fast => voted == Round::Fast && number == block.number,
        });
        (is_current && is_new && is_after_vote && is_after_lock && is_compatible).then_some(())
    }

    /// `process_validated_block`.
    pub fn lock(&mut self, certificate: &Signed) -> Option<Signed> {
        let Signed { block, round, .. } = *certificate;
        self.check_place(&block)?;
        let first = self.database.first;
        let validated = self.database.validated_round(block.chain);
        let registers = self.database.registers.get_mut(&block.chain).unwrap();
        let is_new = registers.confirmed != Some((block.number, round));
        let is_after_vote = validated.is_none_or(|voted| round >= voted);
        let is_after_lock = registers.locking.is_none_or(|locking| locking.round < round);
        if !(is_new && is_after_vote && is_after_lock) {
            return None;
        }
        registers.locking = Some(Locking { block, round });
        update_current(registers, first);
        if !self.votes || registers.current != round {
            return None;
        }
        registers.confirmed = Some((block.number, round));
        self.database.set_validated(block.chain, None);
        Some(Signed { kind: Kind::Confirmed, block, round })
    }

    /// `process_confirmed_block`: does nothing when it is not the next one.
    pub fn apply(&mut self, certificate: &Signed) {
        let block = certificate.block;
        if self.check_place(&block).is_none() {
            return;
        }
        let next_height = block.height + 1;
        self.database.reset(block.chain, Tip { block: Some(Block::hash(block.number)), next_height });
        if let Some(chain) = block.opens {
            self.database.open(chain);
        }
    }

    /// Takes the certificate that a round is over.
    pub fn time_out(&mut self, chain: u8, next: Round) {
        if self.database.tip(chain).is_some()
            && let Some(registers) = self.database.registers.get_mut(&chain)
        {
            registers.current = registers.current.max(next);
        }
    }
}

fn update_current(registers: &mut Registers, first: Round) {
    let locking = registers.locking.map(|locking| locking.round);
    let proposed = registers.proposed.map(|(_, round)| round);
    let seen = locking.into_iter().chain(proposed).max().unwrap_or(first);
    registers.current = registers.current.max(seen).max(first);
}
