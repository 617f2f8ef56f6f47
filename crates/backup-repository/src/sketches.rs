//! The sketch that a backup reads, and the one that it writes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use backup_format::pack::PackVersion;
use backup_format::{Fingerprint, Keys, ObjectId, Order, Segment, SketchKey};

use crate::backup::BackupOptions;
use crate::index::Index;
use crate::part::PartId;
use crate::repository::{Dump, Repository};
use crate::sketch::{self, Line, Links};
use crate::sketch_reader::Sketch;
use crate::sketch_writer::SketchWriter;
use crate::warning::BackupWarning;

/// The sketch that a backup wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SketchReport {
    /// Its file.
    pub file: PathBuf,
    /// The length of that in bytes.
    pub bytes: u64,
}

/// The sketch of the dump before, and that of the new one.
#[derive(Debug, Default)]
pub(crate) struct Sketches {
    pub read: Option<Sketch>,
    write: Option<SketchWriter>,
    key: Option<SketchKey>,
    warnings: Vec<BackupWarning>,
}

/// What a backup is, as far as its sketches matter.
pub(crate) struct Purpose<'a> {
    pub directory: &'a Path,
    pub namespace: &'a str,
    pub order: Order,
    pub options: &'a BackupOptions,
}

impl Sketches {
    /// Opens the sketch of the dump before, if there is one, and begins a new one. What goes wrong makes warnings.
    pub(crate) fn begin(
        repository: &Repository,
        purpose: &Purpose<'_>,
        (dump, index): (Option<&Dump>, &Arc<Index>),
    ) -> Self {
        let mut sketches = Self::default();
        let Some(key) = repository.keys.as_ref().map(Keys::sketch) else { return sketches };
        if repository.config.pack_version() != PackVersion::V2 {
            return sketches;
        }
        let path = sketch::file_of(purpose.directory, &repository.config, purpose.namespace);
        let dump = dump.filter(|dump| !purpose.options.whole && dump.manifest.order == purpose.order);
        if let Some(dump) = dump {
            let is_locked = repository.is_locked();
            let problem = match Sketch::open(&path, key.clone(), (dump, index)) {
                Ok(read) => {
                    let is_missing = read.is_none() && is_locked;
                    sketches.read = read;
                    is_missing
                        .then(|| format!("there is none of dump {:.12}, which this one follows", dump.id))
                }
                Err(problem) => Some(problem),
            };
            sketches.warnings.extend(problem.map(|problem| {
                let instead = if is_locked { "segments were stored whole" } else { "bases were read back" };
                BackupWarning::UnusableSketch { file: path.clone(), problem, instead }
            }));
        }
        if !purpose.options.dry_run {
            match SketchWriter::create(path.clone(), key.clone()) {
                Ok(write) => sketches.write = Some(write),
                Err(error) => sketches.warnings.push(unwritten(&path, &error)),
            }
        }
        let is_used = sketches.read.is_some() || sketches.write.is_some();
        sketches.key = is_used.then_some(key);
        sketches
    }

    /// Returns the fingerprints of a segment, if anybody needs them.
    pub(crate) fn fingerprints(&self, segment: &Segment) -> Option<Vec<Fingerprint>> {
        sketch::fingerprints(self.key.as_ref()?, segment)
    }

    /// Tells what the sketch before has of the chain of a segment, if it is the one of this number.
    pub(crate) fn links(&self, number: u32, id: ObjectId) -> Option<Links> {
        self.write.as_ref()?;
        self.read.as_ref()?.links(number, id)
    }

    /// Writes down a segment, if a sketch is written. Without links that are known it has no record.
    pub(crate) fn note(
        &self,
        (id, segment): (ObjectId, &Segment),
        (links, fingerprints): (Option<Links>, Option<&[Fingerprint]>),
    ) -> Option<Line> {
        let (writer, key) = (self.write.as_ref()?, self.key.as_ref()?);
        let (root_key, first) = segment.first();
        let offset = links.zip(fingerprints).map_or(0, |(links, found)| writer.record(id, links, found));
        Some(Line { place: key.place(root_key, first), offset })
    }

    /// Takes the segments of a part, in their order.
    pub(crate) fn add_part(&self, id: PartId, lines: Vec<Line>) {
        if let Some(writer) = &self.write {
            writer.add_part(id, lines);
        }
    }

    /// Puts the new sketch in the place of the one before, and returns all warnings.
    pub(crate) fn finish(&self, dump: Option<ObjectId>) -> (Option<SketchReport>, Vec<BackupWarning>) {
        let mut warnings = self.warnings.clone();
        warnings.extend(self.read.as_ref().and_then(Sketch::warning));
        let (Some(writer), Some(dump)) = (&self.write, dump) else { return (None, warnings) };
        match writer.publish(dump) {
            Ok(bytes) => (Some(SketchReport { file: writer.path().to_owned(), bytes }), warnings),
            Err(error) => {
                warnings.push(unwritten(writer.path(), &error));
                (None, warnings)
            }
        }
    }
}

fn unwritten(file: &Path, error: &std::io::Error) -> BackupWarning {
    BackupWarning::UnwrittenSketch { file: file.to_owned(), problem: error.to_string() }
}
