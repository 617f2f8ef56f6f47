//! Contents in the form in which a dump is restored.

use backup_format::{EntryBatch, ObjectId, Order, Restore, RestoreUnit, Segment};

use crate::content::Content;

/// A content cut into segments and units, without a repository.
#[derive(Clone, Debug)]
pub struct Units {
    /// What is going to be restored.
    pub restore: Restore,
    /// The units, in the order of the dump. A partition may continue in the next one.
    pub units: Vec<Unit>,
}

/// A unit with its segments.
#[derive(Clone, Debug)]
pub struct Unit {
    /// What the engine learns of it.
    pub unit: RestoreUnit,
    /// Its segments, in their order; at least one.
    pub segments: Vec<Segment>,
}

impl Units {
    /// Cuts a content, in this order, into segments of some `segment_bytes` bytes and units of up to
    /// `segments_per_unit` segments.
    #[must_use]
    pub fn cut(content: &Content, order: Order, segment_bytes: usize, segments_per_unit: usize) -> Self {
        let segments = segments(content, order, segment_bytes);
        let units: Vec<Unit> = segments.chunks(segments_per_unit.max(1)).map(Unit::new).collect();
        let mut ids = vec![u8::from(order)];
        units.iter().for_each(|unit| ids.extend_from_slice(&unit.unit.page.0));
        let restore = Restore { dump: ObjectId::of_file(&ids), order, entries: content.entries() };
        Self { restore, units }
    }
}

impl Unit {
    fn new(segments: &[Segment]) -> Self {
        let ids: Vec<u8> =
            segments.iter().flat_map(|segment| ObjectId::of_file(segment.plaintext()).0).collect();
        let entries = segments.iter().map(Segment::entries).sum();
        let unit = RestoreUnit { page: ObjectId::of_file(&ids), entries };
        Self { unit, segments: segments.to_vec() }
    }
}

fn segments(content: &Content, order: Order, segment_bytes: usize) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut batch = EntryBatch::default();
    for (root_key, key, value) in content.ordered(order) {
        batch.push(root_key, key, value);
        if batch.byte_len() >= segment_bytes {
            segments.push(Segment::from_batch(&batch));
            batch.clear();
        }
    }
    if !batch.is_empty() {
        segments.push(Segment::from_batch(&batch));
    }
    segments
}
