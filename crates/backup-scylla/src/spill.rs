//! Entries that wait until they are proven: in memory, and beyond a limit in a scratch file.

use std::collections::VecDeque;
use std::error::Error;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use backup_format::limits::ROOT_KEY_BYTES_MAX;
use backup_format::{EntryBatch, FormatError, ObjectId, Reader, Run, put_bytes};
use tokio::task::spawn_blocking;

use crate::error::CqlError;

/// Takes batches of entries, which are given back in the same order.
#[derive(Debug)]
pub(crate) struct Spill {
    memory: VecDeque<EntryBatch>,
    memory_bytes: usize,
    bytes_max: usize,
    directory: PathBuf,
    file: Option<BufWriter<File>>,
    /// Batches in the file.
    written: u64,
}

/// Gives back what was put.
#[derive(Debug)]
pub(crate) struct Spilled {
    memory: VecDeque<EntryBatch>,
    directory: PathBuf,
    file: Option<BufReader<File>>,
    /// Batches that are still to be read from the file.
    left: u64,
}

impl Spill {
    /// Keeps up to `bytes_max` bytes in memory. The file has no name: the system removes it when
    /// this is dropped.
    pub(crate) fn new(bytes_max: usize, directory: Option<&Path>) -> Self {
        let directory = directory.map_or_else(std::env::temp_dir, Path::to_owned);
        Self { memory: VecDeque::new(), memory_bytes: 0, bytes_max, directory, file: None, written: 0 }
    }

    /// Puts a batch.
    pub(crate) async fn put(&mut self, batch: EntryBatch) -> Result<(), CqlError> {
        let fits = self.file.is_none() && self.memory_bytes + batch.byte_len() <= self.bytes_max;
        if fits {
            self.memory_bytes += batch.byte_len();
            self.memory.push_back(batch);
            return Ok(());
        }
        let (file, directory) = (self.file.take(), self.directory.clone());
        let file = blocking("writing", &self.directory, move || {
            let mut file = match file {
                Some(file) => file,
                None => BufWriter::new(tempfile::tempfile_in(directory)?),
            };
            write(&mut file, &batch)?;
            Ok(file)
        });
        self.file = Some(file.await?);
        self.written += 1;
        Ok(())
    }

    /// Ends putting.
    pub(crate) async fn finish(self) -> Result<Spilled, CqlError> {
        let Self { memory, directory, file, written: left, .. } = self;
        let Some(file) = file else { return Ok(Spilled { memory, directory, file: None, left }) };
        let rewound = blocking("writing", &directory, move || {
            let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.rewind()?;
            Ok(BufReader::new(file))
        });
        let file = Some(rewound.await?);
        Ok(Spilled { memory, directory, file, left })
    }
}

impl Spilled {
    /// Takes the next batch, `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<EntryBatch>, CqlError> {
        if let Some(batch) = self.memory.pop_front() {
            return Ok(Some(batch));
        }
        // A file that is shorter than it was is an error, not the end.
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        let mut file = self.file.take().expect("what was written is in a file");
        let (file, batch) = blocking("reading", &self.directory, move || {
            let batch = read(&mut file)?;
            Ok((file, batch))
        })
        .await?;
        (self.file, self.left) = (Some(file), left);
        Ok(Some(batch))
    }
}

async fn blocking<T: Send + 'static>(
    doing: &'static str,
    path: &Path,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, CqlError> {
    let failed = |source| CqlError::Scratch { doing, path: path.to_owned(), source };
    spawn_blocking(work).await.map_err(|error| failed(io::Error::other(error)))?.map_err(failed)
}

/// Bytes before each batch: its length and its hash.
const HEAD_BYTES: usize = 8 + 32;

/// Writes a batch: its length, its hash, and for each group the root key, the number of entries and
/// the body.
fn write(file: &mut impl Write, batch: &EntryBatch) -> io::Result<()> {
    let mut content = Vec::with_capacity(batch.byte_len() + batch.byte_len() / 8);
    for group in batch.groups() {
        put_bytes(&mut content, group.root_key);
        content.extend_from_slice(&group.entries.to_le_bytes());
        content.extend_from_slice(&(group.body.len() as u64).to_le_bytes());
        content.extend_from_slice(group.body);
    }
    file.write_all(&(content.len() as u64).to_le_bytes())?;
    file.write_all(&ObjectId::of_file(&content).0)?;
    file.write_all(&content)
}

/// Reads a batch, and checks that it is as it was written.
fn read(file: &mut impl Read) -> io::Result<EntryBatch> {
    let mut head = [0; HEAD_BYTES];
    file.read_exact(&mut head)?;
    let mut head = Reader::new("scratch file", &head);
    let (length, hash) = (head.u64().map_err(invalid)?, ObjectId(head.array().map_err(invalid)?));
    let mut content = Vec::new();
    // Grows with what is there, whatever the length says.
    file.take(length).read_to_end(&mut content)?;
    if content.len() as u64 != length || ObjectId::of_file(&content) != hash {
        return Err(invalid("it is not as it was written"));
    }
    decode(&content).map_err(invalid)
}

fn decode(content: &[u8]) -> Result<EntryBatch, FormatError> {
    let mut reader = Reader::new("scratch file", content);
    let mut batch = EntryBatch::with_capacity(content.len());
    while reader.remaining() > 0 {
        let root_key = reader.byte_string(ROOT_KEY_BYTES_MAX, "root key")?;
        let entries = u32::from_le_bytes(reader.array()?);
        let length = usize::try_from(reader.u64()?).unwrap_or(usize::MAX);
        batch.push_run(root_key, Run::check(reader.take(length)?, entries)?);
    }
    Ok(batch)
}

fn invalid(error: impl Into<Box<dyn Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(number: u8) -> EntryBatch {
        let mut batch = EntryBatch::default();
        batch.push(b"chain", &[number], &[number; 100]);
        batch.push(b"chain", &[number, 0], b"");
        batch.push(b"other", b"", &[number]);
        batch
    }

    #[tokio::test]
    async fn batches_come_back_as_they_were_put_from_memory_and_file() {
        let folder = tempfile::tempdir().unwrap();
        for bytes_max in [0, batch(0).byte_len() * 3, usize::MAX] {
            let mut spill = Spill::new(bytes_max, Some(folder.path()));
            for number in 0..10 {
                spill.put(batch(number)).await.unwrap();
            }
            let kept = spill.memory.len();
            assert_eq!(
                kept,
                match bytes_max {
                    0 => 0,
                    usize::MAX => 10,
                    _ => 3,
                }
            );
            let mut spilled = spill.finish().await.unwrap();
            for number in 0..10 {
                let found = spilled.next().await.unwrap().unwrap();
                let entries = |batch: &EntryBatch| {
                    let entries = batch.iter().map(|(root, entry)| (root.to_vec(), entry.encoded.to_vec()));
                    entries.collect::<Vec<_>>()
                };
                assert_eq!(entries(&found), entries(&batch(number)));
            }
            assert!(spilled.next().await.unwrap().is_none());
        }
        assert_eq!(folder.path().read_dir().unwrap().count(), 0, "a scratch file has a name");
    }

    #[tokio::test]
    async fn a_directory_that_is_missing_is_named() {
        let error = Spill::new(0, Some(Path::new("/nowhere"))).put(batch(1)).await.unwrap_err();
        assert_eq!(error.to_string(), "writing a scratch file in /nowhere");
    }

    #[tokio::test]
    async fn a_scratch_file_that_changed_is_an_error() {
        let mut written = Vec::new();
        write(&mut written, &batch(1)).unwrap();
        for place in 0..written.len() {
            let mut changed = written.clone();
            changed[place] ^= 1;
            assert!(read(&mut &*changed).is_err(), "byte {place}");
            assert!(read(&mut &written[..place]).is_err(), "{place} bytes");
        }
        let mut spill = Spill::new(0, None);
        spill.put(batch(1)).await.unwrap();
        spill.put(batch(2)).await.unwrap();
        let mut spilled = spill.finish().await.unwrap();
        let file = spilled.file.as_mut().unwrap().get_mut();
        file.set_len(written.len() as u64).unwrap();
        assert!(spilled.next().await.unwrap().is_some());
        assert!(spilled.next().await.is_err());
    }
}
