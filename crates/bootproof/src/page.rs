//! A report as a page.

use backup_report::frame::{self, Frame, Tone, badge, facts};
use backup_report::name;
use maud::{Markup, html};

use crate::claims::{NOT_PROVEN, PROVEN};
use crate::findings::{Finding, Note};
use crate::report::{KeyChoice, Report, Scenario};
use crate::tip::Tip;

/// What pages are known by.
const GENERATOR: &str = "bootproof";
/// Most tips that are shown.
const TIPS_MAX: usize = 1_000;

/// Returns true if this is the beginning of a page of this program.
pub fn is_page(beginning: &str) -> bool {
    frame::is_page_of(GENERATOR, beginning)
}

/// Makes the page of a report, at this time.
#[must_use]
pub fn page(report: &Report, made: &str) -> String {
    let title = format!("Boot proof of {}", report.subject);
    let footer = format!("Made by {} with linera {} on {made}.", report.tool, report.linera);
    frame::page(&Frame { title: &title, generator: GENERATOR, footer: &footer }, &body(report))
}

fn body(report: &Report) -> Markup {
    html! {
        h1 { "Boot proof of " (name(&report.subject)) }
        (state(report))
        (subject(report))
        (findings(report))
        (boots(&report.scenarios))
        (tips(report))
        (claims(report))
    }
}

/// Says in a line whether it boots.
fn state(report: &Report) -> Markup {
    let (class, tone, words, line) = match report.findings_total {
        0 if !report.is_complete() => (
            "warning",
            Tone::Warning,
            "Not all done",
            "Nothing was found, but not all could be done: see the boots.",
        ),
        0 if report.not_proven.is_empty() => ("good", Tone::Good, "Boots", "Nothing was found."),
        0 => ("good", Tone::Good, "Boots", "Nothing was found. Not all of it is proven: see below."),
        _ => ("bad", Tone::Bad, "Findings", "It is not what it should be."),
    };
    let found = report.findings_total;
    html! {
        div class={ "state " (class) } {
            p class="line" {
                (badge(tone, words)) " " (line)
                @if found > 0 { " " strong { (found) @if found == 1 { " finding." } @else { " findings." } } }
            }
            p class="note" { "linera's own storage was opened on a copy, every chain was checked, and linera's own worker was booted." }
        }
    }
}

fn subject(report: &Report) -> Markup {
    let texts = [
        ("Dump", &report.dump),
        ("Compared with dump", &report.against_dump),
        ("Digest", &report.digest),
        ("Layout", &report.layout),
        ("Consistency", &report.consistency),
    ];
    let mut all: Vec<(&str, Markup)> = texts
        .into_iter()
        .filter_map(|(label, text)| Some((label, html! { span class="id" { (name(text.as_ref()?)) } })))
        .collect();
    if let Some(network) = &report.network {
        all.push(("Network", html! { (name(&network.name)) }));
        for (label, hash) in [
            ("Genesis configuration", &network.genesis_config),
            ("First committee", &network.genesis_committee),
            ("Admin chain", &network.admin_chain),
        ] {
            all.push((label, html! { span class="id" { (name(hash)) } }));
        }
    }
    if let Some(hash) = &report.network_description {
        all.push((
            "Network description",
            html! { span class="id" { (hash) } @if report.anchored { ", as was given" } },
        ));
    }
    if let Some(fence) = &report.fence {
        all.push(("Fence", html! { (fence.summary) }));
    }
    let counts = &report.counts;
    for (label, number) in [
        ("Chains", counts.chains),
        ("Blocks", counts.blocks),
        ("Certificates", counts.certificates),
        ("Blobs", counts.blobs),
        ("Events", counts.events),
        ("Entries", counts.entries),
    ] {
        all.push((label, html! { (number) }));
    }
    facts(&all)
}

fn findings(report: &Report) -> Markup {
    if report.findings.is_empty() {
        return html! {};
    }
    let left_out = report.findings_total.saturating_sub(report.findings.len());
    html! {
        h2 { "Findings" }
        @for finding in &report.findings { (one(finding)) }
        @if left_out > 0 { p { (left_out) " more findings of the same kinds are not shown." } }
    }
}

fn one(finding: &Finding) -> Markup {
    html! {
        section {
            h3 { (name(&finding.kind.to_string())) ": " (name(&finding.place.to_string())) }
            (facts(&[
                ("Expected", html! { (name(&finding.expected)) }),
                ("Found", html! { (name(&finding.found)) }),
                ("Meaning", html! { (finding.meaning) }),
            ]))
        }
    }
}

fn boots(scenarios: &[Scenario]) -> Markup {
    html! {
        @if !scenarios.is_empty() {
            h2 { "Boots of linera's worker" }
            table {
                thead { tr {
                    @for title in ["Key", "Result", "Certificates", "Votes"] { th class="left" scope="col" { (title) } }
                    th scope="col" { "Chains answered" }
                } }
                tbody { @for scenario in scenarios { (boot(scenario)) } }
            }
        }
    }
}

fn boot(scenario: &Scenario) -> Markup {
    let key = match scenario.key {
        KeyChoice::None => "none",
        KeyChoice::Random => "random",
        KeyChoice::Own => "the validator's own",
    };
    let is_good = scenario.result == Scenario::OK;
    let tone = if is_good { Tone::Good } else { Tone::Bad };
    html! {
        tr {
            td class="left" data-name="Key" { (key) }
            td class="left" data-name="Result" { (badge(tone, if is_good { "boots" } else { "fails" })) @if !is_good { " " (name(&scenario.result)) } }
            td class="left" data-name="Certificates" {
                @if scenario.certificates.is_empty() { "none given" }
                @for applied in &scenario.certificates { span { (name(&applied.file)) ": " (name(&applied.result)) } " " }
            }
            td class="left" data-name="Votes" {
                @if scenario.votes.is_empty() { "none" }
                @for vote in &scenario.votes {
                    span { (name(&vote.kind)) " at height " (vote.height) " of chain " span class="id" { (name(&vote.chain)) } } " "
                }
            }
            td data-name="Chains answered" { (scenario.chains_answered) }
        }
    }
}

/// Shows where the chains are: all that the first boot tells.
fn tips(report: &Report) -> Markup {
    let tips = report.scenarios.first().map_or(&[][..], |scenario| &scenario.tips_before);
    let left_out = (report.counts.chains as usize).saturating_sub(tips.len().min(TIPS_MAX));
    html! {
        @if !tips.is_empty() {
            h2 { "Chains" }
            table {
                thead { tr {
                    th class="left" scope="col" { "Chain" }
                    th scope="col" { "Next height" }
                    @for title in ["Last block", "State"] { th class="left" scope="col" { (title) } }
                    th scope="col" { "Balance" }
                } }
                tbody { @for tip in tips.iter().take(TIPS_MAX) { (row(tip)) } }
            }
            @if left_out > 0 { p { (left_out) " more chains are not shown." } }
        }
    }
}

fn row(tip: &Tip) -> Markup {
    let hash = |hash: &Option<String>| {
        let hash = hash.as_deref().unwrap_or("none");
        html! { span class="id" title=(hash) { (hash.get(..12).unwrap_or(hash)) } }
    };
    html! {
        tr {
            td class="left" data-name="Chain" { span class="id" title=(tip.chain) { (tip.chain.get(..12).unwrap_or(&tip.chain)) } }
            td data-name="Next height" { (tip.next_height) }
            td class="left" data-name="Last block" { (hash(&tip.block)) }
            td class="left" data-name="State" { (hash(&tip.state)) }
            td data-name="Balance" { (tip.balance) }
        }
    }
}

fn claims(report: &Report) -> Markup {
    let is_clean = report.findings_total == 0 && report.is_complete();
    html! {
        h2 { @if is_clean { "What is proven" } @else { "What would be proven if nothing were found" } }
        ul { @for claim in PROVEN { li { (claim) } } }
        h2 { "What is not proven" }
        (notes(&report.not_proven))
        ul { @for claim in NOT_PROVEN { li { (claim) } } }
        @if !report.remarks.is_empty() {
            h2 { "Remarks" }
            (notes(&report.remarks))
        }
    }
}

fn notes(notes: &[Note]) -> Markup {
    html! {
        @if !notes.is_empty() {
            ul class="problems" {
                @for note in notes {
                    li { strong { (name(&note.what)) } ", " (note.count) @if note.count == 1 { " time: " } @else { " times: " } (name(&note.examples.join("; "))) @if (note.examples.len() as u64) < note.count { ", ..." } }
                }
            }
        }
    }
}
