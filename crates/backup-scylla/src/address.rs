//! Where a namespace is.

use std::fmt;
use std::str::FromStr;

use crate::error::CqlError;

/// Port of CQL.
const PORT: u16 = 9042;
const SCHEMES: [&str; 2] = ["scylla://", "cql://"];
/// Longest name of a keyspace or table.
const NAME_BYTES_MAX: usize = 48;

/// The address of a namespace: `scylla://[USER@]HOST[:PORT][,HOST[:PORT]..]/KEYSPACE/TABLE`, or the
/// same with `cql://`.
///
/// The table is the namespace. Names are case-sensitive, as they stand in the server's schema. An
/// address has no password, because addresses are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CqlAddress {
    hosts: Vec<String>,
    user: Option<String>,
    keyspace: String,
    table: String,
}

impl CqlAddress {
    /// Returns the servers to begin with, each as `HOST:PORT`; there is at least one. The others
    /// are learned from these.
    #[must_use]
    pub fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// Returns the name to log in with; `None` where there is no login.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Returns the keyspace.
    #[must_use]
    pub fn keyspace(&self) -> &str {
        &self.keyspace
    }

    /// Returns the table: the name of the namespace.
    #[must_use]
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Returns keyspace and table as they stand in statements.
    pub(crate) fn quoted(&self) -> String {
        format!("\"{}\".\"{}\"", self.keyspace, self.table)
    }
}

impl FromStr for CqlAddress {
    type Err = CqlError;

    /// Reads an address.
    ///
    /// # Errors
    ///
    /// [`CqlError::Address`].
    fn from_str(text: &str) -> Result<Self, CqlError> {
        parse(text).map_err(|problem| CqlError::Address { text: without_password(text), problem })
    }
}

impl fmt::Display for CqlAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hosts, user, keyspace, table } = self;
        let user = user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        write!(out, "scylla://{user}{}/{keyspace}/{table}", hosts.join(","))
    }
}

fn parse(text: &str) -> Result<CqlAddress, &'static str> {
    let rest = SCHEMES.iter().find_map(|scheme| text.strip_prefix(scheme));
    let rest = rest.ok_or("it starts with neither scylla:// nor cql://")?;
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, _)) if user.contains(':') => {
            return Err("an address has no password; give it in a file or a variable");
        }
        Some((user, _)) if user.is_empty() || user.contains('/') => return Err("the user's name is empty"),
        Some((user, rest)) => (Some(user.to_owned()), rest),
        None => (None, rest),
    };
    let (hosts, path) = rest.split_once('/').ok_or("the keyspace is missing")?;
    let (keyspace, table) = path.split_once('/').ok_or("the table is missing")?;
    for name in [keyspace, table] {
        check_name(name)?;
    }
    let hosts = hosts.split(',').map(parse_host).collect::<Result<_, _>>()?;
    Ok(CqlAddress { hosts, user, keyspace: keyspace.to_owned(), table: table.to_owned() })
}

fn check_name(name: &str) -> Result<(), &'static str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(fits) {
        return Err("keyspace and table have 1 to 48 letters, digits and underscores");
    }
    Ok(())
}

/// Takes `HOST`, `HOST:PORT` or, for IPv6, `[HOST]:PORT`; gives the host a port.
fn parse_host(text: &str) -> Result<String, &'static str> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) if host.contains(':') => (format!("[{host}]"), port.strip_prefix(':')),
        Some(_) => return Err("brackets are for addresses of IPv6"),
        None => match text.split_once(':') {
            Some((host, port)) => (host.to_owned(), Some(port)),
            None => (text.to_owned(), None),
        },
    };
    if host.is_empty() || host.chars().any(char::is_whitespace) {
        return Err("a host is missing");
    }
    match port.map(str::parse) {
        None => Ok(format!("{host}:{PORT}")),
        Some(Ok(port @ 1..=u16::MAX)) => Ok(format!("{host}:{port}")),
        Some(_) => Err("a port is a number from 1 to 65535; hosts of IPv6 stand in brackets"),
    }
}

/// Hides what may be a password in a text that is no address.
fn without_password(text: &str) -> String {
    let Some((before, host)) = text.rsplit_once('@') else { return text.to_owned() };
    let start = before.find("://").map_or(0, |at| at + 3);
    match before.get(start..).and_then(|user| user.find(':')) {
        Some(colon) => format!("{}:***@{host}", before.get(..start + colon).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_hosts_user_keyspace_and_table() {
        let address: CqlAddress =
            "scylla://linera@a,b:9142,[::1]:19042,[fe80::1]/kv/Namespace_1".parse().unwrap();
        assert_eq!(address.hosts(), ["a:9042", "b:9142", "[::1]:19042", "[fe80::1]:9042"]);
        assert_eq!(
            (address.user(), address.keyspace(), address.table()),
            (Some("linera"), "kv", "Namespace_1")
        );
        assert_eq!(address.quoted(), "\"kv\".\"Namespace_1\"");
        assert_eq!(address.to_string().parse::<CqlAddress>().unwrap(), address);
        let address: CqlAddress = "cql://127.0.0.1/kv/ns".parse().unwrap();
        assert_eq!(address.to_string(), "scylla://127.0.0.1:9042/kv/ns");
        assert_eq!(address.user(), None);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("cql://a/kv/{}", "x".repeat(49));
        for text in [
            "",
            "kv/ns",
            "http://a/kv/ns",
            "cql://a",
            "cql://a/kv",
            "cql://a/kv/",
            "cql:///kv/ns",
            "cql://a,/kv/ns",
            "cql://a:/kv/ns",
            "cql://a:0/kv/ns",
            "cql://a:65536/kv/ns",
            "cql://::1/kv/ns",
            "cql://[a]/kv/ns",
            "cql://a/kv/ns/more",
            "cql://a/kv/ns?layout=plain",
            "cql://a/k-v/ns",
            "cql://a/kv/\"ns",
            "cql://@a/kv/ns",
            &long,
        ] {
            assert!(matches!(text.parse::<CqlAddress>(), Err(CqlError::Address { .. })), "{text}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_refused_and_not_repeated() {
        let error = "scylla://linera:secret@host/kv/ns".parse::<CqlAddress>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"scylla://linera:***@host/kv/ns\" is not the address of a namespace: an address has no password; \
             give it in a file or a variable"
        );
    }
}
