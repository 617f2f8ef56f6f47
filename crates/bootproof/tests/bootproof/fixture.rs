//! The database of a validator that linera itself wrote.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::entries::Entries;
use crate::past::Past;

/// Returns the path of a file of the fixture.
pub fn file(name: &str) -> String {
    directory().join(name).to_str().unwrap().to_owned()
}

/// Returns the directory of the namespace. To open it for writing would change it.
pub fn namespace() -> PathBuf {
    directory().join("namespace/validator_0")
}

/// Returns what the fixture says of itself.
pub fn info() -> Value {
    serde_json::from_slice(&std::fs::read(directory().join("info.json")).unwrap()).unwrap()
}

/// Copies the namespace into a directory.
pub fn copy(to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(namespace()).unwrap() {
        let file = file.unwrap();
        // Not `copy`, which would also copy that the fixture is read-only.
        std::fs::write(to.join(file.file_name()), std::fs::read(file.path()).unwrap()).unwrap();
    }
}

/// Twelve transfers from one chain to another.
pub async fn past() -> Past {
    let info = info();
    let chain = |index: usize| {
        let text = info["chains"][index].as_str().unwrap();
        hex::decode(text).unwrap().try_into().unwrap()
    };
    let (sender, receiver) = (chain(0), chain(1));
    Past { entries: Entries::read(&namespace()).await, sender, receiver }
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/linera-0.15.23")
}
