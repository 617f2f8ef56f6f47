//! Entries that wait until they are proven: in memory, and what is more in a scratch file.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use backup_format::EntryBatch;
use tokio::task::spawn_blocking;

use crate::error::CqlError;

/// Batches of entries, to be taken in the order in which they were put.
#[derive(Debug)]
pub(crate) struct Spill {
    memory: VecDeque<EntryBatch>,
    memory_bytes: usize,
    bytes_max: usize,
    directory: PathBuf,
    file: Option<BufWriter<File>>,
}

/// Gives them back.
#[derive(Debug)]
pub(crate) struct Spilled {
    memory: VecDeque<EntryBatch>,
    directory: PathBuf,
    file: Option<BufReader<File>>,
}

impl Spill {
    /// Keeps up to `bytes_max` bytes in memory. The file has no name: it is gone when this is dropped.
    pub(crate) fn new(bytes_max: usize, directory: Option<&Path>) -> Self {
        let directory = directory.map_or_else(std::env::temp_dir, Path::to_owned);
        Self { memory: VecDeque::new(), memory_bytes: 0, bytes_max, directory, file: None }
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
        Ok(())
    }

    /// Ends putting.
    pub(crate) async fn finish(self) -> Result<Spilled, CqlError> {
        let Self { memory, directory, file, .. } = self;
        let Some(file) = file else { return Ok(Spilled { memory, directory, file: None }) };
        let rewound = blocking("writing", &directory, move || {
            let mut file = file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
            file.rewind()?;
            Ok(BufReader::new(file))
        });
        let file = Some(rewound.await?);
        Ok(Spilled { memory, directory, file })
    }
}

impl Spilled {
    /// Takes the next batch, `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<EntryBatch>, CqlError> {
        if let Some(batch) = self.memory.pop_front() {
            return Ok(Some(batch));
        }
        let Some(mut file) = self.file.take() else { return Ok(None) };
        let (file, batch) = blocking("reading", &self.directory, move || {
            let batch = read(&mut file)?;
            Ok((file, batch))
        })
        .await?;
        self.file = Some(file);
        Ok(batch)
    }
}

async fn blocking<T: Send + 'static>(
    doing: &'static str,
    path: &Path,
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, CqlError> {
    let failed = |source| CqlError::Scratch { doing, path: path.to_owned(), source };
    spawn_blocking(work).await.map_err(|error| failed(std::io::Error::other(error)))?.map_err(failed)
}

/// Writes the number of groups, and for each its root key, number of entries and body, each with its length.
fn write(file: &mut impl Write, batch: &EntryBatch) -> std::io::Result<()> {
    let groups = batch.groups();
    file.write_all(&(groups.len() as u64).to_le_bytes())?;
    for group in groups {
        for bytes in [group.root_key, group.body] {
            file.write_all(&(bytes.len() as u64).to_le_bytes())?;
            file.write_all(bytes)?;
        }
        file.write_all(&group.entries.to_le_bytes())?;
    }
    Ok(())
}

fn read(file: &mut impl Read) -> std::io::Result<Option<EntryBatch>> {
    let mut number = [0; 8];
    if file.read(&mut number[..1])? == 0 {
        return Ok(None);
    }
    file.read_exact(&mut number[1..])?;
    let mut batch = EntryBatch::default();
    for _ in 0..u64::from_le_bytes(number) {
        let (root_key, body) = (read_bytes(file)?, read_bytes(file)?);
        let mut entries = [0; 4];
        file.read_exact(&mut entries)?;
        batch.push_run(&root_key, &body, u32::from_le_bytes(entries));
    }
    Ok(Some(batch))
}

fn read_bytes(file: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 8];
    file.read_exact(&mut length)?;
    // Nobody but us wrote the file, which has no name.
    let mut bytes = vec![0; usize::try_from(u64::from_le_bytes(length)).map_err(std::io::Error::other)?];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
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
}
