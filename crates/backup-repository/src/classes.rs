//! What the segments of a dump before a place mean for what comes there: where cuts are, and a partition that continues.
//!
//! Dumps whose last segments are the same are alike in this. They are of one class, for which a segment is hashed once.

use std::collections::HashMap;

use backup_format::{
    Cut, Cutter, DigestState, FormatError, LeafHasher, ObjectId, OrderCheck, Segment, page_is_full,
};

use crate::error::RepositoryError;
use crate::reader::DumpReader;
use crate::walk::Member;

/// Names a state of [`Hashing`] by the segments that it depends on: dumps of one class are alike in what they need of the past.
pub(crate) type Class = [u8; 32];

/// What one dump alone has of the past.
pub(crate) struct DumpState {
    pub class: Class,
    order: OrderCheck,
    digest: DigestState,
    pub segments: u64,
}

impl DumpState {
    pub(crate) fn new(reader: &DumpReader) -> Self {
        let (order, digest) = (OrderCheck::new(reader.order), DigestState::default());
        Self { class: Class::default(), order, digest, segments: 0 }
    }

    /// Checks that the segment may come next, and adds it.
    pub(crate) fn advance(
        &mut self,
        advanced: &Advanced,
        member: &Member,
        segment: &Segment,
    ) -> Result<(), FormatError> {
        let starts_page = member.references == 0;
        self.order.advance(segment.first(), segment.last(), starts_page)?;
        let is_full = page_is_full(member.references, member.reference_bytes);
        if !starts_page && (advanced.first_cut != Cut::Segment || is_full) {
            let problem = format!(
                "where it begins, the cut rule says {:?} and the page is {}full",
                advanced.first_cut,
                if is_full { "" } else { "not " }
            );
            return Err(FormatError::Malformed { object: "segment", offset: 0, problem });
        }
        if advanced.inner_cut {
            let problem = "the cut rule ends it earlier".to_owned();
            return Err(FormatError::Malformed { object: "segment", offset: 0, problem });
        }
        self.digest.add(&advanced.whole);
        self.segments += 1;
        Ok(())
    }
}

/// What dumps of one class have of the past.
#[derive(Clone)]
struct Hashing {
    cutter: Cutter,
    /// The partition that may continue.
    open: Option<(Vec<u8>, LeafHasher)>,
}

/// A class after one more segment.
pub(crate) struct Advanced {
    class: Class,
    hashing: Hashing,
    /// What the cut rule says of the first entry of the segment, unless that begins a page.
    first_cut: Cut,
    /// Whether it says that something begins at another one.
    inner_cut: bool,
    /// The partitions that have ended.
    whole: DigestState,
}

/// The classes that dumps are in, with the number of dumps.
pub(crate) struct Classes(HashMap<Class, (Hashing, usize)>, Hashing);

impl Classes {
    pub(crate) fn new(reader: &DumpReader) -> Result<Self, RepositoryError> {
        let cutter = Cutter::new(&reader.repository.config, reader.repository.keys()?);
        Ok(Self(HashMap::new(), Hashing { cutter, open: None }))
    }

    fn get(&self, class: Class) -> &Hashing {
        self.0.get(&class).map_or(&self.1, |(hashing, _)| hashing)
    }

    /// Adds a segment to what dumps of a class have of the past.
    pub(crate) fn advance(&self, class: Class, id: ObjectId, segment: &Segment) -> Advanced {
        let mut hashing = self.get(class).clone();
        let (mut first_cut, mut inner_cut) = (Cut::None, false);
        for (index, (root_key, entry)) in segment.iter().enumerate() {
            let cut = hashing.cutter.next(root_key, entry.key, entry.value.len());
            if index > 0 {
                inner_cut |= cut != Cut::None;
                continue;
            }
            first_cut = cut;
            // Here a segment begins, whatever the rule says.
            hashing.cutter.start_segment();
            hashing.cutter.next(root_key, entry.key, entry.value.len());
        }
        let (mut whole, mut goes_on) = (DigestState::default(), true);
        for group in segment.groups() {
            let is_open = hashing.open.as_ref().is_some_and(|(root_key, _)| root_key == group.root_key);
            if !is_open {
                goes_on = false;
                if let Some((_, leaf)) = hashing.open.take() {
                    whole.add_partition(&leaf);
                }
            }
            let open = || (group.root_key.to_vec(), LeafHasher::new(group.root_key));
            hashing.open.get_or_insert_with(open).1.update(group.body, group.entries);
        }
        // What came before matters only while its last partition continues.
        let past = if goes_on { class } else { Class::default() };
        let mut name = blake3::Hasher::new();
        name.update(&past).update(&id.0);
        Advanced { class: *name.finalize().as_bytes(), hashing, first_cut, inner_cut, whole }
    }

    /// Moves a dump from its class to the one after it.
    pub(crate) fn change(&mut self, advanced: &Advanced, class: &mut Class) {
        self.leave(std::mem::replace(class, advanced.class));
        let (_, dumps) = self.0.entry(advanced.class).or_insert_with(|| (advanced.hashing.clone(), 0));
        *dumps += 1;
    }

    /// Says that a dump is in its class no more.
    pub(crate) fn leave(&mut self, class: Class) {
        if let Some((_, dumps)) = self.0.get_mut(&class) {
            *dumps -= 1;
            if *dumps == 0 {
                self.0.remove(&class);
            }
        }
    }

    /// Ends the last partition of a dump; returns its digest.
    pub(crate) fn finish(&self, state: DumpState) -> DigestState {
        let mut digest = state.digest;
        if let Some((_, leaf)) = &self.get(state.class).open {
            digest.add_partition(leaf);
        }
        digest
    }
}
