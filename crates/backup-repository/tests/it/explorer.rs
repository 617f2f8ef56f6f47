//! All interleavings of a small model of writers, pruners and forgetting: the protocol of FORMAT.md loses nothing, and each
//! weaker one does. A step is one request; each of them may stop for ever between any two.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Packs that there can be.
const PACKS: usize = 9;
/// Objects that each dump needs: the first was there before, each other one is of a writer.
const NEEDS: [u8; 4] = [0b11, 0b11, 0b01, 0b11];

/// What a protocol does; all true is the one that is used.
#[derive(Clone, Copy)]
struct Protocol {
    /// Packs never get the name of one that was there.
    salts: bool,
    /// A writer stages before it checks, and checks before it publishes.
    stages: bool,
    /// A writer looks for tombstones and packs once more before it is done.
    checks: bool,
    /// A pruner writes a tombstone before it removes.
    condemns: bool,
    /// A pruner looks for what must stay once more after that.
    looks_again: bool,
    /// Stages are listed before manifests.
    stages_first: bool,
    /// What is condemned stays so: what must stay is copied.
    is_final: bool,
    /// A pruner trusts no pack that another one has condemned.
    heeds_others: bool,
    /// A pruner removes for others only what was condemned before it looked for what must stay.
    settles: bool,
}

const REAL: Protocol = Protocol {
    salts: true,
    stages: true,
    checks: true,
    condemns: true,
    looks_again: true,
    stages_first: true,
    is_final: true,
    heeds_others: true,
    settles: true,
};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Writer {
    at: u8,
    listed: u16,
    relied: u16,
    missing: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Pruner {
    at: u8,
    listed: u16,
    /// Objects that must stay.
    needed: u8,
    condemned: u16,
    /// What it condemns, and later what it removes.
    goes: u16,
    copy: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct State {
    /// What each pack holds, or held.
    held: [u8; PACKS],
    made: u8,
    there: u16,
    dumps: u8,
    staged: u8,
    tombstones: [u16; 2],
    writers: [Writer; 3],
    pruners: [Pruner; 2],
    forgets: u8,
}

const DONE: u8 = 99;

impl Writer {
    fn ended() -> Self {
        Self { at: DONE, ..Self::default() }
    }
}

impl Pruner {
    fn ended() -> Self {
        Self { at: DONE, ..Self::default() }
    }
}

fn bits(set: u16) -> impl Iterator<Item = usize> {
    (0..PACKS).filter(move |bit| set >> bit & 1 == 1)
}

impl State {
    /// A dump in two packs, one of which holds what the other does, too.
    fn new(writers: usize, pruners: usize, forgets: u8) -> Self {
        let mut held = [0; PACKS];
        held[..2].copy_from_slice(&[0b01, 0b11]);
        Self {
            held,
            made: 2,
            there: 0b11,
            dumps: 1,
            staged: 0,
            tombstones: [0; 2],
            writers: std::array::from_fn(
                |number| if number < writers { Writer::default() } else { Writer::ended() },
            ),
            pruners: std::array::from_fn(
                |number| if number < pruners { Pruner::default() } else { Pruner::ended() },
            ),
            forgets,
        }
    }

    fn objects(&self, packs: u16) -> u8 {
        bits(packs).map(|pack| self.held[pack]).fold(0, |all, held| all | held)
    }

    fn all_condemned(&self) -> u16 {
        self.tombstones[0] | self.tombstones[1]
    }

    fn needs(dumps: u8) -> u8 {
        let needed = (0..NEEDS.len()).filter(|dump| dumps >> dump & 1 == 1).map(|dump| NEEDS[dump]);
        needed.fold(0, |all, needs| all | needs)
    }

    fn lost(&self) -> bool {
        Self::needs(self.dumps) & !self.objects(self.there) != 0
    }

    /// Writes a pack; `None` when the model has no room for it.
    fn put(&mut self, objects: u8, salts: bool) -> Option<u16> {
        let made = usize::from(self.made);
        let same = (0..made).find(|pack| !salts && self.held[*pack] == objects);
        let pack = same.unwrap_or(made);
        *self.held.get_mut(pack)? = objects;
        self.made = self.made.max(pack as u8 + 1);
        self.there |= 1 << pack;
        Some(1 << pack)
    }

    /// Returns one pack for each object that is needed.
    fn choose(&self, packs: u16, needed: u8) -> u16 {
        let mut chosen = 0;
        for object in [1, 2] {
            let first = bits(packs).find(|pack| self.held[*pack] & needed & object != 0);
            chosen |= first.map_or(0, |pack| 1 << pack);
        }
        chosen
    }

    fn successors(&self, protocol: &Protocol) -> Vec<Self> {
        let mut next = Vec::new();
        for number in 0..self.writers.len() {
            next.extend(self.write(number, protocol));
        }
        for number in 0..self.pruners.len() {
            self.prune(number, protocol, &mut next);
        }
        if self.forgets > 0 {
            let forgotten = (0..NEEDS.len()).filter(|dump| self.dumps >> dump & 1 == 1);
            next.extend(forgotten.map(|dump| Self {
                dumps: self.dumps & !(1 << dump),
                forgets: self.forgets - 1,
                ..*self
            }));
        }
        next
    }

    /// The next request of a writer.
    fn write(&self, number: usize, protocol: &Protocol) -> Option<Self> {
        let mut next = *self;
        let dump = 1 << (number + 1);
        let needed = NEEDS[number + 1];
        let mut writer = self.writers[number];
        let is_safe = |packs: u16| writer.relied & !packs == 0;
        writer.at = match writer.at {
            0 => {
                writer.listed = self.there;
                1
            }
            1 => {
                let usable =
                    if protocol.condemns { writer.listed & !self.all_condemned() } else { writer.listed };
                writer.relied = self.choose(usable, needed);
                writer.missing = needed & !self.objects(writer.relied);
                if writer.missing == 0 { 3 } else { 2 }
            }
            2 => {
                writer.relied |= next.put(writer.missing, protocol.salts)?;
                3
            }
            3 if protocol.stages => {
                next.staged |= dump;
                4
            }
            // Without a stage the check follows what it should go before.
            3 => {
                next.dumps |= dump;
                if protocol.checks { 4 } else { DONE }
            }
            4 if protocol.checks => {
                if is_safe(!self.all_condemned()) {
                    5
                } else {
                    8
                }
            }
            5 => {
                if !is_safe(self.there) {
                    8
                } else if protocol.stages {
                    6
                } else {
                    DONE
                }
            }
            4 | 6 => {
                next.dumps |= dump;
                7
            }
            7 => {
                next.staged &= !dump;
                DONE
            }
            8 => {
                next.staged &= !dump;
                if !protocol.stages {
                    next.dumps &= !dump;
                }
                DONE
            }
            _ => return None,
        };
        // What is no longer asked for must not tell states apart.
        next.writers[number] = match writer.at {
            DONE => Writer::ended(),
            2.. => Writer { listed: 0, ..writer },
            _ => writer,
        };
        Some(next)
    }

    /// The next requests that a pruner may make.
    #[expect(clippy::too_many_lines, reason = "an arm for each request")]
    fn prune(&self, number: usize, protocol: &Protocol, all: &mut Vec<Self>) {
        let mut next = *self;
        let mut pruner = self.pruners[number];
        let others = self.tombstones[1 - number];
        let (first, second) = match protocol.stages_first {
            true => (self.staged, self.dumps),
            false => (self.dumps, self.staged),
        };
        pruner.at = match pruner.at {
            0 => {
                pruner.listed = self.there;
                1
            }
            1 | 8 => {
                pruner.needed = Self::needs(first);
                pruner.at + 1
            }
            2 | 9 => {
                pruner.needed |= Self::needs(second);
                pruner.at + 1
            }
            3 => {
                pruner.condemned = if protocol.heeds_others { others } else { 0 };
                4
            }
            4 => return self.decide(number, protocol, all),
            5 => match self.copy(&mut next, &pruner, protocol) {
                Some(()) => 6,
                None => return,
            },
            6 => {
                next.tombstones[number] = pruner.goes;
                if protocol.looks_again { 7 } else { 12 }
            }
            7 => {
                if protocol.settles {
                    pruner.goes |= others;
                }
                8
            }
            10 => {
                let heeded = if protocol.heeds_others { others } else { 0 };
                pruner.condemned = heeded | self.tombstones[number];
                if !protocol.settles {
                    pruner.goes |= others;
                }
                11
            }
            11 => {
                pruner.listed = self.there;
                let safe = self.objects(self.there & !pruner.condemned);
                pruner.copy = pruner.needed & !safe & self.objects(self.there);
                if pruner.copy == 0 {
                    12
                } else if protocol.is_final {
                    14
                } else {
                    let kept = self.choose(self.there & pruner.condemned, pruner.copy);
                    next.tombstones[number] &= !kept;
                    pruner.goes &= !kept;
                    12
                }
            }
            14 => match self.copy(&mut next, &pruner, protocol) {
                Some(()) => 8,
                None => return,
            },
            12 => match bits(pruner.goes & self.there).next() {
                Some(pack) => {
                    next.there &= !(1 << pack);
                    12
                }
                None => 13,
            },
            13 => {
                for tombstone in &mut next.tombstones {
                    if *tombstone & !pruner.goes == 0 {
                        *tombstone = 0;
                    }
                }
                DONE
            }
            _ => return,
        };
        next.pruners[number] = match pruner.at {
            DONE => Pruner::ended(),
            6 | 7 | 8 | 12 | 13 => Pruner { at: pruner.at, goes: pruner.goes, ..Pruner::default() },
            _ => pruner,
        };
        all.push(next);
    }

    /// Lets a pruner choose what goes: any one pack, or all; what must stay of it is copied first.
    fn decide(&self, number: usize, protocol: &Protocol, all: &mut Vec<Self>) {
        let pruner = self.pruners[number];
        let may_go = pruner.listed & !pruner.condemned;
        let choices = bits(may_go).map(|pack| 1 << pack).chain([may_go]);
        for goes in choices.filter(|goes| *goes != 0) {
            let copy = pruner.needed & self.objects(goes) & !self.objects(may_go & !goes);
            if copy != 0 && !protocol.condemns {
                continue;
            }
            let at = match (copy, protocol.condemns) {
                (0, true) => 6,
                (0, false) => 12,
                _ => 5,
            };
            let mut next = *self;
            next.pruners[number] = Pruner { goes, copy, at, ..pruner };
            all.push(next);
        }
    }

    /// Copies objects to a new pack, if they can still be read.
    fn copy(&self, next: &mut Self, pruner: &Pruner, protocol: &Protocol) -> Option<()> {
        let is_there = pruner.copy & !self.objects(self.there & pruner.listed) == 0;
        is_there.then(|| next.put(pruner.copy, protocol.salts))?.map(drop)
    }
}

/// Looks at all that can happen; returns the number of states, or the shortest way to a loss.
fn explore(start: State, protocol: &Protocol) -> Result<usize, Vec<State>> {
    let (mut states, mut known) = (vec![(start, 0)], HashMap::from([(start, ())]));
    let mut at = 0;
    while at < states.len() {
        for next in states[at].0.successors(protocol) {
            if next.lost() {
                let mut way = vec![next];
                let mut from = at;
                while from > 0 {
                    way.push(states[from].0);
                    from = states[from].1;
                }
                way.reverse();
                return Err(way);
            }
            if let Entry::Vacant(entry) = known.entry(next) {
                entry.insert(());
                states.push((next, at));
            }
        }
        at += 1;
    }
    Ok(states.len())
}

fn is_exhaustive() -> bool {
    std::env::var_os("KVBACKUP_EXHAUSTIVE").is_some()
}

#[test]
fn the_protocol_loses_nothing_whatever_happens_in_whatever_order() {
    let mut bounds = vec![(1, 1, 1), (2, 1, 1), (1, 2, 0)];
    if is_exhaustive() {
        bounds.extend([(1, 2, 1), (1, 2, 2), (3, 1, 2)]);
    }
    for (writers, pruners, forgets) in bounds {
        match explore(State::new(writers, pruners, forgets), &REAL) {
            Ok(states) => {
                println!("{writers} writers, {pruners} pruners, {forgets} forgotten: {states} states");
                assert!(states > 1_000, "{states}");
            }
            Err(way) => panic!("lost after {} steps: {way:#?}", way.len()),
        }
    }
}

#[test]
fn each_rule_that_is_left_out_loses_data() {
    let weaker = [
        (
            "mark and sweep",
            (1, 1),
            Protocol { stages: false, checks: false, condemns: false, looks_again: false, ..REAL },
        ),
        ("grace alone", (1, 1), Protocol { stages: false, checks: false, looks_again: false, ..REAL }),
        ("published before it is checked", (1, 1), Protocol { stages: false, ..REAL }),
        ("staged and not checked", (1, 1), Protocol { checks: false, ..REAL }),
        ("not looked again", (1, 1), Protocol { looks_again: false, ..REAL }),
        ("stages listed after manifests", (1, 1), Protocol { stages_first: false, ..REAL }),
        ("tombstones that are taken back", (1, 2), Protocol { is_final: false, ..REAL }),
        ("packs without salt", (1, 2), Protocol { salts: false, ..REAL }),
        ("tombstones of others not heeded", (1, 2), Protocol { heeds_others: false, ..REAL }),
        ("tombstones of others not settled", (1, 2), Protocol { settles: false, ..REAL }),
    ];
    for (name, (writers, pruners), protocol) in weaker {
        match explore(State::new(writers, pruners, 1), &protocol) {
            Ok(states) => panic!("{name}: nothing is lost in {states} states"),
            Err(way) => println!("{name}: lost after {} steps", way.len()),
        }
    }
}
