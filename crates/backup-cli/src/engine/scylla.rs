//! ScyllaDB and Cassandra behind SOURCE and TARGET.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};
use backup_format::DatabaseBackup;
use backup_layout::Layout;
use backup_scylla::{CqlAddress, CqlNamespace, CqlOptions, Password};

use crate::cql::ConnectionArgs;
use crate::engine::EngineOptions;
use crate::locator::CqlPlace;
use crate::problem::Problem;

/// Holds the password where no file does.
const VARIABLE: &str = "KVBACKUP_CQL_PASSWORD";
/// More than any password; whoever names a larger file named the wrong one.
const PASSWORD_BYTES_MAX: u64 = 4 << 10;

/// Opens a table that is to be read, or that a dump is to be restored into.
pub(super) fn open(
    place: &CqlPlace,
    layout: Option<Layout>,
    given: EngineOptions,
) -> Result<Box<dyn DatabaseBackup>> {
    let mut options = CqlOptions::default().with_limits(given.limits);
    options.layout = layout;
    options.password = password(&place.address, &given.cql.connection)?;
    let cql = given.cql;
    options.tls_ca_file = cql.connection.tls_ca;
    set(&mut options.consistency, cql.connection.consistency);
    set(&mut options.request_timeout, cql.connection.request_timeout);
    set(&mut options.patience, cql.connection.patience);
    set(&mut options.page_bytes, cql.page_bytes);
    set(&mut options.slice_bytes, cql.slice_bytes.map(|bytes| bytes as u64));
    set(&mut options.slices_in_flight, cql.slices.map(Into::into));
    set(&mut options.writes_in_flight, cql.write_concurrency.map(Into::into));
    options.replication = cql.replication.map(Into::into);
    Ok(Box::new(CqlNamespace::at(place.address.clone(), options)))
}

fn set<T>(option: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *option = given;
    }
}

/// Takes the password of the address's user from the file that is named, or else from the environment. A variable that
/// nobody logs in with is left alone: it may be there for other commands.
fn password(address: &CqlAddress, given: &ConnectionArgs) -> Result<Option<Password>> {
    match (address.user(), &given.password_file) {
        (Some(_), Some(path)) => read_password(path).map(Some),
        (Some(user), None) => match std::env::var(VARIABLE) {
            Ok(password) => Ok(Some(Password::new(password))),
            Err(_) => Err(Problem::Usage(format!(
                "there is no password for user {user}: name its file with --password-file, or set {VARIABLE}"
            ))
            .into()),
        },
        (None, Some(_)) => {
            let text =
                format!("--password-file goes with a user, and {address} names none: scylla://USER@HOST..");
            Err(Problem::Usage(text).into())
        }
        (None, None) => Ok(None),
    }
}

/// Reads a file that holds a password and perhaps the end of a line.
fn read_password(path: &Path) -> Result<Password> {
    let doing = || format!("reading the password from {}", path.display());
    let mut text = String::new();
    let file = File::open(path).with_context(doing)?;
    let length = file.take(PASSWORD_BYTES_MAX + 1).read_to_string(&mut text).with_context(doing)?;
    let password = text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line));
    if password.is_empty() || length as u64 > PASSWORD_BYTES_MAX || password.contains('\n') {
        let text = format!("{}: expected one line, of at most {PASSWORD_BYTES_MAX} bytes", doing());
        return Err(Problem::Usage(text).into());
    }
    Ok(Password::new(password))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn a_password_is_one_line_of_a_file() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("password");
        let read = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            read_password(&path)
        };
        for text in ["secret", "secret\n", "secret\r\n"] {
            assert!(read(text.as_bytes()).unwrap() == Password::new("secret"), "{text:?}");
        }
        assert!(read(b" se cret \n").unwrap() == Password::new(" se cret "));
        for text in ["", "\n", "one\ntwo\n", &"x".repeat(5_000)] {
            let error = read(text.as_bytes()).unwrap_err();
            assert_eq!(Exit::of(&error), Exit::Usage, "{error}");
        }
        assert!(read(&[0xff]).is_err());
        assert!(read_password(&scratch.path().join("missing")).is_err());
    }

    #[test]
    fn a_password_goes_with_a_user() {
        let address: CqlAddress = "cql://db/kv/t".parse().unwrap();
        let file = ConnectionArgs { password_file: Some("/nowhere".into()), ..ConnectionArgs::default() };
        let error = password(&address, &file).unwrap_err();
        assert_eq!(Exit::of(&error), Exit::Usage, "{error}");
        assert!(password(&address, &ConnectionArgs::default()).unwrap().is_none());
        let address: CqlAddress = "cql://linera@db/kv/t".parse().unwrap();
        assert!(password(&address, &file).unwrap_err().to_string().contains("/nowhere"));
    }
}
