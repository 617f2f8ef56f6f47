//! The file of a page.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use backup_console::{Places, Problem, RepositoryLocation};
use backup_report::frame;

use crate::replace::{Readers, replace};

/// What pages are known by.
pub(crate) const GENERATOR: &str = "kvbackup report";
/// So many bytes of a file say whether it is a page.
const BEGINNING: u64 = 4 << 10;

/// A file that holds a page, and is replaced as a whole.
pub(crate) struct PageFile(PathBuf);

impl PageFile {
    /// Takes a file that lies beside this repository, and not in it.
    pub(crate) fn new(path: &Path, repository: &RepositoryLocation) -> Result<Self> {
        Places::default().with("the page", path)?.with_repository(repository)?.check()?;
        Ok(Self(path.to_owned()))
    }

    /// Replaces the file, unless something else than a page is there.
    pub(crate) fn write(&self, page: &str) -> Result<()> {
        self.check()?;
        let written = replace(&self.0, page.as_bytes(), Readers::Umask);
        written.with_context(|| format!("writing {}", self.0.display()))
    }

    fn check(&self) -> Result<()> {
        let path = self.0.display();
        let doing = || format!("reading {path}");
        // A pipe would keep the run from its end.
        match fs::metadata(&self.0) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Ok(found) if !found.is_file() => return Err(Problem::Failed(format!("{path} is no file")).into()),
            found => found.with_context(doing)?,
        };
        let mut beginning = Vec::new();
        let file = File::open(&self.0).with_context(doing)?;
        file.take(BEGINNING).read_to_end(&mut beginning).with_context(doing)?;
        if beginning.is_empty() || frame::is_page_of(GENERATOR, &String::from_utf8_lossy(&beginning)) {
            return Ok(());
        }
        let problem = format!(
            "{path} holds something else than a page of this command, which would be lost, so nothing was written; name another file"
        );
        Err(Problem::Failed(problem).into())
    }
}
