//! When dumps were made: a mark for each on a line of time, up to the moment of the page.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use maud::{Markup, html};

use crate::chart::percent;
use crate::numbers::{self, counted, minute};
use crate::subject::{Dump, Namespace, Subject};

/// Places on the line: marks that are nearer to each other are one.
const PLACES: f64 = 500.0;

/// A dump of the past, and its time.
type Timed<'d> = (SystemTime, &'d Dump);

/// Draws the line of a namespace; nothing if no dump has a time of the past.
pub(crate) fn draw(subject: &Subject, namespace: &Namespace, id: &str) -> Markup {
    let timed = timed(namespace);
    let (Some((first, dump)), Some((last, _))) = (timed.first(), timed.last()) else { return html! {} };
    let end = subject.made.max(*last);
    let whole = since(*first, end).as_secs_f64().max(1.0);
    let place = |time| (since(*first, time).as_secs_f64() / whole * PLACES).round() as u64;
    let marks: BTreeSet<u64> = timed.iter().map(|(time, _)| place(*time)).collect();
    let title = "When dumps were finished";
    let text = describe(&timed, namespace);
    html! {
        figure class="chart" {
            figcaption { (title) }
            div class="plot" {
                svg class="strip" role="img" aria-labelledby=(format!("{id}-title {id}-text")) {
                    title id=(format!("{id}-title")) { (title) }
                    desc id=(format!("{id}-text")) { (text) }
                    line class="zero" x1="0" x2="100%" y1="100%" y2="100%" {}
                    @for mark in marks {
                        @let x = percent(mark as f64 * 100.0 / PLACES);
                        line class="mark" x1=(x) x2=(x) y1="15%" y2="100%" {}
                    }
                }
                div class="ends" aria-hidden="true" {
                    span { (minute(&dump.finished)) }
                    span { "this page: " (minute(&subject.made_text)) }
                }
            }
            p class="note" { (text) }
        }
    }
}

/// Returns the dumps whose time is past, by time.
fn timed(namespace: &Namespace) -> Vec<Timed<'_>> {
    let past = namespace.dumps.iter().filter(|dump| !dump.is_future);
    let mut timed: Vec<Timed<'_>> = past.filter_map(|dump| Some((dump.finished_at?, dump))).collect();
    timed.sort_by_key(|(time, _)| *time);
    timed
}

fn describe(timed: &[Timed<'_>], namespace: &Namespace) -> String {
    let (first, last) = (timed.first(), timed.last().filter(|_| timed.len() > 1));
    let ends: Vec<_> = first.into_iter().chain(last).map(|(_, dump)| minute(&dump.finished)).collect();
    let mut text = format!("{}, {}", counted(timed.len() as u64, ("dump", "dumps")), ends.join(" to "));
    let pairs = timed.iter().zip(timed.iter().skip(1));
    let longest =
        pairs.map(|((from, _), (to, dump))| (since(*from, *to), dump)).max_by_key(|(time, _)| *time);
    if let Some((time, dump)) = longest {
        text += &format!(
            ". The longest time between two: {}, before {}",
            numbers::took(time),
            numbers::time(&dump.finished)
        );
    }
    let others = namespace.dumps.len().saturating_sub(timed.len()) as u64;
    if others > 0 {
        text += &format!(". Not shown: {} whose time is not past", counted(others, ("dump", "dumps")));
    }
    text + "."
}

fn since(from: SystemTime, to: SystemTime) -> Duration {
    to.duration_since(from).unwrap_or_default()
}
