//! Fencing namespaces in memory: every refusal, every fault, every survey.

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use backup_fence::{
    Basis, ChainId, FROZEN, FenceError, LINE_BYTES_MAX, SEED_KEY, Survey, TIP_KEY, Thawed, Tip, VOTE_KEY,
    raise, rehearse, rehearse_thaw, seed_row, status, thaw, vote_row,
};
use backup_format::{AmendTarget, AmendedEntry, Amendment, EngineError, ErrorClass, FoundValues, Lookup};
use backup_memory::MemoryNamespace;
use futures::executor::block_on;

const NETWORK: [u8; 32] = [0x9e; 32];
type Rows = Vec<(Vec<u8>, Vec<u8>, Option<Vec<u8>>)>;

fn id(number: u8) -> ChainId {
    ChainId([number; 32])
}

fn tip(height: u64) -> Tip {
    Tip { block: (height > 0).then_some([0xb0; 32]), next_height: height }
}

fn put_chain(database: &MemoryNamespace, chain: ChainId, height: u64) {
    let block = tip(height).block.map_or(vec![0], |hash| [&[1][..], &hash].concat());
    let row = [&block[..], &height.to_le_bytes(), &[0; 12]].concat();
    database.put(&chain.root_key(), &TIP_KEY, &row).unwrap();
    database.put(&chain.root_key(), &SEED_KEY, &seed_row(height)).unwrap();
}

/// Chains 1, 2 and 3 at heights 0, 1 and 2; the second one has voted.
fn database() -> MemoryNamespace {
    let database = MemoryNamespace::new("validator_0").with_layout("linera-0.15", |_| None);
    for number in 1..=3 {
        put_chain(&database, id(number), u64::from(number) - 1);
    }
    database.put(&id(2).root_key(), &VOTE_KEY, b"\x01own vote").unwrap();
    database.put(&[5], &[0x77], &[b"\x04name", &NETWORK[..], &[0; 80]].concat()).unwrap();
    database.put(b"\x01block", b"\xdd", b"content").unwrap();
    database
}

fn rows(database: &MemoryNamespace) -> Rows {
    let mut rows = Vec::new();
    for number in 1..=4 {
        for key in [&TIP_KEY[..], &SEED_KEY, &VOTE_KEY] {
            let value = database.get(&id(number).root_key(), key).unwrap();
            rows.push((id(number).root_key(), key.to_vec(), value.map(|value| value.to_vec())));
        }
    }
    rows.push((vec![], vec![], Some(database.len().to_string().into_bytes())));
    rows
}

fn head(chains: usize) -> String {
    let network = "9e".repeat(32);
    format!(
        "{{\"survey\":1,\"network\":\"{network}\",\"validator\":\"02ab\",\"committees\":{{\"0\":{{\"03cd\":100}}}},\
         \"started\":\"2026-01-31T04:00:00Z\",\"old_instance\":\"its disk is destroyed\",\"chains\":{chains}}}\n"
    )
}

fn line(chain: u8, height: u64, verdict: &str) -> String {
    let hash = if height > 0 { format!("\"{}\"", "b0".repeat(32)) } else { "null".to_owned() };
    let chain = id(chain);
    format!(
        "{{\"chain\":\"{chain}\",\"next_height\":{height},\"block_hash\":{hash},\"verdict\":\"{verdict}\",\
         \"answers\":[\"YW5zd2Vy\"]}}\n"
    )
}

fn survey(lines: &[String]) -> Survey {
    Survey::read(format!("{}{}", head(lines.len()), lines.concat()).as_bytes()).unwrap()
}

fn whole() -> [String; 3] {
    [line(3, 2, "clean"), line(1, 0, "clean"), line(2, 1, "clean")]
}

fn raised(database: &MemoryNamespace, basis: Basis<'_>) -> Result<backup_fence::Report, FenceError> {
    block_on(async { raise(&*database.amend().await.unwrap(), basis).await })
}

#[test]
fn every_chain_is_fenced_once_and_nothing_else_changes() {
    let survey = survey(&whole());
    for basis in [Basis::WithoutSurvey, Basis::Survey(&survey)] {
        let database = database();
        let before = rows(&database);
        let rehearsed = block_on(async { rehearse(&*database.look().await.unwrap(), basis).await }).unwrap();
        assert_eq!((rehearsed.written, rows(&database)), (3, before));
        let report = raised(&database, basis).unwrap();
        assert_eq!((report.chains, report.fenced, report.written, report.frozen), (3, 3, 3, 0));
        assert_eq!(report.conditional, matches!(basis, Basis::WithoutSurvey));
        for number in 1..=3 {
            let height = u64::from(number) - 1;
            let row = database.get(&id(number).root_key(), &VOTE_KEY).unwrap().unwrap();
            assert_eq!(row.to_vec(), vote_row(id(number), &tip(height)));
        }
        let fenced = rows(&database);
        assert_eq!(raised(&database, basis).unwrap().written, 0);
        assert_eq!(rows(&database), fenced);
    }
}

#[test]
fn what_cannot_be_fenced_is_refused_by_name_and_nothing_is_written() {
    type Change = fn(&MemoryNamespace);
    let cases: [(&str, Change, [String; 3]); 9] = [
        ("is frozen", |db| db.put(&id(2).root_key(), &SEED_KEY, &FROZEN).unwrap(), whole()),
        (
            "the seed row: expected 1",
            |db| db.put(&id(2).root_key(), &SEED_KEY, &seed_row(2)).unwrap(),
            whole(),
        ),
        ("found no row", |db| db.delete(&id(2).root_key(), &SEED_KEY).unwrap(), whole()),
        ("expected rows of a state", |db| db.delete_prefix(&id(2).root_key(), &[]).unwrap(), whole()),
        (
            "expected rows of a state",
            |db| {
                db.delete_prefix(&id(2).root_key(), &[]).unwrap();
                db.put(&id(2).root_key(), b"\x01inbox", b"").unwrap();
            },
            whole(),
        ),
        (
            "expected next height 2, found 1",
            |_| (),
            [line(1, 0, "clean"), line(2, 2, "clean"), line(3, 2, "clean")],
        ),
        (
            "expected next height 1, found 2",
            |_| (),
            [line(1, 0, "clean"), line(2, 1, "clean"), line(3, 1, "clean")],
        ),
        ("expected a line in the survey", |db| put_chain(db, id(4), 5), whole()),
        (
            "expected block b0",
            |db| {
                let row = [&[1][..], &[0xb1; 32], &1u64.to_le_bytes(), &[0; 12]].concat();
                db.put(&id(2).root_key(), &TIP_KEY, &row).unwrap();
            },
            whole(),
        ),
    ];
    for (text, change, lines) in cases {
        let database = database();
        change(&database);
        let before = rows(&database);
        let survey = survey(&lines);
        let error = raised(&database, Basis::Survey(&survey)).unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
        assert!(error.to_string().contains("nothing was written"), "{error}");
        assert_eq!(error.class(), ErrorClass::Refused);
        assert_eq!(rows(&database), before, "{text}");
    }
}

#[test]
fn a_chain_without_a_state_refuses_all_unless_such_chains_are_left() {
    let database = database();
    database.put(&id(4).root_key(), b"\x01inbox", b"").unwrap();
    let before = rows(&database);
    let error = raised(&database, Basis::WithoutSurvey).unwrap_err();
    assert!(error.to_string().contains(&format!("chain {}: expected rows of a state", id(4))), "{error}");
    assert_eq!((error.class(), rows(&database)), (ErrorClass::Refused, before));
    let report = raised(&database, Basis::WithoutSurveyOrStates).unwrap();
    assert_eq!((report.chains, report.fenced, report.written, report.without_state), (4, 3, 3, 1));
    assert!(report.conditional);
    // Linera would clear a fence when it makes the state, so none is written.
    assert_eq!(database.get(&id(4).root_key(), &VOTE_KEY).unwrap(), None);
    // What is wrong with other chains refuses all as before.
    database.put(&id(2).root_key(), &SEED_KEY, &seed_row(7)).unwrap();
    assert!(raised(&database, Basis::WithoutSurveyOrStates).is_err());
}

#[test]
fn other_layouts_networks_and_rows_are_refused() {
    for layout in ["linera-0.16", "plain"] {
        let other = database().with_layout(layout, |_| None);
        let error = raised(&other, Basis::WithoutSurvey).unwrap_err();
        assert!(error.to_string().contains(&format!("found {layout}")), "{error}");
        assert_eq!(error.class(), ErrorClass::Refused);
    }
    let good = survey(&whole());
    let elsewhere = database();
    elsewhere.put(&[5], &[0x77], &[b"\x04name", &[1; 32][..]].concat()).unwrap();
    let error = raised(&elsewhere, Basis::Survey(&good)).unwrap_err();
    assert!(error.to_string().contains("is of network 9e"), "{error}");
    for network in [&b""[..], b"\x04na", b"\xff\xff\xff\xff\x0f", b"\x04name\x01"] {
        elsewhere.put(&[5], &[0x77], network).unwrap();
        let error = raised(&elsewhere, Basis::Survey(&good)).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Damaged, "{error}");
    }
    let torn = database();
    torn.put(&id(3).root_key(), &TIP_KEY, b"\x01short").unwrap();
    let error = raised(&torn, Basis::WithoutSurvey).unwrap_err();
    assert!(error.to_string().contains(&format!("chain {}: the tip row", id(3))), "{error}");
}

#[test]
fn open_chains_are_frozen_and_thawed_when_they_are_clean() {
    let database = database();
    let open = survey(&[line(1, 0, "clean"), line(2, 1, "clean"), line(3, 2, "open")]);
    let report = raised(&database, Basis::Survey(&open)).unwrap();
    assert_eq!((report.fenced, report.frozen, report.written), (2, 1, 3));
    let seed = || database.get(&id(3).root_key(), &SEED_KEY).unwrap().unwrap().to_vec();
    assert_eq!(seed(), FROZEN);
    assert_eq!(raised(&database, Basis::Survey(&open)).unwrap().written, 0);

    let frozen = rows(&database);
    let refuse = |survey: &Survey, chain: u8, text: &str| {
        let thawed = block_on(async { thaw(&*database.amend().await.unwrap(), survey, id(chain)).await });
        let error = thawed.unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
        assert_eq!(error.class(), ErrorClass::Refused);
        assert_eq!(rows(&database), frozen);
    };
    refuse(&open, 3, "expected the verdict clean");
    refuse(&open, 2, "expected a frozen chain");
    refuse(&open, 9, "expected a frozen chain");
    refuse(&survey(&[line(1, 0, "clean")]), 3, "expected a line of the survey");
    refuse(&survey(&[line(3, 1, "clean")]), 3, "expected a survey that knows its blocks");

    let later = survey(&[line(3, 3, "clean")]);
    let behind = Thawed::Behind { expected: 3, found: 2 };
    let rehearsed = block_on(async { rehearse_thaw(&*database.look().await.unwrap(), &later, id(3)).await });
    assert_eq!((rehearsed.unwrap(), rows(&database)), (behind, frozen.clone()));
    let clean = survey(&whole());
    let thawed = block_on(async { thaw(&*database.amend().await.unwrap(), &clean, id(3)).await });
    assert_eq!(thawed.unwrap(), Thawed::Fenced { next_height: 2 });
    assert_eq!(seed(), seed_row(2));
    assert_eq!(raised(&database, Basis::Survey(&clean)).unwrap().written, 0);
}

#[test]
fn status_counts_what_is_fenced_and_with_a_survey_what_was_passed() {
    let database = database();
    let see = |survey: Option<&Survey>| {
        block_on(async { status(&*database.look().await.unwrap(), survey).await }).unwrap()
    };
    assert_eq!((see(None).bare, see(None).is_closed()), (3, false));
    let good = survey(&whole());
    raised(&database, Basis::Survey(&good)).unwrap();
    assert!(see(None).is_closed() && see(Some(&good)).is_closed());
    // The confirmed block clears the row.
    put_chain(&database, id(2), 2);
    database.delete(&id(2).root_key(), &VOTE_KEY).unwrap();
    assert_eq!((see(None).bare, see(None).fenced), (1, 2));
    let found = see(Some(&good));
    assert_eq!((found.passed, found.bare, found.fenced, found.is_closed()), (1, 0, 2, true));
    // A fence below the survey is worth nothing.
    let ahead = survey(&[line(1, 1, "clean"), line(2, 1, "clean"), line(3, 2, "clean")]);
    assert_eq!((see(Some(&ahead)).refused, see(Some(&ahead)).is_closed()), (1, false));
}

/// Fails the operation of one number, before or after it did its work.
struct Faulty<'a> {
    inner: &'a dyn Amendment,
    left: AtomicU64,
    after: bool,
}

impl Faulty<'_> {
    fn hit(&self) -> bool {
        self.left.fetch_sub(1, Ordering::Relaxed) == 0
    }

    fn error() -> EngineError {
        EngineError::new(ErrorClass::Transient, "injected")
    }
}

#[async_trait]
impl Lookup for Faulty<'_> {
    fn layout(&self) -> &str {
        self.inner.layout()
    }

    async fn root_keys(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>, EngineError> {
        if self.hit() { Err(Self::error()) } else { self.inner.root_keys(prefix).await }
    }

    async fn values(&self, roots: &[Vec<u8>], keys: &[Vec<u8>]) -> Result<Vec<FoundValues>, EngineError> {
        if self.hit() { Err(Self::error()) } else { self.inner.values(roots, keys).await }
    }
}

#[async_trait]
impl Amendment for Faulty<'_> {
    async fn write(&self, entries: Vec<AmendedEntry>) -> Result<(), EngineError> {
        if !self.hit() {
            return self.inner.write(entries).await;
        }
        // A write that failed may have done a part of its work: whole partitions.
        let half = if self.after { entries.len() / 2 } else { 0 };
        let last = entries.get(half).map(|entry| entry.root_key.clone());
        let kept = entries.into_iter().take_while(|entry| Some(&entry.root_key) != last.as_ref());
        self.inner.write(if self.after { kept.collect() } else { Vec::new() }).await?;
        Err(Self::error())
    }
}

#[test]
fn whichever_operation_fails_each_chain_is_fenced_or_not_and_a_second_run_does_the_rest() {
    let survey = survey(&[line(1, 0, "clean"), line(2, 1, "open"), line(3, 2, "clean")]);
    for after in [false, true] {
        let mut failed = 0;
        for number in 0.. {
            let database = database();
            let before = rows(&database);
            let amendment = block_on(database.amend()).unwrap();
            let faulty = Faulty { inner: &*amendment, left: AtomicU64::new(number), after };
            let result = block_on(raise(&faulty, Basis::Survey(&survey)));
            drop(amendment);
            let Err(error) = result else { break };
            failed += 1;
            assert_eq!(error.class(), ErrorClass::Transient);
            let now = rows(&database);
            let whole = database.clone();
            let report = raised(&whole, Basis::Survey(&survey)).unwrap();
            assert_eq!((report.fenced, report.frozen), (2, 1));
            let done = rows(&whole);
            for chain in 0..3 {
                let rows = chain * 3..chain * 3 + 3;
                let is = |state: &Rows| now[rows.clone()] == state[rows.clone()];
                assert!(is(&before) || is(&done), "chain {chain} is half fenced after operation {number}");
            }
        }
        assert_eq!(failed, 4, "the network, the root keys, the rows, one batch");
    }
}

#[test]
fn a_second_amendment_is_refused_while_one_is_under_way() {
    let database = database();
    let first = block_on(database.amend()).unwrap();
    let error = block_on(database.amend()).err().unwrap();
    assert_eq!(error.class(), ErrorClass::Refused);
    drop(first);
    assert!(block_on(database.amend()).is_ok());
}

#[test]
fn bad_surveys_are_refused_with_the_number_of_the_line() {
    let read = |text: &[u8]| Survey::read(text).unwrap_err().to_string();
    let good = format!("{}{}", head(3), whole().concat());
    assert_eq!(Survey::read(good.as_bytes()).unwrap().len(), 3);
    for length in 0..good.len() {
        let error = read(&good.as_bytes()[..length]);
        assert!(error.contains("expected") && error.contains("line "), "{error}");
    }
    let lines: Vec<&str> = good.lines().collect();
    let with = |number: usize, from: &str, to: &str| {
        let mut lines: Vec<String> = lines.iter().map(|line| format!("{line}\n")).collect();
        assert!(lines[number].contains(from), "{from}");
        lines[number] = lines[number].replacen(from, to, 1);
        read(lines.concat().as_bytes())
    };
    let hash = "b0".repeat(32);
    for (number, from, to, text) in [
        (0, "\"survey\":1", "\"survey\":2", "line 1: expected a survey of version 1"),
        (0, "9e9e", "xyz", "line 1: expected the network as 64 hex digits"),
        (0, "its disk is destroyed", " ", "line 1: expected in old_instance"),
        (0, "{\"03cd\":100}", "{}", "line 1: expected in committees"),
        (0, "02ab", "", "line 1: expected the head's field"),
        (0, "\"chains\":3", "\"chains\":3,\"more\":1", "unknown field"),
        (0, "\"chains\":3", "\"chains\":2", "line 4: expected the end after 2 chains"),
        (0, "\"chains\":3", "\"chains\":4", "expected 4 chains"),
        (1, "\"chain\":\"03", "\"chain\":\"zz", "line 2: expected a chain as 64 hex digits"),
        (1, &hash, "b0", "line 2: expected a block_hash"),
        (1, "\"next_height\":2", "\"next_height\":0", "a hash at height 0"),
        (2, "\"next_height\":0", "\"next_height\":7", "null above height 0"),
        (1, "clean", "perhaps", "line 2: expected an object with chain"),
        (1, "\"YW5zd2Vy\"", "", "line 2: expected at least one answer"),
        (1, "YW5zd2Vy", "!", "line 2: expected answers in base64"),
        (1, "\"answers\"", "\"more\":1,\"answers\"", "unknown field"),
        (2, &"01".repeat(32), &"03".repeat(32), "line 3: expected each chain once"),
    ] {
        let error = with(number, from, to);
        assert!(error.contains(text), "{text}: {error}");
    }
    assert!(read(b"").contains("an empty file"));
    assert!(read(b"\xff\n").contains("UTF-8"));
    let long = [head(1).as_bytes(), &vec![b'x'; LINE_BYTES_MAX + 5]].concat();
    assert!(read(&long).contains("line 2: expected a line of at most"));
}

#[test]
fn a_survey_of_many_chains_is_read() {
    // A twentieth of it takes a second without optimization.
    let chains = if std::env::var_os("KVBACKUP_EXHAUSTIVE").is_some() { 1_000_000 } else { 50_000 };
    let mut text = head(chains);
    for number in 0..chains {
        let chain = format!("{:0>64}", format!("{number:x}"));
        text.push_str(&format!(
            "{{\"chain\":\"{chain}\",\"next_height\":0,\"block_hash\":null,\"verdict\":\"clean\",\"answers\":[\"eA==\"]}}\n"
        ));
    }
    let survey = Survey::read(text.as_bytes()).unwrap();
    assert_eq!(survey.len(), chains);
}
