//! Runs the laws on what fuzzing found.

use std::fs;
use std::path::Path;

use crate::laws::LAWS;

#[test]
fn inputs_that_fuzzing_found_obey_the_laws() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/regressions");
    for (target, law) in LAWS {
        let mut files = 0;
        for entry in fs::read_dir(folder.join(target)).unwrap() {
            let path = entry.unwrap().path();
            println!("{}", path.display());
            law(&fs::read(&path).unwrap());
            files += 1;
        }
        assert!(files > 0, "{target} has no inputs");
    }
}
