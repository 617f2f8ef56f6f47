//! What errors say.

use backup_format::{ContractError, EngineError, ErrorClass, ObjectId};
use backup_memory::Error;

#[test]
fn an_error_says_what_was_done_where_and_what_to_do_next() {
    let error = Error::TooLong {
        namespace: "bank".to_owned(),
        what: "key",
        found: 5_000_000_000,
        limit: 4_294_967_295,
    };
    let text = "writing to namespace bank: a key of 5000000000 bytes is longer than the limit of 4294967295 bytes; \
                nothing was written";
    assert_eq!((error.to_string(), error.class()), (text.to_owned(), ErrorClass::Failed));
    assert!(!error.is_transient());
    let error = EngineError::from(error);
    assert_eq!((error.to_string(), error.class()), (text.to_owned(), ErrorClass::Failed));
}

#[test]
fn an_error_of_the_contract_is_found_as_such() {
    let cause = ContractError::NotEmpty {
        place: "namespace bank".to_owned(),
        dump: ObjectId([1; 32]),
        found: "7 entries are there".to_owned(),
    };
    let text = cause.to_string();
    let error = Error::from(cause);
    assert_eq!((error.to_string(), error.class()), (text.clone(), ErrorClass::Refused));
    let error = EngineError::from(error);
    assert_eq!((error.to_string(), error.class()), (text, ErrorClass::Refused));
    assert!(error.get_ref().is::<ContractError>());
}
