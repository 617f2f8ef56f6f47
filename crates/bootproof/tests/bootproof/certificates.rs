//! Going on with certificates, right and wrong ones.

use std::path::Path;

use bootproof::{CastVote, KeyChoice, Kind, Report, Tip};
use linera_base::crypto::ValidatorSecretKey;
use linera_chain::types::ConfirmedBlockCertificate;

use crate::Tests;
use crate::fixture::{self, file};
use crate::histories::History;
use crate::keys;
use crate::proving::{dump, prove_at, prove_entries, show};

pub const TESTS: Tests = &[
    ("all boots end at the tips that are expected", all_boots_end_at_the_tips_that_are_expected),
    ("in the wrong order the first is kept for later", in_the_wrong_order_the_first_is_kept_for_later),
    ("one that is known already moves nothing", one_that_is_known_already_moves_nothing),
    ("one with a wrong signature is refused", one_with_a_wrong_signature_is_refused),
    ("one of another network is refused", one_of_another_network_is_refused),
    ("without a network description none is applied", without_a_network_description_none_is_applied),
    ("votes that were cast are reported with their validator", votes_that_were_cast_are_reported),
    ("a key outside of the committee is remarked", a_key_outside_of_the_committee_is_remarked),
];

fn all_boots_end_at_the_tips_that_are_expected() {
    let own_key = file("own.key");
    let report = prove(&["--cert", &file("cert1.bcs"), "--cert", &file("cert2.bcs"), "--own-key", &own_key]);
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    let keys: Vec<_> = report.scenarios.iter().map(|boot| boot.key).collect();
    assert_eq!(keys, [KeyChoice::None, KeyChoice::Random, KeyChoice::Own]);
    let info = fixture::info();
    assert_eq!(report.scenarios[2].public_key.as_deref(), info["public_key"].as_str());
    for boot in &report.scenarios {
        assert_eq!(boot.result, "ok");
        assert_eq!(boot.chains_answered, 2);
        assert_eq!(boot.certificates.len(), 2);
        assert_eq!(lines(&boot.tips_before), expected("at_backup"));
        assert_eq!(lines(&boot.tips_after), expected("after_cert2"));
    }
    let first = prove(&["--cert", &file("cert1.bcs")]);
    assert_eq!(lines(&first.scenarios[0].tips_after), expected("after_cert1"));
}

fn in_the_wrong_order_the_first_is_kept_for_later() {
    let report = prove(&["--cert", &file("cert2.bcs"), "--cert", &file("cert1.bcs")]);
    let results = refusals(&report, 2);
    assert!(results[0].starts_with("kept for later") && results[1] == "applied", "{results:?}");
}

fn one_that_is_known_already_moves_nothing() {
    let report = prove(&["--cert", &file("cert1.bcs"), "--cert", &file("cert1.bcs")]);
    let results = refusals(&report, 2);
    assert!(results[0] == "applied" && results[1].starts_with("not needed"), "{results:?}");
}

fn one_with_a_wrong_signature_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("wrong.bcs");
    let mut bytes = std::fs::read(file("cert1.bcs")).unwrap();
    // The last bytes are of the last signature.
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let results = refusals(&prove(&["--cert", path.to_str().unwrap()]), 2);
    assert!(results[0].starts_with("refused"), "{results:?}");
}

fn one_of_another_network_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("foreign.bcs");
    write_foreign(&path);
    let results = refusals(&prove(&["--cert", path.to_str().unwrap()]), 2);
    assert!(results[0].starts_with("refused"), "{results:?}");
}

fn without_a_network_description_none_is_applied() {
    let mut entries = History::Fixture.past().entries.clone();
    entries.delete(&keys::network(), keys::NETWORK_DESCRIPTION);
    let report = prove_entries(&entries, &["--cert", &file("cert1.bcs")]);
    assert!(report.findings.iter().any(|finding| finding.kind == Kind::CertificateNotApplied));
}

fn a_key_outside_of_the_committee_is_remarked() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("other.key");
    std::fs::write(&path, "\"".to_owned() + &"21".repeat(32) + "\"").unwrap();
    let report = prove(&["--own-key", path.to_str().unwrap()]);
    assert!(
        report.remarks.iter().any(|remark| remark.what.contains("in no committee")),
        "{:?}",
        report.remarks
    );
    assert_eq!(report.scenarios.len(), 3);
}

fn votes_that_were_cast_are_reported() {
    let past = History::Voted.past();
    let report = prove_entries(&past.entries, &[]);
    let validator: ValidatorSecretKey = serde_json::from_str(&format!("\"{}\"", "21".repeat(32))).unwrap();
    let vote = CastVote {
        validator: Some(validator.public().to_string()),
        chain: hex::encode(past.sender),
        height: 1,
        round: "multi-leader round 0".to_owned(),
        kind: "validated".to_owned(),
    };
    // They are in the database, whichever key the worker has.
    for boot in &report.scenarios {
        assert_eq!(boot.votes, std::slice::from_ref(&vote));
    }
    assert!(prove(&[]).scenarios.iter().all(|boot| boot.votes.is_empty()));
}

/// Proves a dump of the fixture.
fn prove(arguments: &[&str]) -> Report {
    let repository = tempfile::tempdir().unwrap();
    dump(&History::Fixture.past().entries, repository.path());
    prove_at(repository.path().to_str().unwrap(), arguments)
}

/// Checks that nothing was found but certificates that were not applied, one in each boot, and returns what became of the
/// certificates of the first boot.
fn refusals(report: &Report, boots: usize) -> Vec<String> {
    let found: Vec<_> = report.findings.iter().map(show).collect();
    assert_eq!(report.findings.len(), boots, "{found:#?}");
    assert!(report.findings.iter().all(|finding| finding.kind == Kind::CertificateNotApplied), "{found:#?}");
    report.scenarios[0].certificates.iter().map(|applied| applied.result.clone()).collect()
}

/// Writes a certificate of the network of the lone validator.
fn write_foreign(path: &Path) {
    let past = History::MessagesInInbox.past();
    let root_key = past.block_key(past.sender, 1);
    let value = |key: &[u8]| past.entries.0[&(root_key.clone(), key.to_vec())].clone();
    let block: linera_chain::types::ConfirmedBlock = bcs::from_bytes(&value(keys::BLOCK)).unwrap();
    let certificate = value(keys::CERTIFICATE);
    let lite: linera_chain::types::LiteCertificate<'_> = bcs::from_bytes(&certificate).unwrap();
    let certificate: ConfirmedBlockCertificate = lite.with_value(block).unwrap();
    std::fs::write(path, bcs::to_bytes(&certificate).unwrap()).unwrap();
}

/// Writes tips as the fixture does.
fn lines(tips: &[Tip]) -> Vec<String> {
    let line = |tip: &Tip| {
        let (block, state) = (tip.block.as_deref().unwrap(), tip.state.as_deref().unwrap());
        let Tip { chain, next_height, balance, .. } = tip;
        format!("chain {chain} next_height={next_height} tip={block} state={state} balance={balance}")
    };
    let mut lines: Vec<_> = tips.iter().map(line).collect();
    lines.sort();
    lines
}

fn expected(name: &str) -> Vec<String> {
    let info = fixture::info();
    let lines = info[name].as_array().unwrap();
    let mut lines: Vec<_> = lines.iter().map(|line| line.as_str().unwrap().to_owned()).collect();
    lines.sort();
    lines
}
