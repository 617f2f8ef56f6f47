//! Contents that take many seconds or hundreds of megabytes.

use backup_format::{FormatError, Limits, Order, show};
use backup_repository::{RepositoryError, RestoreOptions, VerifyOptions};

use super::repository::{dump, new_store, options, repository};
use super::support::{check_content, check_database, ok, open, read, restored};
use crate::capabilities::RootKeys;
use crate::content::Content;
use crate::engine::{Engine, Namespace};
use crate::seed::seed;
use crate::units::Units;

const MILLION: u64 = 1_000_000;
const VALUE_BYTES: usize = 300_000_000;

fn root_key(engine: &dyn Engine) -> &'static [u8] {
    match engine.capabilities().root_keys {
        RootKeys::OnlyEmpty => b"",
        _ => b"\x05heavy",
    }
}

pub(super) async fn a_partition_of_a_million_entries_reads_and_restores(engine: &dyn Engine) {
    let content = Content::partition(seed(), root_key(engine), MILLION, 8..=40);
    let database = engine.create(&content).await.source;
    let snapshot = open(&*database).await;
    check_content("one range", &content, &read(&*snapshot, 1).await);
    check_content("four ranges", &content, &read(&*snapshot, 4).await);
    drop((snapshot, database));
    let units = Units::cut(&content, Order::Plain, 256 << 10, 32);
    let database = restored(engine, &units).await.source;
    drop(units);
    check_database("a restored million", &*database, &content).await;
}

pub(super) async fn a_value_of_300_megabytes_is_refused_by_name_unless_the_limit_is_raised(
    engine: &dyn Engine,
) {
    let (root_key, key) = (root_key(engine), b"heavy key");
    let mut content = Content::of(&[(root_key, b"a", b"before"), (root_key, b"z", b"after")]);
    content.put(root_key, key, &vec![b'x'; VALUE_BYTES]);
    if let Some(objection) = engine.capabilities().objection(&content) {
        eprintln!("left out, {} cannot hold {objection}", engine.name());
        return;
    }
    let database = engine.create(&content).await.source;
    let repository = repository(&new_store()).await;

    let error = repository.backup(&*database, options(1, 1)).await.expect_err("the value is above the limit");
    check_names_the_value(&error, root_key, key);
    assert!(ok(repository.dumps().await, "listing dumps").good.is_empty(), "there is a dump");

    let limits = Limits::default().with_value_bytes_max(VALUE_BYTES);
    let raised = backup_repository::BackupOptions { limits, ..options(1, 1) };
    let report = ok(repository.backup(&*database, raised).await, "backing up with a raised limit");
    drop(database);
    let dump = dump(&report);
    assert!(repository.verify(&dump, &VerifyOptions::default()).await.is_err(), "verified above the limit");
    let verifying = VerifyOptions { limits, ..VerifyOptions::default() };
    ok(repository.verify(&dump, &verifying).await, "verifying with a raised limit");

    let Namespace { source, target } = engine.empty().await;
    let low = repository.restore(&dump, &*target, &RestoreOptions::default()).await;
    assert!(low.is_err(), "restored above the limit");
    let restoring = RestoreOptions { limits, ..RestoreOptions::default() };
    ok(repository.restore(&dump, &*target, &restoring).await, "restoring with a raised limit");
    check_database("a restored value of 300 MB", &*source, &content).await;
}

/// The error must say which entry it is, how long it is, and what the limit is.
fn check_names_the_value(error: &RepositoryError, root: &[u8], its_key: &[u8]) {
    let RepositoryError::Entry { source, .. } = error else {
        panic!("expected an error about an entry: {error}")
    };
    let FormatError::EntryTooLong { root_key, key, what, found, limit, .. } = source else {
        panic!("expected an error about an entry that is too long: {source}")
    };
    assert_eq!((root_key, key), (&show(root), &show(its_key)));
    assert_eq!((*what, *found), ("value", VALUE_BYTES as u64));
    assert_eq!(*limit, Limits::default().value_bytes_max() as u64);
}
