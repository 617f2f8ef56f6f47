//! How the kinds of partitions grow.

use std::collections::BTreeMap;

use maud::{Markup, html};

use crate::bars;
use crate::chart::{Bar, Chart};
use crate::numbers::{bytes, count, counted, minute, signed};
use crate::scale::Unit;
use crate::subject::{Dump, Kind};
use crate::text::name;

/// The colours of kinds; the last one is that of all others.
const CLASSES: [&str; 8] = ["s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7"];
/// Rows of numbers that are shown without being asked for.
const ROWS_OPEN: usize = 14;

/// Draws the bytes of each kind, one on the other; nothing if no dump names kinds.
pub(crate) fn chart(dumps: &[Dump], id: &str) -> Markup {
    let names = names(dumps);
    if names.is_empty() {
        return html! {};
    }
    let groups = bars::groups(dumps);
    let bar = |group: &&[Dump]| {
        let values = group.last().map_or_else(Vec::new, |dump| by_class(dump, &names));
        let parts = CLASSES.into_iter().zip(values.into_iter().map(|value| value as f64)).collect();
        Bar { label: bars::label(group), parts }
    };
    let chart = Chart {
        id: format!("{id}-kinds"),
        title: "Logical bytes by kind of partition",
        description: describe(dumps, &names, groups.len()),
        unit: Unit::Bytes,
        bars: groups.iter().map(bar).collect(),
        ends: bars::ends(dumps),
        legend: CLASSES.into_iter().zip(titles(&names)).collect(),
        cut: None,
    };
    chart.draw()
}

/// Shows the growth of each kind, and the numbers of the chart.
pub(crate) fn table(dumps: &[Dump]) -> Markup {
    let names = names(dumps);
    let (Some(first), Some(last)) = (dumps.iter().find(|dump| !dump.kinds.is_empty()), dumps.last()) else {
        return html! {};
    };
    html! {
        h3 { "Kinds of partitions" }
        table {
            caption { "From the first dump, " (minute(&first.finished)) ", to the last, " (minute(&last.finished)) "." }
            thead { tr { th class="left" scope="col" { "Kind" } @for title in ["Partitions", "Change", "Bytes", "Change"] { th scope="col" { (title) } } } }
            tbody {
                @for name in names.iter().filter(|name| has(first, name) || has(last, name)) { (growth(name, first, last)) }
            }
        }
        (numbers(dumps, &names))
    }
}

fn has(dump: &Dump, kind: &str) -> bool {
    dump.kinds.iter().any(|found| found.name == kind)
}

fn growth(kind: &str, first: &Dump, last: &Dump) -> Markup {
    let of = |dump: &Dump, number: fn(&Kind) -> u64| -> u64 {
        dump.kinds.iter().filter(|found| found.name == kind).map(number).fold(0, u64::saturating_add)
    };
    let change = |number| difference(of(last, number), of(first, number));
    let partitions: fn(&Kind) -> u64 = |kind| kind.partitions;
    let sizes: fn(&Kind) -> u64 = |kind| kind.plain_bytes;
    html! {
        tr {
            td class="left" data-name="Kind" { (name(kind)) }
            td data-name="Partitions" { (count(of(last, partitions))) }
            td data-name="Change" { (signed(change(partitions), count)) }
            td data-name="Bytes" { (bytes(of(last, sizes))) }
            td data-name="Change" { (signed(change(sizes), bytes)) }
        }
    }
}

/// Shows the numbers of the chart, closed if they are many.
fn numbers(dumps: &[Dump], names: &[String]) -> Markup {
    let groups = bars::groups(dumps);
    let titles: Vec<String> = titles(names).iter().map(|title| crate::text::plain(title)).collect();
    html! {
        details open=[(groups.len() <= ROWS_OPEN).then_some("open")] {
            summary { "Bytes by kind, bar by bar" }
            table {
                thead { tr { th class="left" scope="col" { "Last dump of the bar" } @for title in &titles { th class="name" scope="col" { (title) } } } }
                tbody {
                    @for dump in groups.iter().filter_map(|group| group.last()) {
                        tr {
                            td class="left whole" data-name="Dump" { (minute(&dump.finished)) }
                            @for (title, value) in titles.iter().zip(by_class(dump, names)) { td data-name=(title) { (bytes(value)) } }
                        }
                    }
                }
            }
        }
    }
}

/// Returns all kinds: the largest of the last dump first, then those that only dumps before it have.
fn names(dumps: &[Dump]) -> Vec<String> {
    let mut sizes = BTreeMap::<&str, (u64, u64)>::new();
    for kind in dumps.iter().flat_map(|dump| &dump.kinds) {
        let (_, most) = sizes.entry(&kind.name).or_default();
        *most = (*most).max(kind.plain_bytes);
    }
    for kind in dumps.last().into_iter().flat_map(|dump| &dump.kinds) {
        sizes.entry(&kind.name).or_default().0 = kind.plain_bytes;
    }
    let mut names: Vec<_> = sizes.into_iter().collect();
    names.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    names.into_iter().map(|(name, _)| name.to_owned()).collect()
}

/// Returns what the parts of a bar are called.
fn titles(names: &[String]) -> Vec<String> {
    let own = CLASSES.len().saturating_sub(usize::from(names.len() > CLASSES.len()));
    let mut titles: Vec<String> = names.iter().take(own).cloned().collect();
    if names.len() > own {
        titles.push(format!("{} other kinds", names.len() - own));
    }
    titles
}

/// Returns the bytes of each part of a bar.
fn by_class(dump: &Dump, names: &[String]) -> Vec<u64> {
    let parts = titles(names).len();
    let mut values = vec![0_u64; parts];
    for kind in &dump.kinds {
        let place = names.iter().position(|name| *name == kind.name).unwrap_or(parts);
        if let Some(value) = values.get_mut(place.min(parts.saturating_sub(1))) {
            *value = value.saturating_add(kind.plain_bytes);
        }
    }
    values
}

fn describe(dumps: &[Dump], names: &[String], bars: usize) -> String {
    let ends = bars::ends(dumps).join(" to ");
    let last = dumps.last().map_or_else(Vec::new, |dump| by_class(dump, names));
    let parts = titles(names).into_iter().zip(last);
    let parts: Vec<_> =
        parts.map(|(title, value)| format!("{} {}", crate::text::plain(&title), bytes(value))).collect();
    let several = match bars::per_bar(dumps) {
        1 => String::new(),
        most => format!(" A bar stands for up to {most} dumps, and shows the last of them."),
    };
    format!(
        "{}, {ends}. The last: {}.{several} The numbers are in the table below.",
        counted(bars as u64, ("bar", "bars")),
        parts.join(", ")
    )
}

fn difference(now: u64, before: u64) -> i64 {
    let difference = i128::from(now) - i128::from(before);
    i64::try_from(difference).unwrap_or(if difference < 0 { i64::MIN } else { i64::MAX })
}
