//! Metrics as Prometheus and OpenMetrics read them.

use std::fmt::Write as _;

use serde_json::{Map, Number, Value, json};

/// A family of gauges. Name and help are the same in all files: a collector that puts files together takes no two helps for a name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Metric {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it tells: without backslashes, quotes and line ends, which the two formats escape each in its way.
    pub(crate) help: &'static str,
}

/// Names and values of labels.
pub(crate) type Labels = Vec<(&'static str, String)>;

/// Samples by family, in the order in which the families came first.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    families: Vec<(Metric, Vec<(Labels, Number)>)>,
}

impl Exposition {
    /// Adds a sample. The labels of a family's samples differ.
    pub(crate) fn add(&mut self, metric: Metric, labels: &Labels, value: impl Into<Number>) {
        let sample = (labels.clone(), value.into());
        match self.families.iter_mut().find(|(family, _)| family.name == metric.name) {
            Some((_, samples)) => samples.push(sample),
            None => self.families.push((metric, vec![sample])),
        }
    }

    /// Counts the samples.
    pub(crate) fn len(&self) -> u64 {
        self.families.iter().map(|(_, samples)| samples.len() as u64).sum()
    }

    /// Writes the text. It is in the text format 0.0.4 of Prometheus and in OpenMetrics 1.0 at the same time. All are gauges without units
    /// and times. The last line is a comment to the one and the end to the other.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        for (Metric { name, help }, samples) in &self.families {
            text += &format!("# HELP {name} {help}\n# TYPE {name} gauge\n");
            for (labels, value) in samples {
                text += name;
                for (index, (label, content)) in labels.iter().enumerate() {
                    let before = if index == 0 { '{' } else { ',' };
                    write!(text, "{before}{label}=\"").expect("a String takes everything");
                    escape(content, &mut text);
                    text.push('"');
                }
                text += if labels.is_empty() { " " } else { "} " };
                text += &format!("{value}\n");
            }
        }
        text + "# EOF\n"
    }

    /// Returns the samples as a list of objects.
    pub(crate) fn to_json(&self) -> Value {
        let samples = self.families.iter().flat_map(|(metric, samples)| {
            samples.iter().map(|(labels, value)| {
                let labels = labels.iter().map(|(label, content)| ((*label).to_owned(), json!(content)));
                json!({ "name": metric.name, "labels": labels.collect::<Map<_, _>>(), "value": value })
            })
        });
        samples.collect()
    }
}

/// Makes a value of a fraction, to the millisecond.
pub(crate) fn fraction(value: f64) -> Number {
    Number::from_f64((value * 1e3).round() / 1e3).unwrap_or_else(|| 0.into())
}

/// Writes the value of a label. There are three escapes. Other control characters could be obeyed by a terminal, so each becomes the
/// character that stands for one that cannot be shown.
fn escape(content: &str, text: &mut String) {
    for letter in content.chars() {
        match letter {
            '\\' => text.push_str(r"\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str(r"\n"),
            letter if letter.is_control() => text.push(char::REPLACEMENT_CHARACTER),
            letter => text.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Metric = Metric { name: "kvbackup_one", help: "The first." };
    const TWO: Metric = Metric { name: "kvbackup_two", help: "The second." };

    #[test]
    fn a_family_is_written_once_and_the_end_is_said() {
        let mut metrics = Exposition::default();
        metrics.add(ONE, &vec![("a", "x".to_owned())], 1_u64);
        metrics.add(TWO, &Labels::new(), fraction(1_769_832_000.123_4));
        metrics.add(ONE, &vec![("a", "y".to_owned()), ("b", String::new())], u64::MAX);
        let text = "\
# HELP kvbackup_one The first.
# TYPE kvbackup_one gauge
kvbackup_one{a=\"x\"} 1
kvbackup_one{a=\"y\",b=\"\"} 18446744073709551615
# HELP kvbackup_two The second.
# TYPE kvbackup_two gauge
kvbackup_two 1769832000.123
# EOF
";
        assert_eq!((metrics.render().as_str(), metrics.len()), (text, 3));
        let sample = json!({ "name": "kvbackup_two", "labels": {}, "value": 1_769_832_000.123 });
        assert_eq!(metrics.to_json()[2], sample);
    }

    #[test]
    fn a_label_cannot_leave_its_quotes_or_reach_a_terminal() {
        let mut text = String::new();
        escape("a\"} 1\nb\\ \x1b[2J\r\u{9b}\u{e9}<script>", &mut text);
        assert_eq!(text, "a\\\"} 1\\nb\\\\ \u{fffd}[2J\u{fffd}\u{fffd}\u{e9}<script>");
    }
}
