//! `fence raise`: killed in the middle of any write, and with the power cut at any sync.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::OnceLock;

use backup_testkit::sample;
use rocksdb::{DB, Options, WriteBatch};

use crate::program::{self, Place};
use crate::{Scenario, check, compile};

/// More than one batch has: the rows of 10,000 chains are written at a time.
const CHAINS: u32 = 10_200;
/// Every third chain is frozen: it gets two rows.
const OPEN: u32 = 3;
/// Of so many writes one is tried in a run that is not exhaustive.
const STRIDE: u64 = 3;
const SIGKILL: i32 = 9;

const TIP: &[u8] = &[1, 2, 0, 0, 0];
const SEED: &[u8] = &[1, 3, 0, 0, 0, 1, 1, 0, 0, 0];
const VOTE: &[u8] = &[1, 3, 0, 0, 0, 1, 11, 0, 0, 0];
const SOURCE: &str = "rocksdb:db/chains";
const RAISE: &[&str] = &["fence", "raise", SOURCE, "--survey", "db/survey.jsonl"];

/// For each chain its seed row and its vote row.
type Fences = BTreeMap<u32, [Option<Vec<u8>>; 2]>;

#[test]
fn a_fence_is_durable_whatever_an_earlier_run_left() {
    // It fails when a chain is bare.
    let read = &["fence", "status", SOURCE];
    check(&Scenario { databases: databases(), before: &[], command: RAISE, read });
}

#[test]
fn a_fence_that_is_killed_in_any_write_is_whole_or_absent_for_each_chain() {
    let before = fences(&databases().join("chains"));
    let (calls, after) = {
        let place = place();
        assert!(!run(&place, None), "nothing kills it");
        let calls = fs::read_to_string(place.path("calls")).unwrap().parse().unwrap();
        (calls, fences(&place.path("db/chains")))
    };
    assert!(before.iter().zip(&after).all(|(one, other)| one != other), "every chain gets a row");
    println!("{calls} writes");
    let mut halves = 0;
    for call in sample(0..calls, STRIDE) {
        let place = place();
        assert!(run(&place, Some(call)), "write {call} of {calls} does not kill");
        // Opening it to look would already mend it.
        program::copy(&place.path("db/chains"), &place.path("looked-at"));
        let left = fences(&place.path("looked-at"));
        assert_eq!(left.len(), CHAINS as usize);
        for (chain, rows) in &left {
            let is_whole = rows == &before[chain] || rows == &after[chain];
            assert!(is_whole, "chain {chain} is half fenced after write {call} of {calls}: {rows:?}");
        }
        let fenced = left.iter().filter(|(chain, rows)| **rows == after[chain]).count();
        halves += usize::from(fenced > 0 && fenced < left.len());
        let again = place.done(RAISE);
        assert_eq!(again["written"], left.len() - fenced, "after write {call} of {calls}");
        assert_eq!(fences(&place.path("db/chains")), after, "after write {call} of {calls}");
    }
    println!("{halves} runs were killed between two batches");
}

fn place() -> Place {
    let place = Place::empty();
    program::copy(databases(), &place.path("db"));
    place
}

/// Runs the command, which may be killed in a write; returns whether it was.
fn run(place: &Place, killed_at: Option<u64>) -> bool {
    let mut command = place.command(RAISE);
    command.env("LD_PRELOAD", shim()).env("POWER_CUT_CALLS", place.path("calls"));
    command.env("POWER_CUT_BELOW", place.path("db/chains").canonicalize().unwrap());
    if let Some(call) = killed_at {
        command.env("POWER_CUT_AT", call.to_string());
    }
    let status = command.stdout(Stdio::null()).status().unwrap();
    let killed = status.signal() == Some(SIGKILL);
    assert!(killed || status.success(), "{status}");
    killed
}

fn shim() -> &'static Path {
    static MADE: OnceLock<std::path::PathBuf> = OnceLock::new();
    MADE.get_or_init(|| compile("write_shim"))
}

fn root_key(chain: u32) -> Vec<u8> {
    [&[0; 29][..], &chain.to_be_bytes()].concat()
}

fn row_key(chain: u32, key: &[u8]) -> Vec<u8> {
    [&[0], &root_key(chain)[..], key, &[0; 4]].concat()
}

fn fences(path: &Path) -> Fences {
    let database = DB::open(&Options::default(), path).unwrap();
    let rows = |chain| [SEED, VOTE].map(|key| database.get(row_key(chain, key)).unwrap());
    (0..CHAINS).map(|chain| (chain, rows(chain))).collect()
}

/// Returns a directory with a database of many chains, and a survey of them.
fn databases() -> &'static Path {
    static MADE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let made = tempfile::tempdir().unwrap();
        create(&made.path().join("chains"));
        fs::write(made.path().join("survey.jsonl"), survey()).unwrap();
        made
    });
    made.path()
}

fn create(path: &Path) {
    let mut options = Options::default();
    options.create_if_missing(true);
    let database = DB::open(&options, path).unwrap();
    let mut batch = WriteBatch::default();
    let put = |batch: &mut WriteBatch, row: Vec<u8>, value: &[u8]| {
        batch.put(row, [&[0, 0, 0, 1], value].concat());
    };
    put(&mut batch, vec![0, 5, 0x77, 0, 0, 0, 0], &[&[0][..], &[7; 32]].concat());
    batch.put([1, 5], []);
    for chain in 0..CHAINS {
        let tip = [&[1][..], &[1; 32], &1u64.to_le_bytes(), &[0; 12]].concat();
        put(&mut batch, row_key(chain, TIP), &tip);
        put(&mut batch, row_key(chain, SEED), &1u64.to_le_bytes());
        batch.put([&[1], &root_key(chain)[..]].concat(), []);
    }
    database.write(batch).unwrap();
}

fn survey() -> String {
    let mut text = format!(
        "{{\"survey\":1,\"network\":\"{}\",\"validator\":\"02ab\",\"committees\":{{\"0\":{{\"03cd\":100}}}},\
         \"started\":\"2026-01-31T04:00:00Z\",\"old_instance\":\"its disk is destroyed\",\"chains\":{CHAINS}}}\n",
        "07".repeat(32)
    );
    for chain in 0..CHAINS {
        let verdict = if chain % OPEN == 0 { "open" } else { "clean" };
        text.push_str(&format!(
            "{{\"chain\":\"{chain:064x}\",\"next_height\":1,\"block_hash\":\"{}\",\"verdict\":\"{verdict}\",\
             \"answers\":[\"eA==\"]}}\n",
            "01".repeat(32)
        ));
    }
    text
}
