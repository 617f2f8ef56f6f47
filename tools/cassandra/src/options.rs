//! What the command line asks for.

use anyhow::{Context, Result, bail};

const NODES_MAX: u8 = 5;

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Order {
    Start(Wanted),
    Stop,
    Status,
    /// The number of a node, from 1.
    Kill(u8),
    Revive(u8),
}

/// A cluster to start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wanted {
    /// Number of nodes, 1 to 5.
    pub nodes: u8,
    /// True if clients need a password and TLS.
    pub secured: bool,
}

/// Returns what to do, and the name of the cluster if there is one.
pub(crate) fn parse(options: &[String]) -> Result<(Order, Option<&str>)> {
    let mut rest = options.iter().map(String::as_str);
    let verb = rest.next().context("expected start, stop, status, kill or revive")?;
    let (mut name, mut number, mut wanted) = (None, None, Wanted { nodes: 1, secured: false });
    while let Some(option) = rest.next() {
        let mut value = || rest.next().with_context(|| format!("`{option}` needs a value"));
        match (option, verb) {
            ("--name", "start" | "stop" | "kill" | "revive") => name = Some(value()?),
            ("--nodes", "start") => wanted.nodes = node_number(value()?)?,
            ("--secured", "start") => wanted.secured = true,
            (text, "kill" | "revive") if !text.starts_with('-') => number = Some(node_number(text)?),
            _ => bail!("`{verb}` has no option `{option}`"),
        }
    }
    let number = || number.with_context(|| format!("`{verb}` needs the number of a node"));
    let order = match verb {
        "start" => Order::Start(wanted),
        "stop" => Order::Stop,
        "status" => Order::Status,
        "kill" => Order::Kill(number()?),
        "revive" => Order::Revive(number()?),
        other => bail!("there is no command `{other}`: expected start, stop, status, kill or revive"),
    };
    Ok((order, name))
}

fn node_number(text: &str) -> Result<u8> {
    match text.parse() {
        Ok(number @ 1..=NODES_MAX) => Ok(number),
        _ => bail!("`{text}`: expected a number from 1 to {NODES_MAX}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn command_lines_are_parsed() {
        let start = |nodes, secured| Order::Start(Wanted { nodes, secured });
        for (line, expected) in [
            ("start", (start(1, false), None)),
            ("start --nodes 3 --name trio", (start(3, false), Some("trio"))),
            ("start --secured", (start(1, true), None)),
            ("stop", (Order::Stop, None)),
            ("stop --name trio", (Order::Stop, Some("trio"))),
            ("status", (Order::Status, None)),
            ("kill 2 --name trio", (Order::Kill(2), Some("trio"))),
            ("revive --name trio 3", (Order::Revive(3), Some("trio"))),
        ] {
            assert_eq!(parse(&words(line)).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn bad_command_lines_are_refused() {
        for line in [
            "",
            "begin",
            "start --nodes",
            "start --nodes 0",
            "start --nodes 6",
            "start 3",
            "stop --secured",
            "status --name trio",
            "kill",
            "kill --name trio",
            "revive x",
        ] {
            assert!(parse(&words(line)).is_err(), "{line}");
        }
    }
}
