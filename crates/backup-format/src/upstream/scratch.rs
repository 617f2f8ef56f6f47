//! Where sorting puts what does not fit in memory.

use std::io::{Read, Result, Seek, Write};

/// A file that is written from its start, then read, and gone when it is dropped.
pub trait ScratchFile: Read + Write + Seek + Send {}

impl<T: Read + Write + Seek + Send> ScratchFile for T {}

/// Makes scratch files. This crate opens no files itself.
pub trait Scratch {
    /// Makes an empty file. Up to some 100 are in use at a time; together they grow to about twice the size of
    /// what is sorted. They hold entries, so nobody else should be able to read them.
    ///
    /// # Errors
    ///
    /// As the system reports them.
    fn create(&mut self) -> Result<Box<dyn ScratchFile>>;
}
