//! The options of ScyllaDB and Cassandra.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use backup_scylla::ConsistencyLevel;
use clap::Args;

use crate::units::{parse_size, parse_time};

/// How to reach the servers, whatever for.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "ScyllaDB and Cassandra")]
pub(crate) struct ConnectionArgs {
    /// File with the password of the address's USER, instead of the variable KVBACKUP_CQL_PASSWORD
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub(crate) password_file: Option<PathBuf>,
    /// Connect by TLS, to servers that the certificates in this file (PEM) vouch for
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub(crate) tls_ca: Option<PathBuf>,
    /// How many replicas must answer: one, local_one, quorum, local_quorum or all [default: local_quorum]
    #[arg(long, value_name = "LEVEL", value_parser = ConsistencyLevel::from_str, hide_short_help = true)]
    pub(crate) consistency: Option<ConsistencyLevel>,
    /// How long a server may take for one answer, like 500ms, 30s or 2m [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = parse_time, hide_short_help = true)]
    pub(crate) request_timeout: Option<Duration>,
    /// How long a request is repeated that fails for a passing reason [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = parse_time, hide_short_help = true)]
    pub(crate) patience: Option<Duration>,
}

/// How a table is read.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "ScyllaDB and Cassandra")]
pub(crate) struct CqlSourceArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
    /// Bytes that a page of rows is to have [default: 768KiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, hide_short_help = true)]
    page_bytes: Option<usize>,
    /// Bytes that a range of tokens is to have that is read at a time [default: 2MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, hide_short_help = true)]
    slice_bytes: Option<usize>,
    /// Such ranges that are read at the same time, by each of --shares [default: 3]
    #[arg(long, value_name = "N", hide_short_help = true)]
    slices: Option<NonZeroUsize>,
}

/// How a table is written.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "ScyllaDB and Cassandra")]
pub(crate) struct CqlTargetArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
    /// Writes that wait for their answers at the same time; fewer when servers are overloaded [default: 128]
    #[arg(long, value_name = "N", hide_short_help = true)]
    write_concurrency: Option<NonZeroUsize>,
    /// Replicas of each row, when the restore creates the keyspace [default: 3, or as many as there are nodes]
    #[arg(long, value_name = "N", hide_short_help = true)]
    replication: Option<NonZeroU32>,
}

/// All options that were given.
#[derive(Clone, Debug, Default)]
pub(crate) struct CqlGiven {
    pub(crate) connection: ConnectionArgs,
    pub(crate) page_bytes: Option<usize>,
    pub(crate) slice_bytes: Option<usize>,
    pub(crate) slices: Option<NonZeroUsize>,
    pub(crate) write_concurrency: Option<NonZeroUsize>,
    pub(crate) replication: Option<NonZeroU32>,
}

impl CqlGiven {
    /// Names an option that was given.
    pub(crate) fn first(&self) -> Option<&'static str> {
        let ConnectionArgs { password_file, tls_ca, consistency, request_timeout, patience } =
            &self.connection;
        [
            (password_file.is_some(), "--password-file"),
            (tls_ca.is_some(), "--tls-ca"),
            (consistency.is_some(), "--consistency"),
            (request_timeout.is_some(), "--request-timeout"),
            (patience.is_some(), "--patience"),
            (self.page_bytes.is_some(), "--page-bytes"),
            (self.slice_bytes.is_some(), "--slice-bytes"),
            (self.slices.is_some(), "--slices"),
            (self.write_concurrency.is_some(), "--write-concurrency"),
            (self.replication.is_some(), "--replication"),
        ]
        .into_iter()
        .find_map(|(given, name)| given.then_some(name))
    }
}

impl From<CqlSourceArgs> for CqlGiven {
    fn from(args: CqlSourceArgs) -> Self {
        let CqlSourceArgs { connection, page_bytes, slice_bytes, slices } = args;
        Self { connection, page_bytes, slice_bytes, slices, ..Self::default() }
    }
}

impl From<CqlTargetArgs> for CqlGiven {
    fn from(args: CqlTargetArgs) -> Self {
        let CqlTargetArgs { connection, write_concurrency, replication } = args;
        Self { connection, write_concurrency, replication, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        read: CqlSourceArgs,
    }

    #[derive(Parser)]
    struct TargetLine {
        #[command(flatten)]
        write: CqlTargetArgs,
    }

    #[test]
    fn every_option_that_is_given_is_named() {
        let values = [
            ("--password-file", "x"),
            ("--tls-ca", "x"),
            ("--consistency", "ALL"),
            ("--request-timeout", "5s"),
            ("--patience", "1m"),
        ];
        let reading = [("--page-bytes", "1MiB"), ("--slice-bytes", "4MiB"), ("--slices", "3")];
        let writing = [("--write-concurrency", "7"), ("--replication", "2")];
        assert_eq!(CqlGiven::default().first(), None);
        for (name, value) in values.into_iter().chain(reading) {
            let given = CqlGiven::from(Line::try_parse_from(["x", name, value]).unwrap().read);
            assert_eq!(given.first(), Some(name));
        }
        for (name, value) in values.into_iter().chain(writing) {
            let given = CqlGiven::from(TargetLine::try_parse_from(["x", name, value]).unwrap().write);
            assert_eq!(given.first(), Some(name));
        }
    }
}
