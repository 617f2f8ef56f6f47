//! What Prometheus reads: metrics of repositories and of runs, the rules for alerts, and the dashboard.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::program::{Place, Run, copy, names_of, origin};

const SOURCE: &str = "rocksdb:db/validator_0";

/// Samples by name and labels, as they are written.
type Samples = BTreeMap<String, f64>;

/// Reads a text of metrics as a strict reader: one family after the other, each with its help and type, each sample once.
fn samples(text: &str) -> Samples {
    let (mut samples, mut helps, mut family) = (Samples::new(), BTreeSet::new(), "");
    let body = text.strip_suffix("# EOF\n").unwrap_or_else(|| panic!("no end: {text}"));
    for line in body.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            family = help.split_once(' ').unwrap().0;
            assert!(helps.insert(family), "{family} comes twice");
            continue;
        }
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            assert_eq!(kind, format!("{family} gauge"));
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').unwrap();
        assert_eq!(sample.split('{').next(), Some(family), "{line}");
        assert!(samples.insert(sample.to_owned(), value.parse().unwrap()).is_none(), "{line}");
    }
    samples
}

/// Returns the one sample of this name.
fn only(samples: &Samples, name: &str) -> f64 {
    let found: Vec<_> =
        samples.iter().filter(|(sample, _)| sample.starts_with(&format!("{name}{{"))).collect();
    assert_eq!(found.len(), 1, "{name}: {found:?}");
    *found[0].1
}

fn name_of(sample: &str) -> &str {
    sample.split('{').next().unwrap()
}

fn promtool() -> Command {
    let target = Path::new(env!("CARGO_BIN_EXE_kvbackup")).ancestors().nth(2).unwrap();
    let unpacked = target.join("promtool/usr/bin/promtool");
    Command::new(if unpacked.is_file() { unpacked } else { PathBuf::from("promtool") })
}

/// Lets Prometheus's own program read a text; what it dislikes is a failure, too.
fn check_metrics(text: &str) {
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    let output = promtool().args(["check", "metrics"]).stdin(Stdio::from(file)).output();
    let output = output.expect("promtool is not installed; `cargo xtask setup` installs it");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}\n{text}", String::from_utf8_lossy(&said));
}

fn metrics(place: &Place, arguments: &[&str]) -> Samples {
    let text = place.exits(0, &[&["metrics"], arguments].concat()).stdout;
    check_metrics(&text);
    samples(&text)
}

/// Reads a file that a run left.
fn left(place: &Place, name: &str) -> Samples {
    let text = fs::read_to_string(place.path(name)).unwrap();
    check_metrics(&text);
    samples(&text)
}

fn deployed(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/monitoring");
    fs::read_to_string(folder.join(name)).unwrap()
}

fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64()
}

#[test]
fn metrics_of_a_repository_are_what_its_manifests_say() {
    let place = Place::with_fixture();
    let before = now();
    place.done(&["backup", SOURCE, "repo"]);
    place.done(&["backup", SOURCE, "repo", "--annotate", "a=b"]);
    let found = metrics(&place, &["repo"]);
    let listed = place.done(&["list", "repo"]);
    let last = &listed["dumps"][1];
    for (metric, field) in [
        ("plain_bytes", "plain_bytes"),
        ("entries", "entries"),
        ("partitions", "partitions"),
        ("sequence", "sequence"),
    ] {
        let value = only(&found, &format!("kvbackup_newest_dump_{metric}"));
        assert_eq!(Some(value), last[field].as_f64(), "{metric}");
    }
    let finished = only(&found, "kvbackup_newest_dump_finished_timestamp_seconds");
    let oldest = only(&found, "kvbackup_oldest_dump_finished_timestamp_seconds");
    let written = only(&found, "kvbackup_metrics_written_timestamp_seconds");
    // Manifests cut their times to the millisecond.
    assert!(
        before - 0.01 < oldest && oldest < finished && finished < written + 0.01 && written < now() + 0.01,
        "{found:?}"
    );
    assert!(only(&found, "kvbackup_newest_dump_duration_seconds") < finished - before + 0.01, "{found:?}");
    assert_eq!((only(&found, "kvbackup_dumps"), only(&found, "kvbackup_newest_dump_is_last")), (2.0, 0.0));
    let bytes: u64 = place.packs().iter().map(|pack| pack.metadata().unwrap().len()).sum();
    assert_eq!(
        (only(&found, "kvbackup_packs"), only(&found, "kvbackup_pack_bytes")),
        (place.packs().len() as f64, bytes as f64)
    );
    let repository = place.path("repo").display().to_string();
    assert_eq!(found[&format!("kvbackup_manifests{{repository=\"{repository}\",state=\"good\"}}")], 2.0);
    assert_eq!(
        found
            [&format!("kvbackup_dumps{{repository=\"{repository}\",namespace=\"validator_0\",origin=\"\"}}")],
        2.0
    );
    assert!(
        !found.keys().any(|sample| sample.contains("unreferenced") || sample.contains("stored")),
        "{found:?}"
    );

    let id = listed["dumps"][0]["dump"].as_str().unwrap();
    place.done(&["forget", "repo", "--dump", id]);
    let stats = place.done(&["stats", "repo"]);
    let found = metrics(&place, &["repo", "--measure"]);
    assert_eq!(
        Some(only(&found, "kvbackup_unreferenced_bytes")),
        stats["unreferenced"]["stored_bytes"].as_f64()
    );
    assert_eq!(
        Some(only(&found, "kvbackup_newest_dump_stored_bytes")),
        stats["dumps"][0]["reached"]["stored_bytes"].as_f64()
    );
    assert_eq!(only(&found, "kvbackup_measured"), 1.0);
    let json = place.done(&["metrics", "repo", "--measure"]);
    let names: BTreeSet<_> =
        json["metrics"].as_array().unwrap().iter().map(|sample| sample["name"].as_str().unwrap()).collect();
    assert_eq!(names, found.keys().map(|sample| name_of(sample)).collect());

    place.done(&["backup", SOURCE, "repo", "--origin", &origin(), "--last"]);
    assert_eq!(only(&metrics(&place, &["repo"]), "kvbackup_newest_dump_is_last"), 1.0);
}

#[test]
fn a_repository_that_is_damaged_or_empty_has_metrics() {
    let place = Place::with_dump();
    let state = |found: &Samples, state: &str| {
        let label = format!("state=\"{state}\"}}");
        found.iter().find_map(|(sample, value)| sample.ends_with(&label).then_some(*value)).unwrap()
    };
    place.done(&["key", "generate", "--sign", "node.key"]);
    let made = place.done(&["backup", SOURCE, "repo", "--sign-key", "node.key"]);
    let trusted = metrics(&place, &["repo", "--trust", "node.key.pub", "--measure"]);
    assert_eq!((state(&trusted, "good"), state(&trusted, "untrusted")), (1.0, 1.0));
    assert_eq!(only(&trusted, "kvbackup_measured"), 0.0);

    fs::write(place.path(&format!("repo/manifests/{}.json", made["dump"].as_str().unwrap())), "{}").unwrap();
    let found = metrics(&place, &["repo", "--measure"]);
    assert_eq!((state(&found, "good"), state(&found, "damaged")), (1.0, 1.0));
    assert_eq!((only(&found, "kvbackup_dumps"), only(&found, "kvbackup_measured")), (1.0, 0.0));
    assert!(!found.keys().any(|sample| sample.starts_with("kvbackup_unreferenced_bytes")), "{found:?}");
    let shown = place.exits(0, &["metrics", "repo", "--measure", "--textfile", "repository.prom"]).stdout;
    assert!(shown.contains("1 manifest;") && shown.contains("not measured"), "{shown}");

    place.done(&["init", "empty"]);
    let found = metrics(&place, &["empty"]);
    assert_eq!((state(&found, "good"), only(&found, "kvbackup_packs")), (0.0, 0.0));
    assert!(!found.keys().any(|sample| sample.starts_with("kvbackup_last_dump")), "{found:?}");
    place.exits(1, &["metrics", "nothing"]);
}

#[test]
fn dumps_of_several_validators_are_apart_and_one_alone_takes_those_that_name_none() {
    let place = Place::with_dump();
    let keys = ["02", "03"].map(|first| format!("{first}{}", "ab".repeat(32)));
    let groups = || {
        let found = metrics(&place, &["repo"]);
        let dumps = found.iter().filter(|(sample, _)| sample.starts_with("kvbackup_dumps{"));
        let origin =
            |sample: &str| sample.split("origin=\"").nth(1).unwrap().trim_end_matches("\"}").to_owned();
        dumps.map(|(sample, dumps)| (origin(sample), *dumps)).collect::<Vec<_>>()
    };
    place.done(&["backup", SOURCE, "repo", "--origin", &keys[0]]);
    assert_eq!(groups(), [(keys[0].clone(), 2.0)]);
    place.done(&["backup", SOURCE, "repo", "--origin", &keys[1]]);
    assert_eq!(groups(), [(String::new(), 1.0), (keys[0].clone(), 1.0), (keys[1].clone(), 1.0)]);
}

#[test]
fn names_cannot_leave_their_quotes() {
    let place = Place::with_fixture();
    let long = "n".repeat(255);
    let repository = "re\"po\n\\\u{1b}[2J";
    for namespace in ["a\"} 1\\", "<script>", "{{ 1 }}", &long] {
        place.done(&["backup", SOURCE, repository, "--namespace", namespace]);
    }
    let file = "we\"ird\\.prom";
    place.exits(0, &["metrics", repository, "--textfile", file]);
    let found = left(&place, file);
    let namespaces: Vec<_> =
        found.keys().filter_map(|sample| sample.strip_prefix("kvbackup_dumps{")).collect();
    assert_eq!(namespaces.len(), 4, "{found:?}");
    for expected in
        [r#"namespace="a\"} 1\\","#, r#"namespace="<script>","#, &format!("namespace=\"{long}\",")]
    {
        assert!(namespaces.iter().any(|labels| labels.contains(expected)), "{expected}: {namespaces:?}");
    }
    assert!(namespaces[0].contains(r#"/re\"po\n\\"#) && !namespaces[0].contains('\u{1b}'), "{namespaces:?}");
    // The file holds metrics of a repository, so a run takes another one, of a name as odd.
    let run = "r\"un\\.prom";
    for _ in 0..2 {
        place.exits(4, &["verify", repository, "--textfile", run]).says("several namespaces");
        assert_eq!(only(&left(&place, run), "kvbackup_run_exit_code"), 4.0);
    }
}

#[test]
fn a_run_records_how_it_ended_and_when_it_last_was_good() {
    let place = Place::with_fixture();
    let backup = ["backup", SOURCE, "repo", "--textfile", "state/backup.prom"];
    fs::create_dir(place.path("state")).unwrap();
    let before = now();
    let made = place.done(&backup);
    let good = left(&place, "state/backup.prom");
    let value = |metric: &str| only(&good, &format!("kvbackup_run_{metric}"));
    assert_eq!(value("exit_code"), 0.0);
    assert_eq!(Some(value("stored_bytes")), made["stored_bytes"].as_f64());
    assert_eq!(Some(value("plain_bytes")), made["plain_bytes"].as_f64());
    let (start, end) = (value("start_timestamp_seconds"), value("end_timestamp_seconds"));
    assert!(before - 0.01 < start && start < end && end < now() + 0.01, "{good:?}");
    assert_eq!(value("last_success_timestamp_seconds"), end);
    let labels =
        format!("{{command=\"backup\",run=\"backup\",repository=\"{}\"}}", place.path("repo").display());
    assert!(good.contains_key(&format!("kvbackup_run_exit_code{labels}")), "{good:?}");
    let mode = fs::metadata(place.path("state/backup.prom")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);

    fs::rename(place.path("db"), place.path("gone")).unwrap();
    for _ in 0..2 {
        place.exits(1, &backup);
        let bad = left(&place, "state/backup.prom");
        assert_eq!(only(&bad, "kvbackup_run_exit_code"), 1.0);
        assert_eq!(only(&bad, "kvbackup_run_last_success_timestamp_seconds"), end);
        assert!(only(&bad, "kvbackup_run_end_timestamp_seconds") > end);
        assert!(!bad.keys().any(|sample| sample.contains("bytes")), "{bad:?}");
    }
    fs::rename(place.path("gone"), place.path("db")).unwrap();
    place.done(&backup);
    assert!(only(&left(&place, "state/backup.prom"), "kvbackup_run_last_success_timestamp_seconds") > end);
    // What fails before the work begins is recorded, too.
    place.exits(1, &[&backup[..], &["--trust", "no such file"]].concat());
    assert_eq!(only(&left(&place, "state/backup.prom"), "kvbackup_run_exit_code"), 1.0);

    place.exits(0, &["verify", "repo", "--textfile", "state/verify.prom"]);
    fs::write(&place.packs()[0], "damaged").unwrap();
    for arguments in [&["verify", "repo"][..], &["verify", "repo", "--all"]] {
        place.exits(3, &[arguments, &["--textfile", "state/verify.prom"]].concat());
        assert_eq!(only(&left(&place, "state/verify.prom"), "kvbackup_run_exit_code"), 3.0);
    }
    assert_eq!(names_of(&place.path("state")).len(), 2, "nothing else is left");
}

#[test]
fn a_copy_and_the_end_of_a_job_are_recorded() {
    let place = Place::with_dump();
    place.exits(0, &["copy", "repo", "other", "--textfile", "copy.prom"]);
    let found = left(&place, "copy.prom");
    assert_eq!(only(&found, "kvbackup_run_exit_code"), 0.0);
    assert!(only(&found, "kvbackup_run_stored_bytes") > 0.0, "{found:?}");
    place.exits(4, &["finish", "repo", "--job", "night", "--textfile", "finish.prom"]);
    assert_eq!(only(&left(&place, "finish.prom"), "kvbackup_run_exit_code"), 4.0);
    // A job that was given up is no good end of one.
    place.exits(2, &["finish", "repo", "--job", "night", "--discard", "--textfile", "discard.prom"]);
    place.exits(4, &["copy", "repo", "third", "--textfile", "third/copy.prom"]).says("the second repository");
    assert!(!place.path("third").exists() && !place.path("discard.prom").exists());
}

#[test]
fn files_of_all_commands_can_be_read_together_and_are_explained() {
    let place = Place::with_dump();
    let commands: [&[&str]; 7] = [
        &["backup", SOURCE, "repo", "--annotate", "a=b"],
        &["verify", "repo", "--level", "1", "--attest"],
        &["restore", "repo", "rocksdb:copy/a"],
        &["copy", "repo", "other", "--all"],
        &["forget", "repo", "--keep-last", "1", "--prune"],
        &["prune", "repo", "--grace", "0"],
        &["metrics", "repo", "--measure"],
    ];
    let (mut all, mut helps) = (Samples::new(), BTreeMap::new());
    for command in commands {
        let file = format!("{}.prom", command[0]);
        place.exits(0, &[command, &["--textfile", &file]].concat());
        for (sample, value) in left(&place, &file) {
            assert!(all.insert(sample.clone(), value).is_none(), "{sample} is in two files");
        }
        for help in
            fs::read_to_string(place.path(&file)).unwrap().lines().filter(|line| line.starts_with("# HELP"))
        {
            let name = help.split(' ').nth(2).unwrap().to_owned();
            assert_eq!(helps.entry(name).or_insert_with(|| help.to_owned()), help);
        }
    }
    let freed = all.iter().filter(|(sample, _)| sample.starts_with("kvbackup_run_freed_bytes"));
    assert_eq!(freed.count(), 2, "{all:?}");
    let readme = deployed("README.md");
    for name in helps.keys() {
        assert!(readme.contains(&format!("`{name}`")), "{name} is not explained");
    }
    for (file, text) in ["README.md", "alerts.yml", "dashboard.json"].map(|file| (file, deployed(file))) {
        let words = text.split(|letter: char| letter != '_' && !letter.is_ascii_alphanumeric());
        let used: Vec<_> = words.filter(|word| word.starts_with("kvbackup_")).collect();
        assert!(used.len() > 5, "{file}");
        used.iter().for_each(|name| assert!(helps.contains_key(*name), "{file}: nothing writes {name}"));
    }
}

#[test]
fn a_text_file_that_cannot_be_written_is_named_and_the_work_is_done() {
    let place = Place::with_fixture();
    let backup = ["backup", SOURCE, "repo", "--json", "--textfile"];
    let run = place.exits(1, &[&backup[..], &["nowhere/a.prom"]].concat());
    assert!(run.json()["dump"].is_string() && place.manifests().len() == 1, "{run}");
    assert!(run.error()["error"].as_str().unwrap().contains("writing nowhere/a.prom"), "{run}");
    assert_eq!(run.error()["exit_code"], 1);
    // What something else wrote is not replaced.
    let other = "# HELP disk_full x\n# TYPE disk_full gauge\ndisk_full 1\n";
    fs::write(place.path("other.prom"), other).unwrap();
    place
        .exits(1, &["metrics", "repo", "--textfile", "other.prom"])
        .says("other.prom holds metrics of something else");
    place
        .exits(1, &["prune", "repo", "--textfile", "other.prom"])
        .says("other.prom holds metrics of something else");
    assert_eq!(fs::read_to_string(place.path("other.prom")).unwrap(), other);
    fs::create_dir(place.path("folder.prom")).unwrap();
    place.exits(1, &["metrics", "repo", "--textfile", "folder.prom"]).says("folder.prom is no file");
    // A run that failed keeps its own error and code.
    fs::write(&place.packs()[0], "damaged").unwrap();
    let run = place.exits(3, &["verify", "repo", "--json", "--textfile", "nowhere/a.prom"]);
    assert_eq!(run.error()["exit_code"], 3);
    run.says("is not recorded: writing nowhere/a.prom");
    place.exits(1, &["metrics", "repo", "--textfile", "nowhere/a.prom"]).says("writing nowhere/a.prom");
}

#[test]
fn a_text_file_has_a_name_that_is_read_and_lies_apart_from_all_places() {
    let place = Place::with_dump();
    let names = |directory: &str| names_of(&place.path(directory)).len();
    let before = (names("repo"), names("db/validator_0"));
    let refused: [(i32, &[&str], &str); 7] = [
        (2, &["verify", "repo"], "metrics.txt"),
        (2, &["metrics", "repo"], "metrics.txt"),
        (2, &["prune", "repo", "--dry-run"], "prune.prom"),
        (4, &["verify", "repo"], "repo/verify.prom"),
        (4, &["metrics", "repo"], "repo/manifests/metrics.prom"),
        (4, &["backup", SOURCE, "repo"], "db/validator_0/backup.prom"),
        (4, &["restore", "repo", "rocksdb:copy/a"], "copy/a/restore.prom"),
    ];
    for (code, command, file) in refused {
        place.exits(code, &[command, &["--textfile", file]].concat());
        assert!(!place.path(file).exists(), "{file}");
    }
    assert_eq!((names("repo"), names("db/validator_0")), before);
    assert!(!place.path("copy").exists() && place.manifests().len() == 1);
    // A place that cannot be looked for is no reason not to record that.
    place.exits(1, &["verify", "nowhere", "--textfile", "verify.prom"]);
    assert_eq!(only(&left(&place, "verify.prom"), "kvbackup_run_exit_code"), 1.0);
}

#[test]
fn an_interrupted_run_is_recorded() {
    let place = Place::with_fixture();
    let arguments = ["backup", SOURCE, "repo", "--limit-upload", "1KiB", "--textfile", "backup.prom"];
    let mut command = place.command(&arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It listens for signals before it writes. One pack passes at once, and the manifest waits for minutes.
    while names_of(&place.path("repo/packs")).is_empty() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be interrupted");
        std::thread::sleep(Duration::from_millis(2));
    }
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    let run = Run::new(&arguments, child.wait_with_output().unwrap());
    assert_eq!(run.code, Some(130), "{run}");
    assert_eq!(only(&left(&place, "backup.prom"), "kvbackup_run_exit_code"), 130.0);
}

#[test]
fn the_alerts_fire_when_they_should_and_the_dashboard_is_one() {
    let place = Place::empty();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/monitoring"), &place.path("monitoring"));
    for arguments in [["check", "rules", "alerts.yml"], ["test", "rules", "alerts.test.yml"]] {
        let output = promtool().args(arguments).current_dir(place.path("monitoring")).output();
        let output = output.expect("promtool is not installed; `cargo xtask setup` installs it");
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success() && said.contains("SUCCESS"), "{said}");
    }
    let tests = deployed("alerts.test.yml");
    let alerts = deployed("alerts.yml");
    let alerts: Vec<_> = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() > 8 && alerts.iter().all(|alert| tests.contains(*alert)), "{alerts:?}");
    let dashboard: Value = serde_json::from_str(&deployed("dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut expressions = Vec::new();
    for panel in panels {
        assert!(panel["description"].is_string(), "{}", panel["title"]);
        let targets = panel["targets"].as_array().unwrap().iter();
        expressions.extend(targets.map(|target| target["expr"].as_str().unwrap().to_owned()));
    }
    // What Grafana puts in is put in here, and Prometheus's own parser reads it as rules.
    let rule = |(number, text): (usize, &String)| {
        format!("  - record: panel:{number}\n    expr: '{}'\n", text.replace("$repository", ".*"))
    };
    let rules: String = expressions.iter().enumerate().map(rule).collect();
    fs::write(place.path("panels.yml"), format!("groups:\n- name: panels\n  rules:\n{rules}")).unwrap();
    let output =
        promtool().args(["check", "rules", "panels.yml"]).current_dir(place.path("")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
