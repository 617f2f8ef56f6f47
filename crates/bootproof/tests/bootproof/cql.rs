//! Tables of a CQL server in place of dumps, and dumps that were made of tables.

use std::path::Path;

use anyhow::Result;
use backup_format::Order;
use backup_layout::Layout;
use backup_layout::cql::partition_key;
use backup_repository::{BackupOptions, DumpChoice, Repository, RestoreOptions, open_location};
use backup_scylla::{CqlAddress, CqlNamespace, CqlOptions};
use bootproof::Kind;
use serde_json::Value;
use tempfile::TempDir;
use validator_network::cql::connect;
use validator_network::places::{Place, Scylla};
use validator_network::runtime::block_on;

use crate::Tests;
use crate::fixture::file;
use crate::histories::History;
use crate::keys::BLOCK;
use crate::program::{code, command, run};
use crate::proving::{dump, prove_at, show};

pub const TESTS: Tests = &[
    ("a table is proven and stays as it is", a_table_is_proven_and_stays_as_it_is),
    ("a deleted block is found in a table", a_deleted_block_is_found_in_a_table),
    ("a dump of a table is proven", a_dump_of_a_table_is_proven),
    ("what is no table of linera is not proven", what_is_no_table_of_linera_is_not_proven),
    ("passwords are read as kvbackup does", passwords_are_read_as_kvbackup_does),
];

/// A row of a table: its keys, its value, and when it was written.
type Row = (Vec<u8>, Vec<u8>, Vec<u8>, i64);

fn a_table_is_proven_and_stays_as_it_is() {
    let (table, repository) = (restored(), tempfile::tempdir().unwrap());
    dump(&History::Fixture.past().entries, repository.path());
    let before = rows(&table);
    let report = prove_at(&subject(&table), &["--against-dump", path(&repository)]);
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert!(report.dump.is_none() && report.against_dump.is_some_and(|id| id.len() == 64));
    assert_eq!(report.subject, subject(&table));
    assert_eq!(
        (report.layout.as_deref(), report.consistency.as_deref()),
        (Some("linera-0.15"), Some("causal"))
    );
    assert_eq!((report.counts.chains, report.counts.blocks, report.counts.entries), (2, 24, 188));
    assert!(report.scenarios.len() == 2 && report.scenarios.iter().all(|boot| boot.result == "ok"));

    // A worker that applies certificates writes, but not to the table.
    let arguments = [&subject(&table), "--cert", &file("cert1.bcs"), "--own-key", &file("own.key")];
    let output = run(&arguments);
    assert_eq!(code(&output), 0, "{output:?}");
    assert_eq!(rows(&table), before);
}

fn a_deleted_block_is_found_in_a_table() {
    let (table, repository) = (restored(), tempfile::tempdir().unwrap());
    dump(&History::Fixture.past().entries, repository.path());
    delete_block(&table);
    let output = run(&[&subject(&table), "--json", "--against-dump", path(&repository)]);
    assert_eq!(code(&output), 3, "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let kinds: Vec<_> = report["findings"].as_array().unwrap().iter().map(|it| &it["kind"]).collect();
    assert_eq!(kinds, ["digest_differs", "block_missing"]);
    let place = &report["findings"][1]["place"];
    let chain = hex::encode(History::Fixture.past().sender);
    assert_eq!((&place["chain"], &place["height"]), (&chain.into(), &5.into()));
}

fn a_dump_of_a_table_is_proven() {
    let (table, repository) = (restored(), tempfile::tempdir().unwrap());
    let first = dump_table(&table, repository.path());
    let report = prove_at(path(&repository), &[]);
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert_eq!((report.dump, report.counts.entries), (Some(first), 188));

    delete_block(&table);
    let second = dump_table(&table, repository.path());
    let report = prove_at(path(&repository), &[]);
    assert_eq!(report.dump, Some(second));
    let found: Vec<_> = report.findings.iter().map(show).collect();
    let place = History::Fixture.past().name("block of chain SENDER at height 5");
    assert!(found.len() == 1 && report.findings[0].kind == Kind::BlockMissing, "{found:#?}");
    assert!(report.findings[0].place.to_string().starts_with(&place), "{found:#?}");
}

fn what_is_no_table_of_linera_is_not_proven() {
    let (missing, foreign) = (Scylla::new().unwrap(), Scylla::new().unwrap());
    foreign.create_table().unwrap();
    let insert = format!("INSERT INTO {} (root_key, k, v) VALUES (0x77, 0x01, 0x02)", foreign.full_name());
    on_server(async |session| Ok(session.query_unpaged(insert, ()).await.map(drop)?));
    for (table, expected, text) in [(&missing, 1, "no table boot_"), (&foreign, 4, "cannot tell the layout")]
    {
        let output = run(&[&subject(table)]);
        assert_eq!(code(&output), expected, "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(text), "{output:?}");
    }
}

fn passwords_are_read_as_kvbackup_does() {
    let table = restored();
    let (missing, password) = ("/dev/null/no such file", tempfile::NamedTempFile::new().unwrap());
    let as_user = subject(&table).replace("scylla://", "scylla://cassandra@");
    let output = run(&[&as_user, "--password-file", missing]);
    assert_eq!(code(&output), 1, "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("reading the password from"), "{output:?}");
    // This server lets everybody in.
    std::fs::write(&password, "cassandra\n").unwrap();
    let output = run(&[&as_user, "--password-file", password.path().to_str().unwrap()]);
    assert_eq!(code(&output), 0, "{output:?}");
    let mut command = command(&[&as_user]);
    let output = command.env("KVBACKUP_CQL_PASSWORD", "cassandra").output().unwrap();
    assert_eq!(code(&output), 0, "{output:?}");
    let output = command.env_remove("KVBACKUP_CQL_PASSWORD").output().unwrap();
    assert_eq!(code(&output), 2, "{output:?}");
    let output = run(&[&subject(&table), "--tls-ca", missing]);
    assert_eq!(code(&output), 1, "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains(missing), "{output:?}");
}

/// Restores the fixture into a table.
fn restored() -> Scylla {
    let (table, directory) = (Scylla::new().unwrap(), tempfile::tempdir().unwrap());
    dump(&History::Fixture.past().entries, directory.path());
    block_on(|| async {
        let repository = Repository::open(open_location(path(&directory), false, [])?).await?;
        let dump = repository.dump(&DumpChoice::default()).await?;
        repository.restore(&dump, &namespace(&table), &RestoreOptions::default()).await?;
        Ok(())
    })
    .unwrap();
    table
}

fn namespace(table: &Scylla) -> CqlNamespace {
    CqlNamespace::at(address(table), CqlOptions::default().with_layout(Layout::Linera015))
}

fn address(table: &Scylla) -> CqlAddress {
    table.address().parse().unwrap()
}

/// Deletes one row: the block of the sender at height 5.
fn delete_block(table: &Scylla) {
    let past = History::Fixture.past();
    let key = (partition_key(&past.block_key(past.sender, 5)), [BLOCK, &[0; 4]].concat());
    let before = rows(table).len();
    let delete = format!("DELETE FROM {} WHERE root_key = ? AND k = ?", table.full_name());
    on_server(async |session| Ok(session.query_unpaged(delete, key).await.map(drop)?));
    assert_eq!(rows(table).len(), before - 1);
}

/// Dumps a table, and returns the id of the dump.
fn dump_table(table: &Scylla, repository: &Path) -> String {
    block_on(|| async {
        let repository = Repository::open_or_create(open_location(repository, true, [])?).await?;
        let options = BackupOptions::default();
        let report = repository.backup(&namespace(table), options).await?;
        assert_eq!((report.manifest.order, report.manifest.source.engine.as_str()), (Order::Token, "scylla"));
        Ok(report.dump.to_string())
    })
    .unwrap()
}

fn rows(table: &Scylla) -> Vec<Row> {
    let text = format!("SELECT root_key, k, v, WRITETIME(v) FROM {}", table.full_name());
    on_server(async |session| {
        let found = session.query_unpaged(text, ()).await?.into_rows_result()?;
        let rows = found.rows::<Row>()?.collect::<Result<Vec<_>, _>>()?;
        Ok(rows)
    })
}

fn on_server<T: Send>(run: impl AsyncFnOnce(&scylla::client::session::Session) -> Result<T> + Send) -> T {
    block_on(|| async { run(&connect().await?).await }).unwrap()
}

fn subject(table: &Scylla) -> String {
    address(table).to_string()
}

fn path(directory: &TempDir) -> &str {
    directory.path().to_str().unwrap()
}
