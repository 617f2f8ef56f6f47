//! `test-all`: everything that has to hold before a change is good, as steps with a table at the end.

mod engines;
mod features;
mod packages;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::{boot, cargo, cql, demo, process, setup, test, tidy};

/// One thing to prove. What it returns is a remark for the table.
struct Step {
    name: &'static str,
    what: &'static str,
    run: fn() -> Result<String>,
}

const STEPS: [Step; 12] = [
    Step { name: "setup", what: "what the build needs is there", run: set_up },
    Step { name: "fmt", what: "rustfmt has nothing to change", run: format },
    Step { name: "tidy", what: "who imports whom, FORMAT.md, house style", run: tidy },
    Step { name: "clippy", what: "no warning in any combination of features", run: features::clippy },
    Step { name: "test", what: "every test", run: run_tests },
    Step { name: "cluster", what: "killed nodes, lost answers, passwords and TLS", run: run_cluster_tests },
    Step { name: "boot", what: "linera's real worker boots on restored databases", run: run_boot_tests },
    Step { name: "doc", what: "the documentation builds without a warning", run: document },
    Step { name: "engines", what: "who picks one engine builds no other", run: engines::prove },
    Step { name: "downstream", what: "the example crates compile and run", run: engines::run_examples },
    Step {
        name: "package",
        what: "every crate packages, libraries build from their packages",
        run: packages::build,
    },
    Step { name: "demo", what: "the demo of the README ends in one digest", run: run_demo },
];

/// Runs the task. Goes on after a failed step, so that one run tells all that is wrong.
pub(crate) fn run(options: &[String]) -> Result<()> {
    if options == ["--list"] {
        for step in &STEPS {
            println!("{:<12}{}", step.name, step.what);
        }
        return Ok(());
    }
    let selected = select(options)?;
    let mut rows = Vec::new();
    for step in selected {
        println!("\n==== {}: {}", step.name, step.what);
        let start = Instant::now();
        let result = (step.run)();
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

/// Picks the steps that the options ask for, in their usual order.
fn select(options: &[String]) -> Result<Vec<&'static Step>> {
    let (mut only, mut skip) = (Vec::new(), Vec::new());
    let mut rest = options.iter();
    while let Some(option) = rest.next() {
        let list = match option.as_str() {
            "--only" => &mut only,
            "--skip" => &mut skip,
            other => bail!("`test-all` has no option `{other}`; see `cargo xtask --help`"),
        };
        let name = rest.next().with_context(|| format!("`{option}` needs the name of a step"))?;
        if !STEPS.iter().any(|step| step.name == name) {
            bail!("there is no step `{name}`; `cargo xtask test-all --list` names them");
        }
        list.push(name.as_str());
    }
    let wanted = |step: &&Step| (only.is_empty() || only.contains(&step.name)) && !skip.contains(&step.name);
    let selected: Vec<&Step> = STEPS.iter().filter(wanted).collect();
    if selected.is_empty() {
        bail!("these options leave no step to run");
    }
    Ok(selected)
}

fn set_up() -> Result<String> {
    setup::run(&[])?;
    Ok(String::new())
}

fn format() -> Result<String> {
    process::run(&mut cargo::cargo(&["fmt", "--all", "--check"]))?;
    for manifest in cargo::outlying_manifests(&cargo::root())? {
        let mut command = cargo::cargo(&["fmt", "--check", "--manifest-path"]);
        process::run(command.arg(manifest))?;
    }
    Ok(String::new())
}

fn tidy() -> Result<String> {
    tidy::run(&[])?;
    Ok(String::new())
}

fn run_tests() -> Result<String> {
    let mut command = cargo::cargo(&["test", "--workspace", "--no-fail-fast"]);
    Ok(cql::with_server(|| test::counted(&mut command))?.to_string())
}

/// Runs the tests that break clusters and requests on purpose. They are left out where all tests run: they take minutes, and have
/// the clusters to themselves.
fn run_cluster_tests() -> Result<String> {
    let common = ["test", "--package", "backup-scylla", "--no-fail-fast"];
    let mut killing = cargo::cargo(&common);
    killing.args(["--test", "cluster"]);
    let mut faults = cargo::cargo(&common);
    faults.args(["--test", "faults"]);
    let killed = cql::with_breakable(|| test::counted(&mut killing))?;
    let broken = cql::with_server(|| test::counted(&mut faults))?;
    Ok(format!("clusters: {killed}; requests: {broken}"))
}

fn run_boot_tests() -> Result<String> {
    Ok(boot::counted()?.to_string())
}

/// Builds the documentation as users see it, and again with private items, whose links rot too.
fn document() -> Result<String> {
    let common = ["doc", "--workspace", "--no-deps", "--all-features"];
    let private = [&common[..], &["--document-private-items"]].concat();
    for arguments in [&common[..], &private] {
        let mut command = cargo::cargo(arguments);
        process::run(cargo::without_linking(command.env("RUSTDOCFLAGS", "-D warnings"))?)?;
    }
    Ok(String::new())
}

fn run_demo() -> Result<String> {
    demo::run(&[])?;
    Ok(String::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(options: &[&str]) -> Result<Vec<&'static str>> {
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        Ok(select(&options)?.into_iter().map(|step| step.name).collect())
    }

    #[test]
    fn all_steps_run_unless_some_are_chosen() {
        assert_eq!(names(&[]).unwrap().len(), STEPS.len());
        assert_eq!(names(&["--only", "doc", "--only", "fmt"]).unwrap(), ["fmt", "doc"]);
        let some = names(&["--skip", "demo"]).unwrap();
        assert!(some.len() == STEPS.len() - 1 && !some.contains(&"demo"));
    }

    #[test]
    fn a_misspelt_or_empty_choice_is_an_error_and_not_a_success() {
        for options in [
            &["--only", "docs"][..],
            &["--only"],
            &["--skip", ""],
            &["fmt"],
            &["--only", "fmt", "--skip", "fmt"],
        ] {
            assert!(names(options).is_err(), "{options:?}");
        }
    }

    #[test]
    fn the_table_tells_result_time_and_remark_of_each_step() {
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
