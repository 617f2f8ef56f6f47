//! How a namespace is read and written.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use backup_format::Limits;
use backup_layout::Layout;

use crate::error::CqlError;

/// How many replicas have to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConsistencyLevel {
    /// One of them.
    One,
    /// One in the datacenter that is connected to.
    LocalOne,
    /// More than half of them.
    Quorum,
    /// More than half of those in the datacenter that is connected to; linera's own level.
    LocalQuorum,
    /// All of them.
    All,
}

impl ConsistencyLevel {
    /// All levels.
    pub const ALL: [Self; 5] = [Self::One, Self::LocalOne, Self::Quorum, Self::LocalQuorum, Self::All];

    /// Returns the name that servers and their documents use, in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::LocalOne => "local_one",
            Self::Quorum => "quorum",
            Self::LocalQuorum => "local_quorum",
            Self::All => "all",
        }
    }

    pub(crate) fn level(self) -> scylla::statement::Consistency {
        use scylla::statement::Consistency;
        match self {
            Self::One => Consistency::One,
            Self::LocalOne => Consistency::LocalOne,
            Self::Quorum => Consistency::Quorum,
            Self::LocalQuorum => Consistency::LocalQuorum,
            Self::All => Consistency::All,
        }
    }
}

impl FromStr for ConsistencyLevel {
    type Err = CqlError;

    /// Takes a name, in lower or upper case.
    ///
    /// # Errors
    ///
    /// [`CqlError::UnknownLevel`] for any other text.
    fn from_str(name: &str) -> Result<Self, CqlError> {
        let found = Self::ALL.into_iter().find(|level| level.name().eq_ignore_ascii_case(name));
        found.ok_or_else(|| CqlError::UnknownLevel { name: name.to_owned() })
    }
}

/// A password, which is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub(crate) String);

impl Password {
    /// Keeps a password.
    #[must_use]
    pub fn new(password: impl Into<String>) -> Self {
        Self(password.into())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Password(..)")
    }
}

/// The timestamp of restored rows: the start of the year 2000, in microseconds since 1970.
///
/// It is before the time of every clock that was ever set. So whatever is written later wins, even
/// if clocks are wrong or put back after the restore.
pub const RESTORED_AT: i64 = 946_684_800_000_000;

/// Options of a namespace in ScyllaDB or Cassandra. All have defaults; none is stored but the
/// timestamp.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CqlOptions {
    /// Layout of the rows. `None`, the default, detects it when reading; to restore, it must be
    /// given.
    pub layout: Option<Layout>,
    /// Limits on keys and values.
    pub limits: Limits,
    /// Password of the address's user.
    pub password: Option<Password>,
    /// File (PEM) of the CAs that sign the certificates of the servers. `None`, the default,
    /// connects without TLS.
    pub tls_ca_file: Option<PathBuf>,
    /// Addresses of nodes behind a router that translates them: from the one that a node names to
    /// the one to connect to.
    ///
    /// Nodes that are missing here are reached at their own, and so are the hosts of the
    /// namespace's address.
    pub addresses: BTreeMap<IpAddr, SocketAddr>,
    /// How many replicas have to answer to reads and writes; default `local_quorum`.
    pub consistency: ConsistencyLevel,
    /// Bytes after which a batch of entries is handed on; default 256 KiB.
    pub batch_bytes: usize,
    /// Bytes that a page of rows is to have; default 768 KiB.
    ///
    /// Cassandra counts pages in rows, so a page has this length while rows are about as long as
    /// those before.
    pub page_bytes: usize,
    /// Most rows of a page; default 5,000.
    pub page_rows_max: u32,
    /// Bytes that a slice is to have, a span of tokens that one task reads; default 2 MiB.
    ///
    /// Slices are handed on in their order. A slice that is longer than what may wait of it stands
    /// still until its turn.
    pub slice_bytes: u64,
    /// Slices of a range that are read at the same time; default 3. Each has a page in hand and one
    /// on its way.
    pub slices_in_flight: NonZeroUsize,
    /// Bytes of an exclusive partition that are in memory until it is proven; default 1 MiB. More
    /// goes to a scratch file.
    pub partition_bytes: usize,
    /// How often an exclusive partition is read that changes meanwhile, before this is an error;
    /// default 10.
    pub partition_tries: u32,
    /// Bytes up to which an exclusive partition is asked for in one page after it changed; default
    /// 16 MiB.
    ///
    /// A page is always of one moment, but a server has to hold it in memory. ScyllaDB makes pages
    /// of at most 1 MiB.
    pub partition_page_bytes: usize,
    /// Directory for scratch files; default the system's directory for temporary files.
    pub scratch_dir: Option<PathBuf>,
    /// Bytes of memory that the journal of a partition may take; default 256 MiB.
    pub journal_bytes: usize,
    /// How long a server may take for one answer; default 30 s.
    pub request_timeout: Duration,
    /// How long a request is repeated after transient errors; default 60 s.
    pub patience: Duration,
    /// Most rows of a write; default 1,000.
    pub write_rows: usize,
    /// Writes that wait for their answers at the same time; default 128. It falls by itself when
    /// servers are overloaded.
    pub writes_in_flight: usize,
    /// How long no worker may write to a table that is to be amended, before this begins; default
    /// 3 s.
    ///
    /// Servers have no lock. A worker that is at rest for so long is only noticed when it writes.
    pub quiet: Duration,
    /// Replicas of each row if a restore creates the keyspace; `None`, the default, means 3, or as
    /// many as there are nodes.
    pub replication: Option<u32>,
    /// Timestamp of restored rows in microseconds since 1970; default [`RESTORED_AT`]. It must be
    /// in the past.
    pub timestamp: i64,
}

impl Default for CqlOptions {
    fn default() -> Self {
        Self {
            layout: None,
            limits: Limits::default(),
            password: None,
            tls_ca_file: None,
            addresses: BTreeMap::new(),
            consistency: ConsistencyLevel::LocalQuorum,
            batch_bytes: 256 << 10,
            page_bytes: 768 << 10,
            page_rows_max: 5_000,
            slice_bytes: 2 << 20,
            slices_in_flight: const { NonZeroUsize::new(3).unwrap() },
            partition_bytes: 1 << 20,
            partition_tries: 10,
            partition_page_bytes: 16 << 20,
            scratch_dir: None,
            journal_bytes: 256 << 20,
            request_timeout: Duration::from_secs(30),
            patience: Duration::from_secs(60),
            write_rows: 1_000,
            writes_in_flight: 128,
            quiet: Duration::from_secs(3),
            replication: None,
            timestamp: RESTORED_AT,
        }
    }
}

/// Makes a setter for each field named.
macro_rules! setters {
    ($($setter:ident($field:ident: $kind:ty);)*) => {
        impl CqlOptions {
            $(
                #[doc = concat!("Sets [`", stringify!($field), "`](Self::", stringify!($field), ").")]
                #[must_use]
                pub fn $setter(self, $field: $kind) -> Self {
                    Self { $field: $field.into(), ..self }
                }
            )*
        }
    };
}

setters! {
    with_layout(layout: impl Into<Option<Layout>>);
    with_limits(limits: Limits);
    with_password(password: impl Into<Option<Password>>);
    with_tls_ca_file(tls_ca_file: impl Into<Option<PathBuf>>);
    with_addresses(addresses: BTreeMap<IpAddr, SocketAddr>);
    with_consistency(consistency: ConsistencyLevel);
    with_batch_bytes(batch_bytes: usize);
    with_page_bytes(page_bytes: usize);
    with_page_rows_max(page_rows_max: u32);
    with_slice_bytes(slice_bytes: u64);
    with_slices_in_flight(slices_in_flight: NonZeroUsize);
    with_partition_bytes(partition_bytes: usize);
    with_partition_tries(partition_tries: u32);
    with_partition_page_bytes(partition_page_bytes: usize);
    with_scratch_dir(scratch_dir: impl Into<Option<PathBuf>>);
    with_journal_bytes(journal_bytes: usize);
    with_request_timeout(request_timeout: Duration);
    with_patience(patience: Duration);
    with_write_rows(write_rows: usize);
    with_writes_in_flight(writes_in_flight: usize);
    with_quiet(quiet: Duration);
    with_replication(replication: impl Into<Option<u32>>);
    with_timestamp(timestamp: i64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_known_by_their_names() {
        for level in ConsistencyLevel::ALL {
            assert_eq!(level.name().parse::<ConsistencyLevel>().unwrap(), level);
            assert_eq!(level.name().to_uppercase().parse::<ConsistencyLevel>().unwrap(), level);
        }
        assert!(matches!("two".parse::<ConsistencyLevel>(), Err(CqlError::UnknownLevel { .. })));
    }

    #[test]
    fn a_password_is_not_shown() {
        let options = CqlOptions::default().with_password(Password::new("secret"));
        assert!(!format!("{options:?}").contains("secret"));
    }
}
