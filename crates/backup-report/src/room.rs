//! What all dumps take together, and what a retention policy would leave.

use maud::{Markup, html};

use crate::frame::facts;
use crate::numbers::{bytes, counted, ratio};
use crate::subject::{Measured, Retention, Subject};
use crate::text::name;

const UNKNOWN: &str = "nothing to compare";

/// Shows both, where there are dumps.
pub(crate) fn draw(subject: &Subject) -> Markup {
    if subject.dumps() == 0 {
        return html! {};
    }
    html! {
        h2 { "Room and retention" }
        (facts(&measures(subject)))
        @match &subject.measured {
            Measured::No => p class="note" { "What each dump adds to the packs was not measured: --measure does that, and reads the tables of all packs and the pages of all dumps." },
            Measured::Failed { problem, .. } => p { strong { "What dumps take could not be measured: " } (name(problem)) },
            Measured::Yes(_) => {}
        }
        @match &subject.retention {
            Retention::No => p class="note" { "No retention policy was given: with --keep-daily 7 and the like the page says which dumps it would keep." },
            Retention::Failed(problem) => p { strong { "What the retention policy would keep is not known: " } (name(problem)) },
            Retention::Applied { kept, going } => p {
                "The retention policy that was given would keep " strong { (counted(*kept, ("dump", "dumps"))) }
                " and forget " strong { (counted(*going, ("dump", "dumps"))) }
                ". Nothing was changed; the tables say what becomes of each."
            },
        }
    }
}

fn measures(subject: &Subject) -> Vec<(&'static str, Markup)> {
    let dumps = subject.namespaces.iter().flat_map(|namespace| &namespace.dumps);
    let logical = dumps.map(|dump| dump.plain_bytes).fold(0, u64::saturating_add);
    let shown = |whole, part| ratio(whole, part).unwrap_or_else(|| UNKNOWN.to_owned());
    let mut all = vec![
        ("All dumps, logical", html! { (bytes(logical)) }),
        ("All packs", html! { (bytes(subject.pack_bytes)) }),
        ("Together", html! { (shown(logical, subject.pack_bytes)) }),
    ];
    if let Measured::Yes(totals) = &subject.measured {
        all.extend([
            ("Deduplication", html! { (shown(totals.reached_plain_bytes, totals.unique_plain_bytes)) }),
            ("Compression", html! { (shown(totals.unique_plain_bytes, totals.unique_stored_bytes)) }),
            ("Reached by no dump", html! { (bytes(totals.unreferenced_bytes)) }),
        ]);
    }
    all
}
