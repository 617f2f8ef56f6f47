//! Plain English: words to avoid, and sentences that are too long.

use super::Finding;

const SENTENCE_WORDS_MAX: usize = 30;

/// Lines `WORD = SAY INSTEAD`.
const TABLE: &str = include_str!("../../words.txt");

/// Something to say in another way: the number of its line, from 1, and an advice.
type Place = (usize, String);

/// Checks a document or a source.
pub(super) fn check(path: &str, text: &str) -> Vec<Finding> {
    if !path.ends_with(".md") && !path.ends_with(".rs") {
        return Vec::new();
    }
    let finding = |rule| move |(line, advice)| Finding::new(rule, format!("{path}:{line}"), advice);
    let words = words(text).into_iter().map(finding("words"));
    words.chain(sentences(path, text).into_iter().map(finding("sentences"))).collect()
}

/// Returns the words of the table with what to say instead.
fn table() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(" = "))
}

/// Finds the words of the table in the lines of a document or source.
fn words(text: &str) -> Vec<Place> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.to_ascii_lowercase();
        for (word, instead) in table() {
            for _ in line.match_indices(word).filter(|(at, _)| is_whole(&line, *at, word)) {
                found.push((number, format!("`{word}`: say {instead}")));
            }
        }
    }
    found
}

/// Returns true if the word is not part of a longer one. "Is no more than" is a comparison.
fn is_whole(line: &str, at: usize, word: &str) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let (before, behind) = (line.as_bytes()[..at].last(), &line[at + word.len()..]);
    !before.is_some_and(is_letter)
        && !behind.as_bytes().first().is_some_and(is_letter)
        && !behind.starts_with(" than")
}

/// Finds the long sentences of a document, or of the doc comments of a source.
fn sentences(path: &str, text: &str) -> Vec<Place> {
    let (mut found, mut sentence, mut in_code) = (Vec::new(), Sentence::default(), false);
    for (number, line) in (1..).zip(text.lines()) {
        let line = if path.ends_with(".md") { line } else { doc_comment(line) };
        let is_fence = line.trim_start().starts_with("```");
        let is_prose =
            !in_code && !is_fence && !line.starts_with("    ") && !line.trim_start().starts_with(['|', '#']);
        in_code ^= is_fence;
        let starts_anew = line.trim().is_empty() || is_list_item(line);
        if !is_prose || starts_anew {
            found.extend(sentence.end());
        }
        for word in line.split_whitespace().filter(|_| is_prose) {
            sentence.add(word, number);
            if word.trim_end_matches([')', '"', '*', '`', '_']).ends_with(['.', '!', '?']) {
                found.extend(sentence.end());
            }
        }
    }
    found.extend(sentence.end());
    found
}

fn doc_comment(line: &str) -> &str {
    let line = line.trim_start();
    let text = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")).unwrap_or_default();
    text.strip_prefix(' ').unwrap_or(text)
}

fn is_list_item(line: &str) -> bool {
    let line = line.trim_start();
    let number = line.trim_start_matches(|c: char| c.is_ascii_digit());
    line.starts_with("- ") || line.starts_with("* ") || number.len() < line.len() && number.starts_with(". ")
}

/// The sentence that is being read.
#[derive(Default)]
struct Sentence {
    words: usize,
    line: usize,
}

impl Sentence {
    fn add(&mut self, word: &str, line: usize) {
        if self.words == 0 {
            self.line = line;
        }
        self.words += usize::from(word.contains(|c: char| c.is_ascii_alphanumeric()));
    }

    /// Returns the place of the sentence if it is too long, and begins another one.
    fn end(&mut self) -> Option<Place> {
        let Self { words, line } = std::mem::take(self);
        let advice = format!("a sentence of {words} words; the limit is {SENTENCE_WORDS_MAX}");
        (words > SENTENCE_WORDS_MAX).then_some((line, advice))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_table_are_found_whole_and_in_any_case() {
        assert!(table().count() > 10);
        assert!(table().all(|(word, instead)| !word.is_empty() && !instead.is_empty()));
        let (word, instead) = table().next().unwrap();
        let found = words(&format!("some\n/// {} reads\nx{word}\n{word}_x", word.to_uppercase()));
        assert_eq!(found, [(2, format!("`{word}`: say {instead}"))]);
        let more = table().map(|(word, _)| word).find(|word| word.ends_with(" more")).unwrap();
        assert!(words(&format!("it {more} than one")).is_empty() && words(&format!("it {more}.")).len() == 1);
    }

    #[test]
    fn long_sentences_are_found_across_lines() {
        let long = "word ".repeat(31);
        let lines =
            |path: &str, text: &str| sentences(path, text).iter().map(|(line, _)| *line).collect::<Vec<_>>();
        let wrapped = format!("One.\n{}\n{}.\n", "word ".repeat(20), "word ".repeat(11));
        assert_eq!(lines("a.md", &wrapped), [2]);
        assert_eq!(lines("a.md", &format!("{} end.", "word ".repeat(29))), [0; 0]);
        let source = format!("// {long}\nfn a() {{}}\n    /// {long}\nlet a = \"{long}\";");
        assert_eq!(lines("a.rs", &source), [3]);
    }

    #[test]
    fn code_tables_headings_and_list_items_are_not_joined_to_sentences() {
        let half = "word ".repeat(20);
        for text in [
            format!("{half}\n\n{half}"),
            format!("{half}\n- {half}\n- {half}\n12. {half}"),
            format!("# {half}\n{half}"),
            format!("{half}:\n```text\n{half}{half}\n```\n"),
            format!("    {half}{half}\n| {half} | {half} |\n"),
            format!("{half} (end.) {half}"),
        ] {
            assert_eq!(sentences("a.md", &text), [], "{text}");
        }
    }
}
