//! What a rule found, where, and where the rule is explained.

use std::fmt;

/// A rule, and where a reader learns why it is there.
#[derive(Debug, PartialEq)]
pub(super) struct Rule {
    pub(super) name: &'static str,
    explained: &'static str,
}

const README: &str = "xtask/README.md";

const fn rule(name: &'static str, explained: &'static str) -> Rule {
    Rule { name, explained }
}

pub(super) static IMPORTS: Rule = rule("imports", "docs/ARCHITECTURE.md");
pub(super) static ANYHOW: Rule = rule("anyhow", README);
pub(super) static LINTS: Rule = rule("lints", README);
pub(super) static SCHEMA: Rule = rule("schema", README);
pub(super) static SIBLINGS: Rule = rule("siblings", README);
pub(super) static FILE_LENGTH: Rule = rule("file-length", README);
pub(super) static FUNCTION_LENGTH: Rule = rule("function-length", README);
pub(super) static DROPPED_MATCHES: Rule = rule("dropped-matches", README);
pub(super) static LEFTOVER: Rule = rule("leftover", README);
pub(super) static CRATE_DOCS: Rule = rule("crate-docs", README);
pub(super) static ASCII: Rule = rule("ascii", README);
pub(super) static TRAILING_SPACE: Rule = rule("trailing-space", README);

/// Something to mend.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) rule: &'static Rule,
    /// A file with its line, or a package.
    pub(super) place: String,
    pub(super) text: String,
}

impl Finding {
    pub(super) fn new(rule: &'static Rule, place: impl Into<String>, text: impl Into<String>) -> Self {
        Self { rule, place: place.into(), text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, place, text } = self;
        write!(f, "{place}: {text} (rule `{}`, explained in {})", rule.name, rule.explained)
    }
}

/// Returns the names of the rules that found something, for tests.
#[cfg(test)]
pub(super) fn rules(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().map(|finding| finding.rule.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_names_place_rule_and_explanation() {
        let finding = Finding::new(&ASCII, "src/a.rs:3", "not ASCII");
        let expected = "src/a.rs:3: not ASCII (rule `ascii`, explained in xtask/README.md)";
        assert_eq!(finding.to_string(), expected);
    }

    #[test]
    fn the_readme_explains_every_rule_of_which_it_is_said_so() {
        let readme = include_str!("../../README.md");
        for rule in [
            &IMPORTS,
            &ANYHOW,
            &LINTS,
            &SCHEMA,
            &SIBLINGS,
            &FILE_LENGTH,
            &FUNCTION_LENGTH,
            &DROPPED_MATCHES,
            &LEFTOVER,
            &CRATE_DOCS,
            &ASCII,
            &TRAILING_SPACE,
        ] {
            assert!(readme.contains(&format!("| `{}` |", rule.name)), "{}", rule.name);
        }
    }
}
