//! Errors as they are printed: one JSON object, or text with its causes and what helps.

use std::error::Error;
use std::io::{self, Write as _};

use backup_format::{EngineError, FormatError};
use backup_layout::LayoutError;
use backup_repository::RepositoryError;
use backup_sources::{Engines, SourceError};
use serde_json::{Map, Value, json};

use crate::exit::Exit;
use crate::problem::Problem;

/// Writes an error to stderr: one JSON object on one line, or its text and its causes.
/// What a server answered is shown only when `verbose`.
pub(crate) fn print_error(error: &anyhow::Error, (as_json, verbose): (bool, bool), engines: &Engines) {
    let causes = causes(error, verbose);
    let text = if as_json {
        let mut fields = error.downcast_ref().map_or_else(Map::new, Problem::fields);
        fields.insert("error".to_owned(), json!(error.to_string()));
        fields.insert("causes".to_owned(), json!(causes));
        fields.insert("exit_code".to_owned(), json!(Exit::of(error).code()));
        if let Some(advice) = advice(error, engines) {
            fields.insert("advice".to_owned(), json!(advice));
        }
        Value::Object(fields).to_string()
    } else {
        let lines = causes.iter().map(|cause| format!("\n  caused by: {cause}"));
        let advice = advice(error, engines).map(|advice| format!("\n  {advice}")).unwrap_or_default();
        format!("error: {error}{}{advice}", lines.collect::<String>())
    };
    // Where stderr cannot be written to there is nobody left to tell.
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// Writes a line for people to stderr, which is no error.
pub(crate) fn remark(text: &str) {
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// Names the option that helps, when there is one.
fn advice(error: &anyhow::Error, engines: &Engines) -> Option<&'static str> {
    error.chain().find_map(|cause| {
        if let Some(advice) = engine_error(cause).and_then(|error| engines.advice(error)) {
            return Some(advice);
        }
        // Engines keep it in a box, which is a link of the chain itself.
        let layout = cause.downcast_ref::<Box<LayoutError>>().map(|error| &**error);
        let format = match layout.or_else(|| cause.downcast_ref()) {
            Some(LayoutError::TooLong(error)) => Some(error),
            _ => cause.downcast_ref::<FormatError>(),
        };
        if format.is_some_and(FormatError::asks_for_higher_limit) {
            return Some("--max-value SIZE raises the limit");
        }
        match cause.downcast_ref::<RepositoryError>()? {
            error @ RepositoryError::Store { problem, .. } if !problem.is_empty() => {
                Some(match error.is_transient() {
                    true => {
                        "--store-patience TIME waits longer for a store; --verbose shows what it answered"
                    }
                    false => "--verbose shows what the store answered",
                })
            }
            RepositoryError::NoLatest { .. } | RepositoryError::Uncertain { .. } => {
                Some("--dump ID names a dump; `kvbackup list` shows their ids")
            }
            RepositoryError::ConfigLost { .. } => {
                Some("kvbackup repair REPO puts it back; --from COPY names another copy of the repository")
            }
            RepositoryError::Sign { source: None, .. } => Some("--sign-key FILE names the key to sign with"),
            RepositoryError::MissingDump { .. } => {
                Some("`kvbackup forget REPO --missing ID` accepts that a dump is lost")
            }
            RepositoryError::Shrunk { .. } => Some("--max-shrink PERCENT allows it"),
            RepositoryError::ClockBehind { .. } => Some("--allow-clock-behind allows it"),
            _ => None,
        }
    })
}

fn engine_error<'e>(cause: &'e (dyn Error + 'static)) -> Option<&'e EngineError> {
    match cause.downcast_ref::<SourceError>() {
        Some(SourceError::Engine(error) | SourceError::Open { source: error, .. }) => Some(error),
        _ => cause.downcast_ref(),
    }
}

/// Returns the causes of an error, without those whose text the error before them has taken in.
fn causes(error: &anyhow::Error, verbose: bool) -> Vec<String> {
    let mut said = error.to_string();
    let mut causes = Vec::new();
    let is_explained = |cause: &(dyn Error + 'static)| {
        let error = cause.downcast_ref::<RepositoryError>();
        matches!(error, Some(RepositoryError::Store { problem, .. }) if !problem.is_empty())
    };
    // The error itself stands first, and does not count as a cause.
    let last = error.chain().position(is_explained).filter(|_| !verbose).unwrap_or(usize::MAX);
    for cause in error.chain().take(last.saturating_add(1)).skip(1) {
        let text = cause.to_string();
        if !said.contains(&text) {
            causes.push(text.clone());
            said = text;
        }
    }
    causes
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_cause_that_the_error_before_it_quotes_is_not_repeated() {
        let error = anyhow!("no such file").context("opening x: no such file").context("backing up");
        assert_eq!(causes(&error, false), ["opening x: no such file"]);
    }
}
