//! One damage, and what is to be found of it.

use bootproof::Kind;
use libtest_mimic::Failed;

use crate::entries::Entries;
use crate::histories::History;
use crate::past::Past;
use crate::proving::{prove_entries, show};

/// Damages a database of some past.
pub struct Damage {
    pub name: &'static str,
    apply: fn(&mut Entries, &Past),
    kind: Kind,
    place: &'static str,
    also: &'static [Kind],
    history: History,
}

impl Damage {
    /// Says what must be found: the kind, and what its place must contain, where SENDER and RECEIVER stand for the ids of
    /// the chains. The database is the fixture.
    pub const fn new(
        name: &'static str,
        apply: fn(&mut Entries, &Past),
        kind: Kind,
        place: &'static str,
    ) -> Self {
        Self { name, apply, kind, place, also: &[], history: History::Fixture }
    }

    /// Says what else follows from it. Findings of any other kind are false alarms.
    pub const fn also(mut self, also: &'static [Kind]) -> Self {
        self.also = also;
        self
    }

    /// Damages the database of another history.
    pub const fn after(mut self, history: History) -> Self {
        self.history = history;
        self
    }

    /// Damages a dump, proves it, and checks what was found.
    pub fn check(&self) -> Result<(), Failed> {
        let past = self.history.past();
        let mut entries = past.entries.clone();
        (self.apply)(&mut entries, past);
        let changed = entries != past.entries || self.history == History::SetBack;
        assert!(changed, "the damage changes something");
        let report = prove_entries(&entries, &[]);
        let place = past.name(self.place);
        let found: Vec<_> = report.findings.iter().map(show).collect();
        let right = report
            .findings
            .iter()
            .any(|finding| finding.kind == self.kind && finding.place.to_string().contains(&place));
        assert!(right, "{} at {place} is not in {found:#?}", self.kind);
        let foreign = report
            .findings
            .iter()
            .any(|finding| finding.kind != self.kind && !self.also.contains(&finding.kind));
        assert!(!foreign, "there is more than expected in {found:#?}");
        Ok(())
    }
}
