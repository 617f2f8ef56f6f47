//! Limits that the system sets for the program.

use std::process::Command;

use rocksdb::{DB, Options};

use crate::program::{Place, Run};

/// Runs the program in a shell that sets limits first.
fn limited(place: &Place, limits: &str, arguments: &[&str]) -> Run {
    let program = place.command(arguments);
    let mut command = Command::new("sh");
    let script = format!("{limits} && exec \"$0\" \"$@\"");
    command.arg("-c").arg(script).arg(program.get_program()).args(arguments);
    command.current_dir(program.get_current_dir().unwrap());
    command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Run::new(arguments, command.output().unwrap())
}

/// A database of these many SST files.
fn with_tables(place: &Place, number: u32) {
    std::fs::create_dir(place.path("db")).unwrap();
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_disable_auto_compactions(true);
    let database = DB::open(&options, place.path("db/tables")).unwrap();
    for number in 0..number {
        database.put(format!("key {number}"), b"value").unwrap();
        database.flush().unwrap();
    }
}

#[test]
fn the_soft_limit_of_open_files_is_raised_and_a_low_hard_one_is_told_with_what_is_needed() {
    let place = Place::empty();
    with_tables(&place, 150);
    let arguments = ["digest", "rocksdb:db/tables"];
    let raised = limited(&place, "ulimit -Sn 100", &arguments);
    assert_eq!(raised.code, Some(0), "{raised}");
    let refused = limited(&place, "ulimit -n 100", &arguments);
    assert_eq!(refused.code, Some(1), "{refused}");
    refused.says("150 SST files").says("214 files must be open").says("may open 100").says("ulimit -n");
    let enough = limited(&place, "ulimit -n 214", &arguments);
    assert_eq!(enough.code, Some(0), "{enough}");
}

#[test]
fn a_small_address_space_is_an_error_and_no_abort() {
    let place = Place::with_dump();
    for kilobytes in [150_000, 600_000] {
        let limit = format!("ulimit -v {kilobytes}");
        for arguments in [&["backup", "rocksdb:db/validator_0", "repo"][..], &["verify", "repo"]] {
            let run = limited(&place, &limit, arguments);
            assert_eq!(run.code, Some(1), "{run}");
            run.says("ulimit -v").says("1.00 GiB");
        }
    }
    let enough = limited(&place, "ulimit -v 1048576", &["backup", "rocksdb:db/validator_0", "repo"]);
    assert_eq!(enough.code, Some(0), "{enough}");
}
