//! Rules that old files may still break: the number of places in each file may only shrink.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::Finding;
use super::files::File;
use super::prose::{self, Place};

/// A rule, and the file that lists how many places of each file still break it, as `PATH: COUNT`.
struct Ratchet {
    rule: &'static str,
    list: &'static str,
    find: fn(&str, &str) -> Vec<Place>,
}

const RATCHETS: [Ratchet; 2] = [
    Ratchet { rule: "words", list: "xtask/words-allowed.txt", find: |_, text| prose::words(text) },
    Ratchet { rule: "sentences", list: "xtask/sentences-allowed.txt", find: prose::sentences },
];

/// Finds all places in files that have more of them than their list allows. Prints which lists allow too much.
pub(super) fn check(root: &Path, files: &[File]) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for Ratchet { rule, list, find } in &RATCHETS {
        let (allowed, found) = (read(root, list)?, places(files, *find));
        for (path, places) in &found {
            let (count, limit) = (places.len(), allowed.get(*path).copied().unwrap_or_default());
            findings.extend(places.iter().filter(|_| count > limit).map(|place| {
                let text = format!("{} ({count} places in this file, {limit} allowed)", place.advice);
                Finding::new(rule, format!("{path}:{}", place.line), text)
            }));
        }
        let count = |path: &str| found.get(path).map_or(0, Vec::len);
        if allowed.iter().any(|(path, limit)| count(path) < *limit) {
            println!("tidy: {list} allows more than there is; `cargo xtask tidy --bless words` lowers it");
        }
    }
    Ok(findings)
}

/// Writes the lists again. A total that grew is refused: places may only move.
pub(super) fn bless(root: &Path, files: &[File]) -> Result<()> {
    for Ratchet { list, find, .. } in &RATCHETS {
        let (found, path) = (places(files, *find), root.join(list));
        let (before, after) =
            (read(root, list)?.values().sum::<usize>(), found.values().map(Vec::len).sum::<usize>());
        if after > before && path.is_file() {
            bail!("{list}: {before} places were allowed and there are {after}; reword the new ones");
        }
        let text: String = found.iter().map(|(path, places)| format!("{path}: {}\n", places.len())).collect();
        fs::write(&path, text).with_context(|| format!("could not write {path:?}"))?;
        println!("{list}: {before} places before, {after} now");
    }
    Ok(())
}

/// Returns the places of each document and source that has any.
fn places(files: &[File], find: fn(&str, &str) -> Vec<Place>) -> BTreeMap<&str, Vec<Place>> {
    let prose = files.iter().filter(|(path, _)| path.ends_with(".md") || path.ends_with(".rs"));
    let found = prose.map(|(path, text)| (path.as_str(), find(path, text)));
    found.filter(|(_, places)| !places.is_empty()).collect()
}

fn read(root: &Path, list: &str) -> Result<BTreeMap<String, usize>> {
    let path = root.join(list);
    let text = if path.is_file() { fs::read_to_string(&path) } else { Ok(String::new()) };
    let entry = |line: &str| {
        let entry =
            line.split_once(": ").and_then(|(path, count)| Some((path.to_owned(), count.parse().ok()?)));
        entry.with_context(|| format!("{list}: expected `PATH: COUNT`, found `{line}`"))
    };
    text.with_context(|| format!("could not read {path:?}"))?.lines().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_may_shrink_and_move_but_never_grow() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("xtask")).unwrap();
        let sentence = format!("{}.\n", "word ".repeat(40));
        let files = |counts: &[usize]| -> Vec<File> {
            let names = ["a.md", "b.md"].iter().zip(counts);
            names.map(|(name, count)| ((*name).to_owned(), sentence.repeat(*count))).collect()
        };
        let found = |counts: &[usize]| check(root.path(), &files(counts)).unwrap().len();
        let bless = |counts: &[usize]| bless(root.path(), &files(counts));

        assert_eq!(found(&[2]), 2);
        bless(&[2]).unwrap();
        assert_eq!((found(&[2]), found(&[1]), found(&[3]), found(&[1, 1])), (0, 0, 3, 1));
        assert!(bless(&[3]).is_err());
        bless(&[1, 1]).unwrap();
        assert_eq!((found(&[1, 1]), found(&[2])), (0, 2));
        let list = fs::read_to_string(root.path().join(RATCHETS[1].list)).unwrap();
        assert_eq!(list, "a.md: 1\nb.md: 1\n");
    }

    #[test]
    fn a_list_that_is_not_understood_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        for text in ["a.md 1\n", "a.md: x\n", "\n"] {
            fs::write(root.path().join("list"), text).unwrap();
            assert!(read(root.path(), "list").is_err(), "{text}");
        }
    }
}
