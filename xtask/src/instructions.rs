//! `bench-instructions`: the instructions of the hot paths, and whether they grew since another revision.
//!
//! gungraun counts with Callgrind, keeps the counts of the baseline and compares.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use cargo_metadata::MetadataCommand;

use crate::setup::{self, For};
use crate::{cargo, no_more_options, process, take_option};

/// The package of the benchmarks.
const PACKAGE: &str = "benches/instructions";

/// Runs the task. Both revisions are built in one git worktree, because paths reach into programs and move counts.
pub(crate) fn run(options: &[String]) -> Result<()> {
    let mut options = options.to_vec();
    let (baseline, threshold) =
        (take_option(&mut options, "--baseline")?, take_option(&mut options, "--threshold")?);
    let threshold_percent = percent(threshold.as_deref())?;
    no_more_options("bench-instructions", &options)?;
    setup::ensure(&[For::Callgrind])?;
    let (root, target) = (cargo::root(), cargo::target_folder()?);
    let tree = target.join("instructions/tree");
    let counts = target.join("instructions/build/gungraun");
    if counts.is_dir() {
        // A benchmark that the baseline lacks must not meet counts of an earlier run.
        fs::remove_dir_all(&counts).with_context(|| format!("could not remove {counts:?}"))?;
    }
    let commit = baseline.as_deref().map(|revision| commit(&root, revision)).transpose()?;
    let mut arguments = Vec::new();
    if let Some(commit) = commit {
        check_out(&root, &tree, &commit)?;
        if tree.join(PACKAGE).is_dir() {
            let save = ["--save-baseline=before".to_owned()];
            count(&tree, &target, &save).with_context(|| format!("at {commit}"))?;
            let limit = format!("--callgrind-limits=ir={}%", threshold_percent);
            arguments = vec!["--baseline=before".to_owned(), limit];
        } else {
            println!("{commit} has no {PACKAGE}: there is nothing to compare with");
        }
    }
    check_out(&root, &tree, &working_copy(&root, &target)?)?;
    count(&tree, &target, &arguments).with_context(|| {
        format!("if counts grew by more than {threshold_percent} %: make them cheaper, or say why they may")
    })
}

fn git(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    // A hook of git sets these. They would lead to another index or repository.
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
        command.env_remove(variable);
    }
    command.args(arguments).current_dir(folder);
    command
}

/// Returns the id of the commit that a revision names.
fn commit(root: &Path, revision: &str) -> Result<String> {
    let name = format!("{revision}^{{commit}}");
    let id = process::output(&mut git(root, &["rev-parse", "--verify", "--end-of-options", &name]));
    let id = id.with_context(|| format!("`{revision}` names no commit; a shallow clone lacks old ones"))?;
    Ok(id.trim().to_owned())
}

/// Returns the id of a git tree of the working copy, with new files and without ignored ones. Nothing is staged.
fn working_copy(root: &Path, target: &Path) -> Result<String> {
    let folder = target.join("instructions");
    fs::create_dir_all(&folder).with_context(|| format!("could not create {folder:?}"))?;
    let index = folder.join("index");
    process::run(git(root, &["add", "--all"]).env("GIT_INDEX_FILE", &index))?;
    Ok(process::output(git(root, &["write-tree"]).env("GIT_INDEX_FILE", &index))?.trim().to_owned())
}

/// Checks out a commit or tree into the worktree. Files that do not change are not written again, nor rebuilt.
fn check_out(root: &Path, tree: &Path, id: &str) -> Result<()> {
    if !tree.join(".git").is_file() {
        // Twice `--force`: the folder may be registered although it was removed.
        let add = ["worktree", "add", "--quiet", "--detach", "--force", "--force"];
        process::run(git(root, &add).arg(tree))?;
    }
    process::run(&mut git(tree, &["read-tree", "--reset", "-u", id]))
}

/// Builds and runs the benchmarks of the worktree.
fn count(tree: &Path, target: &Path, arguments: &[String]) -> Result<()> {
    let runner = runner(tree, target)?;
    let mut command = cargo::cargo(&["bench", "--locked", "--package", "kvbackup-instructions"]);
    command.args(["--bench", "hot_paths", "--"]).args(arguments).current_dir(tree);
    command.env("CARGO_TARGET_DIR", target.join("instructions/build")).env("GUNGRAUN_RUNNER", runner);
    process::run(command.env("GUNGRAUN_COLOR", "never"))
}

/// Returns the runner of gungraun that fits the checkout's Cargo.lock, and installs it if it is missing.
fn runner(tree: &Path, target: &Path) -> Result<PathBuf> {
    let mut metadata = MetadataCommand::new();
    metadata.manifest_path(tree.join("Cargo.toml")).other_options(["--locked".to_owned()]);
    let packages =
        metadata.exec().with_context(|| format!("could not read the workspace of {tree:?}"))?.packages;
    let gungraun = packages.iter().find(|package| package.name == "gungraun");
    let version = &gungraun.with_context(|| format!("{tree:?} does not depend on gungraun"))?.version;
    let home = target.join("tools").join(format!("gungraun-runner-{version}"));
    let program = home.join("bin/gungraun-runner");
    if !program.is_file() {
        println!("Installing gungraun-runner {version}, which runs the benchmarks. This takes some minutes.");
        let mut command = cargo::cargo(&["install", "--locked", "gungraun-runner", "--version"]);
        process::run(command.arg(format!("={version}")).arg("--root").arg(&home))?;
    }
    Ok(program)
}

/// Returns the growth that is allowed, in percent: 1 if none is given.
fn percent(text: Option<&str>) -> Result<f64> {
    let text = text.unwrap_or("1");
    match text.parse::<f64>() {
        Ok(percent) if percent.is_finite() && percent >= 0.0 => Ok(percent),
        _ => bail!("`{text}` is no threshold; give the growth that is allowed in percent, such as 0.5"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_that_would_allow_everything_is_refused() {
        assert_eq!((percent(None).unwrap(), percent(Some("0.5")).unwrap()), (1.0, 0.5));
        for text in ["nan", "inf", "-1", "1%", ""] {
            assert!(percent(Some(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn the_worktree_goes_from_a_commit_to_the_working_copy_and_back() {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path();
        let run = |line: &str| {
            let mut command =
                git(root, &["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]);
            process::output(command.args(line.split(' '))).unwrap()
        };
        let write = |name: &str, text: &str| fs::write(root.join(name), text).unwrap();
        run("init --quiet");
        for (name, text) in [(".gitignore", "target\n"), ("both", "old"), ("gone", "old"), ("same", "same")] {
            write(name, text);
        }
        run("add --all");
        run("commit --quiet --message a");
        let id = commit(root, "HEAD").unwrap();
        fs::remove_file(root.join("gone")).unwrap();
        write("both", "uncommitted");
        write("untracked", "new");
        let tree = root.join("target/instructions/tree");
        let found =
            || ["both", "gone", "untracked", "target"].map(|name| fs::read_to_string(tree.join(name)).ok());
        for _ in 0..2 {
            check_out(root, &tree, &id).unwrap();
            assert_eq!(found(), [Some("old".into()), Some("old".into()), None, None]);
            let time = fs::metadata(tree.join("same")).unwrap().modified().unwrap();
            check_out(root, &tree, &working_copy(root, &root.join("target")).unwrap()).unwrap();
            assert_eq!(found(), [Some("uncommitted".into()), None, Some("new".into()), None]);
            assert_eq!(fs::metadata(tree.join("same")).unwrap().modified().unwrap(), time);
        }
        assert_eq!(run("diff --cached --name-only"), "", "the index of the repository was changed");
        for revision in ["nowhere", "", "--all", "HEAD:both"] {
            let error = commit(root, revision).unwrap_err().to_string();
            assert!(error.contains(&format!("`{revision}` names no commit")), "{error}");
        }
    }
}
