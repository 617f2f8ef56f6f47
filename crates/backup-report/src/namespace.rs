//! The section of a namespace: its newest dump, charts, and all its dumps.

use maud::{Markup, html};

use crate::bars::{self, BARS_MAX};
use crate::chart::{Bar, Chart};
use crate::numbers::{bytes, count, counted, signed, took};
use crate::scale::{Unit, seconds};
use crate::subject::{Dump, Namespace, Subject};
use crate::text::name;
use crate::{dumps, kinds, overview, strip};

/// A bar is cut if it is so many times as high as every other one.
const CUT: f64 = 4.0;

/// What a chart shows of a dump, or of several that are one bar.
struct Measure {
    /// The word of the chart in ids.
    word: &'static str,
    title: &'static str,
    /// What a bar shows where it stands for several dumps.
    of_several: &'static str,
    unit: Unit,
    /// Whether it is known of a dump. What is known of none is not drawn.
    is_known: fn(&Dump) -> bool,
    /// The value of a bar.
    value: fn(&[Dump]) -> f64,
    /// The same for people.
    shown: fn(f64) -> String,
}

/// The charts of one value, in their order.
const MEASURES: [Measure; 4] = [
    Measure {
        word: "logical",
        title: "Logical bytes of each dump",
        of_several: "the last of them",
        unit: Unit::Bytes,
        is_known: |_| true,
        value: |dumps| dumps.last().map_or(0.0, |dump| dump.plain_bytes as f64),
        shown: |value| bytes(value as u64),
    },
    Measure {
        word: "new",
        title: "Stored bytes that each dump added",
        of_several: "all of them together",
        unit: Unit::Bytes,
        is_known: |dump| dump.stored.is_some(),
        value: |dumps| dumps.iter().filter_map(|dump| dump.stored).map(|stored| stored.new as f64).sum(),
        shown: |value| bytes(value as u64),
    },
    Measure {
        word: "change",
        title: "Entries more, or fewer, than in the dump before",
        of_several: "all of them together",
        unit: Unit::Number,
        is_known: |dump| dump.entries.is_some(),
        value: |dumps| {
            dumps.iter().filter_map(|dump| dump.since?.entries).map(|entries| entries as f64).sum()
        },
        shown: |value| signed(value as i64, count),
    },
    Measure {
        word: "took",
        title: "How long each dump took",
        of_several: "the longest of them",
        unit: Unit::Seconds,
        is_known: |dump| dump.took.is_some(),
        value: |dumps| dumps.iter().filter_map(|dump| dump.took).map(seconds).fold(0.0, f64::max),
        shown: |value| took(std::time::Duration::try_from_secs_f64(value).unwrap_or_default()),
    },
];

/// Shows a namespace. `id` is the name of the section.
pub(crate) fn draw(subject: &Subject, namespace: &Namespace, id: &str) -> Markup {
    let dumps = namespace.dumps.as_slice();
    html! {
        section aria-labelledby={ (id) "-name" } {
            h2 id=(id) { span id={ (id) "-name" } { "Namespace " (name(&namespace.name)) (overview::of_origin(namespace)) } }
            @if let Some(newest) = namespace.newest() { (overview::newest(newest)) }
            (strip::draw(subject, namespace, &format!("{id}-line")))
            @if dumps.len() > BARS_MAX { p class="note" { (grouped(dumps)) } }
            div class="charts" {
                @for measure in MEASURES.iter().filter(|measure| dumps.iter().any(measure.is_known)) {
                    (measure.chart(dumps, id).draw())
                }
                (kinds::chart(dumps, id))
            }
            (kinds::table(dumps))
            (dumps::table(subject, dumps))
        }
    }
}

fn grouped(dumps: &[Dump]) -> String {
    format!(
        "{} dumps are drawn as {} bars: each stands for up to {} dumps that follow each other. The tables name every dump.",
        count(dumps.len() as u64),
        bars::groups(dumps).len(),
        bars::per_bar(dumps)
    )
}

impl Measure {
    fn chart(&self, dumps: &[Dump], id: &str) -> Chart<'static> {
        let groups = bars::groups(dumps);
        let bar = |group: &&[Dump]| {
            let value = (self.value)(group);
            Bar::one(format!("{}: {}", bars::label(group), (self.shown)(value)), value)
        };
        let values: Vec<f64> = groups.iter().map(|group| (self.value)(group)).collect();
        Chart {
            cut: self.cut(&groups, &values),
            id: format!("{id}-{}", self.word),
            title: self.title,
            description: self.describe(dumps, &values),
            unit: self.unit,
            bars: groups.iter().map(bar).collect(),
            ends: bars::ends(dumps),
            legend: Vec::new(),
        }
    }

    /// Finds the one bar that would make all others too small to be seen: that of the first dump, mostly.
    fn cut(&self, groups: &[&[Dump]], values: &[f64]) -> Option<(f64, String)> {
        let (place, highest) =
            values.iter().copied().enumerate().max_by(|(_, one), (_, other)| one.total_cmp(other))?;
        let others = values.iter().enumerate().filter(|(other, _)| *other != place);
        let second = others.map(|(_, value)| value.abs()).fold(0.0, f64::max);
        let label = groups.get(place).map(|group| bars::label(group))?;
        let text = format!("One bar is cut: {label}, {}.", (self.shown)(highest));
        (second > 0.0 && highest > second * CUT).then_some((second, text))
    }

    fn describe(&self, dumps: &[Dump], values: &[f64]) -> String {
        let shown = |value: Option<f64>| (self.shown)(value.unwrap_or(0.0));
        let extreme = |better: fn(f64, f64) -> f64| values.iter().copied().reduce(better);
        let ends = bars::ends(dumps).join(" to ");
        let several = match bars::per_bar(dumps) {
            1 => String::new(),
            most => format!(" A bar stands for up to {most} dumps, and shows {}.", self.of_several),
        };
        format!(
            "{}, {ends}. The first is {}, the last {}, the smallest {}, the largest {}.{several} \
             The numbers are in the table of dumps.",
            counted(values.len() as u64, ("bar", "bars")),
            shown(values.first().copied()),
            shown(values.last().copied()),
            shown(extreme(f64::min)),
            shown(extreme(f64::max)),
        )
    }
}
