//! Commands of a document, run as they are written.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::program::{Place, Run};

/// Reads a document, by its path from the top folder.
pub fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap()
}

/// Returns the blocks of commands of a document, in their order.
pub fn blocks(document: &str) -> Vec<String> {
    let after_fences = document.split("```sh\n").skip(1);
    after_fences.map(|rest| rest.split("```").next().unwrap_or_default().to_owned()).collect()
}

/// Runs all blocks of a document in one shell, as its reader would, with other places and no variables but these. Each place must occur.
pub fn run(place: &Place, document: &str, places: &[(&str, &str)], variables: &[(&str, String)]) -> Run {
    let script = blocks(&read(document)).concat();
    assert!(script.lines().count() > 3, "{document} has no commands:\n{script}");
    let script = places.iter().fold(script, |script, (from, to)| {
        assert!(script.contains(from), "{document} does not name {from}");
        script.replace(from, to)
    });
    let bin = place.path("bin");
    fs::create_dir_all(&bin).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kvbackup"), bin.join("kvbackup")).unwrap();
    let paths = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("sh");
    command.args(["-euxc", &script]).current_dir(place.path(".")).env_clear().env("PATH", paths);
    command.envs(variables.iter().map(|(name, value)| (*name, value)));
    let run = Run::new(&[document], command.output().unwrap());
    assert_eq!(run.code, Some(0), "{run}");
    run
}
