//! The rules on the lines of a file.

use super::Finding;

const FILE_LINES_MAX: usize = 500;

/// What the root of a library turns on. Cargo has no lints for the libraries of packages alone.
const NO_PANICS: &str = "#![warn(clippy::indexing_slicing, clippy::unwrap_used)]";

/// Checks the lines of a file. Its path decides which rules hold.
pub(super) fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let mut found =
            |rule, text: &str| findings.push(Finding::new(rule, format!("{path}:{number}"), text));
        if !line.is_ascii() {
            found("ascii", "holds a character that is not ASCII");
        }
        if line.ends_with([' ', '\t', '\r']) {
            found("trailing-space", "ends in a space");
        }
        if path.ends_with(".rs") && line.trim().starts_with("matches!(") && line.ends_with(");") {
            found("dropped-matches", "drops the result of `matches!`; put it in an `assert!`");
        }
    }
    let lines = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
    if is_product(path) && lines > FILE_LINES_MAX {
        let text = format!("has {lines} lines before its tests; the limit is {FILE_LINES_MAX}");
        findings.push(Finding::new("file-length", path, text));
    }
    if is_library(path) && !text.contains(NO_PANICS) {
        findings.push(Finding::new("lints", path, format!("lacks `{NO_PANICS}`")));
    }
    let inherits = || format!("\n{text}\n").contains("\n[lints]\nworkspace = true\n");
    if is_member(path) && !inherits() {
        findings.push(Finding::new("lints", path, "lacks the section `[lints]` with `workspace = true`"));
    }
    findings
}

/// Returns true for the manifest of a package. Those of users and of nightly Rust have lints of their own.
fn is_member(path: &str) -> bool {
    path.ends_with("/Cargo.toml")
        && !path.starts_with("tests/downstream/")
        && !path.ends_with("/fuzz/Cargo.toml")
}

/// Returns true for the sources of the product and its tools, which have a limit of lines.
fn is_product(path: &str) -> bool {
    let parts: Vec<_> = path.split('/').collect();
    path.ends_with(".rs") && matches!(parts[..], ["xtask", "src", ..] | ["crates" | "tools", _, "src", ..])
}

/// Returns true for the root of a library that other programs may use.
fn is_library(path: &str) -> bool {
    let folder = path.strip_suffix("/src/lib.rs").and_then(|path| path.strip_prefix("crates/backup-"));
    folder.is_some_and(|name| name != "cli")
}

#[cfg(test)]
mod tests {
    use super::super::rules;
    use super::*;

    fn found(path: &str, text: &str) -> Vec<&'static str> {
        rules(&check(path, text))
    }

    #[test]
    fn a_long_file_is_found_and_its_tests_do_not_count() {
        let (product, long) = ("crates/some/src/a.rs", "use a;\n".repeat(501));
        assert_eq!(found(product, &long), ["file-length"]);
        assert!(found(product, &long[7..]).is_empty() && found("tests/it/a.rs", &long).is_empty());
        assert!(found(product, &format!("use a;\n#[cfg(test)]\nmod tests {{\n{long}}}\n")).is_empty());
    }

    #[test]
    fn other_characters_spaces_and_dropped_comparisons_are_found() {
        assert_eq!(found("README.md", "# a\u{2013}b\n"), ["ascii"]);
        assert_eq!(found("Cargo.toml", "# a\n# b \n"), ["trailing-space"]);
        assert_eq!(found("tests/it/a.rs", "fn a() {\n    matches!(b, C);\n}\n"), ["dropped-matches"]);
        let used = "fn a() {\n    assert!(matches!(b, C));\n    matches!(b, D)\n}\n";
        assert!(found("tests/it/a.rs", used).is_empty());
    }

    #[test]
    fn a_member_or_library_without_the_common_lints_is_found() {
        assert!(found("xtask/Cargo.toml", "[package]\n\n[lints]\nworkspace = true\n").is_empty());
        for manifest in
            ["[package]\n", "[lints]\n[dependencies]\nworkspace = true\n", "[lints]\n# workspace = true\n"]
        {
            assert_eq!(found("xtask/Cargo.toml", manifest), ["lints"], "{manifest}");
        }
        assert_eq!(found("crates/backup-a/src/lib.rs", "mod a;\n"), ["lints"]);
        assert!(found("crates/backup-a/src/lib.rs", NO_PANICS).is_empty());
        assert!(found("crates/backup-cli/src/lib.rs", "mod a;\n").is_empty());
    }
}
