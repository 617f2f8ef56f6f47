//! A report for people.

use std::fmt::{self, Write as _};

use crate::findings::{Finding, Note};
use crate::report::{KeyChoice, Report, Scenario};

/// Width of the labels of lines.
const LABEL: usize = 13;

/// Writes a report as lines of text.
#[must_use]
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    write(report, &mut out).expect("a String takes everything");
    out
}

fn write(report: &Report, out: &mut String) -> fmt::Result {
    head(report, out)?;
    for scenario in &report.scenarios {
        boot(scenario, out)?;
    }
    for finding in &report.findings {
        describe(finding, out)?;
    }
    let left_out = report.findings_total - report.findings.len();
    if left_out > 0 {
        line(out, "", format_args!("and {left_out} more findings of the same kinds"))?;
    }
    notes("NOT PROVEN", &report.not_proven, out)?;
    notes("remark", &report.remarks, out)?;
    let result = match report.findings_total {
        0 if !report.is_complete() => "nothing was found, but not all could be done, see above".to_owned(),
        0 if report.not_proven.is_empty() => "nothing was found: this boots".to_owned(),
        0 => "nothing was found, and it boots; but not all of it is proven, see above".to_owned(),
        1 => "1 finding".to_owned(),
        count => format!("{count} findings"),
    };
    line(out, "result", result)?;
    line(out, "time", format_args!("{:.1} s", report.seconds))
}

fn head(report: &Report, out: &mut String) -> fmt::Result {
    line(out, "tool", format_args!("{}, with linera {}", report.tool, report.linera))?;
    line(out, "subject", &report.subject)?;
    for (label, value) in [
        ("dump", &report.dump),
        ("against", &report.against_dump),
        ("digest", &report.digest),
        ("layout", &report.layout),
    ] {
        if let Some(value) = value {
            line(out, label, value)?;
        }
    }
    if let Some(network) = &report.network {
        line(out, "network", &network.name)?;
        line(
            out,
            "committee",
            format_args!("{} (compare it with another validator's)", network.genesis_committee),
        )?;
    }
    let counts = &report.counts;
    line(
        out,
        "content",
        format_args!(
            "{} chains, {} blocks, {} certificates, {} blobs, {} events, {} entries in all",
            counts.chains, counts.blocks, counts.certificates, counts.blobs, counts.events, counts.entries
        ),
    )
}

fn boot(scenario: &Scenario, out: &mut String) -> fmt::Result {
    let key = match scenario.key {
        KeyChoice::None => "no key",
        KeyChoice::Random => "a random key",
        KeyChoice::Own => "the own key",
    };
    let public = scenario.public_key.as_ref().map(|key| format!(" {key}")).unwrap_or_default();
    line(out, "boot", format_args!("with {key}{public}: {}", scenario.result))?;
    line(out, "", format_args!("{} chains answered as the database says", scenario.chains_answered))?;
    for applied in &scenario.certificates {
        line(out, "", format_args!("certificate {}: {}", applied.file, applied.result))?;
    }
    for tip in &scenario.tips_after {
        line(out, "", tip)?;
    }
    for vote in &scenario.votes {
        let validator = vote.validator.as_deref().unwrap_or("an unknown key");
        line(
            out,
            "",
            format_args!(
                "vote ({}) by {validator} for chain {} at height {}, {}",
                vote.kind, vote.chain, vote.height, vote.round
            ),
        )?;
    }
    Ok(())
}

fn describe(finding: &Finding, out: &mut String) -> fmt::Result {
    line(out, "FINDING", format_args!("{}: {}", finding.kind, finding.place))?;
    line(out, "  expected", &finding.expected)?;
    line(out, "  found", &finding.found)?;
    line(out, "  meaning", finding.meaning)
}

fn notes(label: &str, notes: &[Note], out: &mut String) -> fmt::Result {
    for note in notes {
        let more = if note.examples.len() as u64 == note.count { "" } else { ", ..." };
        line(out, label, format_args!("{} ({}: {}{more})", note.what, note.count, note.examples.join("; ")))?;
    }
    Ok(())
}

fn line(out: &mut String, label: &str, text: impl fmt::Display) -> fmt::Result {
    writeln!(out, "{label:<LABEL$}{text}")
}
