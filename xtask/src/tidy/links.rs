//! Links between documents.

use std::path::Path;

use super::Finding;
use super::files::File;

/// Checks the documents among these files.
pub(super) fn check(root: &Path, files: &[File]) -> Vec<Finding> {
    let documents: Vec<File> = files.iter().filter(|(path, _)| path.ends_with(".md")).cloned().collect();
    let broken = kvbackup_release::broken(&documents, |path| root.join(path).exists());
    let finding = |broken: kvbackup_release::Broken| {
        Finding::new("links", format!("{}:{}", broken.path, broken.line), broken.problem)
    };
    broken.into_iter().map(finding).collect()
}
