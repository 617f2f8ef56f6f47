//! Starts other programs: prints each command before it runs, and names it when it fails.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};

/// Prints the command as a shell would show it, and runs it with our own input and output.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    announce(command);
    let status = command.status().with_context(|| format!("could not start `{}`", show(command)))?;
    check(command, status)
}

/// Prints the command and runs it. Prints each line of its output, and passes it to `line`.
pub(crate) fn run_watched(command: &mut Command, mut line: impl FnMut(&str)) -> Result<()> {
    announce(command);
    let child = command.stdout(Stdio::piped()).spawn();
    let mut child = child.with_context(|| format!("could not start `{}`", show(command)))?;
    let output = child.stdout.take().context("the output of the command was not piped")?;
    for text in BufReader::new(output).split(b'\n') {
        let text = text.with_context(|| format!("could not read from `{}`", show(command)))?;
        let text = String::from_utf8_lossy(&text);
        println!("{text}");
        line(&text);
    }
    let status = child.wait().with_context(|| format!("could not await `{}`", show(command)))?;
    check(command, status)
}

/// Runs the command and returns its standard output. Its errors stay visible.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("could not start `{}`", show(command)))?;
    let (text, status) = (String::from_utf8_lossy(&output.stdout).into_owned(), output.status);
    if !status.success() {
        print!("{text}");
    }
    check(command, status).map(|()| text)
}

/// Returns true if the command could be started and succeeded. What it prints is dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn check(command: &Command, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("`{}` failed: {status}", show(command));
    }
    Ok(())
}

fn announce(command: &Command) {
    println!("$ {}", show(command));
    // The command does not write through our buffer.
    let _ = std::io::stdout().flush();
}

/// Shows the command by the file name of its program, with the variables that were set for it.
pub(crate) fn show(command: &Command) -> String {
    // The search path is long, and the same for all.
    let variables = command.get_envs().filter(|(name, _)| *name != "PATH").filter_map(|(name, value)| {
        Some(format!("{}={}", name.to_string_lossy(), quoted(&value?.to_string_lossy())))
    });
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy();
    let arguments = command.get_args().map(|argument| quoted(&argument.to_string_lossy()));
    variables.chain([program.into_owned()]).chain(arguments).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=+@%".contains(c);
    let is_plain = !word.is_empty() && word.chars().all(plain);
    if is_plain { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_a_shell_would_run_it() {
        let mut command = Command::new("/usr/bin/cargo");
        command.args(["doc", "it's here"]).env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(show(&command), r"RUSTDOCFLAGS='-D warnings' cargo doc 'it'\''s here'");
    }

    #[test]
    fn a_command_that_fails_is_an_error_that_names_it() {
        let error = run(Command::new("false").arg("now")).unwrap_err();
        assert!(error.to_string().starts_with("`false now` failed: "), "{error}");
        assert!(run_watched(&mut Command::new("false"), |_| ()).is_err());
        assert!(output(&mut Command::new("false")).is_err());
    }

    #[test]
    fn a_watched_command_hands_over_every_line() {
        let mut lines = Vec::new();
        let mut command = Command::new("printf");
        run_watched(command.arg("one\ntwo\n"), |line| lines.push(line.to_owned())).unwrap();
        assert_eq!(lines, ["one", "two"]);
    }
}
