//! Bar charts: SVG whose coordinates are percents, so that bars become wider with the page and letters do not.

use maud::{Markup, html};

use crate::scale::{Scale, Unit};

/// The share of its slot that a bar takes.
const BAR: f64 = 0.8;
/// Percents of the width that a bar takes at most: one alone does not fill the chart.
const WIDTH_MAX: f64 = 6.0;
/// Percents of the height that a bar has at least, unless its value is zero.
const HEIGHT_MIN: f64 = 0.6;

/// A chart of bars.
pub(crate) struct Chart<'c> {
    /// What no other element of the page is named.
    pub(crate) id: String,
    pub(crate) title: &'c str,
    /// The chart in words.
    pub(crate) description: String,
    pub(crate) unit: Unit,
    pub(crate) bars: Vec<Bar>,
    /// What stands at the ends of the axis.
    pub(crate) ends: Vec<String>,
    /// Names of the parts of each bar, with their classes; empty where bars have one part.
    pub(crate) legend: Vec<(&'static str, String)>,
    /// Where bars are cut that are much higher than all others, and what is said of them.
    pub(crate) cut: Option<(f64, String)>,
}

/// A bar: parts on each other.
pub(crate) struct Bar {
    /// What is said of it to a mouse.
    pub(crate) label: String,
    /// Class and value of each part, the lowest first. A bar with a negative value has one part.
    pub(crate) parts: Vec<(&'static str, f64)>,
}

impl Bar {
    /// Makes a bar of one part.
    pub(crate) fn one(label: String, value: f64) -> Self {
        let class = if value < 0.0 { "minus" } else { "accent" };
        Self { label, parts: vec![(class, value)] }
    }

    fn sum(&self) -> f64 {
        self.parts.iter().map(|(_, value)| value).sum()
    }
}

impl Chart<'_> {
    /// Draws it.
    pub(crate) fn draw(&self) -> Markup {
        let sums = || self.bars.iter().map(Bar::sum);
        let top = self.cut.as_ref().map_or(f64::INFINITY, |(top, _)| *top);
        let scale = Scale::new(self.unit, sums().fold(0.0, f64::min), sums().fold(0.0, f64::max).min(top));
        let cut = self.cut.as_ref().filter(|_| sums().any(|sum| scale.cuts(sum)));
        let (title, description) = (format!("{}-title", self.id), format!("{}-text", self.id));
        html! {
            figure class="chart" {
                figcaption { (self.title) }
                @if !self.legend.is_empty() { (legend(&self.legend)) }
                div class="plot" {
                    (axis(&scale))
                    svg class="area" role="img" aria-labelledby=(format!("{title} {description}")) {
                        title id=(title) { (self.title) }
                        desc id=(description) { (self.description) }
                        @for (value, _) in &scale.ticks { (line(scale.place(*value), *value == 0.0)) }
                        (self.draw_bars(&scale))
                    }
                    div class="ends" aria-hidden="true" { @for end in &self.ends { span { (end) } } }
                }
                @if let Some((_, text)) = cut { p class="note" { (text) } }
            }
        }
    }

    fn draw_bars(&self, scale: &Scale) -> Markup {
        let slot = 100.0 / self.bars.len().max(1) as f64;
        let width = (slot * BAR).min(WIDTH_MAX);
        let margin = (slot - width) / 2.0;
        html! {
            @for (number, bar) in self.bars.iter().enumerate() {
                g {
                    title { (bar.label) }
                    @for (class, from, to) in stack(bar, scale) {
                        rect class=(class) x=(percent(slot * number as f64 + margin)) y=(percent(from))
                            width=(percent(width)) height=(percent(to - from)) {}
                    }
                    @if scale.cuts(bar.sum()) {
                        @let x = slot * number as f64 + margin;
                        line class="cut" x1=(percent(x)) x2=(percent(x + width)) y1="12%" y2="8%" {}
                    }
                }
            }
        }
    }
}

/// Returns the parts of a bar that are not empty, with both ends: percents from the top.
fn stack(bar: &Bar, scale: &Scale) -> Vec<(&'static str, f64, f64)> {
    let mut base = 0.0;
    let mut parts = Vec::with_capacity(bar.parts.len());
    for (class, value) in &bar.parts {
        let (one, other) = (scale.place(base), scale.place(base + value));
        let (from, to) = (one.min(other), one.max(other));
        base += value;
        if *value == 0.0 {
            continue;
        }
        let missing = (HEIGHT_MIN - (to - from)).max(0.0);
        // What is too small to be seen grows away from zero.
        parts.push(if *value < 0.0 { (*class, from, to + missing) } else { (*class, from - missing, to) });
    }
    parts
}

fn axis(scale: &Scale) -> Markup {
    html! {
        svg class="axis" aria-hidden="true" {
            @for (value, label) in &scale.ticks {
                text x="100%" y=(percent(scale.place(*value))) { (label) }
            }
        }
    }
}

fn line(place: f64, is_zero: bool) -> Markup {
    let class = if is_zero { "zero" } else { "grid" };
    html! { line class=(class) x1="0" x2="100%" y1=(percent(place)) y2=(percent(place)) {} }
}

fn legend(names: &[(&'static str, String)]) -> Markup {
    html! {
        ul class="legend" {
            @for (class, name) in names {
                li { svg aria-hidden="true" { rect class=(class) width="100%" height="100%" {} } (crate::text::name(name)) }
            }
        }
    }
}

/// Writes percents, as short as their accuracy allows.
pub(crate) fn percent(number: f64) -> String {
    let text = format!("{number:.2}");
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_lie_on_each_other_and_small_ones_can_be_seen() {
        let scale = Scale::new(Unit::Number, 0.0, 1_000.0);
        let bar = Bar { label: String::new(), parts: vec![("a", 500.0), ("b", 0.0), ("c", 500.0)] };
        let found = stack(&bar, &scale);
        let (middle, top) = (scale.place(500.0), scale.place(1_000.0));
        assert_eq!(found, [("a", middle, scale.place(0.0)), ("c", top, middle)]);
        let small = stack(&Bar::one(String::new(), 1.0), &scale);
        assert!(small[0].2 - small[0].1 > HEIGHT_MIN - 0.001 && small[0].2 == scale.place(0.0), "{small:?}");
        assert!(stack(&Bar::one(String::new(), 0.0), &scale).is_empty());
    }

    #[test]
    fn what_is_less_hangs_below_zero() {
        let scale = Scale::new(Unit::Number, -10.0, 10.0);
        let found = stack(&Bar::one(String::new(), -10.0), &scale);
        assert_eq!(found, [("minus", scale.place(0.0), scale.place(-10.0))]);
    }

    #[test]
    fn percents_are_short() {
        assert_eq!(
            (percent(12.5), percent(100.0), percent(0.004)),
            ("12.5%".into(), "100%".into(), "0%".into())
        );
    }
}
