//! Reading tables as linera writes them.

use std::collections::BTreeMap;

use backup_format::{Consistency, DatabaseBackup, EngineError, EntryBatch, ErrorClass, Snapshot, token};
use backup_layout::cql::{Encoder, partition_key};
use backup_layout::{JournalKey, Layout, LayoutError};
use backup_scylla::{CqlNamespace, CqlOptions};
use backup_testkit::Content;
use futures::TryStreamExt;

use crate::support::{KEYSPACE, Server, hosts};

/// Some partitions of each kind, in layout `linera-0.15`.
pub fn validator(chains: u8) -> Content {
    let mut content = Content::default();
    content.put(&[5], &[0x77], b"the network");
    for number in 0..chains {
        let chain = [&[0][..], &[number; 32]].concat();
        for row in 0..50 + u16::from(number) {
            content.put(&chain, &[&[1][..], &row.to_be_bytes()].concat(), &[number; 100]);
        }
        let block = [&[1][..], &[number; 32]].concat();
        content.put(&block, &[0x5b], &[1; 300]);
        content.put(&block, &[0xdd], &[2; 700]);
        content.put(&[&[2][..], &[number; 32], &[6]].concat(), &[0x2a], &vec![number; 3_000]);
        content.put(&[&[7][..], &[number; 32]].concat(), &[0; 8], &[number; 32]);
    }
    content.put(&[6, 1, 0, 0, 0], &[1], b"exporter");
    content
}

/// Reads all ranges, one after the other.
pub async fn read(snapshot: &dyn Snapshot, ranges_max: usize) -> Result<Vec<EntryBatch>, EngineError> {
    let mut batches = Vec::new();
    for range in snapshot.plan(ranges_max.try_into().unwrap()).await?.phases.iter().flatten() {
        batches.extend(snapshot.entries(range).await?.try_collect::<Vec<_>>().await?);
    }
    Ok(batches)
}

pub async fn content_of(namespace: &CqlNamespace) -> Content {
    let snapshot = namespace.snapshot().await.unwrap();
    let mut content = Content::default();
    read(&*snapshot, 1).await.unwrap().iter().for_each(|batch| content.extend(batch));
    content
}

async fn filled(server: &Server, content: &Content, sentinels: bool) -> String {
    let table = server.create_table().await;
    server.put(&table, Layout::Linera015, content.iter()).await;
    if sentinels {
        server.put_sentinels(&table, Layout::Linera015, content.root_keys()).await;
    }
    table
}

/// Options that make much of little content: short pages, small slices.
fn small() -> CqlOptions {
    CqlOptions::default().with_page_bytes(2 << 10).with_slice_bytes(16 << 10).with_batch_bytes(1 << 10)
}

#[tokio::test]
async fn exclusive_partitions_come_first_and_the_dump_is_causal() {
    let server = Server::connect().await;
    let content = validator(20);
    let table = filled(&server, &content, true).await;
    let namespace = server.borrowed(&table, small());
    for ranges_max in [1, 4] {
        let snapshot = namespace.snapshot().await.unwrap();
        let batches = read(&*snapshot, ranges_max).await.unwrap();
        let roots: Vec<&[u8]> = batches.iter().flat_map(EntryBatch::iter).map(|(root, _)| root).collect();
        let exclusive = roots.iter().take_while(|root| matches!(root[0], 0 | 6)).count();
        assert_eq!(exclusive, (0..20).map(|number| 50 + number).sum::<usize>() + 1);
        assert!(roots[exclusive..].iter().all(|root| !matches!(root[0], 0 | 6)));
        let mut found = Content::default();
        batches.iter().for_each(|batch| found.extend(batch));
        assert_eq!(content.difference(&found), None);
        assert_eq!(snapshot.consistency(), Consistency::Causal);
    }
    let snapshot = namespace.snapshot().await.unwrap();
    let source = snapshot.source();
    assert_eq!((&*source.engine, &*source.layout, &*source.namespace), ("scylla", "linera-0.15", &*table));
    assert!(
        source.engine_version.contains("Cassandra") || source.engine_version.contains("ScyllaDB"),
        "{source:?}"
    );
}

#[tokio::test]
async fn other_partitions_are_read_whole_whatever_their_number_of_rows() {
    let server = Server::connect().await;
    let mut content = validator(2);
    // The second phase takes 16 rows of a partition at first.
    for (number, rows) in [1, 15, 16, 17, 31, 32, 33, 200, 1_000, 16, 17].into_iter().enumerate() {
        let root_key = [&[7][..], &[100 + u8::try_from(number).unwrap(); 32]].concat();
        for row in 0..rows {
            content.put(&root_key, &u64::to_be_bytes(row), &[row as u8; 32]);
        }
    }
    let table = filled(&server, &content, true).await;
    for options in [small(), CqlOptions::default()] {
        let found = content_of(&server.borrowed(&table, options)).await;
        assert_eq!(content.difference(&found), None);
    }
}

#[tokio::test]
async fn exclusive_partitions_are_read_whole_wherever_a_page_ends() {
    let server = Server::connect().await;
    let mut content = validator(2);
    let rows = [1, 2, 998, 999, 1_000, 1_001, 2_500].into_iter().chain((0..40).map(|number| number * 7 % 60));
    for (number, rows) in rows.enumerate() {
        let number = u8::try_from(number).unwrap();
        let chain = [&[0][..], &[100 + number; 32]].concat();
        for row in 0..rows {
            content.put(&chain, &[&[1][..], &u32::to_be_bytes(row)].concat(), &[number; 60]);
        }
        // Between chains, and a little longer than they are.
        content.put(&[6, number, 0, 0, 0], &[1], &[number; 100]);
    }
    let table = filled(&server, &content, true).await;
    for page_rows_max in [1, 7, 64, 5_000] {
        let options = CqlOptions::default().with_page_rows_max(page_rows_max);
        let snapshot = server.borrowed(&table, options).snapshot().await.unwrap();
        let mut found = Content::default();
        let batches = read(&*snapshot, 2).await.unwrap();
        batches.iter().for_each(|batch| found.extend(batch));
        assert_eq!(content.difference(&found), None, "{page_rows_max} rows a page");
        let roots = batches.iter().flat_map(EntryBatch::iter).map(|(root, _)| root);
        let exclusive = roots.take_while(|root| matches!(root[0], 0 | 6));
        let places: Vec<_> = exclusive.map(|root| (token(&partition_key(root)), root)).collect();
        assert!(places.is_sorted(), "{page_rows_max} rows a page: not in the order of tokens");
        assert_eq!(snapshot.consistency(), Consistency::Causal);
    }
}

/// Keys of one partition that are spread in many ways.
fn spread_keys() -> [Vec<Vec<u8>>; 6] {
    // Keys of linera's views do not begin with 0.
    let keys = |key: fn(u32) -> Vec<u8>| (0..2_000).map(|number| [vec![1], key(number)].concat()).collect();
    [
        keys(|number| number.to_be_bytes().to_vec()),
        // Ever farther from each other.
        keys(|number| u64::from(number).pow(5).to_be_bytes().to_vec()),
        // Five heaps far from each other, whose keys differ at their ends alone.
        keys(|number| [&[(number / 400 * 40) as u8; 30][..], &number.to_be_bytes()].concat()),
        // One heap, and single keys behind it.
        keys(|number| match number {
            0..1_990 => [&[1; 8][..], &number.to_be_bytes()].concat(),
            _ => vec![number as u8; 3],
        }),
        // Many small heaps.
        keys(|number| {
            let heap = u64::from(number / 10).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
            [&heap[..], &[0; 5], &number.to_be_bytes()].concat()
        }),
        // Each begins the next.
        keys(|number| vec![0; number as usize + 1]),
    ]
}

#[tokio::test]
async fn partitions_of_many_pages_are_read_whole_whatever_their_keys() {
    let server = Server::connect().await;
    let mut content = validator(2);
    for (number, keys) in (100..).zip(spread_keys()) {
        for root_key in [[&[0][..], &[number; 32]].concat(), [&[7][..], &[number; 32]].concat()] {
            for key in &keys {
                content.put(&root_key, key, &[number; 40]);
            }
        }
    }
    let table = filled(&server, &content, true).await;
    for page_bytes in [200, 4 << 10, 64 << 10, 1 << 20] {
        let options = small().with_layout(Layout::Linera015).with_page_bytes(page_bytes);
        let snapshot = server.borrowed(&table, options).snapshot().await.unwrap();
        let mut found = Content::default();
        read(&*snapshot, 1).await.unwrap().iter().for_each(|batch| found.extend(batch));
        assert_eq!(content.difference(&found), None, "pages of {page_bytes} bytes");
        assert_eq!(content.digest(), found.digest());
        assert_eq!(snapshot.consistency(), Consistency::Causal);
    }
}

#[tokio::test]
async fn partitions_with_root_keys_like_those_of_chains_are_not_left_out() {
    let server = Server::connect().await;
    let ordinary = validator(4);
    // Too short, too long: no chain has such root keys, though they begin as if.
    for stray in [vec![], vec![0], [&[0][..], &[5; 7]].concat(), [&[0][..], &[5; 40]].concat()] {
        let mut content = ordinary.clone();
        content.put(&stray, &[1, 2, 3], b"stray");
        let table = filled(&server, &content, true).await;
        for ranges_max in [1, 3] {
            let snapshot = server
                .borrowed(&table, CqlOptions::default().with_layout(Layout::Linera015))
                .snapshot()
                .await
                .unwrap();
            let mut found = Content::default();
            read(&*snapshot, ranges_max).await.unwrap().iter().for_each(|batch| found.extend(batch));
            assert_eq!(content.difference(&found), None, "{stray:?} in {ranges_max} ranges");
        }
    }
}

#[tokio::test]
async fn a_partition_from_before_there_were_sentinels_is_proven_by_a_second_reading() {
    let server = Server::connect().await;
    let content = validator(3);
    let table = filled(&server, &content, false).await;
    let options = small().with_partition_page_bytes(0);
    let namespace = server.borrowed(&table, options.clone());
    let snapshot = namespace.snapshot().await.unwrap();
    let mut found = Content::default();
    read(&*snapshot, 1).await.unwrap().iter().for_each(|batch| found.extend(batch));
    assert_eq!(content.difference(&found), None);
    assert_eq!(snapshot.consistency(), Consistency::Causal);
    // One reading is none.
    let options = options.with_partition_tries(1);
    let error = server.borrowed(&table, options).snapshot().await.unwrap();
    let error = read(&*error, 1).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Transient);
}

#[tokio::test]
async fn a_sentinel_outside_of_exclusive_partitions_makes_the_dump_fuzzy() {
    let server = Server::connect().await;
    let content = validator(2);
    let table = filled(&server, &content, true).await;
    let block = content.root_keys().find(|root_key| root_key[0] == 1).unwrap();
    server.put_rows(&table, &[(partition_key(block), Vec::new(), Vec::new())]).await;
    let snapshot = server.borrowed(&table, small()).snapshot().await.unwrap();
    let mut found = Content::default();
    read(&*snapshot, 1).await.unwrap().iter().for_each(|batch| found.extend(batch));
    assert_eq!(content.difference(&found), None);
    assert_eq!(snapshot.consistency(), Consistency::Fuzzy);
}

#[tokio::test]
async fn partitions_that_do_not_fit_into_memory_wait_in_a_scratch_file() {
    let server = Server::connect().await;
    let content = validator(5);
    let table = filled(&server, &content, true).await;
    let scratch = tempfile::tempdir().unwrap();
    let options = small().with_partition_bytes(1 << 10).with_scratch_dir(scratch.path().to_owned());
    assert_eq!(content.difference(&content_of(&server.borrowed(&table, options.clone())).await), None);
    let options = options.with_scratch_dir(scratch.path().join("missing"));
    let snapshot = server.borrowed(&table, options).snapshot().await.unwrap();
    let error = read(&*snapshot, 1).await.unwrap_err();
    assert!(error.to_string().starts_with("writing a scratch file in"), "{error}");
}

#[tokio::test]
async fn a_pending_journal_is_read_as_linera_will_resolve_it() {
    let server = Server::connect().await;
    let content = validator(2);
    let table = filled(&server, &content, true).await;
    let chain = content.root_keys().next().unwrap();
    // Delete what begins with 01; put 02 and 01ff. Below the splitting of values.
    let mut block = vec![1, 1, 1, 0, 2];
    let mut emit = |key: &[u8], value: &[u8]| {
        for bytes in [key, value] {
            block.push(u8::try_from(bytes.len()).unwrap());
            block.extend_from_slice(bytes);
        }
        Ok::<_, LayoutError>(())
    };
    let mut encoder = Encoder::new(Layout::Linera015);
    encoder.encode(chain, &[1, 0xff], b"kept", &mut emit).unwrap();
    encoder.encode(chain, &[2], b"new", &mut emit).unwrap();
    let row = |key: JournalKey, value: &[u8]| (partition_key(chain), key.bytes().to_vec(), value.to_vec());
    server.put_rows(&table, &[row(JournalKey::Block(0), &block)]).await;
    let namespace = server.borrowed(&table, small());
    assert_eq!(content.difference(&content_of(&namespace).await), None, "a block without header is nothing");
    server.put_rows(&table, &[row(JournalKey::Header, &1u32.to_le_bytes())]).await;
    let mut expected = content.clone();
    let old: Vec<Vec<u8>> =
        content.iter().filter(|(root, ..)| *root == chain).map(|(_, key, _)| key.to_vec()).collect();
    old.iter().for_each(|key| assert!(expected.remove(chain, key)));
    expected.put(chain, &[1, 0xff], b"kept");
    expected.put(chain, &[2], b"new");
    let found = content_of(&namespace).await;
    assert_eq!(expected.difference(&found), None);
    assert_eq!(expected.digest(), found.digest());
    server.put_rows(&table, &[row(JournalKey::Header, &2u32.to_le_bytes())]).await;
    let snapshot = namespace.snapshot().await.unwrap();
    let error = read(&*snapshot, 1).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Damaged, "{error}");
}

#[tokio::test]
async fn reading_leaves_the_source_as_it_is() {
    let server = Server::connect().await;
    let table = filled(&server, &validator(4), true).await;
    let state = async || {
        let text = format!("SELECT root_key, k, v, WRITETIME(v) FROM {KEYSPACE}.{table}");
        let rows = server.session.query_unpaged(text, ()).await.unwrap().into_rows_result().unwrap();
        let rows = rows.rows::<(Vec<u8>, Vec<u8>, Vec<u8>, i64)>().unwrap();
        let rows = rows.map(|row| row.unwrap()).map(|(root, key, value, at)| ((root, key), (value, at)));
        let tables = "SELECT table_name, comment FROM system_schema.tables WHERE keyspace_name = ?";
        let tables = server.session.query_unpaged(tables, (KEYSPACE,)).await.unwrap();
        let tables = tables.into_rows_result().unwrap();
        let own = tables.rows::<(String, String)>().unwrap().map(|row| row.unwrap());
        (rows.collect::<BTreeMap<_, _>>(), own.filter(|(name, _)| *name == table).collect::<Vec<_>>())
    };
    let before = state().await;
    content_of(&server.borrowed(&table, small())).await;
    assert_eq!(before, state().await);
}

#[tokio::test]
async fn the_layout_is_detected_and_a_wrong_one_is_refused() {
    let server = Server::connect().await;
    let table = filled(&server, &validator(2), true).await;
    let namespace = server.borrowed(&table, CqlOptions::default());
    let snapshot = namespace.snapshot().await.unwrap();
    assert_eq!(snapshot.source().layout, Layout::Linera015.name());
    let wrong = server.borrowed(&table, CqlOptions::default().with_layout(Layout::Linera016));
    let error = wrong.snapshot().await.err().unwrap();
    assert_eq!(error.class(), ErrorClass::Refused);
    assert!(
        error.get_ref().source().unwrap().to_string().contains("in layout linera-0.15, not in linera-0.16")
    );
    let empty = server.create_table().await;
    let error = server.borrowed(&empty, CqlOptions::default()).snapshot().await.err().unwrap();
    assert_eq!(error.class(), ErrorClass::Refused);
}

#[tokio::test]
async fn what_is_not_there_or_not_linera_s_is_named() {
    let server = Server::connect().await;
    let refused = async |namespace: CqlNamespace| {
        let error = namespace.snapshot().await.err().unwrap();
        (error.class(), error.to_string())
    };
    let table = server.create_table().await;
    let missing = server.borrowed(&table.to_uppercase(), CqlOptions::default());
    let text = format!("no table {} in keyspace {KEYSPACE}; there is a table {table}", table.to_uppercase());
    assert_eq!(refused(missing).await, (ErrorClass::Failed, text));
    let address = format!("cql://{}/no_keyspace/x", hosts()).parse().unwrap();
    let (class, text) = refused(CqlNamespace::at(address, CqlOptions::default())).await;
    assert_eq!((class, &*text), (ErrorClass::Failed, "no table x in keyspace no_keyspace"));
    let other = server.new_name();
    server
        .run(&format!(
            "CREATE TABLE {KEYSPACE}.{other} (root_key blob, k text, v blob, PRIMARY KEY (root_key, k))"
        ))
        .await;
    let (class, text) = refused(server.borrowed(&other, CqlOptions::default())).await;
    assert_eq!(class, ErrorClass::Refused);
    assert!(
        text.ends_with("found k text (clustering), root_key blob (partition_key), v blob (regular)"),
        "{text}"
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_soon() {
    // A port of the discard protocol, on which nobody listens.
    let address = "scylla://127.0.0.1:9/kv/ns".parse().unwrap();
    let error = CqlNamespace::at(address, CqlOptions::default()).snapshot().await.err().unwrap();
    assert_eq!(error.to_string(), "connecting to scylla://127.0.0.1:9/kv/ns");
    assert_eq!(error.class(), ErrorClass::Transient);
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("refused"), "{error:?}");
}

#[test]
fn without_a_runtime_there_is_an_error_and_no_panic() {
    let namespace = CqlNamespace::at("cql://127.0.0.1/kv/ns".parse().unwrap(), CqlOptions::default());
    let error = futures::executor::block_on(namespace.snapshot()).err().unwrap();
    assert!(error.to_string().contains("no tokio runtime is running here"), "{error}");
}

#[tokio::test]
async fn a_login_needs_a_user_and_a_password() {
    let error = CqlNamespace::at("cql://me@127.0.0.1/kv/ns".parse().unwrap(), CqlOptions::default());
    let error = error.snapshot().await.err().unwrap();
    assert!(error.to_string().contains("there is no password"), "{error}");
}
