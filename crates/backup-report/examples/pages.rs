//! Writes the sample pages into a directory, for tests/report to look at them in a browser: `cargo run --example pages -- DIR`.

#[path = "../tests/it/samples.rs"]
mod samples;

use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let directory = PathBuf::from(std::env::args_os().nth(1).expect("the directory for the pages"));
    std::fs::create_dir_all(&directory)?;
    for (name, subject) in samples::all() {
        std::fs::write(directory.join(format!("{name}.html")), backup_report::page(&subject, "sample"))?;
    }
    Ok(())
}
