//! The folder in which every revision is built: the same for all, since paths reach into programs and move their counts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;

/// A checkout that is switched from one revision to the other. Files that both have in common stay untouched, so that
/// what depends on them need not be built again.
#[derive(Debug)]
pub(super) struct Tree {
    repository: PathBuf,
    home: PathBuf,
}

impl Tree {
    /// Prepares the checkout below `home`, for revisions of `repository`.
    pub(super) fn new(repository: &Path, home: &Path) -> Result<Self> {
        let tree = Self { repository: repository.to_owned(), home: home.to_owned() };
        let folder = tree.folder();
        fs::create_dir_all(&folder).with_context(|| format!("could not create {}", folder.display()))?;
        Ok(tree)
    }

    /// Returns the top folder of the checkout.
    pub(super) fn folder(&self) -> PathBuf {
        self.home.join("tree")
    }

    /// Returns the folder that cargo builds into.
    pub(super) fn build_folder(&self) -> PathBuf {
        self.home.join("build")
    }

    /// Returns the id of the commit that a revision names.
    pub(super) fn commit(&self, revision: &str) -> Result<String> {
        let name = format!("{revision}^{{commit}}");
        let id = process::quiet_output(self.git().args(["rev-parse", "--verify", "--end-of-options", &name]));
        let id = id.with_context(|| {
            format!("`{revision}` names no commit here; a shallow clone lacks old ones, `git fetch --unshallow` gets them")
        })?;
        match id.trim() {
            "" => bail!("`{revision}` names no commit"),
            id => Ok(id.to_owned()),
        }
    }

    /// Makes the checkout that of a commit.
    pub(super) fn switch_to(&self, commit: &str) -> Result<()> {
        let mut command = self.git_with_index("tree.index");
        command.env("GIT_WORK_TREE", self.folder());
        process::run(command.args(["read-tree", "--reset", "-u", commit]))
            .with_context(|| format!("could not check out {commit} below {}", self.home.display()))
    }

    /// Makes the checkout a copy of the working copy: with what is not committed and with files that are new, without
    /// what git ignores.
    pub(super) fn switch_to_working_copy(&self) -> Result<()> {
        process::run(self.git_with_index("working-copy.index").args(["add", "--all"]))
            .context("could not collect the files of the working copy")?;
        let id = process::output(self.git_with_index("working-copy.index").arg("write-tree"))?;
        self.switch_to(id.trim())
    }

    /// An index of our own: what is staged in the repository stays as it is.
    fn git_with_index(&self, name: &str) -> Command {
        let mut command = self.git();
        command.env("GIT_INDEX_FILE", self.home.join(name));
        command
    }

    fn git(&self) -> Command {
        let mut command = Command::new("git");
        // A hook of git hands these on; they would lead to another index or repository.
        for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
            command.env_remove(variable);
        }
        command.current_dir(&self.repository);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixture {
        _scratch: tempfile::TempDir,
        repository: PathBuf,
        tree: Tree,
    }

    impl Fixture {
        fn new() -> Self {
            let scratch = tempfile::tempdir().unwrap();
            let repository = scratch.path().join("repository");
            fs::create_dir(&repository).unwrap();
            let tree = Tree::new(&repository, &repository.join("target/instructions")).unwrap();
            let fixture = Self { _scratch: scratch, repository, tree };
            fixture.git(&["init", "--quiet"]);
            fixture.write(".gitignore", "target\n");
            fixture
        }

        fn git(&self, arguments: &[&str]) {
            let mut command = self.tree.git();
            command.args([
                "-c",
                "user.name=a",
                "-c",
                "user.email=a@example.org",
                "-c",
                "commit.gpgsign=false",
            ]);
            process::quiet_output(command.args(arguments)).unwrap();
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.repository.join(name), text).unwrap();
        }

        fn commit(&self) -> String {
            self.git(&["add", "--all"]);
            self.git(&["commit", "--quiet", "--message", "a"]);
            self.tree.commit("HEAD").unwrap()
        }

        fn built(&self, name: &str) -> Option<String> {
            fs::read_to_string(self.tree.folder().join(name)).ok()
        }
    }

    #[test]
    fn the_checkout_goes_from_a_commit_to_the_working_copy_and_back() {
        let fixture = Fixture::new();
        fixture.write("both", "old");
        fixture.write("gone", "old");
        let commit = fixture.commit();
        fs::remove_file(fixture.repository.join("gone")).unwrap();
        fixture.write("both", "uncommitted");
        fixture.write("untracked", "new");
        fixture.write("target/ignored", "new");
        let found = || ["both", "gone", "untracked", "target/ignored"].map(|name| fixture.built(name));
        for _ in 0..2 {
            fixture.tree.switch_to(&commit).unwrap();
            assert_eq!(found(), [Some("old".into()), Some("old".into()), None, None]);
            fixture.tree.switch_to_working_copy().unwrap();
            assert_eq!(found(), [Some("uncommitted".into()), None, Some("new".into()), None]);
        }
        let staged =
            process::quiet_output(fixture.tree.git().args(["diff", "--cached", "--name-only"])).unwrap();
        assert_eq!(staged, "", "the repository's own index was touched");
    }

    #[test]
    fn files_that_do_not_change_are_not_written_again() {
        let fixture = Fixture::new();
        fixture.write("same", "same");
        fixture.write("other", "old");
        let commit = fixture.commit();
        fixture.write("other", "new");
        let time = || fs::metadata(fixture.tree.folder().join("same")).unwrap().modified().unwrap();
        fixture.tree.switch_to(&commit).unwrap();
        let first = time();
        fixture.tree.switch_to_working_copy().unwrap();
        assert_eq!((time(), fixture.built("other")), (first, Some("new".into())));
    }

    #[test]
    fn a_revision_that_is_not_there_is_refused_by_name() {
        let fixture = Fixture::new();
        fixture.write("a", "a");
        fixture.commit();
        for revision in ["nowhere", "", "--all", "HEAD:a"] {
            let error = fixture.tree.commit(revision).unwrap_err().to_string();
            assert!(error.contains(&format!("`{revision}` names no commit")), "{error}");
        }
    }
}
