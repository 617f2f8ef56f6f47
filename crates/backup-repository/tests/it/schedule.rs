//! Writers, pruners, readers and a forgetting operator on one store, request by request in an order that a seed chooses. Some
//! of them are dropped in the midst of their work.
//!
//! After each request everything that a published dump reaches lies in some pack. Replay one seed with
//! `KVBACKUP_SCHEDULE=SEED`; names of packs are random all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use backup_format::pack::{Codec, Object, PackVersion, Trailer};
use backup_format::{ErrorClass, Level, Manifest, ObjectId, Page};
use backup_memory::MemoryNamespace;
use backup_repository::{
    BackupOptions, Compression, DumpChoice, ForgetOptions, KeepRules, PruneOptions, Repository,
    RepositoryError, RestoreOptions, Store, VerifyOptions,
};
use backup_testkit::{Content, Gate, GatedStore};
use futures::future::BoxFuture;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::support::{files, namespace, options};

/// A generator of numbers that any two machines agree on.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % sides as u64) as usize
    }
}

/// One of three contents that have much in common.
fn content(number: usize) -> Content {
    let mut content = Content::default();
    for root in 0..8_u8 {
        let version = if usize::from(root) % 4 == number { number as u8 + 1 } else { 0 };
        for key in 0..9_u8 {
            // Of some partitions one entry changes, and of others all: a patch is short, or longer than the segment.
            let version = if root < 4 && key != 4 { 0 } else { version };
            content.put(&[root], &[key], &[version; 60]);
        }
    }
    content
}

fn quiet(number: usize) -> (MemoryNamespace, BackupOptions) {
    let options = BackupOptions {
        compression: Compression::None,
        allow_clock_behind: true,
        annotations: [("number".to_owned(), number.to_string())].into(),
        ..options(1, 1)
    };
    (namespace(&content(number % 3)), options)
}

fn at_once() -> PruneOptions {
    PruneOptions { grace: Duration::ZERO, max_unused_percent: 0, ..PruneOptions::default() }
}

async fn forget(repository: &Repository, last: usize) -> Result<(), RepositoryError> {
    let rules = KeepRules { last, ..KeepRules::default() };
    let options = ForgetOptions { rules, allow_most: true, ..ForgetOptions::default() };
    repository.forget(&options).await.map(drop)
}

/// What an actor does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Role {
    Write(usize),
    Prune,
    Verify,
    Restore,
    Forget,
    Unforget,
}

impl Role {
    fn run(self, repository: Repository) -> BoxFuture<'static, Result<(), RepositoryError>> {
        Box::pin(async move {
            match self {
                Self::Write(number) => {
                    let (namespace, options) = quiet(number);
                    repository.backup(&namespace, options).await.map(drop)
                }
                Self::Prune => repository.prune(&at_once()).await.map(drop),
                Self::Forget => forget(&repository, 1).await,
                Self::Unforget => match repository.forgotten().await?.first() {
                    Some(dump) => repository.unforget(&dump.id.to_string()).await.map(drop),
                    None => Ok(()),
                },
                Self::Verify | Self::Restore => {
                    let dump = repository.dump(&DumpChoice::Latest).await?;
                    let result = if self == Self::Verify {
                        let workers = std::num::NonZeroUsize::new(1);
                        let options = VerifyOptions { workers, ..VerifyOptions::default() };
                        repository.verify(&dump, &options).await.map(drop)
                    } else {
                        let target = MemoryNamespace::new("restored");
                        let workers = std::num::NonZeroUsize::new(1);
                        let options = RestoreOptions { workers, ..RestoreOptions::default() };
                        repository.restore(&dump, &target, &options).await.map(drop)
                    };
                    // One that was forgotten meanwhile may be gone.
                    let listed = repository.dumps().await?.good;
                    let is_listed = listed.iter().any(|listed| listed.id == dump.id);
                    if is_listed { result } else { Ok(()) }
                }
            }
        })
    }

    /// Returns true if an actor may end like this beside others.
    fn may_end_with(self, error: &RepositoryError) -> bool {
        let is_beside = error.class() == ErrorClass::Transient;
        match self {
            Self::Write(_) => is_beside,
            // Three times another one removed what it was about to read.
            Self::Prune => matches!(error, RepositoryError::Store { .. }),
            Self::Forget => matches!(error, RepositoryError::NoDump { .. }),
            Self::Unforget => {
                is_beside || matches!(error, RepositoryError::Gone { .. } | RepositoryError::NoDump { .. })
            }
            Self::Verify | Self::Restore => {
                matches!(error, RepositoryError::NoDump { .. } | RepositoryError::NoLatest { .. })
            }
        }
    }
}

struct Actor {
    role: Role,
    gate: Arc<Gate>,
    task: Option<JoinHandle<Result<(), RepositoryError>>>,
    /// It is dropped after so many requests.
    dies_after: Option<u64>,
}

impl Actor {
    fn start(runtime: &Runtime, store: &Arc<InMemory>, role: Role, dies_after: Option<u64>) -> Self {
        let gate = Arc::<Gate>::default();
        let inner: Arc<dyn ObjectStore> = store.clone();
        let gated = GatedStore::new(inner, gate.clone());
        let ends = gate.clone();
        let task = runtime.spawn(async move {
            let opened = Repository::open(Store::new(Arc::new(gated), Path::default())).await;
            let result = match opened {
                Ok(repository) => role.run(repository).await,
                Err(error) => Err(error),
            };
            ends.end();
            result
        });
        Self { role, gate, task: Some(task), dies_after }
    }
}

/// What of the store is known: what each pack holds, and what each dump reaches.
#[derive(Default)]
struct Known {
    packs: BTreeMap<ObjectId, Vec<(Object, usize)>>,
    dumps: BTreeMap<ObjectId, BTreeSet<[u8; 32]>>,
}

impl Known {
    /// Checks that everything which a published dump reaches can be read from some packs.
    fn check(&mut self, all: &[(Path, Vec<u8>)]) -> Result<(), String> {
        let named = |folder: &str, suffix: &str| -> BTreeMap<ObjectId, &[u8]> {
            let files = all.iter().filter_map(|(path, bytes)| {
                let name = path.as_ref().strip_prefix(folder)?.strip_suffix(suffix)?;
                Some((name.parse().ok()?, bytes.as_slice()))
            });
            files.collect()
        };
        let (packs, manifests) = (named("packs/", ""), named("manifests/", ".json"));
        for (name, pack) in &packs {
            self.packs.entry(*name).or_insert_with(|| table(pack));
        }
        let objects = packs.keys().filter_map(|name| self.packs.get(name)).flatten();
        let there = readable(objects.map(|(object, _)| object));
        for (id, json) in manifests {
            if !self.dumps.contains_key(&id) {
                let reached = self
                    .reach(&packs, json)
                    .ok_or(format!("dump {id:.8} lacks pages from its first moment"))?;
                self.dumps.insert(id, reached);
            }
            let missing = self.dumps[&id].iter().filter(|object| !there.contains(*object)).count();
            if missing > 0 {
                return Err(format!("dump {id:.8} lacks {missing} objects"));
            }
        }
        Ok(())
    }

    fn reach(&self, packs: &BTreeMap<ObjectId, &[u8]>, json: &[u8]) -> Option<BTreeSet<[u8; 32]>> {
        let root = Manifest::decode(json).ok()?.root;
        let mut reached = BTreeSet::from([root.0]);
        for page in self.page(packs, root, Level::Root)?.references {
            reached.insert(page.id.0);
            let segments = self.page(packs, page.id, Level::Segments)?.references;
            reached.extend(segments.into_iter().map(|segment| segment.id.0));
        }
        Some(reached)
    }

    fn page(&self, packs: &BTreeMap<ObjectId, &[u8]>, id: ObjectId, level: Level) -> Option<Page> {
        packs.iter().find_map(|(name, pack)| {
            let (Object { line, .. }, at) =
                self.packs.get(name)?.iter().find(|(object, _)| object.line.id == id)?;
            assert_eq!(line.codec, Codec::Raw);
            Page::decode(pack.get(*at..at + line.stored_len as usize)?, level).ok()
        })
    }
}

/// Returns the objects that are whole in some pack, or patches of such.
fn readable<'a>(objects: impl Iterator<Item = &'a Object>) -> BTreeSet<[u8; 32]> {
    let (mut patches, mut readable) = (Vec::new(), BTreeSet::new());
    for Object { line, base, .. } in objects {
        match base {
            None => drop(readable.insert(line.id.0)),
            Some(base) => patches.push((line.id.0, base.0)),
        }
    }
    loop {
        let before = readable.len();
        let found = patches.iter().filter(|(_, base)| readable.contains(base)).map(|(id, _)| *id);
        let found: Vec<_> = found.collect();
        readable.extend(found);
        if readable.len() == before {
            return readable;
        }
    }
}

/// Returns the objects of a pack, and where each begins.
fn table(pack: &[u8]) -> Vec<(Object, usize)> {
    let version = if pack.starts_with(b"KVB2PACK") { PackVersion::V2 } else { PackVersion::V1 };
    let trailer = pack.last_chunk().unwrap();
    let trailer = Trailer::decode_version(version, trailer, pack.len() as u64).unwrap();
    let range = trailer.table_range();
    let objects = trailer.decode_objects(&pack[range.start as usize..range.end as usize]).unwrap();
    let mut at = version.head_bytes() as usize;
    let place = |object: Object| {
        at += object.line.stored_len as usize;
        let start = at - object.line.stored_len as usize;
        (object, start)
    };
    objects.into_iter().map(place).collect()
}

/// Runs one seed; returns the number of requests.
fn run(runtime: &Runtime, seed: u64) -> Result<u64, String> {
    let mut dice = Dice(seed);
    let store: Arc<InMemory> = Arc::default();
    runtime.block_on(async {
        // Every other repository has patches.
        let repository = match seed % 2 {
            0 => crate::support::repository(&store).await,
            _ => crate::patches::repository(&store, crate::patches::SMALL).await,
        };
        for number in 0..2 {
            let (namespace, options) = quiet(number);
            repository.backup(&namespace, options).await.unwrap();
        }
    });
    let mut roles = vec![Role::Write(2), Role::Prune, Role::Forget];
    let more = [
        Role::Write(3),
        Role::Write(4),
        Role::Prune,
        Role::Prune,
        Role::Verify,
        Role::Restore,
        Role::Unforget,
    ];
    roles.extend((0..2).map(|_| more[dice.roll(more.len())]));
    let mut actors: Vec<Actor> = roles
        .into_iter()
        .map(|role| {
            let dies = dice.roll(4) == 0 && !matches!(role, Role::Verify | Role::Restore);
            let after = dies.then(|| dice.roll(60) as u64);
            Actor::start(runtime, &store, role, after)
        })
        .collect();
    let (mut known, mut trace, mut requests) = (Known::default(), Vec::new(), 0);
    let mut seen = Vec::new();
    while !actors.is_empty() {
        let chosen = dice.roll(actors.len());
        // Some go a long way alone, so that others meet what they did.
        for _ in 0..=dice.roll(12) {
            let actor = &mut actors[chosen];
            if actor.dies_after.is_some_and(|after| actor.gate.passed() >= after) {
                let actor = actors.swap_remove(chosen);
                stop(runtime, actor);
                break;
            }
            if !actor.gate.step() {
                let actor = actors.swap_remove(chosen);
                ended(runtime, actor).map_err(|error| format!("{error}; order: {trace:?}"))?;
                break;
            }
            requests += 1;
            trace.push(actor.role);
            let all = runtime.block_on(files(&store));
            if all != seen {
                known.check(&all).map_err(|problem| format!("{problem}; order: {trace:?}"))?;
                seen = all;
            }
        }
    }
    runtime.block_on(rest(&store))?;
    Ok(requests)
}

/// Drops an actor amid its work.
fn stop(runtime: &Runtime, mut actor: Actor) {
    if let Some(task) = actor.task.take() {
        task.abort();
        drop(runtime.block_on(task));
    }
}

fn ended(runtime: &Runtime, mut actor: Actor) -> Result<(), String> {
    let Some(task) = actor.task.take() else { return Ok(()) };
    match runtime.block_on(task) {
        Ok(Err(error)) if !actor.role.may_end_with(&error) => {
            Err(format!("{:?} ended with {error:?}", actor.role))
        }
        Ok(_) => Ok(()),
        Err(panic) => Err(format!("{:?} panicked: {panic}", actor.role)),
    }
}

/// Checks that one more backup and some prunes bring the repository to rest, with nothing left over.
async fn rest(store: &Arc<InMemory>) -> Result<(), String> {
    let repository = crate::support::reopen(store).await.map_err(|error| error.to_string())?;
    let (namespace, options) = quiet(9);
    repository.backup(&namespace, options).await.map_err(|error| format!("the last backup: {error:?}"))?;
    let prune = PruneOptions { discard_staged: true, ..at_once() };
    let mut left = 1;
    for _ in 0..3 {
        let report = repository.prune(&prune).await.map_err(|error| format!("the last prune: {error:?}"))?;
        left = report.removed.packs + report.waiting.packs + report.stages;
    }
    if left > 0 {
        return Err("it does not come to rest".to_owned());
    }
    for dump in repository.dumps().await.map_err(|error| error.to_string())?.good {
        let verified = repository.verify(&dump, &VerifyOptions::default()).await;
        verified.map_err(|error| format!("dump {:.8} at last: {error:?}", dump.id))?;
    }
    let tombstones = files(store)
        .await
        .iter()
        .filter(|(path, _)| {
            path.as_ref().starts_with("pending/") && path.as_ref().ends_with(".json")
                || path.as_ref().starts_with("staged/")
        })
        .count();
    if tombstones > 0 { Err(format!("{tombstones} tombstones or stages are left")) } else { Ok(()) }
}

#[test]
fn nothing_is_lost_in_whatever_order_requests_come() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let one = std::env::var("KVBACKUP_SCHEDULE").ok().map(|seed| seed.parse().unwrap());
    let seeds = match (one, std::env::var_os("KVBACKUP_EXHAUSTIVE")) {
        (Some(seed), _) => seed..seed + 1,
        (None, None) => 0..100,
        (None, Some(_)) => 0..100_000,
    };
    let requests = Mutex::new(0);
    for seed in seeds.clone() {
        match run(&runtime, seed) {
            Ok(number) => *requests.lock().unwrap() += number,
            Err(problem) => panic!("seed {seed}: {problem}"),
        }
    }
    println!("{} requests of {} seeds", requests.lock().unwrap(), seeds.end - seeds.start);
}
