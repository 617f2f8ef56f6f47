//! What the command line asks for.

use anyhow::{Context, Result, bail};

const NODES_MAX: u8 = 5;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Order {
    Start(Wanted),
    Stop,
    Status,
    /// The number of a node, from 1.
    Kill(u8),
    Revive(u8),
}

/// What a cluster is to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Wanted {
    pub(super) nodes: u8,
    /// Whether clients need a password and TLS.
    pub(super) secured: bool,
}

/// Returns what is to be done, and with which cluster.
pub(super) fn parse<'a>(options: &[&'a str]) -> Result<(Order, Option<&'a str>)> {
    let Some((verb, rest)) = options.split_first() else {
        bail!("`cql` is told to start, stop, kill, revive or status; see `cargo xtask --help`");
    };
    let (mut name, mut number, mut wanted) = (None, None, Wanted { nodes: 1, secured: false });
    let mut rest = rest.iter().copied();
    while let Some(option) = rest.next() {
        let mut value = || rest.next().with_context(|| format!("`{option}` needs a value"));
        match (option, *verb) {
            ("--name", "start" | "stop" | "kill" | "revive") => name = Some(value()?),
            ("--nodes", "start") => wanted.nodes = parse_number("--nodes ", value()?)?,
            ("--secured", "start") => wanted.secured = true,
            (text, "kill" | "revive") if !text.starts_with('-') => number = Some(parse_number("", text)?),
            _ => bail!("`cql {verb}` has no option `{option}`; see `cargo xtask --help`"),
        }
    }
    let number = || number.with_context(|| format!("`cql {verb}` needs the number of a node"));
    let order = match *verb {
        "start" => Order::Start(wanted),
        "stop" => Order::Stop,
        "status" => Order::Status,
        "kill" => Order::Kill(number()?),
        "revive" => Order::Revive(number()?),
        other => bail!("`cql` does not know `{other}`; see `cargo xtask --help`"),
    };
    Ok((order, name))
}

fn parse_number(option: &str, text: &str) -> Result<u8> {
    match text.parse() {
        Ok(number @ 1..=NODES_MAX) => Ok(number),
        _ => bail!("`{option}{text}`: expected a number from 1 to {NODES_MAX}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<(Order, Option<&str>)> {
        parse(&line.split(' ').collect::<Vec<_>>())
    }

    #[test]
    fn orders_are_understood() {
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
            assert_eq!(parsed(line).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for line in [
            "",
            "begin",
            "start --nodes",
            "start --nodes 0",
            "start --nodes 6",
            "start --nodes x",
            "start 3",
            "stop --secured",
            "status --name trio",
            "kill",
            "kill 0",
            "kill --name trio",
            "revive x",
        ] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
