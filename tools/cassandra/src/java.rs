//! Finds Java 17, the version that Apache Cassandra 5.0 runs on.

use std::fs;
use std::path::{Path, PathBuf};

/// Where systems keep one folder for each version.
const FOLDERS: [&str; 2] = ["usr/lib/jvm", "Library/Java/JavaVirtualMachines"];

/// Where Homebrew keeps this version.
const HOMES: [&str; 2] = [
    "opt/homebrew/opt/openjdk@17/libexec/openjdk.jdk/Contents/Home",
    "usr/local/opt/openjdk@17/libexec/openjdk.jdk/Contents/Home",
];

/// Returns the program `java` of version 17: of `JAVA_HOME` if that is 17, else from the usual folders.
pub fn find() -> Option<PathBuf> {
    find_below(Path::new("/"), std::env::var_os("JAVA_HOME").map(PathBuf::from))
}

fn find_below(root: &Path, chosen: Option<PathBuf>) -> Option<PathBuf> {
    let listed = FOLDERS.iter().flat_map(|folder| children(&root.join(folder)));
    let listed = listed.flat_map(|home| [home.join("Contents/Home"), home]);
    let homes = chosen.into_iter().chain(listed).chain(HOMES.map(|home| root.join(home)));
    homes.into_iter().find(|home| is_java_17(home)).map(|home| home.join("bin/java"))
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Returns true if the file `release`, which every Java has, names version 17.
fn is_java_17(home: &Path) -> bool {
    let release = fs::read_to_string(home.join("release")).unwrap_or_default();
    release.lines().any(|line| line.starts_with("JAVA_VERSION=\"17.")) && home.join("bin/java").is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(root: &Path, home: &str, version: &str) -> PathBuf {
        let home = root.join(home);
        fs::create_dir_all(home.join("bin")).unwrap();
        fs::write(home.join("release"), format!("IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"{version}\"\n")).unwrap();
        fs::write(home.join("bin/java"), "").unwrap();
        home
    }

    #[test]
    fn java_17_is_found_among_other_versions() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        add(root, "usr/lib/jvm/temurin-21-1.17", "21.0.1");
        assert_eq!(find_below(root, None), None);
        let mac = add(root, "Library/Java/JavaVirtualMachines/temurin-17/Contents/Home", "17.0.9");
        assert_eq!(find_below(root, None), Some(mac.join("bin/java")));
        let linux = add(root, "usr/lib/jvm/java-17-openjdk-amd64", "17.0.15").join("bin/java");
        let (own, other) = (add(root, "own", "17.0.1"), add(root, "other", "11.0.2"));
        assert_eq!(find_below(root, Some(own.clone())), Some(own.join("bin/java")));
        assert_eq!(find_below(root, Some(other)), Some(linux));
    }
}
