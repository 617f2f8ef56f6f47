//! `test-all`: everything that must hold before a change is good, as steps with a table at the end.

mod engines;
mod features;
mod packages;

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::test::Counts;
use crate::{
    boot, cargo, cql, demo, no_more_options, process, promtool, setup, stores, take_option, test, tidy,
};

/// Something to prove. The function gets true in an exhaustive run, and returns a remark for the table.
struct Step {
    name: &'static str,
    what: &'static str,
    run: fn(bool) -> Result<String>,
}

const fn step(name: &'static str, what: &'static str, run: fn(bool) -> Result<String>) -> Step {
    Step { name, what, run }
}

const STEPS: [Step; 12] = [
    step("setup", "what the build needs is there", |_| setup::run(&[]).map(|()| String::new())),
    step("fmt", "rustfmt has nothing to change", |_| format()),
    step("tidy", "imports, FORMAT.md, house style", |_| tidy::run(&[]).map(|()| String::new())),
    step("clippy", "no warning with the default features, nor without any", features::clippy),
    step("test", "every test", run_tests),
    step("cluster", "killed nodes, lost answers, passwords and TLS", run_cluster_tests),
    step("boot", "linera's real worker boots on restored databases", run_boot_tests),
    step("doc", "the documentation builds without a warning", document),
    step("engines", "a crate that picks one engine builds no other", |_| engines::prove()),
    step("downstream", "the example crates compile and run", |_| engines::run_examples()),
    step("package", "every crate packages", packages::build),
    step("demo", "the demo of the README ends in one digest", |_| {
        demo::run_after_tests().map(|()| String::new())
    }),
];

/// The ignored tests of each step. In an exhaustive run the last two have none.
const IGNORED: [(&str, u64); 3] = [("test", 1), ("cluster", 2), ("boot", 0)];
/// Tests of a full disk, which the step `test` ignores where they cannot mount one.
const FULL_DISK_TESTS: u64 = 5;

/// Runs the task. Continues after a failed step, so that one run shows all failures.
pub(crate) fn run(options: &[String]) -> Result<()> {
    if options == ["--list"] {
        STEPS.iter().for_each(|step| println!("{:<12}{}", step.name, step.what));
        return Ok(());
    }
    let (selected, exhaustive) = select(options)?;
    let mut rows = Vec::new();
    for step in selected {
        println!("\n==== {}: {}", step.name, step.what);
        let start = Instant::now();
        let result = (step.run)(exhaustive);
        if let Err(error) = &result {
            println!("==== {} failed: {error:#}", step.name);
        }
        rows.push(Row { name: step.name, time: start.elapsed(), result });
    }
    print!("\n{}", table(&rows));
    let failed: Vec<_> = rows.iter().filter(|row| row.result.is_err()).map(|row| row.name).collect();
    if !failed.is_empty() {
        bail!("failed: {}; to repeat one step: cargo xtask test-all --only {}", failed.join(", "), failed[0]);
    }
    Ok(())
}

struct Row {
    name: &'static str,
    time: Duration,
    result: Result<String>,
}

fn table(rows: &[Row]) -> String {
    let mut text = format!("{:<12}{:<9}{:>8}  remark\n", "step", "result", "seconds");
    for row in rows {
        let (result, remark) = match &row.result {
            Ok(remark) => ("ok", remark.clone()),
            Err(error) => ("FAILED", error.to_string()),
        };
        let remark = remark.lines().next().unwrap_or_default();
        let seconds = row.time.as_secs_f64();
        text += format!("{:<12}{result:<9}{seconds:>8.1}  {remark}", row.name).trim_end();
        text.push('\n');
    }
    let total: Duration = rows.iter().map(|row| row.time).sum();
    text + &format!("{:<21}{:>8.1}\n", "all", total.as_secs_f64())
}

/// Returns the steps that the options choose, in their usual order, and true if the run is exhaustive.
fn select(options: &[String]) -> Result<(Vec<&'static Step>, bool)> {
    let mut options = options.to_vec();
    let before = options.len();
    options.retain(|option| option != "--exhaustive");
    let exhaustive = options.len() < before;
    let mut names = |option| {
        let mut names = Vec::new();
        while let Some(name) = take_option(&mut options, option)? {
            let known = STEPS.iter().map(|step| step.name).find(|known| *known == name);
            let advice = || format!("there is no step `{name}`; `cargo xtask test-all --list` names them");
            names.push(known.with_context(advice)?);
        }
        Ok::<_, anyhow::Error>(names)
    };
    let (only, skip) = (names("--only")?, names("--skip")?);
    no_more_options("test-all", &options)?;
    let wanted = |step: &&Step| (only.is_empty() || only.contains(&step.name)) && !skip.contains(&step.name);
    let selected: Vec<&Step> = STEPS.iter().filter(wanted).collect();
    if selected.is_empty() {
        bail!("these options leave no step to run");
    }
    Ok((selected, exhaustive))
}

fn format() -> Result<String> {
    process::run(&mut cargo::cargo(&["fmt", "--all", "--check"]))?;
    for manifest in cargo::outlying_manifests(&cargo::root())? {
        process::run(cargo::cargo(&["fmt", "--check", "--manifest-path"]).arg(manifest))?;
    }
    Ok(String::new())
}

/// Runs all tests of the workspace. `--include-ignored` is left out: it would compile doctests that are only to be read.
fn run_tests(exhaustive: bool) -> Result<String> {
    stores::install()?;
    promtool::install()?;
    let mut command = cargo::cargo(&["test", "--workspace", "--no-fail-fast"]);
    let counts = cql::with_server(|| test::counted(&mut command, exhaustive))?;
    let mount = ["--map-root-user", "--mount", "sh", "-c", "mount -t tmpfs none /mnt"];
    let can_mount = process::succeeds(Command::new("unshare").args(mount));
    let unmountable = if can_mount { 0 } else { FULL_DISK_TESTS };
    check_ignored("test", counts.ignored, unmountable)?;
    Ok(counts.to_string())
}

/// Runs the tests that break clusters and requests. They take minutes and need the clusters for themselves.
fn run_cluster_tests(exhaustive: bool) -> Result<String> {
    let run = |tests: &str| -> Result<Counts> {
        let mut command = cargo::cargo(&["test", "--workspace", "--no-fail-fast", "--test", tests]);
        command.args(if exhaustive { &["--", "--include-ignored"][..] } else { &[] });
        test::counted(&mut command, exhaustive)
    };
    let clusters = cql::with_breakable(|| run("cluster"))?;
    let requests = cql::with_server(|| run("faults"))?;
    if !exhaustive {
        check_ignored("cluster", clusters.ignored + requests.ignored, 0)?;
    }
    Ok(format!("clusters: {clusters}; requests: {requests}"))
}

fn run_boot_tests(exhaustive: bool) -> Result<String> {
    let counts = boot::counted(exhaustive)?;
    if !exhaustive {
        check_ignored("boot", counts.ignored, 0)?;
    }
    Ok(counts.to_string())
}

/// Compares the number of ignored tests with the one that is expected: no test stops running unseen.
fn check_ignored(step: &str, found: u64, more: u64) -> Result<()> {
    let (_, known) = IGNORED.iter().find(|(name, _)| *name == step).context("a step without a number")?;
    let expected = known + more;
    if found != expected {
        bail!(
            "{found} tests of step {step} are ignored, expected {expected}: make them run, or change IGNORED \
             in xtask/src/test_all.rs and say in the commit why they do not run"
        );
    }
    Ok(())
}

/// Builds the documentation with private items, and in an exhaustive run as users see it.
fn document(exhaustive: bool) -> Result<String> {
    let common = ["doc", "--workspace", "--no-deps", "--all-features"];
    let runs: [&[&str]; 2] = [&["--document-private-items"], &[]];
    for private in &runs[..if exhaustive { 2 } else { 1 }] {
        let mut command = cargo::cargo(&common);
        command.args(*private).env("RUSTDOCFLAGS", "-D warnings");
        process::run(cargo::without_linking(&mut command)?)?;
    }
    Ok(String::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(options: &[&str]) -> Result<Vec<&'static str>> {
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        Ok(select(&options)?.0.into_iter().map(|step| step.name).collect())
    }

    #[test]
    fn all_steps_run_unless_some_are_chosen() {
        assert_eq!(names(&[]).unwrap().len(), STEPS.len());
        assert_eq!(names(&["--only", "doc", "--exhaustive", "--only", "fmt"]).unwrap(), ["fmt", "doc"]);
        let some = names(&["--skip", "demo"]).unwrap();
        assert!(some.len() == STEPS.len() - 1 && !some.contains(&"demo"));
        assert!(select(&["--exhaustive".to_owned()]).unwrap().1 && !select(&[]).unwrap().1);
    }

    #[test]
    fn a_misspelt_or_empty_choice_is_an_error_and_not_a_success() {
        for options in ["--only docs", "--only", "--skip ", "fmt", "--only fmt --skip fmt"] {
            assert!(names(&options.split(' ').collect::<Vec<_>>()).is_err(), "{options:?}");
        }
    }

    #[test]
    fn an_ignored_test_more_or_less_fails_and_says_what_to_do() {
        let (step, known) = IGNORED[0];
        assert!(check_ignored(step, known, 0).is_ok() && check_ignored(step, known + 2, 2).is_ok());
        for found in [known + 1, known - 1] {
            let error = check_ignored(step, found, 0).unwrap_err().to_string();
            assert!(error.contains("change IGNORED"), "{error}");
        }
    }

    #[test]
    fn the_table_shows_result_time_and_remark_of_each_step() {
        let row = |name, result| Row { name, time: Duration::from_millis(1500), result };
        let rows = [row("fmt", Ok("3 passed".into())), row("doc", Err(anyhow::anyhow!("no\nyes")))];
        let expected = "\
step        result    seconds  remark
fmt         ok            1.5  3 passed
doc         FAILED        1.5  no
all                       3.0
";
        assert_eq!(table(&rows), expected);
    }
}
