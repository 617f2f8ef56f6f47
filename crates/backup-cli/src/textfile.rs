//! Files for the textfile collector of node_exporter.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use backup_console::{Places, Problem, Readers, replace};
use clap::Args;

/// A file of metrics is smaller than this; of what is longer only the beginning is looked at.
const BYTES_MAX: u64 = 16 << 20;

/// Where the end of a run is recorded.
#[derive(Args, Clone, Debug)]
pub(crate) struct RecordArgs {
    /// Record in this file how the run ended, for the textfile collector of node_exporter: NAME.prom, a file for each job of its own
    ///
    /// The file is replaced as a whole when the run ended, well or not, and `kvbackup metrics --help` says more. A run that was
    /// killed, or whose command line is wrong, leaves it as it was: alert also on its age.
    #[arg(long, value_name = "FILE")]
    pub(crate) textfile: Option<PathBuf>,
}

/// A file that holds metrics of one writer, and is replaced as a whole.
#[derive(Debug)]
pub(crate) struct Textfile {
    path: PathBuf,
    /// What a line of its metrics begins with, and no line of what another writer left.
    mark: String,
}

impl Textfile {
    /// Takes a file of this name. Fails where node_exporter would not read it, and where it lies in one of these places. Nothing else is looked
    /// at before there is something to write: the work comes first.
    pub(crate) fn new(path: &Path, mark: String, places: &[(&'static str, PathBuf)]) -> Result<Self> {
        if path.extension().is_none_or(|extension| extension != "prom") {
            let text = format!(
                "--textfile {}: expected a name like NAME.prom, because node_exporter reads no other files",
                path.display()
            );
            return Err(Problem::Usage(text).into());
        }
        for &(what, ref place) in places {
            let file = Places::default().with("the text file", path)?;
            // A place that cannot be looked for is an error of the work.
            if let Ok(both) = file.with(what, place) {
                both.check()?;
            }
        }
        Ok(Self { path: path.to_owned(), mark })
    }

    /// Returns the file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the name without `.prom`.
    pub(crate) fn stem(&self) -> String {
        self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Reads what is there, empty if nothing is. What another writer left is an error: its metrics would be lost.
    fn read(&self) -> Result<String> {
        let doing = || format!("reading {}", self.path.display());
        // A pipe would keep the run from its end.
        match fs::metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(String::new()),
            Ok(found) if !found.is_file() => {
                return Err(Problem::Failed(format!("{} is no file", self.path.display())).into());
            }
            found => found.with_context(doing)?,
        };
        let mut text = Vec::new();
        let file = File::open(&self.path).with_context(doing)?;
        file.take(BYTES_MAX).read_to_end(&mut text).with_context(doing)?;
        let text = String::from_utf8_lossy(&text).into_owned();
        if !text.is_empty() && !text.lines().any(|line| line.starts_with(&self.mark)) {
            let problem = format!(
                "{} holds metrics of something else, which would be lost, so nothing was written; name another file, one for each job",
                self.path.display()
            );
            return Err(Problem::Failed(problem).into());
        }
        Ok(text)
    }

    /// Replaces the file by what `text` makes of the text that is there, unless another writer has left something there. Everybody can read
    /// it: node_exporter runs as another user.
    pub(crate) fn write(&self, text: impl FnOnce(&str) -> String) -> Result<()> {
        let text = text(&self.read()?);
        let written = replace(&self.path, text.as_bytes(), Readers::All);
        written.with_context(|| format!("writing {}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn open(path: &Path) -> Result<Textfile> {
        Textfile::new(path, "kvbackup_x{".to_owned(), &[])
    }

    #[test]
    fn a_file_is_replaced_only_by_its_own_writer() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.prom");
        let file = open(&path).unwrap();
        assert_eq!(file.stem(), "a");
        file.write(|before| format!("# {before}\nkvbackup_x{{}} 1\n")).unwrap();
        file.write(|before| before.replace('1', "2")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "# \nkvbackup_x{} 2\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        fs::write(&path, "kvbackup_y{} 1\n").unwrap();
        let refused = file.write(|_| panic!("nothing is to be written")).unwrap_err();
        assert!(refused.to_string().contains("of something else"));
        fs::write(&path, "").unwrap();
        file.write(str::to_owned).unwrap();
        assert_eq!(directory.path().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn only_names_that_node_exporter_reads_are_taken() {
        for bad in ["a.txt", "a", ".prom", "prom", "a.prom.tmp", ""] {
            assert!(open(Path::new(bad)).is_err(), "{bad}");
        }
        assert!(open(Path::new("a.b.prom")).is_ok());
    }

    #[test]
    fn a_place_of_the_command_takes_no_text_file() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("repo");
        let file = |path: PathBuf| {
            Textfile::new(&path, String::new(), &[("the repository", place.clone())]).map(drop)
        };
        assert!(file(place.join("below/a.prom")).unwrap_err().to_string().contains("lies in"));
        file(directory.path().join("a.prom")).unwrap();
    }
}
