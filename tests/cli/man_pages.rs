//! `man-pages`: the manual as users of a package have it.

use std::fs;

use crate::program::Place;

#[test]
fn every_command_has_a_page_with_the_options_of_its_engines() {
    let place = Place::empty();
    assert_eq!(
        place.done(&["man-pages", "share/man1"])["pages"],
        fs::read_dir(place.path("share/man1")).unwrap().count()
    );
    let page = |name: &str| fs::read_to_string(place.path("share/man1").join(name)).unwrap();
    let help = place.exits(0, &["--help"]).stdout;
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    for line in commands.lines().take_while(|line| line.starts_with("  ")) {
        let Some(command) = line.split_whitespace().next().filter(|command| *command != "help") else {
            continue;
        };
        assert!(page(&format!("kvbackup-{command}.1")).contains(".SH SYNOPSIS"), "{command}");
    }
    // Below a command, of an engine, and what the long help alone says.
    assert!(page("kvbackup-fence-raise.1").contains("fence raise"));
    assert!(page("kvbackup-backup.1").contains("\\-\\-password\\-file"));
    assert!(page("kvbackup.1").contains("Exit codes"));
    assert!(!place.path("share/man1/kvbackup-help.1").exists());
    // Again, into what is there; and where that is no directory.
    place.done(&["man-pages", "share/man1"]);
    fs::write(place.path("file"), "").unwrap();
    place.exits(1, &["man-pages", "file"]).says("writing manual pages into file");
}
