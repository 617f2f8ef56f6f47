//! What is attested of dumps, in reports.

use std::collections::BTreeMap;

use backup_console::Report;
use backup_format::{Digest, ObjectId, Proven};
use backup_repository::{Attestations, Attested, Proof, Signed};
use serde_json::{Map, Value, json};

use crate::report::{signature, signed_by, signed_text, to_the_second};

/// Returns what this program has proven of dumps.
pub(crate) fn proof(proven: Proven, dumps: impl IntoIterator<Item = (ObjectId, Option<Digest>)>) -> Proof {
    let dumps: BTreeMap<_, _> = dumps.into_iter().collect();
    Proof { proven, dumps, tool: crate::TOOL.to_owned(), network: None, not_proven: Vec::new() }
}

/// Returns the newest attestation that all of a dump was read; otherwise the newest one of its structure.
pub(crate) fn verified(attestations: &Attestations, dump: ObjectId) -> Option<&Attested> {
    attestations.newest(dump, Proven::Content).or_else(|| attestations.newest(dump, Proven::Structure))
}

/// Returns the newest attestation that a dump boots.
pub(crate) fn boot_proven(attestations: &Attestations, dump: ObjectId) -> Option<&Attested> {
    attestations.newest(dump, Proven::Boot)
}

/// Returns the fields of a dump that say what is attested.
pub(crate) fn fields(attestations: &Attestations, dump: ObjectId) -> Map<String, Value> {
    let fields =
        [("verified", verified(attestations, dump)), ("boot_proven", boot_proven(attestations, dump))];
    fields.map(|(name, attested)| (name.to_owned(), as_json(attested))).into_iter().collect()
}

/// Adds what is attested of a dump.
pub(crate) fn add(report: &mut Report, attestations: &Attestations, dump: ObjectId) {
    report.fields(fields(attestations, dump));
    for (label, attested) in
        [("verified", verified(attestations, dump)), ("boot-proven", boot_proven(attestations, dump))]
    {
        report.line(label, attested.map_or_else(|| "not attested".to_owned(), text));
    }
}

/// Writes an attestation for a line.
fn text(attested: &Attested) -> String {
    let Attested { proven, time, tool, signed, network, .. } = attested;
    let network = network.as_ref().map(|network| format!(" on network {}", network.name));
    format!(
        "{} ({proven}) by {tool}{}, {}",
        to_the_second(time),
        network.unwrap_or_default(),
        signed_text(*signed)
    )
}

/// Writes an attestation for a table: when, and a mark where it says less than it seems to.
pub(crate) fn cell(attested: Option<&Attested>) -> String {
    let Some(Attested { proven, time, signed, .. }) = attested else { return "-".to_owned() };
    let unchecked = if matches!(signed, Signed::By(_)) { "" } else { "?" };
    let structure = if *proven == Proven::Structure { " structure" } else { "" };
    format!("{}{unchecked}{structure}", to_the_second(time))
}

fn as_json(attested: Option<&Attested>) -> Value {
    let Some(attested) = attested else { return Value::Null };
    let Attested { proven, time, tool, signed, network, not_proven, .. } = attested;
    json!({
        "proven": proven,
        "time": to_the_second(time),
        "tool": tool,
        "signed_by": signed_by(*signed),
        "signature": signature(*signed),
        "network": network,
        "not_proven": not_proven,
    })
}
