//! Links between documents: where they are, and whether they lead to something.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// A link that leads nowhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Broken {
    /// The document.
    pub path: String,
    /// Its line, from 1.
    pub line: usize,
    /// What is missing.
    pub problem: String,
}

/// A link in a document.
#[derive(Debug)]
pub(crate) struct Link<'t> {
    pub(crate) line: usize,
    /// Where its target stands in the text.
    pub(crate) place: Range<usize>,
    pub(crate) target: &'t str,
}

impl<'t> Link<'t> {
    /// Returns the path and the anchor of a link to a file, and `None` for one to another site.
    pub(crate) fn parts(&self) -> Option<(&'t str, Option<&'t str>)> {
        if self.target.contains("://") || self.target.starts_with("mailto:") {
            return None;
        }
        Some(match self.target.split_once('#') {
            Some((path, anchor)) => (path, Some(anchor)),
            None => (self.target, None),
        })
    }
}

/// Finds the links that lead nowhere, of documents by their paths from the top folder.
///
/// `exists` is asked about files that are no documents. Links to other sites are not followed.
pub fn broken(documents: &[(String, String)], exists: impl Fn(&str) -> bool) -> Vec<Broken> {
    let anchors: BTreeMap<&str, _> =
        documents.iter().map(|(path, text)| (path.as_str(), anchors(text))).collect();
    let mut found = Vec::new();
    for (path, text) in documents {
        for link in links(text) {
            let Some((to, anchor)) = link.parts() else { continue };
            let problem = match resolve(path, to) {
                None => format!("`{to}` leads out of the repository"),
                Some(to) => match (anchors.get(to.as_str()), anchor) {
                    (None, _) if !exists(&to) => format!("there is no file `{to}`"),
                    (None, Some(_)) => format!("`{to}` is no document, and has no headings"),
                    (Some(known), Some(anchor)) if !known.contains(anchor) => {
                        format!("`{to}` has no heading `#{anchor}`")
                    }
                    _ => continue,
                },
            };
            found.push(Broken { path: path.clone(), line: link.line, problem });
        }
    }
    found
}

/// Returns the links of a document in their order. What stands in code is none.
pub(crate) fn links(text: &str) -> Vec<Link<'_>> {
    let mut found = Vec::new();
    for (line, start, prose) in prose(text) {
        let mut rest = 0;
        while let Some(at) = prose[rest..].find("](") {
            let begin = rest + at + 2;
            let Some(length) = prose[begin..].find([')', ' ']) else { break };
            let place = start + begin..start + begin + length;
            found.push(Link { line, target: &text[place.clone()], place });
            rest = begin + length;
        }
    }
    found
}

/// Returns the names by which the headings of a document can be linked to.
fn anchors(text: &str) -> BTreeSet<String> {
    let (mut found, mut times) = (BTreeSet::new(), BTreeMap::<String, usize>::new());
    for (_, start, line) in prose(text) {
        let heading = line.trim_start_matches('#');
        if heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        // The text as it was written: code is part of the name.
        let written = &text[start + line.len() - heading.len()..start + line.len()];
        let name = anchor(written);
        let earlier = times.entry(name.clone()).or_default();
        found.insert(if *earlier == 0 { name } else { format!("{name}-{earlier}") });
        *earlier += 1;
    }
    found
}

/// Returns the name of a heading: in small letters, with hyphens for spaces, and without what is neither letter nor digit.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// Returns the first heading of a document, without marks.
pub(crate) fn title(text: &str) -> Option<String> {
    let heading = text.lines().find_map(|line| line.strip_prefix("# "))?;
    Some(heading.trim().replace('`', ""))
}

/// Returns the lines that are no code: number, place in the text, and the line with spaces in place of code.
fn prose(text: &str) -> Vec<(usize, usize, String)> {
    let (mut found, mut start, mut in_code) = (Vec::new(), 0, false);
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let is_fence = line.trim_start().starts_with("```");
        if !in_code && !is_fence && !line.starts_with("    ") {
            found.push((number, start, without_code(line.trim_end_matches('\n'))));
        }
        in_code ^= is_fence;
        start += line.len();
    }
    found
}

fn without_code(line: &str) -> String {
    let mut in_code = false;
    let kept = line.bytes().map(|byte| {
        in_code ^= byte == b'`';
        if in_code || byte == b'`' || !byte.is_ascii() { b' ' } else { byte }
    });
    // Byte for byte, so that places stay what they are.
    kept.map(char::from).collect()
}

/// Returns the path from the top folder of what a document names, or `None` if that lies above it.
pub(crate) fn resolve(document: &str, target: &str) -> Option<String> {
    if target.is_empty() {
        return Some(document.to_owned());
    }
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let other = "# The other\n\n## What `it` is, and why\n\n## Twice\n## Twice\n```\n## code\n```\n";
        let documents = [("docs/one.md", text), ("docs/other.md", other)];
        let documents = documents.map(|(path, text)| (path.to_owned(), text.to_owned()));
        let found = broken(&documents, |path| ["docs", "LICENSE", "docs/a.svg"].contains(&path));
        found.into_iter().map(|broken| format!("{}: {}", broken.line, broken.problem)).collect()
    }

    #[test]
    fn a_link_to_what_is_there_is_good() {
        let good = "# One\n[a](other.md) [b](other.md#what-it-is-and-why)[c](#one) [d](../LICENSE)\n\
                    [e](../docs) ![f](a.svg) [g](https://example.com/x.md#y) [h](other.md#twice-1)\n";
        assert_eq!(problems(good), [""; 0]);
    }

    #[test]
    fn a_link_to_what_is_missing_is_found_with_its_line() {
        let missing = [
            ("\n[a](gone.md)", "2: there is no file `docs/gone.md`"),
            ("[a](other.md#what-it-is)", "1: `docs/other.md` has no heading `#what-it-is`"),
            ("[a](other.md#code)", "1: `docs/other.md` has no heading `#code`"),
            ("[a](other.md#twice-2)", "1: `docs/other.md` has no heading `#twice-2`"),
            ("[a](../LICENSE#part)", "1: `LICENSE` is no document, and has no headings"),
            ("[a](../../x)", "1: `../../x` leads out of the repository"),
            ("| `code` | [a](#gone) |", "1: `docs/one.md` has no heading `#gone`"),
        ];
        for (text, problem) in missing {
            assert_eq!(problems(text), [problem], "{text}");
        }
    }

    #[test]
    fn what_looks_like_a_link_in_code_is_none() {
        assert_eq!(problems("`[a](gone)`\n\n    [a](gone)\n```\n[a](gone)\n```\n"), [""; 0]);
    }
}
