//! Restoring a dump into a namespace.

use backup_format::{DatabaseBackup, Order, RestorePlan};
use futures::future::join_all;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;

use super::support::{
    begin, cases, check_database, check_snapshot, finish_and_publish, mixture, ok, other_marker, refused,
    refused_for_safety, restored, units, write, write_all,
};
use crate::content::Content;
use crate::engine::Engine;
use crate::seed::seed;
use crate::units::Units;

const ORDERS: [Order; 3] = [Order::Prefixed, Order::Plain, Order::Token];

pub(super) async fn every_content_restores_from_every_order(engine: &dyn Engine) {
    for (name, content) in cases(engine) {
        for order in ORDERS {
            let units = Units::cut(&content, order, 64 << 10, 4);
            let database = restored(engine, &units).await;
            check_database(&format!("{name}, restored from {order:?}"), &*database, &content).await;
        }
    }
}

pub(super) async fn units_may_come_in_any_order(engine: &dyn Engine) {
    let content = mixture(engine);
    let mut random = SmallRng::seed_from_u64(seed());
    for order in ORDERS {
        let mut units = units(&content, order);
        units.units.shuffle(&mut random);
        let database = restored(engine, &units).await;
        check_database("units in any order", &*database, &content).await;
    }
}

pub(super) async fn units_may_be_written_at_once(engine: &dyn Engine) {
    let content = mixture(engine);
    let units = units(&content, Order::Plain);
    let database = engine.empty().await;
    let sink = begin(&*database, &units).await;
    let mut writers = Vec::new();
    for unit in &units.units {
        writers.push(super::support::writer(&*sink, unit).await);
    }
    // All writers are open; segments of different units alternate.
    let longest = units.units.iter().map(|unit| unit.segments.len()).max().unwrap_or_default();
    for index in 0..longest {
        let open = writers.iter_mut().zip(&units.units);
        let writes = open.filter_map(|(writer, unit)| Some(writer.write(unit.segments.get(index)?.clone())));
        join_all(writes).await.into_iter().for_each(|result| ok(result, "writing at once"));
    }
    let finished = join_all(writers.into_iter().map(|writer| writer.finish())).await;
    finished.into_iter().for_each(|result| ok(result, "completing units at once"));
    finish_and_publish(sink).await;
    check_database("units written at once", &*database, &content).await;
}

pub(super) async fn the_view_before_publishing_holds_exactly_the_content(engine: &dyn Engine) {
    let content = mixture(engine);
    let units = units(&content, Order::Plain);
    let database = engine.empty().await;
    let mut sink = begin(&*database, &units).await;
    write_all(&*sink, &units.units).await;
    ok(sink.finish().await, "finishing a restore");
    let view = ok(sink.snapshot().await, "reading what was restored");
    check_snapshot("the view before publishing", &*view, &content).await;
    drop(view);
    ok(sink.publish().await, "publishing a restore");
    check_database("a published namespace", &*database, &content).await;
}

pub(super) async fn a_published_namespace_is_no_longer_a_target(engine: &dyn Engine) {
    let content = mixture(engine);
    let units = units(&content, Order::Plain);
    let database = restored(engine, &units).await;
    check_refused(&*database, &units, "restoring the same dump again").await;
    check_database("a namespace that was refused as a target", &*database, &content).await;
}

pub(super) async fn a_namespace_that_holds_something_is_refused(engine: &dyn Engine) {
    let content = mixture(engine);
    let one_entry = engine.capabilities().fit(&Content::of(&[(b"\x02a", b"key", b"value")]));
    for content in [content, one_entry] {
        let database = engine.create(&content).await;
        let units = units(&mixture(engine), Order::Plain);
        check_refused(&*database, &units, "restoring over other content").await;
        check_database("a namespace that was refused as a target", &*database, &content).await;
    }
}

async fn check_refused(database: &dyn DatabaseBackup, units: &Units, doing: &str) {
    refused_for_safety(database.check_restorable(&units.marker).await, doing);
    refused_for_safety(database.restore(&units.marker, &units.plan).await, doing);
}

pub(super) async fn a_namespace_with_another_marker_is_refused(engine: &dyn Engine) {
    let content = mixture(engine);
    let units = units(&content, Order::Plain);
    let plan = RestorePlan { entries: 1, partitions: 1, ..units.plan };
    let database = engine.empty().await;
    ok(database.check_restorable(&units.marker).await, "checking an empty target");
    ok(database.check_restorable(&other_marker()).await, "checking leaves an empty target free");
    // The marker counts from the start, before anything is written.
    for written in [0, 1, units.units.len()] {
        let sink = begin(&*database, &units).await;
        for unit in units.units.iter().take(written) {
            write(&*sink, unit).await;
        }
        refused_for_safety(database.check_restorable(&other_marker()).await, "checking with another marker");
        refused_for_safety(database.restore(&other_marker(), &plan).await, "restoring with another marker");
        drop(sink);
        refused_for_safety(database.restore(&other_marker(), &plan).await, "restoring with another marker");
        ok(database.check_restorable(&units.marker).await, "checking with the marker that is there");
    }
    finish_and_publish(begin(&*database, &units).await).await;
    check_database("a restore that others disturbed", &*database, &content).await;
}

pub(super) async fn a_half_restored_namespace_cannot_be_read(engine: &dyn Engine) {
    let units = units(&mixture(engine), Order::Plain);
    let database = engine.empty().await;
    let mut sink = begin(&*database, &units).await;
    refused(database.snapshot().await, "reading a namespace that a restore has begun in");
    write_all(&*sink, &units.units).await;
    refused(database.snapshot().await, "reading a half restored namespace");
    ok(sink.finish().await, "finishing a restore");
    refused(database.snapshot().await, "reading a namespace that is not published");
    drop(sink);
    refused(database.snapshot().await, "reading a namespace whose restore was dropped");
}

pub(super) async fn a_restore_that_was_not_finished_cannot_be_published(engine: &dyn Engine) {
    let content = mixture(engine);
    let units = units(&content, Order::Plain);
    let database = engine.empty().await;
    let sink = begin(&*database, &units).await;
    write_all(&*sink, &units.units).await;
    refused(sink.publish().await, "publishing a restore that was not finished");
    refused(database.snapshot().await, "reading a namespace that was not published");
    refused_for_safety(database.check_restorable(&other_marker()).await, "checking with another marker");
    finish_and_publish(begin(&*database, &units).await).await;
    check_database("a restore that was finished later", &*database, &content).await;
}
