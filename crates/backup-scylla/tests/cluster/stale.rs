//! A replica that missed what was written.

use std::sync::Arc;
use std::time::Duration;

use backup_format::Consistency;
use backup_layout::Layout;
use backup_scylla::{ConsistencyLevel, CqlOptions};
use backup_testkit::Content;
use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::policies::host_filter::AllowListHostFilter;

use crate::place::{KEYSPACE, hosts};
use crate::repository::{Place, fill, filled, validator};
use crate::trio::{Trio, kill};

const QUESTIONS_MAX: u32 = 40;

/// The level, whether exclusive partitions take several pages, and what the dump may call itself.
const LEVELS: [(ConsistencyLevel, bool, Consistency); 6] = [
    // Pages begin with one row, so that exclusive partitions take several at first; then they are read
    // in one.
    (ConsistencyLevel::LocalQuorum, false, Consistency::Causal),
    (ConsistencyLevel::Quorum, true, Consistency::Fuzzy),
    (ConsistencyLevel::All, false, Consistency::Causal),
    (ConsistencyLevel::All, true, Consistency::Causal),
    (ConsistencyLevel::One, false, Consistency::Fuzzy),
    (ConsistencyLevel::LocalOne, false, Consistency::Fuzzy),
];

fn options(level: ConsistencyLevel, several_pages: bool) -> CqlOptions {
    let options = CqlOptions::default().with_layout(Layout::Linera015).with_consistency(level);
    if several_pages { options.with_page_rows_max(8).with_partition_page_bytes(0) } else { options }
}

/// A session that knows one node alone, and has it answer from what it has itself.
async fn alone(node: usize) -> Session {
    let hosts = hosts();
    let host = hosts.split(',').nth(node - 1).unwrap();
    let profile = ExecutionProfile::builder().consistency(scylla::statement::Consistency::One).build();
    let filter = AllowListHostFilter::new([host]).unwrap();
    let builder = SessionBuilder::new().known_node(host).host_filter(Arc::new(filter));
    builder.default_execution_profile_handle(profile.into_handle()).build().await.unwrap()
}

/// Counts rows whose values are of a generation. A node takes a while to believe that the others
/// are dead, and asks them until then.
async fn rows_of(session: &Session, table: &str, generation: u8) -> usize {
    let text = format!("SELECT v FROM {KEYSPACE}.{table}");
    let mut last = None;
    for _ in 0..QUESTIONS_MAX {
        match session.query_unpaged(&*text, ()).await {
            Ok(result) => {
                let rows = result.into_rows_result().unwrap();
                let values = rows.rows::<(Vec<u8>,)>().unwrap().map(|row| row.unwrap().0);
                let is_of = |value: &Vec<u8>| value.len() > 20 && value.ends_with(&[generation; 10]);
                return values.filter(is_of).count();
            }
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("a node alone does not answer: {last:?}");
}

/// A table of which the third node has only the first generation: it was dead when the second was
/// written.
async fn stale(trio: &Trio) -> (String, Content) {
    let table = filled(&trio.server, &validator(20, 1)).await;
    kill(&[3]).await;
    let written = validator(20, 2);
    fill(&trio.server, &table, &written).await;
    trio.mend().await;
    (table, written)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_of_a_majority_holds_all_that_was_acknowledged_although_a_replica_missed_it() {
    let trio = Trio::whole().await;
    let (table, written) = stale(&trio).await;
    kill(&[1, 2]).await;
    let missed = rows_of(&alone(3).await, &table, 1).await;
    assert!(missed > 0, "the third node missed nothing: the test proves nothing");
    trio.mend().await;
    let place = Place::new().await;
    let dump = place.dump(&trio.namespace(&table, options(ConsistencyLevel::LocalQuorum, false))).await;
    assert_eq!(dump.manifest.inventory.as_ref().unwrap().digest, written.digest());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_is_called_causal_only_where_the_replicas_that_answered_vouch_for_it() {
    let trio = Trio::whole().await;
    let content = validator(5, 3);
    let table = filled(&trio.server, &content).await;
    for (level, several_pages, expected) in LEVELS {
        let place = Place::new().await;
        let dump = place.dump(&trio.namespace(&table, options(level, several_pages))).await;
        assert_eq!(dump.manifest.consistency, expected, "{} {several_pages}", level.name());
        assert_eq!(dump.manifest.inventory.as_ref().unwrap().digest, content.digest());
    }
}
