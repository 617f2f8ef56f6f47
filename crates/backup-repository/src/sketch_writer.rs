//! Writing a sketch while a dump is made.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use backup_format::{Fingerprint, ObjectId, SketchKey};

use crate::part::PartId;
use crate::sketch::{LINE_BYTES, Line, Links, MAGIC, Record};

/// What nobody wrote to for so long belongs to a backup that was killed.
const LEFT_AFTER: Duration = Duration::from_secs(3_600);

/// Writes records in any order to a file of its own, which takes the place of the sketch in the end.
#[derive(Debug)]
pub(crate) struct SketchWriter {
    key: SketchKey,
    file: File,
    temporary: PathBuf,
    path: PathBuf,
    /// Where the next record begins.
    end: AtomicU64,
    parts: Mutex<BTreeMap<PartId, Vec<Line>>>,
    /// What went wrong first. From then on nothing is written.
    problem: Mutex<Option<io::Error>>,
    is_published: AtomicBool,
}

impl SketchWriter {
    pub(crate) fn create(path: PathBuf, key: SketchKey) -> io::Result<Self> {
        let directory = path.parent().unwrap_or(Path::new("."));
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        remove_leftovers(directory, &name);
        let mut number = [0; 8];
        getrandom::fill(&mut number).map_err(|error| io::Error::other(error.to_string()))?;
        let temporary = directory.join(format!(".{name}.{:016x}.tmp", u64::from_le_bytes(number)));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        let writer = Self {
            key,
            file,
            temporary,
            path,
            end: AtomicU64::new(MAGIC.len() as u64),
            parts: Mutex::default(),
            problem: Mutex::default(),
            is_published: AtomicBool::new(false),
        };
        writer.file.write_all_at(&MAGIC, 0)?;
        Ok(writer)
    }

    /// Returns the file that the sketch will be.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes what is known of a segment; returns where it is, 0 if it is nowhere.
    pub(crate) fn record(&self, id: ObjectId, links: Links, fingerprints: &[Fingerprint]) -> u64 {
        if self.problem().is_some() {
            return 0;
        }
        let bytes = Record::encode(id, links, fingerprints, &self.key);
        let offset = self.end.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        match self.file.write_all_at(&bytes, offset) {
            Ok(()) => offset,
            Err(error) => {
                self.problem().get_or_insert(error);
                0
            }
        }
    }

    /// Takes the segments of a part, in their order.
    pub(crate) fn add_part(&self, id: PartId, lines: Vec<Line>) {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).insert(id, lines);
    }

    /// Puts the sketch of a dump that was published in its place, durably; returns its length.
    pub(crate) fn publish(&self, dump: ObjectId) -> io::Result<u64> {
        if let Some(problem) = self.problem().take() {
            return Err(problem);
        }
        let parts = std::mem::take(&mut *self.parts.lock().unwrap_or_else(PoisonError::into_inner));
        let count: usize = parts.values().map(Vec::len).fold(0, usize::saturating_add);
        let begins = self.end.load(Ordering::Relaxed);
        let mut out = Vec::with_capacity(count.saturating_mul(LINE_BYTES));
        parts.into_values().flatten().for_each(|line| out.extend_from_slice(&line.encode()));
        out.extend_from_slice(&dump.0);
        out.extend_from_slice(&begins.to_le_bytes());
        out.extend_from_slice(&(count as u64).to_le_bytes());
        let tag = self.key.directory_tag(&out);
        out.extend_from_slice(&tag);
        self.file.write_all_at(&out, begins)?;
        self.file.sync_all()?;
        std::fs::rename(&self.temporary, &self.path)?;
        self.is_published.store(true, Ordering::Relaxed);
        File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(begins.saturating_add(out.len() as u64))
    }

    fn problem(&self) -> std::sync::MutexGuard<'_, Option<io::Error>> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SketchWriter {
    fn drop(&mut self) {
        if !self.is_published.load(Ordering::Relaxed) {
            // What stays is removed by a later backup.
            drop(std::fs::remove_file(&self.temporary));
        }
    }
}

/// Removes what backups left that were killed. What cannot be removed stays.
fn remove_leftovers(directory: &Path, name: &str) {
    let prefix = format!(".{name}.");
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in entries {
        let found = entry.file_name().to_string_lossy().into_owned();
        let is_ours = found.starts_with(&prefix) && found.ends_with(".tmp");
        let written = entry.metadata().and_then(|metadata| metadata.modified());
        let age = written.map(|written| SystemTime::now().duration_since(written).unwrap_or_default());
        if is_ours && age.is_ok_and(|age| age > LEFT_AFTER) {
            drop(std::fs::remove_file(entry.path()));
        }
    }
}
