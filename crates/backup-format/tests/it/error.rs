//! The texts of errors.

use std::error::Error;
use std::io;

use backup_format::{Config, EngineError, ErrorClass, FormatError, Kind, ObjectId, show};

/// One error of each variant with its text.
fn all() -> [(FormatError, &'static str); 11] {
    let json = serde_json::from_str::<u8>("x").unwrap_err();
    [
        (
            FormatError::Malformed {
                object: "segment",
                offset: 7,
                problem: "expected a, found b".to_owned(),
            },
            "malformed segment at byte 7: expected a, found b",
        ),
        (
            FormatError::TooLong { object: "page", offset: 7, what: "plaintext", found: 9, limit: 8 },
            "page at byte 7: plaintext of 9 bytes is longer than the limit of 8 bytes",
        ),
        (
            FormatError::EntryTooLong {
                root_key: "ab".to_owned(),
                key: "cd".to_owned(),
                what: "value",
                found: 9,
                limit: 8,
                hint: "; raise it",
            },
            "entry root_key=ab key=cd: its value of 9 bytes is longer than the limit of 8 bytes; raise it",
        ),
        (
            FormatError::OutOfOrder {
                order: 1,
                root_key: "ab".to_owned(),
                key: "cd".to_owned(),
                previous: "root_key=ab key=ce".to_owned(),
            },
            "entries out of order 1: root_key=ab key=cd does not come after root_key=ab key=ce",
        ),
        (
            FormatError::WrongId {
                kind: Kind::Page,
                expected: ObjectId([0xab; 32]),
                found: ObjectId([0xcd; 32]),
            },
            "page abababababababababababababababababababababababababababababababab: its content hashes to \
             cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd; it was altered after it was written",
        ),
        (
            FormatError::UnknownVersion {
                file: "manifest",
                format: "a\n".to_owned(),
                version: 2,
                expected: "b",
                newest: 1,
            },
            "manifest: format \"a\\n\" version 2; this program reads \"b\" up to version 1",
        ),
        (
            FormatError::UnknownRequirement { file: "manifest", requirement: "a\n".to_owned() },
            "manifest requires \"a\\n\", which this version cannot read; use a newer one",
        ),
        (FormatError::Json { file: "config.json", source: json }, "config.json is not valid"),
        (
            FormatError::Field { file: "manifest", field: "started", found: "x".to_owned(), expected: "y" },
            "manifest: field started is x; expected y",
        ),
        (io_error(io::ErrorKind::Other), "reading the file at byte 7"),
        (io_error(io::ErrorKind::Interrupted), "reading the file at byte 7"),
    ]
}

fn io_error(kind: io::ErrorKind) -> FormatError {
    let source = io::Error::new(kind, "the disk says no");
    FormatError::Io { doing: "reading the file", offset: 7, source }
}

#[test]
fn each_error_says_what_where_and_why() {
    for (error, expected) in all() {
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn a_cause_is_told_by_source_alone() {
    for (error, text) in all() {
        let has_cause = matches!(error, FormatError::Json { .. } | FormatError::Io { .. });
        assert_eq!(error.source().is_some(), has_cause, "{text}");
        assert!(error.source().is_none_or(|source| !text.contains(&source.to_string())));
    }
    let error = Config::decode(b"{").unwrap_err();
    assert!(error.source().unwrap().to_string().contains("line 1"));
}

#[test]
fn only_an_interrupted_stream_is_worth_another_try() {
    let transient: Vec<_> = all().iter().map(|(error, _)| error.is_transient()).collect();
    assert_eq!(transient, [false, false, false, false, false, false, false, false, false, false, true]);
}

#[test]
fn bytes_are_shown_in_hex_and_long_ones_shortened() {
    assert_eq!(show(b""), "(empty)");
    assert_eq!(show(b"\x00\xff"), "00ff");
    assert_eq!(show(&[0xab; 48]), "ab".repeat(48));
    let mut long = vec![0x11; 30];
    long.extend_from_slice(&[0x22; 1 << 20]);
    assert_eq!(show(&long), format!("{}..{} (1048606 bytes)", "11".repeat(24), "22".repeat(12)));
}

#[test]
fn an_engine_error_shows_the_engines_own() {
    let error = EngineError::new(ErrorClass::Transient, io_error(io::ErrorKind::Other));
    assert_eq!(error.to_string(), "reading the file at byte 7");
    assert_eq!(error.source().unwrap().to_string(), "the disk says no");
    assert!(error.is_transient() && error.class() == ErrorClass::Transient);
    assert!(error.get_ref().is::<FormatError>());
    assert!(!EngineError::new(ErrorClass::Damaged, "no").is_transient());
}
