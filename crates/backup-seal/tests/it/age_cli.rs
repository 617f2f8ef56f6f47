//! What is wrapped here, age opens, and the other way round. `cargo xtask setup` installs it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use backup_seal::{AgeIdentities, AgeRecipients, DataKey, Identities, Recipients, RepositoryKey};

fn run(program: &str, directory: &Path, line: &str) -> Output {
    let mut command = Command::new(program);
    command.current_dir(directory).args(line.split(' '));
    command.output().expect("age is not installed; `cargo xtask setup` installs it")
}

/// Runs it, and returns what it prints.
fn good(program: &str, directory: &Path, line: &str) -> Vec<u8> {
    let output = run(program, directory, line);
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn age_opens_what_is_wrapped_here() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let (file, recipient) = AgeIdentities::generate();
    fs::write(path.join("identity"), file.as_bytes()).unwrap();
    assert_eq!(good("age-keygen", path, "-y identity"), format!("{recipient}\n").as_bytes());
    let (_, offline) = AgeIdentities::generate();
    let key = RepositoryKey::generate([7; 16], vec![offline, recipient]).unwrap();
    let recipients = AgeRecipients::parse(key.recipients()).unwrap();
    // The key of a repository comes back as a file that works.
    fs::write(path.join("repository.age"), recipients.wrap(key.encode().as_bytes()).unwrap()).unwrap();
    let opened = good("age", path, "-d -i identity repository.age");
    assert_eq!(opened, key.encode().as_bytes());
    assert_eq!(RepositoryKey::decode(&opened).unwrap(), key);
    // And so do the bytes of a data key.
    let data_key = DataKey::from_bytes([9; 32].into());
    fs::write(path.join("key.age"), data_key.wrap(&recipients, &[7; 16]).unwrap()).unwrap();
    let opened = good("age", path, "-d -i identity key.age");
    assert_eq!(opened, [&b"kvb2 key\n"[..], &[7; 16], &[9; 32]].concat());
    good("age-keygen", path, "-o other");
    assert!(!run("age", path, "-d -i other key.age").status.success());
}

#[test]
fn identities_and_files_of_age_are_taken() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    good("age-keygen", path, "-o identity");
    let recipient = String::from_utf8(good("age-keygen", path, "-y identity")).unwrap();
    let recipient = recipient.trim_end();
    let identities = AgeIdentities::decode(&fs::read(path.join("identity")).unwrap()).unwrap();
    fs::write(path.join("clear"), [&b"kvb2 key\n"[..], &[7; 16], &[9; 32]].concat()).unwrap();
    good("age", path, &format!("-r {recipient} -o key.age clear"));
    let wrapped = fs::read(path.join("key.age")).unwrap();
    let id = DataKey::from_bytes([9; 32].into()).id();
    assert_eq!(DataKey::unwrap(&identities, &[7; 16], id, &wrapped).unwrap().id(), id);
    // And what is wrapped here for that recipient.
    let recipients = AgeRecipients::parse(&[recipient.to_owned()]).unwrap();
    assert_eq!(*identities.unwrap(&recipients.wrap(b"secret").unwrap()).unwrap(), b"secret");
}
