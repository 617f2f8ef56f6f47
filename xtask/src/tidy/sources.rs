//! The rules on the text of files: lengths, leftovers, characters, spaces.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::finding::{
    ASCII, DROPPED_MATCHES, FILE_LENGTH, FUNCTION_LENGTH, Finding, LEFTOVER, TRAILING_SPACE,
};
use super::mask::{is_word, item_end, mask, test_items};
use super::tree::relative;

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const LEFTOVERS: [&str; 3] = ["dbg!", "todo!", "unimplemented!"];

/// Checks one file by the rules for its kind.
pub(super) fn check_file(root: &Path, file: &Path) -> Result<Vec<Finding>> {
    let bytes = fs::read(file).with_context(|| format!("could not read {file:?}"))?;
    Ok(check_text(&relative(root, file), &String::from_utf8_lossy(&bytes)))
}

/// Checks the text of a file. Its path, from the top folder, decides which rules hold.
fn check_text(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = characters(path, text);
    if !path.ends_with(".rs") {
        return findings;
    }
    let masked = mask(text);
    findings.extend(leftovers(path, &masked));
    findings.extend(dropped_matches(path, &masked));
    if has_length_limits(path) {
        findings.extend(lengths(path, &masked));
    }
    findings
}

/// Lengths are limited where the product is, in `crates/*/src` and `xtask/src`.
fn has_length_limits(path: &str) -> bool {
    let mut parts = path.split('/');
    match parts.next() {
        Some("xtask") => parts.next() == Some("src"),
        Some("crates") => parts.nth(1) == Some("src"),
        _ => false,
    }
}

fn characters(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(character) = line.chars().find(|character| !character.is_ascii()) {
            let text = format!("holds U+{:04X}, which is not ASCII", u32::from(character));
            findings.push(Finding::new(&ASCII, format!("{path}:{number}"), text));
        }
        if line.ends_with([' ', '\t', '\r']) {
            let text = "ends in a space";
            findings.push(Finding::new(&TRAILING_SPACE, format!("{path}:{number}"), text));
        }
    }
    findings
}

fn leftovers(path: &str, masked: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for word in LEFTOVERS {
        for at in words(masked, word) {
            let text = format!("uses `{word}`, which is for unfinished code");
            findings.push(Finding::new(&LEFTOVER, place(path, masked, at), text));
        }
    }
    findings
}

/// Finds `matches!(..)` at the start of a statement. At the end of a block it is a value.
fn dropped_matches(path: &str, masked: &str) -> Vec<Finding> {
    let starts_statement = |at: &usize| masked[..*at].trim_end().ends_with([';', '{', '}']);
    let is_dropped = |at: &usize| {
        let end = item_end(masked, *at);
        masked[..end].ends_with(';')
    };
    words(masked, "matches!")
        .filter(starts_statement)
        .filter(is_dropped)
        .map(|at| {
            let text = "drops what `matches!` found; put it in an `assert!`";
            Finding::new(&DROPPED_MATCHES, place(path, masked, at), text)
        })
        .collect()
}

fn lengths(path: &str, masked: &str) -> Vec<Finding> {
    let product = without_tests(masked);
    let mut findings = Vec::new();
    let removed = newlines(masked) - newlines(&product);
    let lines = masked.lines().count() - removed;
    if lines > FILE_LINES_MAX {
        let text = format!("has {lines} lines without tests; the limit is {FILE_LINES_MAX}");
        findings.push(Finding::new(&FILE_LENGTH, path, text));
    }
    for at in words(masked, "fn") {
        if test_items(masked).iter().any(|item| item.contains(&at)) {
            continue;
        }
        let body = &masked[at..item_end(masked, at)];
        let lines = newlines(body) + 1;
        if lines > FUNCTION_LINES_MAX && body.ends_with('}') {
            let name: String =
                body[2..].trim_start().chars().take_while(|c| c.is_ascii() && is_word(*c as u8)).collect();
            let text = format!("`{name}` has {lines} lines; the limit is {FUNCTION_LINES_MAX}");
            findings.push(Finding::new(&FUNCTION_LENGTH, place(path, masked, at), text));
        }
    }
    findings
}

fn without_tests(masked: &str) -> String {
    let mut rest = masked.to_owned();
    for item in test_items(masked).into_iter().rev() {
        rest.replace_range(item, "");
    }
    rest
}

/// Finds a word that is not part of a longer one.
fn words<'a>(masked: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let bytes = masked.as_bytes();
    masked.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = at.checked_sub(1).is_some_and(|before| is_word(bytes[before]));
        let behind = word.ends_with(|last: char| last.is_ascii_alphanumeric())
            && bytes.get(at + word.len()).is_some_and(|byte| is_word(*byte));
        !before && !behind
    })
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

fn place(path: &str, masked: &str, at: usize) -> String {
    format!("{path}:{}", newlines(&masked[..at]) + 1)
}

#[cfg(test)]
mod tests {
    use super::super::finding::rules;
    use super::*;

    const PRODUCT: &str = "crates/some/src/a.rs";

    fn found(path: &str, text: &str) -> Vec<&'static str> {
        rules(&check_text(path, text))
    }

    fn function(lines: usize) -> String {
        format!("pub fn long(\n    a: [u8; 3],\n) {{\n{}}}\n", "    a();\n".repeat(lines - 4))
    }

    #[test]
    fn a_file_with_too_many_lines_is_seen() {
        assert!(found(PRODUCT, &"use a;\n".repeat(500)).is_empty());
        assert_eq!(found(PRODUCT, &"use a;\n".repeat(501)), ["file-length"]);
        assert!(found("tests/it/a.rs", &"use a;\n".repeat(501)).is_empty());
    }

    #[test]
    fn tests_do_not_count_for_the_length_of_a_file() {
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "    use a;\n".repeat(400));
        assert!(found(PRODUCT, &("use a;\n".repeat(450) + &tests)).is_empty());
        assert_eq!(found(PRODUCT, &("use a;\n".repeat(501) + &tests)), ["file-length"]);
    }

    #[test]
    fn a_function_with_too_many_lines_is_seen_unless_it_is_a_test() {
        assert!(found(PRODUCT, &function(70)).is_empty());
        let findings = check_text(PRODUCT, &format!("use a;\n{}", function(71)));
        assert_eq!(rules(&findings), ["function-length"]);
        assert_eq!(findings[0].place, "crates/some/src/a.rs:2");
        assert!(findings[0].text.starts_with("`long` has 71 lines"), "{}", findings[0].text);
        let test = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", function(71));
        assert!(found(PRODUCT, &test).is_empty());
    }

    #[test]
    fn a_comparison_whose_answer_is_dropped_is_seen_anywhere() {
        for dropped in [
            "fn a() { matches!(b, C); }",
            "fn a() {\n    b();\n    matches!(\n        b, C { .. }\n    );\n}",
            "fn a() { if b { c() }\n matches!(b, C) || d(); }",
        ] {
            assert_eq!(found("tests/it/a.rs", dropped), ["dropped-matches"], "{dropped}");
        }
        for used in [
            "fn a() -> bool { matches!(b, C) }",
            "fn a() -> bool { b(); matches!(b, C) && d() }",
            "fn a() { assert!(matches!(b, C)); }",
            "fn a() { let c = matches!(b, C); }",
            "fn a() { /* matches!(b, C); */ }",
        ] {
            assert!(found("tests/it/a.rs", used).is_empty(), "{used}");
        }
    }

    #[test]
    fn unfinished_code_is_seen_but_not_words_about_it() {
        for word in LEFTOVERS {
            assert_eq!(found("tests/a.rs", &format!("fn a() {{ {word}(b) }}")), ["leftover"]);
            assert!(found("tests/a.rs", &format!("// no {word}()\nfn a() {{ my_{word}() }}")).is_empty());
        }
    }

    #[test]
    fn other_characters_and_spaces_at_the_end_of_a_line_are_seen() {
        for path in ["README.md", "Cargo.toml", "crates/some/tests/a.rs"] {
            assert_eq!(found(path, "# a\u{2013}b\n"), ["ascii"]);
            assert_eq!(found(path, "# a\n\n# b \n"), ["trailing-space"]);
            assert!(found(path, "# a\n\n# b\n").is_empty());
        }
    }
}
