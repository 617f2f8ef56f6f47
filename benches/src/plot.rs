//! Results as a picture: a bar for each step, as long as its time.

use std::fmt::Write;

use crate::round::Results;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::{Mix, Written};
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
