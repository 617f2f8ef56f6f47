//! What RocksDB writes into `LOG` as it opens a database: the directories of its SST files stand nowhere else.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The summary stands at the beginning.
const BYTES: u64 = 64 << 10;

/// Returns true if the last writer kept SST files in another directory than the database's own. False where there is no such log.
pub(crate) fn tables_are_elsewhere(path: &Path) -> bool {
    let mut text = Vec::new();
    let read = File::open(path.join("LOG")).and_then(|file| file.take(BYTES).read_to_end(&mut text));
    read.is_ok() && names_other_directories(&String::from_utf8_lossy(&text))
}

fn names_other_directories(text: &str) -> bool {
    let between = |line: &str, start: &str, end: &str| -> Option<String> {
        let (_, rest) = line.split_once(start)?;
        Some(rest.split_once(end)?.0.to_owned())
    };
    if text.lines().any(|line| line.contains("Directory from db_paths/cf_paths does not yet exist")) {
        return true;
    }
    let tables: Vec<_> =
        text.lines().filter_map(|line| between(line, "SST files in ", " dir, Total Num")).collect();
    // Where the log lies elsewhere, too, the names tell nothing.
    let logs: Vec<_> =
        text.lines().filter_map(|line| between(line, "Write Ahead Log file in ", ": ")).collect();
    let moved = |tables: &String| logs.first().is_some_and(|log| log != tables);
    tables.len() > 1 || tables.first().is_some_and(moved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_tells_where_sst_files_are() {
        let line = |text: &str| format!("2026/01/31-10:00:00.000000 140 {text}\n");
        let own = line("SST files in /db dir, Total Num: 1, files: 000009.sst ");
        let log = line("Write Ahead Log file in /db: 000010.log size: 0 ; ");
        assert!(!names_other_directories(&(own.clone() + &log)));
        assert!(!names_other_directories(""));
        let other = line("SST files in /tables dir, Total Num: 1, files: 000009.sst ");
        assert!(names_other_directories(&(other.clone() + &log)));
        assert!(names_other_directories(&(own.clone() + &other)));
        let missing = line("Directory from db_paths/cf_paths does not yet exist: /tables");
        assert!(names_other_directories(&(missing + &log)));
    }
}
