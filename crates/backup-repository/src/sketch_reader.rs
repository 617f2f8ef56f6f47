//! Reading the sketch of the dump before, a record at a time.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::collections::HashSet;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use backup_format::{Fingerprint, ObjectId, SketchKey, limits};

use crate::bases::Base;
use crate::index::Index;
use crate::part::PartId;
use crate::repository::Dump;
use crate::sketch::{
    FINGERPRINTS_MAX, HEAD_BYTES, LINE_BYTES, Line, Links, MAGIC, Record, TAG_BYTES, TRAILER_BYTES,
    kept_chain,
};
use crate::sketches::Sketches;
use crate::warning::BackupWarning;

/// Most segments that are looked at for one that begins where none began before.
const WINDOW: u32 = 8;

/// The sketch of the dump before: 20 bytes of memory for each of its segments.
#[derive(Debug)]
pub(crate) struct Sketch {
    key: SketchKey,
    file: File,
    path: PathBuf,
    index: Arc<Index>,
    /// Where the records end.
    directory: u64,
    /// In the order of the dump.
    lines: Vec<Line>,
    /// The numbers of lines, in the order of their places.
    sorted: Vec<u32>,
    unusable: Mutex<Unusable>,
}

/// Records that cannot be used.
#[derive(Debug, Default)]
struct Unusable {
    count: u64,
    first: Option<String>,
}

/// The directory of a sketch, as its last bytes tell.
struct Trailer {
    directory: u64,
    count: u64,
}

impl Sketch {
    /// Opens a sketch, if it is of this dump; `Ok(None)` if there is no such file. Tells otherwise why it cannot be used.
    pub(crate) fn open(
        path: &Path,
        key: SketchKey,
        (dump, index): (&Dump, &Arc<Index>),
    ) -> Result<Option<Self>, String> {
        let metadata = match std::fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            metadata => metadata.map_err(text)?,
        };
        if !metadata.is_file() {
            return Err("it is no file".to_owned());
        }
        let file = File::open(path).map_err(text)?;
        let len = file.metadata().map_err(text)?.len();
        let Some(end) = len.checked_sub(TRAILER_BYTES as u64) else {
            return Err(format!("it has {len} bytes, which is too short for one"));
        };
        let mut magic = [0; MAGIC.len()];
        file.read_exact_at(&mut magic, 0).map_err(text)?;
        if magic != MAGIC {
            return Err("it does not begin as one of this version does".to_owned());
        }
        let trailer = Trailer::read(&file, (end, dump, index.len() as u64))?;
        let lines = trailer.lines(&file, len, &key)?;
        let mut sorted: Vec<u32> = (0..lines.len() as u32).collect();
        let place = |number: &u32| lines.get(*number as usize).map_or(0, |line| line.place);
        sorted.sort_unstable_by_key(|number| (place(number), *number));
        Ok(Some(Self {
            key,
            file,
            path: path.to_owned(),
            index: index.clone(),
            directory: trailer.directory,
            lines,
            sorted,
            unusable: Mutex::default(),
        }))
    }

    /// Warns of records that could not be used.
    pub(crate) fn warning(&self) -> Option<BackupWarning> {
        let unusable = self.unusable.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, problem) = (unusable.count, unusable.first.clone()?);
        Some(BackupWarning::DamagedSketch { file: self.path.clone(), count, problem })
    }

    /// Finds the segment that begins at this place.
    fn find(&self, place: u64) -> Option<u32> {
        let line = |number: &u32| self.lines.get(*number as usize).map_or(0, |line| line.place);
        let at = self.sorted.partition_point(|number| line(number) < place);
        self.sorted.get(at).copied().filter(|number| line(number) == place)
    }

    /// Reads what is known of the segment of this number. What is not as it was written is noted.
    pub(crate) fn read(&self, number: u32) -> Option<Record> {
        let offset = self.lines.get(number as usize)?.offset;
        if offset == 0 {
            return None;
        }
        match self.try_read(offset) {
            Ok(record) => Some(record),
            Err(problem) => {
                let mut unusable = self.unusable.lock().unwrap_or_else(PoisonError::into_inner);
                unusable.count = unusable.count.saturating_add(1);
                unusable.first.get_or_insert(problem);
                None
            }
        }
    }

    fn try_read(&self, offset: u64) -> Result<Record, String> {
        let wrong = || format!("the record at byte {offset} is not what was written");
        let mut head = [0; HEAD_BYTES];
        self.file.read_exact_at(&mut head, offset).map_err(text)?;
        let count = u64::from(Record::count(&head));
        let len = count.saturating_mul(16).saturating_add((HEAD_BYTES + TAG_BYTES) as u64);
        if count > FINGERPRINTS_MAX || offset.saturating_add(len) > self.directory {
            return Err(wrong());
        }
        let mut bytes = vec![0; len as usize];
        self.file.read_exact_at(&mut bytes, offset).map_err(text)?;
        Record::decode(&bytes, &self.key).ok_or_else(wrong)
    }

    /// Finds the base for a segment with these fingerprints: of these numbers the one that has most of its entries.
    pub(crate) fn base(&self, numbers: Range<u32>, found: &[Fingerprint], plain_len: u64) -> Option<Base> {
        if plain_len > limits::PATCH_BYTES_MAX {
            return None;
        }
        let entries: HashSet<&Fingerprint> = found.iter().collect();
        let records = numbers.filter_map(|number| self.read(number));
        let shared = |record: &Record| {
            record.fingerprints.iter().filter(|fingerprint| entries.contains(fingerprint)).count()
        };
        let (shared, record) =
            records.map(|record| (shared(&record), record)).max_by_key(|(shared, _)| *shared)?;
        if shared == 0 {
            return None;
        }
        let chain = kept_chain(&self.index, record.id)?;
        let is_fit = chain.len() <= limits::PATCH_LINKS_MAX
            && chain
                .first()
                .is_some_and(|place| !place.is_page && place.plain_len <= limits::PATCH_BYTES_MAX);
        let patch_bytes = Links::of(&chain).sharpened(record.links).patch_bytes;
        is_fit
            .then(|| Base::sketched(record.id, (self.key.clone(), record.fingerprints), (chain, patch_bytes)))
    }

    /// Tells what was noted of a segment, if it is the one of this number.
    pub(crate) fn links(&self, number: u32, id: ObjectId) -> Option<Links> {
        self.read(number).filter(|record| record.id == id).map(|record| record.links)
    }
}

impl Trailer {
    fn read(file: &File, (end, dump, objects): (u64, &Dump, u64)) -> Result<Self, String> {
        let mut bytes = [0; TRAILER_BYTES - TAG_BYTES];
        file.read_exact_at(&mut bytes, end).map_err(text)?;
        let (id, rest) = bytes.split_first_chunk::<32>().ok_or("it is too short")?;
        if ObjectId(*id) != dump.id {
            return Err(format!("it is not of dump {:.12}, which this one follows", dump.id));
        }
        let (directory, count) = rest.split_first_chunk::<8>().ok_or("it is too short")?;
        let count = count.first_chunk::<8>().ok_or("it is too short")?;
        let (directory, count) = (u64::from_le_bytes(*directory), u64::from_le_bytes(*count));
        let expected = directory.checked_add(count.saturating_mul(LINE_BYTES as u64));
        // There are never more segments than objects, so this allocates no more than they do.
        if expected != Some(end) || count != dump.manifest.segments || count > objects {
            return Err(format!(
                "its directory of {count} segments at byte {directory} is not what was written"
            ));
        }
        Ok(Self { directory, count })
    }

    fn lines(&self, file: &File, len: u64, key: &SketchKey) -> Result<Vec<Line>, String> {
        let mut bytes = vec![0; len.saturating_sub(self.directory) as usize];
        file.read_exact_at(&mut bytes, self.directory).map_err(text)?;
        let (directory, tag) = bytes.split_last_chunk::<TAG_BYTES>().ok_or("it is too short")?;
        if key.directory_tag(directory) != *tag {
            return Err("its directory is not what was written, or of another repository".to_owned());
        }
        let (lines, _) = directory.as_chunks::<LINE_BYTES>();
        Ok(lines.iter().take(self.count as usize).map(|line| Line::decode(*line)).collect())
    }
}

fn text(error: std::io::Error) -> String {
    error.to_string()
}

/// Looks for the bases of one segment after the other.
pub(crate) struct SketchFinder {
    sketches: Arc<Sketches>,
    /// The last one that began where a new one does.
    last: Option<u32>,
    /// New segments since then.
    since: u32,
}

impl SketchFinder {
    pub(crate) fn new(sketches: Arc<Sketches>) -> Self {
        Self { sketches, last: None, since: 0 }
    }

    /// Finds the numbers of those that may be bases of the segment that begins here. That is the one that began here too. Where none did,
    /// it is those that follow the last one that is known.
    pub(crate) fn find(&mut self, part: PartId, (root_key, key): (&[u8], &[u8])) -> Range<u32> {
        let Some(sketch) = &self.sketches.read else { return 0..0 };
        if let Some(number) = sketch.find(sketch.key.place(root_key, key)) {
            (self.last, self.since) = (Some(number), 0);
            return number..number.saturating_add(1);
        }
        if part == (PartId { phase: 0, index: 0 }) {
            self.last.get_or_insert(0);
        }
        self.since = self.since.saturating_add(1);
        self.last.map_or(0..0, |last| last..last.saturating_add(self.since.saturating_add(1).min(WINDOW)))
    }
}
