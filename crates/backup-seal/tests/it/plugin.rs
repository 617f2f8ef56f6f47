//! A plugin of age that really runs: `tests/plugins`, which the search path of a process of its own names.

use std::env;
use std::fs;
use std::process::Command;

use backup_seal::{AgeIdentities, AgeRecipients, Identities, Recipients, SealError};

const PLUGINS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plugins");
const RECIPIENT: &str = "age1kvbackuptest1qqqqqqqqhutdg7";
const IDENTITY: &str = "AGE-PLUGIN-KVBACKUPTEST-12730T3";

/// Says that this process has the plugin in its search path.
const FOUND: &str = "KVBACKUP_TEST_PLUGIN_FOUND";

#[test]
fn a_plugin_wraps_beside_other_recipients_and_unwraps() {
    if env::var_os(FOUND).is_some() {
        return wrap_and_unwrap();
    }
    let path = env::var("PATH").unwrap_or_default();
    let mut command = Command::new(env::current_exe().unwrap());
    command.env("PATH", format!("{PLUGINS}:{path}")).env(FOUND, "1");
    command.args(["--exact", "plugin::a_plugin_wraps_beside_other_recipients_and_unwraps"]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

fn wrap_and_unwrap() {
    let (file, native) = AgeIdentities::generate();
    let recipients = AgeRecipients::parse(&[native.clone(), RECIPIENT.to_owned()]).unwrap();
    let wrapped = recipients.wrap(b"secret").unwrap();
    let by_plugin = AgeIdentities::decode(IDENTITY.as_bytes()).unwrap();
    let by_key = AgeIdentities::decode(file.as_bytes()).unwrap();
    for identities in [&by_plugin, &by_key] {
        assert_eq!(*identities.unwrap(&wrapped).unwrap(), b"secret");
    }
    let not_for_it = AgeRecipients::parse(&[native]).unwrap().wrap(b"secret").unwrap();
    assert_eq!(by_plugin.unwrap(&not_for_it).unwrap_err(), SealError::NoIdentity);
    // And age opens it with the same plugin.
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("identity"), format!("{IDENTITY}\n")).unwrap();
    fs::write(directory.path().join("key.age"), wrapped).unwrap();
    let mut command = Command::new("age");
    command.current_dir(directory.path()).args(["-d", "-i", "identity", "key.age"]);
    assert_eq!(command.output().unwrap().stdout, b"secret");
}
