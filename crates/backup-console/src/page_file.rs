//! The file of a page.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::places::Places;
use crate::problem::Problem;
use crate::replace::{Readers, replace};

/// So many bytes of a file say whether it is a page.
const BEGINNING: u64 = 4 << 10;

/// A file that holds a page, and is replaced as a whole.
#[derive(Clone, Debug)]
pub struct PageFile {
    path: PathBuf,
    is_page: fn(&str) -> bool,
}

impl PageFile {
    /// Takes a file that lies in none of these places. `is_page` says of the first 4 KiB of a file whether it is a page that may be replaced.
    ///
    /// # Errors
    ///
    /// [`Problem::Refused`] when it lies in one of the places.
    pub fn new(path: &Path, is_page: fn(&str) -> bool, places: Places) -> Result<Self> {
        places.with("the page", path)?.check()?;
        Ok(Self { path: path.to_owned(), is_page })
    }

    /// Replaces the file, unless something else than a page is there.
    ///
    /// # Errors
    ///
    /// [`Problem::Failed`] when it is no page, or no file; those of the file system.
    pub fn write(&self, page: &str) -> Result<()> {
        self.check()?;
        let written = replace(&self.path, page.as_bytes(), Readers::Umask);
        written.with_context(|| format!("writing {}", self.path.display()))
    }

    fn check(&self) -> Result<()> {
        let path = self.path.display();
        let doing = || format!("reading {path}");
        // A pipe would keep the run from its end.
        match fs::metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Ok(found) if !found.is_file() => return Err(Problem::Failed(format!("{path} is no file")).into()),
            found => found.with_context(doing)?,
        };
        let mut beginning = Vec::new();
        let file = File::open(&self.path).with_context(doing)?;
        file.take(BEGINNING).read_to_end(&mut beginning).with_context(doing)?;
        if beginning.is_empty() || (self.is_page)(&String::from_utf8_lossy(&beginning)) {
            return Ok(());
        }
        let problem = format!(
            "{path} holds something else than a page of this command, which would be lost, so nothing was written; name another file"
        );
        Err(Problem::Failed(problem).into())
    }
}
