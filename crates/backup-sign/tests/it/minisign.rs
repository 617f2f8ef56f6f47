//! What minisign signs is checked here, and the other way round. `cargo xtask setup` installs it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use backup_sign::{PublicKey, SecretKey, Signature};

fn minisign(directory: &Path, line: &str) -> Output {
    let mut command = Command::new("minisign");
    command.current_dir(directory).args(line.split(' '));
    command.output().expect("minisign is not installed; `cargo xtask setup` installs it")
}

fn assert_good(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn minisign_checks_what_is_signed_here() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let key = SecretKey::generate().unwrap();
    fs::write(path.join("key.pub"), key.public().encode()).unwrap();
    fs::write(path.join("file"), b"manifest").unwrap();
    let signature = key.sign(b"manifest", "kvbackup dump=1").unwrap();
    fs::write(path.join("file.minisig"), signature.encode()).unwrap();
    for how in [format!("-P {}", key.public()), "-p key.pub".to_owned()] {
        let checked = minisign(path, &format!("-V -H {how} -m file"));
        assert_good(&checked);
        let said = String::from_utf8(checked.stdout).unwrap();
        assert!(said.contains("Trusted comment: kvbackup dump=1"), "{said}");
    }
    fs::write(path.join("file"), b"Manifest").unwrap();
    assert!(!minisign(path, "-V -p key.pub -m file").status.success());
}

#[test]
fn keys_and_signatures_of_minisign_are_taken() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    fs::write(path.join("file"), b"manifest").unwrap();
    assert_good(&minisign(path, "-G -W -p key.pub -s key"));
    assert_good(&minisign(path, "-S -s key -m file -t comment"));
    let key = SecretKey::decode(&fs::read(path.join("key")).unwrap()).unwrap();
    let public = PublicKey::decode(&fs::read(path.join("key.pub")).unwrap()).unwrap();
    assert_eq!(key.public(), &public);
    let theirs = Signature::decode(&fs::read(path.join("file.minisig")).unwrap()).unwrap();
    theirs.check(&public, b"manifest", "comment").unwrap();
    // Ed25519 has no randomness, so both make the same signature.
    assert_eq!(key.sign(b"manifest", "comment").unwrap(), theirs);
    // And minisign signs with a key that was made here.
    let ours = SecretKey::generate().unwrap();
    fs::write(path.join("ours"), ours.encode().as_bytes()).unwrap();
    assert_good(&minisign(path, "-S -s ours -m file -t x -x ours.minisig"));
    let signature = Signature::decode(&fs::read(path.join("ours.minisig")).unwrap()).unwrap();
    signature.check(ours.public(), b"manifest", "x").unwrap();
}
