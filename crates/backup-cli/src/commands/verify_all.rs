//! `verify --all`: whether all dumps are what they were.

use anyhow::Result;
use backup_console::{Attester, Problem, Report, count};
use backup_format::{ErrorClass, Proven};
use backup_repository::{
    DumpVerdict, Proof, Repository, RepositoryError, VerifyAllReport, VerifyLevel, VerifyOptions,
};
use serde_json::{Value, json};

use crate::attested;
use crate::report::{self, full_text, to_the_second};
use crate::table;

/// Digits of an id in the table; `--dump` takes them.
const ID_DIGITS: usize = 12;

pub(super) async fn run(
    repository: &Repository,
    options: &VerifyOptions,
    attester: &Attester,
    expected: Option<u64>,
) -> Result<Report> {
    if let Some(least) = expected {
        repository.dumps().await?.check_sequence(None, least)?;
    }
    let found = repository.verify_all(options).await?;
    let mut report = Report::default();
    let bad = found.dumps.iter().filter(|dump| dump.found.is_err()).count();
    report.field("level", if options.level == VerifyLevel::Structure { 1 } else { 2 });
    report.field("subset", options.subset.map(|subset| subset.to_string()));
    report.field("dumps", found.dumps.iter().map(as_json).collect::<Vec<_>>());
    report.field("dumps_bad", bad);
    report.field("packs_read", found.packs_read);
    report.field("packs_bad", found.packs_damaged.iter().map(full_text).collect::<Vec<_>>());
    report.field("missing", found.missing.iter().map(full_text).collect::<Vec<_>>());
    report.field("segments_read", found.segments_read);
    describe(&mut report, &found, options.level);
    report.failure = failure(&found);
    attester.attest(&mut report, repository, &proofs(&found)).await;
    Ok(report.timed())
}

/// Returns what was proven of the dumps that are good.
fn proofs(found: &VerifyAllReport) -> [Proof; 2] {
    let good = |is_read: bool| {
        let digests = found.dumps.iter().filter_map(|dump| {
            let digest = dump.found.as_ref().ok()?.digest.as_ref();
            Some((dump.id, digest.map(|state| state.digest())))
        });
        digests.filter(move |(_, digest)| digest.is_some() == is_read)
    };
    [attested::proof(Proven::Content, good(true)), attested::proof(Proven::Structure, good(false))]
}

fn as_json(dump: &DumpVerdict) -> Value {
    let good = dump.found.as_ref().ok();
    let manifest = dump.manifest.as_ref();
    json!({
        "dump": dump.id,
        "namespace": manifest.map(|manifest| &manifest.namespace),
        "finished": manifest.map(|manifest| to_the_second(&manifest.finished)),
        "good": good.is_some(),
        "signed_by": dump.signed.and_then(report::signed_by),
        "signature": dump.signed.map(report::signature),
        "digest_recomputed": good.is_some_and(|found| found.digest.is_some()),
        "problem": dump.found.as_ref().err().map(|error| full_text(error)),
    })
}

fn describe(report: &mut Report, found: &VerifyAllReport, level: VerifyLevel) {
    let row = |dump: &DumpVerdict| {
        let (finished, namespace) =
            dump.manifest.as_ref().map_or(("-".to_owned(), "-".to_owned()), |manifest| {
                (manifest.finished.clone(), manifest.namespace.clone())
            });
        let verdict = match &dump.found {
            Ok(found) if found.digest.is_some() => "good: the digest is right",
            Ok(found) if found.is_sealed => {
                "good: all segments are there; the content is sealed and not checked"
            }
            Ok(_) => "good: all segments are there",
            Err(error) if matches!(**error, RepositoryError::Untrusted { .. }) => "REFUSED",
            Err(_) => "BAD",
        };
        let verdict = match dump.signed.map(report::signed_text) {
            Some(signed) if report::is_signed(dump.signed) => format!("{verdict}, {signed}"),
            _ => verdict.to_owned(),
        };
        [format!("{:.ID_DIGITS$}", dump.id), finished, namespace, verdict]
    };
    report.text(&table::table(found.dumps.iter().map(row).collect(), 0, usize::MAX));
    for dump in &found.dumps {
        if let Err(error) = &dump.found {
            report.text(&format!("{:.ID_DIGITS$}  BAD: {}\n", dump.id, full_text(error)));
        }
    }
    for error in &found.missing {
        report.text(&format!("MISSING: {}\n", full_text(error)));
    }
    for error in &found.packs_damaged {
        report.text(&format!("BAD: {}\n", full_text(error)));
    }
    if level == VerifyLevel::Content {
        let (packs, segments) = (count(found.packs_read, "pack"), count(found.segments_read, "segment"));
        report.line("read", format_args!("{packs}, {segments}, each once"));
    }
}

/// Sums up what is wrong; damage weighs more than what cannot be read by this version.
fn failure(found: &VerifyAllReport) -> Option<Problem> {
    let is_damage = |error: &RepositoryError| error.class() == ErrorClass::Damaged;
    let worst = found.problems().find(|error| is_damage(error)).or_else(|| found.problems().next())?;
    let dumps = found.dumps.iter().filter(|dump| dump.found.is_err()).count() as u64;
    let packs = found.packs_damaged.len() as u64;
    let missing = match found.missing.len() as u64 {
        0 => String::new(),
        number => format!(", {} missing", count(number, "dump")),
    };
    let text = format!(
        "{} of {} and {} are not as they should be{missing}, the first: {}",
        dumps,
        count(found.dumps.len() as u64, "dump"),
        count(packs, "pack"),
        full_text(worst)
    );
    Some(if is_damage(worst) { Problem::Damage(text) } else { Problem::Refused(text) })
}
