//! Results as pictures: a bar for each step, as long as its time; a line for each step and number of cores, by size.

use std::fmt::Write;

use crate::round::Results;
use crate::scale::Point;
use crate::table::seconds;

const WIDTH: f64 = 900.0;
const LABELS: f64 = 330.0;
const BAR: f64 = 14.0;
const GAP: f64 = 4.0;
const HEADING: f64 = 34.0;

/// Draws all data sets below each other. Bars of one data set have one scale.
pub(crate) fn svg(all: &[Results]) -> String {
    let height: f64 =
        all.iter().map(|results| HEADING + results.rows.len() as f64 * (BAR + GAP)).sum::<f64>() + GAP;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let mut top = 0.0;
    for results in all {
        top = draw(&mut text, results, top);
    }
    text.push_str("</svg>\n");
    text
}

fn draw(text: &mut String, results: &Results, top: f64) -> f64 {
    let longest = results.rows.iter().map(seconds).fold(f64::MIN_POSITIVE, f64::max);
    let scale = (WIDTH - LABELS - 60.0) / longest;
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "<text x=\"8\" y=\"{}\" font-size=\"14\" font-weight=\"bold\">{}: seconds</text>",
        top + HEADING - 12.0,
        results.data.name()
    );
    let mut y = top + HEADING;
    for row in &results.rows {
        let colour = if row.step.is_ours() { "#2a6fbb" } else { "#b8b8b8" };
        let (middle, width) = (y + BAR - 3.0, seconds(row) * scale);
        let label = format!("{}: {}", row.step.task.name(), row.step.way);
        let _ = writeln!(
            text,
            "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\">{label}</text>\
             <rect x=\"{LABELS}\" y=\"{y}\" width=\"{width:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>\
             <text x=\"{:.1}\" y=\"{middle}\">{:.2}</text>",
            LABELS - 6.0,
            LABELS + width + 5.0,
            seconds(row)
        );
        y += BAR + GAP;
    }
    y
}

const SIDE: f64 = 560.0;
const MARGIN: f64 = 60.0;
const COLOURS: [&str; 4] = ["#2a6fbb", "#3a9a55", "#8a5ab5", "#c4622d"];

/// Draws seconds by megabytes, both logarithmic: cost that grows with the size is a line at 45 degrees. The fewer cores, the
/// thinner the line.
pub(crate) fn lines(points: &[Point]) -> String {
    let decade = |number: f64| (number.log10().floor(), number.log10().ceil());
    let range = |numbers: Vec<f64>| {
        let least = numbers.iter().copied().fold(f64::INFINITY, f64::min).max(0.001);
        let most = numbers.iter().copied().fold(least * 1.01, f64::max);
        (decade(least).0, decade(most).1)
    };
    let (left, right) = range(points.iter().map(|point| point.megabytes as f64).collect());
    let (bottom, top) = range(points.iter().map(Point::seconds).collect());
    let x = |megabytes: f64| MARGIN + (megabytes.log10() - left) / (right - left) * SIDE;
    let y = |seconds: f64| 20.0 + (top - seconds.max(0.001).log10()) / (top - bottom) * SIDE;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"640\" viewBox=\"0 0 {WIDTH} 640\" \
         font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    grid(&mut text, (left, right), (bottom, top), (&x, &y));
    let mut series: Vec<(String, usize)> = Vec::new();
    for point in points {
        let name = (point.step.task.name(), point.cores);
        if !series.contains(&name) {
            series.push(name);
        }
    }
    let mut tasks: Vec<&String> = series.iter().map(|(task, _)| task).collect();
    tasks.dedup();
    for (number, (task, cores)) in series.iter().enumerate() {
        let of_series =
            points.iter().filter(|point| (&point.step.task.name(), &point.cores) == (task, cores));
        let path: Vec<String> = of_series
            .map(|point| format!("{:.1},{:.1}", x(point.megabytes as f64), y(point.seconds())))
            .collect();
        let task_number = tasks.iter().position(|other| *other == task).unwrap_or_default();
        let (colour, width) = (COLOURS[task_number % COLOURS.len()], 1.0 + (*cores as f64).log2());
        let legend = 36.0 + number as f64 * 18.0;
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width:.1}\"/>\
             <line x1=\"650\" x2=\"680\" y1=\"{legend}\" y2=\"{legend}\" stroke=\"{colour}\" stroke-width=\"{width:.1}\"/>\
             <text x=\"688\" y=\"{:.1}\">{task}, {cores} cores</text>",
            path.join(" "),
            legend + 4.0
        );
    }
    text.push_str("</svg>\n");
    text
}

/// A coordinate in the picture.
type Place<'a> = &'a dyn Fn(f64) -> f64;

fn grid(text: &mut String, x_range: (f64, f64), y_range: (f64, f64), (x, y): (Place<'_>, Place<'_>)) {
    let decades = |(from, to): (f64, f64)| (from as i32..=to as i32).map(|power| 10_f64.powi(power));
    let (top, bottom) = (y(10_f64.powf(y_range.1)), y(10_f64.powf(y_range.0)));
    for megabytes in decades(x_range) {
        let at = x(megabytes);
        let _ = writeln!(
            text,
            "<line x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{top:.1}\" y2=\"{bottom:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{megabytes} MB</text>",
            bottom + 16.0
        );
    }
    for seconds in decades(y_range) {
        let at = y(seconds);
        let _ = writeln!(
            text,
            "<line x1=\"{MARGIN}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{seconds} s</text>",
            MARGIN + SIDE,
            MARGIN - 6.0,
            at + 4.0
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_that_grows_with_the_size_is_a_line_at_45_degrees() {
        let cost = |seconds| vec![Cost { seconds, ..Cost::default() }];
        let point = |megabytes, seconds| Point { step: STEPS[0], megabytes, cores: 2, costs: cost(seconds) };
        let text = lines(&[point(100, 1.0), point(10_000, 100.0)]);
        assert!(text.contains("points=\"60.0,580.0 620.0,20.0\""), "{text}");
        assert!(text.contains("backup, 2 cores"), "{text}");
    }
    use kvbackup_bench_content::{Mix, Written};

    use crate::round::{DataSet, Row};
    use crate::step::{Cost, STEPS};

    #[test]
    fn bars_are_as_long_as_times_and_fit_the_picture() {
        let row = |step: usize, seconds| Row {
            step: STEPS[step],
            costs: vec![Cost { seconds, ..Cost::default() }],
            bytes: 0,
        };
        let data = DataSet { mix: Mix::Small, megabytes: 1 };
        let rows = vec![row(0, 1.0), row(1, 2.0)];
        let text = svg(&[Results { data, written: Written::default(), rows }]);
        let widths: Vec<f64> = text
            .lines()
            .filter_map(|line| {
                line.split("width=\"").nth(1).filter(|_| line.contains("fill=\"#"))?.split('"').next()
            })
            .map(|width| width.parse().unwrap())
            .collect();
        assert_eq!(widths.len(), 2);
        assert!((widths[1] - 2.0 * widths[0]).abs() < 0.2, "{widths:?}");
        assert!(LABELS + widths[1] < WIDTH);
    }
}
