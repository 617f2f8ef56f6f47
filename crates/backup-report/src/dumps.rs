//! The table of dumps.

use maud::{Markup, html};

use crate::frame::{Tone, badge};
use crate::numbers::{bytes, count, counted, short, signed, time, took};
use crate::overview::SEALED;
use crate::subject::{Dump, Fate, Signature, Subject};
use crate::text::{name, plain};

/// Dumps that are shown without being asked for: the newest.
const OPEN: usize = 100;
const NONE: &str = "\u{2013}";

/// The columns of a table that not all tables have.
#[derive(Clone, Copy)]
struct Columns {
    stored: bool,
    attested: bool,
    fate: bool,
}

/// Shows all dumps of a namespace, the newest first.
pub(crate) fn table(subject: &Subject, dumps: &[Dump]) -> Markup {
    let columns = Columns {
        stored: dumps.iter().any(|dump| dump.stored.is_some()),
        attested: dumps.iter().any(|dump| dump.verified.is_some()),
        fate: dumps.iter().any(|dump| dump.fate.is_some()),
    };
    let (older, newest) = dumps.split_at(dumps.len().saturating_sub(OPEN));
    let caption = if subject.trusts_keys {
        "The newest first."
    } else {
        "The newest first. Signatures were not checked."
    };
    html! {
        h3 { "Dumps" }
        (rows(newest, columns, caption))
        @if !older.is_empty() {
            details {
                summary { (counted(older.len() as u64, ("older dump", "older dumps"))) }
                (rows(older, columns, "The newest first."))
            }
        }
    }
}

fn rows(dumps: &[Dump], columns: Columns, caption: &str) -> Markup {
    html! {
        table {
            caption { (caption) }
            thead {
                tr {
                    @for title in ["Dump", "Finished"] { th class="left" scope="col" { (title) } }
                    @for title in ["Seq", "Took", "Entries", "Change", "Logical", "Change"] { th scope="col" { (title) } }
                    @if columns.stored { @for title in ["Added", "Own"] { th scope="col" { (title) } } }
                    th class="left" scope="col" { "Signed" }
                    @if columns.attested { th class="left" scope="col" { "Verified" } }
                    @if columns.fate { th class="left" scope="col" { "Policy" } }
                }
            }
            tbody { @for dump in dumps.iter().rev() { (row(dump, columns)) } }
        }
    }
}

fn row(dump: &Dump, columns: Columns) -> Markup {
    let since = dump.since;
    html! {
        tr {
            td class="left id" data-name="Dump" { (short(&dump.id)) }
            td class="left whole" data-name="Finished" {
                span { (time(&dump.finished)) @if dump.is_future { " " (badge(Tone::Bad, "future")) } @if dump.is_last { " " (badge(Tone::Plain, "last")) } }
            }
            td data-name="Seq" { @if dump.sequence == 0 { (NONE) } @else { (dump.sequence) } }
            td data-name="Took" { (dump.took.map_or_else(|| NONE.to_owned(), took)) }
            td data-name="Entries" { (dump.entries.map_or_else(|| SEALED.to_owned(), count)) }
            td data-name="Change" { (since.and_then(|since| since.entries).map_or_else(|| NONE.to_owned(), |entries| signed(entries, count))) }
            td data-name="Logical" { (bytes(dump.plain_bytes)) }
            td data-name="Change" { (since.map_or_else(|| NONE.to_owned(), |since| signed(since.plain_bytes, bytes))) }
            @if columns.stored {
                td data-name="Added" { (dump.stored.map_or_else(|| NONE.to_owned(), |stored| bytes(stored.new))) }
                td data-name="Own" { (dump.stored.map_or_else(|| NONE.to_owned(), |stored| bytes(stored.own))) }
            }
            td class="left" data-name="Signed" { (signer(&dump.signature)) }
            @if columns.attested { td class="left" data-name="Verified" { (verified(dump)) } }
            @if columns.fate { td class="left" data-name="Policy" { (fate(dump.fate.as_ref())) } }
        }
    }
}

fn signer(signature: &Signature) -> Markup {
    html! {
        @match signature {
            Signature::Good(key) => span class="id" { (short(&plain(key))) },
            Signature::Unchecked(key) => span class="id" { (short(&plain(key))) "?" },
            Signature::Unreadable => "unreadable",
            Signature::None => "no",
        }
    }
}

/// Shows how far the dump was proven, and by whose word.
fn verified(dump: &Dump) -> Markup {
    let Some(attested) = dump.boot_proven.as_ref().or(dump.verified.as_ref()) else {
        return html! { (NONE) };
    };
    let mark = if matches!(attested.signature, Signature::Good(_)) { "" } else { "?" };
    html! { span title=(time(&attested.time)) { (name(&attested.proven)) (mark) } }
}

fn fate(fate: Option<&Fate>) -> Markup {
    html! {
        @match fate {
            Some(Fate::Stays(reasons)) => { span { "stays: " (name(reasons)) } }
            Some(Fate::Goes) => { span class="goes" { "would go" } }
            None => (NONE),
        }
    }
}
