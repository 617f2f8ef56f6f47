//! What errors say.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use backup_format::{ContractError, EngineError, ErrorClass, ObjectId};
use backup_layout::LayoutError;
use backup_rocksdb::RocksDbError;

fn path() -> PathBuf {
    PathBuf::from("/base/ns")
}

/// Each error with its class and its text.
#[expect(clippy::too_many_lines, reason = "a table of all errors")]
fn errors() -> Vec<(RocksDbError, ErrorClass, String)> {
    use ErrorClass::{Damaged, Failed, Refused, Transient};
    let gone = || io::Error::new(io::ErrorKind::NotFound, "gone");
    let namespace = || "ns".to_owned();
    let of = |error, class, text: &str| (error, class, text.to_owned());
    vec![
        of(RocksDbError::Io { doing: "syncing", path: path(), source: gone() }, Failed, "syncing /base/ns"),
        of(
            RocksDbError::NoDatabase { path: path(), problem: "there is no such directory" },
            Failed,
            "no RocksDB database at /base/ns: there is no such directory",
        ),
        of(
            RocksDbError::BadCurrent { path: path() },
            Damaged,
            "database /base/ns is damaged: its file CURRENT does not name a manifest; copy the whole directory again",
        ),
        of(
            RocksDbError::FileMissing {
                path: path(),
                file: "000007.sst".to_owned(),
                named_by: "its manifest",
            },
            Damaged,
            "database /base/ns is incomplete: 000007.sst is named by its manifest but missing; copy the whole \
             directory again",
        ),
        of(
            RocksDbError::FileLength { path: path(), file: "000007.sst".to_owned(), expected: 9, found: 8 },
            Damaged,
            "database /base/ns is damaged: 000007.sst has 8 bytes, and its manifest says 9; copy the whole directory \
             again",
        ),
        of(
            RocksDbError::TableUnreadable { path: path(), file: "000007.sst".to_owned() },
            Damaged,
            "database /base/ns is damaged: 000007.sst is there in its full length, but cannot be opened; copy the \
             whole directory again",
        ),
        of(
            RocksDbError::LogMissing { path: path(), number: 13 },
            Refused,
            "database /base/ns lacks its write-ahead log: there is no whole file 000013.log or later, so the latest \
             writes are missing; copy the whole directory again",
        ),
        of(
            RocksDbError::LogGap { path: path(), log: "/base/wal/000013.log".into(), last: 100, found: 151 },
            Refused,
            "/base/wal/000013.log does not continue database /base/ns: expected a write with sequence number 101 or below, \
             found 151, so the writes in between are missing; the log is of another moment or another database, or some \
             writes were made without a log; copy the whole directory again",
        ),
        of(
            RocksDbError::Scratch { doing: "writing", path: "/tmp/x".into(), source: gone() },
            Failed,
            "writing /tmp/x, a scratch file",
        ),
        of(
            RocksDbError::Unsteady { path: path() },
            Transient,
            "database /base/ns changes faster than it can be opened; try again when it is less busy",
        ),
        of(
            RocksDbError::Layout { namespace: namespace(), source: Box::new(LayoutError::Empty) },
            Refused,
            "reading namespace ns",
        ),
        of(
            RocksDbError::TargetNotEmpty { path: path() },
            Refused,
            "restore target /base/ns is not empty; restore to another name, or move it away first",
        ),
        of(
            RocksDbError::Unmarked { path: "/base/ns.restoring-1".into() },
            Refused,
            "/base/ns.restoring-1 is in the way: it is named like a restore under way and holds something else; move it \
             away",
        ),
        of(
            RocksDbError::Locked { path: path(), holder: "another program", advice: "use `backup` instead" },
            Refused,
            "database /base/ns is held open by another program; use `backup` instead",
        ),
        of(
            RocksDbError::OtherOwner { path: path(), owner: 7, user: 0 },
            Refused,
            "database /base/ns belongs to user 7, and this is user 0, who would leave files in it that the other cannot \
             open; run this as user 7",
        ),
        of(
            RocksDbError::BadBackups { path: path(), problem: "it is the database" },
            Refused,
            "native backups cannot be kept in /base/ns: it is the database; name another directory",
        ),
        of(
            RocksDbError::Contract(ContractError::NotEmpty {
                place: "/base/ns".to_owned(),
                dump: ObjectId([0; 32]),
                found: "something is there".to_owned(),
            }),
            Refused,
            &format!(
                "restoring dump {} into /base/ns: it is not empty, something is there; choose an empty target",
                "0".repeat(64)
            ),
        ),
        of(RocksDbError::NoBackup { path: path(), id: Some(7) }, Failed, "no native backup 7 in /base/ns"),
        of(RocksDbError::NoBackup { path: path(), id: None }, Failed, "no native backup in /base/ns"),
    ]
}

#[test]
fn errors_say_what_where_and_what_next() {
    for (error, class, text) in errors() {
        assert_eq!(error.to_string(), text);
        assert_eq!(error.class(), class, "{text}");
        assert_eq!(error.is_transient(), class == ErrorClass::Transient);
    }
}

#[test]
fn causes_are_sources_and_not_repeated() {
    for (error, class, text) in errors() {
        let cause = error.source().map(ToString::to_string);
        assert!(cause.as_ref().is_none_or(|cause| !text.contains(cause)), "{text}: {cause:?}");
        let error = EngineError::from(error);
        assert_eq!((error.class(), error.to_string()), (class, text));
        assert_eq!(error.source().map(ToString::to_string), cause);
    }
}
