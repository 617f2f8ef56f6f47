//! What errors say.

use std::error::Error as _;

use backup_format::{EngineError, ErrorClass, FormatError, ObjectId};
use backup_memory::Error;

const FOUND: &str = "00000000";

fn dump(byte: u8) -> ObjectId {
    ObjectId([byte; 32])
}

#[test]
fn an_error_says_what_was_done_where_and_what_to_do_next() {
    let namespace = || "bank".to_owned();
    let (one, two) = ("01".repeat(32), "02".repeat(32));
    let cause = FormatError::Malformed { object: "share token", offset: 0, problem: FOUND.to_owned() };
    let texts = [
        (
            Error::TooLong { namespace: namespace(), what: "key", found: 5_000_000_000, limit: 4_294_967_295 },
            ErrorClass::Failed,
            "writing to namespace bank: a key of 5000000000 bytes is longer than the limit of 4294967295 bytes; nothing \
             was written"
                .to_owned(),
        ),
        (
            Error::HalfRestored { doing: "reading", namespace: namespace(), dump: dump(1) },
            ErrorClass::Refused,
            format!(
                "reading namespace bank: it is half restored from dump {one}; complete that restore or discard it first"
            ),
        ),
        (
            Error::NotEmpty { namespace: namespace(), dump: dump(1), entries: 7 },
            ErrorClass::Refused,
            format!(
                "restoring dump {one} into namespace bank: expected it empty, found 7 entries; choose another target"
            ),
        ),
        (
            Error::OtherMarker { namespace: namespace(), dump: dump(1), found: dump(2) },
            ErrorClass::Refused,
            format!(
                "restoring dump {one} into namespace bank: it carries the marker of the restore of dump {two}; complete \
                 that restore or discard it first"
            ),
        ),
        (
            Error::Ended { doing: "publishing", namespace: namespace(), dump: dump(1) },
            ErrorClass::Refused,
            format!(
                "publishing namespace bank: the restore of dump {one} was published or discarded elsewhere; begin anew"
            ),
        ),
        (
            Error::Unfinished { doing: "publishing", namespace: namespace(), dump: dump(1) },
            ErrorClass::Refused,
            format!("publishing namespace bank: the restore of dump {one} is not finished; finish it first"),
        ),
        (
            Error::WrongCount { namespace: namespace(), page: dump(2), expected: 3, found: 4 },
            ErrorClass::Failed,
            format!(
                "restoring page {two} into namespace bank: expected 3 entries, 4 were written; write the page anew"
            ),
        ),
        (
            Error::Share { namespace: namespace(), source: cause },
            ErrorClass::Failed,
            "reading namespace bank: the token of the share was not made by this engine".to_owned(),
        ),
    ];
    for (error, class, text) in texts {
        assert_eq!(error.to_string(), text);
        assert_eq!((error.class(), error.is_transient()), (class, false), "{text}");
        let cause = error.source().map(ToString::to_string);
        assert_eq!(cause.is_some(), matches!(error, Error::Share { .. }), "{text}");
        let error = EngineError::from(error);
        assert_eq!((error.to_string(), error.class()), (text, class));
        assert_eq!(error.source().map(ToString::to_string), cause);
    }
}
