//! What was found, what could not be proven, and what is worth a remark.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Display;

use serde::Serialize;

use crate::kind::Kind;
use crate::place::Place;

/// Most findings of one kind that are kept; the others are counted.
const KEPT_MAX: usize = 200;
/// Most examples of something that is not proven, or remarked.
const EXAMPLES_MAX: usize = 3;

/// One damage or difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What is wrong.
    pub kind: Kind,
    /// Where.
    pub place: Place,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
    /// What this means for the use of the database.
    pub meaning: &'static str,
}

/// Something that was met several times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// What it is.
    pub what: String,
    /// How often it was met.
    pub count: u64,
    /// The first few places, each once.
    pub examples: Vec<String>,
}

/// Collects findings, also from within shared borrows.
#[derive(Debug, Default)]
pub struct Findings {
    kept: RefCell<Vec<Finding>>,
    per_kind: RefCell<BTreeMap<Kind, usize>>,
    unproven: RefCell<BTreeMap<String, Note>>,
    remarks: RefCell<BTreeMap<String, Note>>,
}

impl Findings {
    /// Adds a finding.
    pub fn add(&self, kind: Kind, place: Place, expected: impl Display, found: impl Display) {
        let mut per_kind = self.per_kind.borrow_mut();
        let count = per_kind.entry(kind).or_default();
        *count += 1;
        if *count <= KEPT_MAX {
            let (expected, found) = (expected.to_string(), found.to_string());
            let meaning = kind.meaning();
            self.kept.borrow_mut().push(Finding { kind, place, expected, found, meaning });
        }
    }

    /// Says that something could not be proven, and where.
    pub fn not_proven(&self, what: impl Into<String>, place: impl Display) {
        note(&mut self.unproven.borrow_mut(), what.into(), 1, place);
    }

    /// Remarks something that is no damage, so many times.
    pub fn remark(&self, what: impl Into<String>, count: u64, place: impl Display) {
        if count > 0 {
            note(&mut self.remarks.borrow_mut(), what.into(), count, place);
        }
    }

    /// Returns the number of findings.
    #[must_use]
    pub fn count(&self) -> usize {
        self.per_kind.borrow().values().sum()
    }

    /// Returns the findings that were kept, in the order in which they were made.
    #[must_use]
    pub fn kept(&self) -> Vec<Finding> {
        self.kept.borrow().clone()
    }

    /// Returns what could not be proven.
    #[must_use]
    pub fn unproven(&self) -> Vec<Note> {
        self.unproven.borrow().values().cloned().collect()
    }

    /// Returns the remarks.
    #[must_use]
    pub fn remarks(&self) -> Vec<Note> {
        self.remarks.borrow().values().cloned().collect()
    }
}

fn note(notes: &mut BTreeMap<String, Note>, what: String, count: u64, place: impl Display) {
    let empty = || Note { what: what.clone(), count: 0, examples: Vec::new() };
    let note = notes.entry(what.clone()).or_insert_with(empty);
    note.count += count;
    let place = place.to_string();
    if note.examples.len() < EXAMPLES_MAX && !note.examples.contains(&place) {
        note.examples.push(place);
    }
}
