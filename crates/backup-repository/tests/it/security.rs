//! `docs/SECURITY.md` names tests that are there.

use std::fs;
use std::path::{Path, PathBuf};

/// A name of a test has at least so many words.
const WORDS: usize = 4;

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn each_test_that_the_document_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let document = fs::read_to_string(root.join("docs/SECURITY.md")).unwrap();
    let mut files = Vec::new();
    for directory in ["crates", "tests"] {
        sources(&root.join(directory), &mut files);
    }
    let code: String = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let named = document.split('`').skip(1).step_by(2).filter(|name| name.split('_').count() >= WORDS);
    let mut count = 0;
    for name in named.filter(|name| name.chars().all(|char| char.is_ascii_lowercase() || "_.".contains(char)))
    {
        count += 1;
        let found = match name.strip_suffix("..") {
            Some(beginning) => code.contains(&format!("fn {beginning}")),
            None => code.contains(&format!("fn {name}()")),
        };
        assert!(found, "there is no test {name}");
    }
    assert!(count > 30, "only {count} tests are named");
}
