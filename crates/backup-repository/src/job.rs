//! A job: several processes that make one dump.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use backup_format::{FormatError, ObjectId, Order, Reader, SourceInfo, limits, put_bytes};

use crate::backup::BackupOptions;
use crate::error::RepositoryError;
use crate::whole_file::{self, Sort};

const OBJECT: &str = "job";
const VERSION: u8 = 3;
const NAME_BYTES_MAX: usize = 64;
/// Longest text in a job's file; annotations have a limit of their own.
const TEXT_BYTES_MAX: usize = 4 << 10;
/// Ranges of each phase into which a namespace is divided for a job, where the engine has so many.
pub(crate) const RANGES_MAX: usize = 64;

/// The name of a job, the same for all who work on it: 1 to 64 letters, digits, `-`, `_` and `.`, not beginning with
/// `.`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct JobName(String);

impl JobName {
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for JobName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(fits) && !text.starts_with('.') {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "{text:?}: expected the name of a job: 1 to {NAME_BYTES_MAX} letters, digits, '-', '_' and '.', not \
             beginning with '.'"
        ))
    }
}

impl fmt::Display for JobName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// What all who work on a job agree on. The first of them writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    /// Random, so that what is left of an earlier job of the same name is not taken for part of this one.
    pub nonce: [u8; 16],
    pub shares: u64,
    pub started: String,
    /// Place of the dump in the order of all, and the dumps that it follows: what was there before any share was read.
    pub sequence: u64,
    pub previous: Vec<ObjectId>,
    pub tool: String,
    pub source: SourceInfo,
    /// Tells the namespace from all others.
    pub identity: String,
    pub order: Order,
    pub origin: Option<String>,
    pub annotations: BTreeMap<String, String>,
    /// Number of ranges of each phase.
    pub ranges: Vec<u64>,
}

impl Job {
    pub(crate) fn new(
        shares: u64,
        (started, sequence, previous): (String, u64, Vec<ObjectId>),
        (source, order): (SourceInfo, Order),
        (identity, ranges): (String, Vec<u64>),
        options: &BackupOptions,
    ) -> Result<Self, RepositoryError> {
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).map_err(|source| RepositoryError::Random { source })?;
        Ok(Self {
            nonce,
            shares,
            started,
            sequence,
            previous,
            tool: options.tool.clone(),
            source,
            identity,
            order,
            origin: options.origin.clone(),
            annotations: options.annotations.clone(),
            ranges,
        })
    }

    /// Names the first thing in which what a process would do differs from the job: what, in the job, in the process. The
    /// versions of engine and program, the time, and the dumps that were there may differ.
    pub(crate) fn difference(&self, other: &Self) -> Option<(&'static str, String, String)> {
        let text = |job: &Self| {
            let origin = job.origin.clone().unwrap_or_else(|| "none".to_owned());
            [
                ("number of shares", job.shares.to_string()),
                ("engine", job.source.engine.clone()),
                ("namespace", format!("{} ({})", job.source.namespace, job.identity)),
                ("layout", job.source.layout.clone()),
                ("order", u8::from(job.order).to_string()),
                ("number of ranges", format!("{:?}", job.ranges)),
                ("origin", origin),
                ("annotations", format!("{:?}", job.annotations)),
            ]
        };
        let pairs = text(self).into_iter().zip(text(other));
        let mut different = pairs.filter(|(own, other)| own != other);
        different.next().map(|((what, own), (_, other))| (what, own, other))
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.nonce);
        out.extend_from_slice(&self.shares.to_le_bytes());
        out.push(self.ranges.len() as u8);
        self.ranges.iter().for_each(|count| out.extend_from_slice(&count.to_le_bytes()));
        out.push(self.order.into());
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.extend_from_slice(&(self.previous.len() as u64).to_le_bytes());
        self.previous.iter().for_each(|id| out.extend_from_slice(&id.0));
        let SourceInfo { engine, engine_version, layout, namespace } = &self.source;
        for text in [&self.started, &self.tool, engine, engine_version, layout, namespace, &self.identity] {
            put_bytes(&mut out, text.as_bytes());
        }
        out.push(u8::from(self.origin.is_some()));
        put_bytes(&mut out, self.origin.as_deref().unwrap_or_default().as_bytes());
        out.extend_from_slice(&(self.annotations.len() as u64).to_le_bytes());
        for (name, value) in &self.annotations {
            put_bytes(&mut out, name.as_bytes());
            put_bytes(&mut out, value.as_bytes());
        }
        whole_file::close(Sort::Job, &out)
    }

    /// Reads a job's file; returns also its hash, by which parts name their job.
    pub(crate) fn decode(file: &[u8]) -> Result<(Self, [u8; 32]), FormatError> {
        let (body, hash) = whole_file::open(OBJECT, Sort::Job, file)?;
        let mut reader = Reader::new(OBJECT, body);
        check_version(&mut reader, VERSION)?;
        let nonce = reader.array()?;
        let shares = reader.u64()?;
        let ranges = (0..reader.u8()?).map(|_| reader.u64()).collect::<Result<Vec<_>, _>>()?;
        if shares == 0 || ranges.iter().any(|count| *count > RANGES_MAX as u64) {
            return Err(reader
                .malformed(format!("expected 1 share or more, and at most {RANGES_MAX} ranges in a phase")));
        }
        let order = Order::try_from(reader.u8()?).map_err(|error| reader.malformed(error))?;
        let sequence = reader.u64()?;
        let previous = take_previous(&mut reader)?;
        let mut text = |what| take_text(&mut reader, TEXT_BYTES_MAX, what);
        let (started, tool) = (text("time")?, text("program")?);
        let (engine, engine_version) = (text("engine")?, text("version of the engine")?);
        let (layout, namespace, identity) = (text("layout")?, text("namespace")?, text("identity")?);
        let has_origin = reader.u8()? == 1;
        let origin = take_text(&mut reader, TEXT_BYTES_MAX, "origin")?;
        let annotations = take_annotations(&mut reader)?;
        reader.end()?;
        let source = SourceInfo { engine, engine_version, layout, namespace };
        let origin = has_origin.then_some(origin);
        let job = Self {
            nonce,
            shares,
            started,
            sequence,
            previous,
            tool,
            source,
            identity,
            order,
            origin,
            annotations,
            ranges,
        };
        Ok((job, hash))
    }
}

pub(crate) fn check_version(reader: &mut Reader<'_>, known: u8) -> Result<(), FormatError> {
    let found = reader.u8()?;
    if found == known {
        return Ok(());
    }
    Err(reader
        .malformed(format!("expected version {known}, found {found}; a newer program may have written it")))
}

pub(crate) fn take_text(
    reader: &mut Reader<'_>,
    max: usize,
    what: &'static str,
) -> Result<String, FormatError> {
    let bytes = reader.byte_string(max, what)?;
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| reader.malformed(format!("{what} is no UTF-8")))
}

fn take_previous(reader: &mut Reader<'_>) -> Result<Vec<ObjectId>, FormatError> {
    let count = reader.u64()?;
    if count > limits::PREVIOUS_MAX as u64 {
        return Err(reader.malformed(format!("expected at most {} earlier dumps", limits::PREVIOUS_MAX)));
    }
    (0..count).map(|_| reader.array().map(ObjectId)).collect()
}

fn take_annotations(reader: &mut Reader<'_>) -> Result<BTreeMap<String, String>, FormatError> {
    let count = reader.u64()?;
    if count > limits::ANNOTATIONS_MAX as u64 {
        return Err(reader.malformed(format!("expected at most {} annotations", limits::ANNOTATIONS_MAX)));
    }
    let mut text = || take_text(reader, limits::ANNOTATION_BYTES_MAX, "annotation");
    (0..count).map(|_| Ok((text()?, text()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> Job {
        let text = |text: &str| text.to_owned();
        let (engine, engine_version) = (text("scylla"), text("Apache Cassandra 5.0.8"));
        let (layout, namespace) = (text("linera-0.15"), text("validator_0"));
        Job {
            nonce: [7; 16],
            shares: 4,
            started: text("2026-01-31T00:00:00.000Z"),
            sequence: 3,
            previous: vec![ObjectId([4; 32]), ObjectId([5; 32])],
            tool: text("test 1"),
            source: SourceInfo { engine, engine_version, layout, namespace },
            identity: text("kv.validator_0"),
            order: Order::Token,
            origin: Some(text("02ab")),
            annotations: [(text("a"), text("b"))].into(),
            ranges: vec![64, 64],
        }
    }

    #[test]
    fn a_job_is_read_as_it_was_written_and_no_cut_of_it_is() {
        let without = Job { origin: None, annotations: BTreeMap::new(), previous: Vec::new(), ..job() };
        for job in [job(), without] {
            let file = job.encode();
            assert_eq!(Job::decode(&file).unwrap().0, job);
            // The hash is made right, so that the reader itself is asked.
            let (body, _) = whole_file::open(OBJECT, Sort::Job, &file).unwrap();
            for length in 0..body.len() {
                assert!(Job::decode(&whole_file::close(Sort::Job, &body[..length])).is_err(), "{length}");
            }
            for at in 0..body.len() {
                let mut bad = body.to_vec();
                bad[at] ^= 0xff;
                // What it says may be another job, but it is read without a panic.
                drop(Job::decode(&whole_file::close(Sort::Job, &bad)));
            }
        }
    }

    #[test]
    fn processes_that_differ_in_what_matters_are_told_apart() {
        let job = job();
        let later = Job { nonce: [8; 16], started: String::new(), sequence: 4, ..job.clone() };
        assert_eq!(job.difference(&later), None);
        let others = [
            ("number of shares", Job { shares: 5, ..job.clone() }),
            ("namespace", Job { identity: "kv.other".to_owned(), ..job.clone() }),
            ("number of ranges", Job { ranges: vec![64, 63], ..job.clone() }),
            ("origin", Job { origin: None, ..job.clone() }),
            ("annotations", Job { annotations: BTreeMap::new(), ..job.clone() }),
            ("order", Job { order: Order::Plain, ..job.clone() }),
        ];
        for (what, other) in others {
            assert_eq!(job.difference(&other).map(|(what, ..)| what), Some(what));
        }
    }

    #[test]
    fn a_name_is_one_part_of_a_path() {
        for good in ["a", "nightly-2026.01_31", &"x".repeat(64)] {
            assert_eq!(good.parse::<JobName>().unwrap().to_string(), good);
        }
        for bad in ["", ".", "..", ".a", "a/b", "a b", "a\u{e4}", &"x".repeat(65)] {
            assert!(bad.parse::<JobName>().is_err(), "{bad:?}");
        }
    }
}
