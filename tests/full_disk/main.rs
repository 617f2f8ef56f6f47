//! A disk that is full: a tiny tmpfs, mounted in a mount namespace of its own. Where that cannot be had the tests are
//! reported as ignored.

use std::path::Path;
use std::process::{Command, Output};

use libtest_mimic::{Arguments, Trial};
use serde_json::Value;

/// The fixture, which is copied first.
const FIXTURE: &str = "../../tests/fixtures/linera-0.15.23/namespace/validator_0";

fn main() -> std::process::ExitCode {
    let arguments = Arguments::from_args();
    let ignored = !can_mount();
    let tests = [
        Trial::test("a_backup_to_a_full_disk_fails_without_a_dump_and_goes_on_when_there_is_room", backup),
        Trial::test(
            "a_restore_to_a_full_disk_fails_without_a_namespace_and_goes_on_when_there_is_room",
            restore,
        ),
        Trial::test("a_restore_to_a_mount_point_is_refused_before_anything_is_written", mount_point),
        Trial::test("a_full_scratch_directory_is_named_with_its_variable_at_any_size", scratch),
        Trial::test("an_export_to_a_full_disk_says_what_was_written_where", export),
        Trial::test("a_page_for_a_full_disk_leaves_the_page_that_was_there", report),
    ];
    let tests = tests.into_iter().map(|test| test.with_ignored_flag(ignored)).collect();
    libtest_mimic::run(&arguments, tests).exit_code()
}

/// Runs a script in a mount namespace, with `DISK` an empty directory to mount at and `KVBACKUP` the program.
fn script(directory: &Path, script: &str) -> Output {
    Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-euc", &format!("cp -r $FIXTURE db\n{script}")])
        .env("KVBACKUP", env!("CARGO_BIN_EXE_kvbackup"))
        .env("FIXTURE", Path::new(env!("CARGO_MANIFEST_DIR")).join(FIXTURE))
        .current_dir(directory)
        .output()
        .unwrap()
}

fn can_mount() -> bool {
    let directory = tempfile::tempdir().unwrap();
    let mounted = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-euc", "mount -t tmpfs -o size=64k none ."])
        .current_dir(directory.path())
        .status();
    mounted.is_ok_and(|status| status.success())
}

/// Runs a script and returns the lines that it printed.
fn lines(directory: &Path, text: &str) -> Vec<String> {
    let output = script(directory, text);
    let (stdout, stderr) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{stdout}\n{stderr}");
    assert!(stderr.contains("No space left on device"), "{stderr}");
    stdout.lines().map(str::to_owned).collect()
}

fn field(line: &str, name: &str) -> Value {
    let object: Value = serde_json::from_str(line).unwrap();
    object[name].clone()
}

fn backup() -> Result<(), libtest_mimic::Failed> {
    let directory = tempfile::tempdir()?;
    let lines = lines(
        directory.path(),
        "mkdir disk
        mount -t tmpfs -o size=32k none disk
        code=0; $KVBACKUP backup rocksdb:db disk/repo --codec none || code=$?
        echo $code
        ls disk/repo/manifests | wc -l
        mount -o remount,size=64m disk
        $KVBACKUP backup rocksdb:db disk/repo --codec none --json
        $KVBACKUP verify disk/repo --json
        $KVBACKUP digest rocksdb:db --json",
    );
    let [code, manifests, made, verified, source] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!((code.as_str(), manifests.trim()), ("1", "0"));
    assert_eq!(field(made, "digest"), field(source, "digest"));
    assert_eq!(field(verified, "digest"), field(source, "digest"));
    Ok(())
}

fn restore() -> Result<(), libtest_mimic::Failed> {
    let directory = tempfile::tempdir()?;
    let lines = lines(
        directory.path(),
        "mkdir disk
        $KVBACKUP backup rocksdb:db repo --json
        mount -t tmpfs -o size=48k none disk
        code=0; $KVBACKUP restore repo rocksdb:disk/copy || code=$?
        echo $code
        if [ -e disk/copy ]; then echo there; else echo absent; fi
        mount -o remount,size=64m disk
        $KVBACKUP restore repo rocksdb:disk/copy --json
        $KVBACKUP digest rocksdb:disk/copy --json",
    );
    let [made, code, there, restored, copy] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!((code.as_str(), there.as_str()), ("1", "absent"));
    assert_eq!(field(restored, "digest"), field(made, "digest"));
    assert_eq!(field(copy, "digest"), field(made, "digest"));
    Ok(())
}

fn mount_point() -> Result<(), libtest_mimic::Failed> {
    let directory = tempfile::tempdir()?;
    let output = script(
        directory.path(),
        "mkdir -p disk/a disk/b
        $KVBACKUP backup rocksdb:db repo --json
        $KVBACKUP native-backup rocksdb:db engine
        mount -t tmpfs -o size=64m none disk/a
        mkdir disk/empty && mount --bind disk/empty disk/b
        for dry in --dry-run --quiet; do
            code=0; $KVBACKUP restore repo rocksdb:disk/a $dry || code=$?
            echo code $code
        done
        code=0; $KVBACKUP native-restore engine rocksdb:disk/b || code=$?
        echo code $code
        ls disk
        $KVBACKUP restore repo rocksdb:disk/a/copy --json",
    );
    let [stdout, stderr] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{stdout}\n{stderr}");
    assert_eq!(stdout.lines().filter(|line| *line == "code 4").count(), 3, "{stdout}\n{stderr}");
    assert_eq!(stderr.matches("something is mounted there").count(), 3, "{stderr}");
    assert!(stdout.contains("\na\nb\nempty\n"), "{stdout}");
    Ok(())
}

fn scratch() -> Result<(), libtest_mimic::Failed> {
    let directory = tempfile::tempdir()?;
    let lines = lines(
        directory.path(),
        "mkdir disk
        for size in 4k 8k 16k 24k 32k 48k 64k 96k; do
            mount -t tmpfs -o size=$size none disk
            code=0; TMPDIR=$PWD/disk $KVBACKUP digest rocksdb:db > /dev/null 2> said || code=$?
            cat said >&2
            echo $code $(grep -c 'a scratch file' said) $(grep -c TMPDIR said) $(ls disk | wc -l)
            umount disk
        done",
    );
    let failed = lines.iter().filter(|line| *line != "0 0 0 0");
    assert!(failed.clone().count() > 3, "{lines:?}");
    for line in failed {
        assert_eq!(line, "1 1 1 0", "{lines:?}");
    }
    Ok(())
}

fn report() -> Result<(), libtest_mimic::Failed> {
    let directory = tempfile::tempdir()?;
    let lines = lines(
        directory.path(),
        "mkdir disk
        $KVBACKUP backup rocksdb:db repo --json > made
        mount -t tmpfs -o size=48k none disk
        $KVBACKUP report repo --out disk/page.html > /dev/null
        head -c 16384 /dev/zero > disk/other
        cp disk/page.html before
        code=0; $KVBACKUP report repo --out disk/page.html > /dev/null 2> said || code=$?
        cat said >&2
        echo $code
        head -n 1 said
        cmp disk/page.html before && echo the same
        ls -A disk | wc -l",
    );
    let [code, said, same, files] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!((code.as_str(), same.as_str(), files.trim()), ("1", "the same", "2"));
    assert_eq!(said, "error: writing disk/page.html");
    Ok(())
}

fn export() -> Result<(), libtest_mimic::Failed> {
    let directory = tempfile::tempdir()?;
    let lines = lines(
        directory.path(),
        "mkdir disk
        $KVBACKUP backup rocksdb:db repo --json > made
        mount -t tmpfs -o size=16k none disk
        code=0; $KVBACKUP export repo disk/file.bcs 2> said || code=$?
        cat said >&2
        echo $code
        head -n 1 said
        grep -c 'reading namespace' said || true
        ls disk | wc -l",
    );
    let [code, said, reading, files] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!((code.as_str(), reading.as_str(), files.trim()), ("1", "0", "0"));
    assert_eq!(said, "error: writing disk/file.bcs, with scratch files in disk");
    Ok(())
}
