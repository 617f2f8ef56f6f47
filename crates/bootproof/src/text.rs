//! A report for people, and the same for programs.

use backup_console::{Problem, Report as Printed, count};
use serde_json::Value;

use crate::findings::{Finding, Note};
use crate::report::{KeyChoice, Report, Scenario};

/// Returns a report as it is printed. A run fails if something was found, or not all could be done.
///
/// # Panics
///
/// Never: all reports can be written as JSON.
#[must_use]
pub fn describe(report: &Report) -> Printed {
    let mut out = Printed::default();
    let fields = serde_json::to_value(report).expect("a report has only texts, numbers and lists");
    if let Value::Object(fields) = fields {
        out.fields(fields);
    }
    head(report, &mut out);
    for scenario in &report.scenarios {
        boot(scenario, &mut out);
    }
    for finding in &report.findings {
        describe_finding(finding, &mut out);
    }
    let left_out = report.findings_total - report.findings.len();
    if left_out > 0 {
        out.line("", format_args!("and {left_out} more findings of the same kinds"));
    }
    notes("NOT PROVEN", &report.not_proven, &mut out);
    notes("remark", &report.remarks, &mut out);
    let result = match report.findings_total {
        0 if !report.is_complete() => "nothing was found, but not all could be done, see above".to_owned(),
        0 if report.not_proven.is_empty() => "nothing was found: this boots".to_owned(),
        0 => "nothing was found, and it boots; but not all of it is proven, see above".to_owned(),
        found => count(found as u64, "finding"),
    };
    out.line("result", result);
    out.failure = failure(report);
    out.timed()
}

/// Returns what makes the run fail.
fn failure(report: &Report) -> Option<Problem> {
    match report.findings_total {
        0 if report.is_complete() => None,
        0 => Some(Problem::Failed(
            "nothing was found, but not all could be done; the report says what".to_owned(),
        )),
        found => {
            let found = count(found as u64, "finding");
            Some(Problem::Damage(format!("{found} in {}; the report lists what and where", report.subject)))
        }
    }
}

/// What is said of a committee that rests on the word of the database alone.
const ADVICE: &str = " (compare it with another validator's, or give --genesis)";

fn head(report: &Report, out: &mut Printed) {
    out.line("tool", format_args!("{}, with linera {}", report.tool, report.linera));
    out.line("subject", &report.subject);
    for (label, value) in [
        ("dump", &report.dump),
        ("against", &report.against_dump),
        ("digest", &report.digest),
        ("layout", &report.layout),
    ] {
        if let Some(value) = value {
            out.line(label, value);
        }
    }
    if let Some(network) = &report.network {
        out.line("network", &network.name);
        out.line(
            "committee",
            format_args!("{}{}", network.genesis_committee, if report.anchored { "" } else { ADVICE }),
        );
    }
    if let Some(hash) = &report.network_description {
        let given = if report.anchored { ", as was given" } else { "" };
        out.line("description", format_args!("{hash}{given}"));
    }
    if let Some(fence) = &report.fence {
        out.line("fence", &fence.summary);
    }
    let counts = &report.counts;
    out.line(
        "content",
        format_args!(
            "{} chains, {} blocks, {} certificates, {} blobs, {} events, {} entries in all",
            counts.chains, counts.blocks, counts.certificates, counts.blobs, counts.events, counts.entries
        ),
    )
}

fn boot(scenario: &Scenario, out: &mut Printed) {
    let key = match scenario.key {
        KeyChoice::None => "no key",
        KeyChoice::Random => "a random key",
        KeyChoice::Own => "the own key",
    };
    let public = scenario.public_key.as_ref().map(|key| format!(" {key}")).unwrap_or_default();
    out.line("boot", format_args!("with {key}{public}: {}", scenario.result));
    out.line("", format_args!("{} chains answered as the database says", scenario.chains_answered));
    for applied in &scenario.certificates {
        out.line("", format_args!("certificate {}: {}", applied.file, applied.result));
    }
    for tip in &scenario.tips_after {
        out.line("", tip);
    }
    for vote in &scenario.votes {
        let validator = vote.validator.as_deref().unwrap_or("an unknown key");
        out.line(
            "",
            format_args!(
                "vote ({}) by {validator} for chain {} at height {}, {}",
                vote.kind, vote.chain, vote.height, vote.round
            ),
        );
    }
}

fn describe_finding(finding: &Finding, out: &mut Printed) {
    out.line("FINDING", format_args!("{}: {}", finding.kind, finding.place));
    out.line("  expected", &finding.expected);
    out.line("  found", &finding.found);
    out.line("  meaning", finding.meaning);
}

fn notes(label: &str, notes: &[Note], out: &mut Printed) {
    for note in notes {
        let more = if note.examples.len() as u64 == note.count { "" } else { ", ..." };
        out.line(label, format_args!("{} ({}: {}{more})", note.what, note.count, note.examples.join("; ")));
    }
}
