//! Restoring a dump into a namespace.

use backup_format::{Order, Restore, RestoreTarget};
use futures::future::join_all;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;

use super::support::{
    begin, cases, check_database, check_snapshot, finish, finish_and_publish, mixture, ok, open,
    other_restore, refused, refused_for_safety, restored, units, write, write_all,
};
use crate::content::Content;
use crate::engine::{Engine, Namespace};
use crate::seed::seed;
use crate::units::Units;

const ORDERS: [Order; 3] = [Order::Prefixed, Order::Plain, Order::Token];

pub(super) async fn every_content_restores_from_every_order(engine: &dyn Engine) {
    for (name, content) in cases(engine) {
        for order in ORDERS {
            let units = Units::cut(&content, order, 64 << 10, 4);
            let database = restored(engine, &units).await.source;
            check_database(&format!("{name}, restored from {order:?}"), &*database, &content).await;
        }
    }
}

pub(super) async fn units_may_come_in_any_order(engine: &dyn Engine) {
    let content = mixture(engine);
    let mut random = SmallRng::seed_from_u64(seed());
    for order in ORDERS {
        let mut units = units(&content, order);
        let first = units.units.first().map(|unit| unit.unit.page);
        units.units.shuffle(&mut random);
        // A unit other than the first comes first, whatever the seed.
        if units.units.first().map(|unit| unit.unit.page) == first {
            units.units.rotate_left(1);
        }
        let database = restored(engine, &units).await.source;
        check_database("units in any order", &*database, &content).await;
    }
}

pub(super) async fn units_may_be_written_at_once(engine: &dyn Engine) {
    let content = mixture(engine);
    let units = units(&content, Order::Plain);
    let Namespace { source, target } = engine.empty().await;
    let sink = begin(&*target, &units).await;
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
    check_database("units written at once", &*source, &content).await;
}

pub(super) async fn the_view_before_publishing_holds_exactly_the_content(engine: &dyn Engine) {
    let content = mixture(engine);
    let units = units(&content, Order::Plain);
    let Namespace { source, target } = engine.empty().await;
    let sink = begin(&*target, &units).await;
    write_all(&*sink, &units.units).await;
    let restored = finish(sink).await;
    let view = ok(restored.snapshot().await, "reading what was restored");
    check_snapshot("the view before publishing", &*view, &content).await;
    let info = view.source().clone();
    drop(view);
    ok(restored.publish().await, "publishing a restore");
    check_database("a published namespace", &*source, &content).await;
    assert_eq!(open(&*source).await.source(), &info, "the view before publishing is described differently");
}

pub(super) async fn a_published_namespace_is_no_longer_a_target(engine: &dyn Engine) {
    let content = mixture(engine);
    let units = units(&content, Order::Plain);
    let Namespace { source, target } = restored(engine, &units).await;
    check_refused(&*target, &units, "restoring the same dump again").await;
    check_database("a namespace that was refused as a target", &*source, &content).await;
}

pub(super) async fn a_namespace_that_holds_something_is_refused(engine: &dyn Engine) {
    let content = mixture(engine);
    let one_entry = engine.capabilities().fit(&Content::of(&[(b"\x02a", b"key", b"value")]));
    for content in [content, one_entry] {
        let Namespace { source, target } = engine.create(&content).await;
        let units = units(&mixture(engine), Order::Plain);
        check_refused(&*target, &units, "restoring over other content").await;
        check_database("a namespace that was refused as a target", &*source, &content).await;
    }
}

async fn check_refused(target: &dyn RestoreTarget, units: &Units, doing: &str) {
    refused_for_safety(target.check(&units.restore).await, doing);
    refused_for_safety(target.begin(&units.restore).await, doing);
}

pub(super) async fn a_namespace_with_another_marker_is_refused(engine: &dyn Engine) {
    let content = mixture(engine);
    let units = units(&content, Order::Plain);
    let other = Restore { order: units.restore.order, ..other_restore() };
    let Namespace { source, target } = engine.empty().await;
    ok(target.check(&units.restore).await, "checking an empty target");
    ok(target.check(&other).await, "checking leaves an empty target free");
    // The marker counts from the start, before anything is written.
    for written in [0, 1, units.units.len()] {
        let sink = begin(&*target, &units).await;
        for unit in units.units.iter().take(written) {
            write(&*sink, unit).await;
        }
        refused_for_safety(target.check(&other).await, "checking with another marker");
        refused_for_safety(target.begin(&other).await, "restoring with another marker");
        drop(sink);
        refused_for_safety(target.begin(&other).await, "restoring with another marker");
        ok(target.check(&units.restore).await, "checking with the marker that is there");
    }
    finish_and_publish(begin(&*target, &units).await).await;
    check_database("a restore that others disturbed", &*source, &content).await;
}

pub(super) async fn a_half_restored_namespace_cannot_be_read(engine: &dyn Engine) {
    let units = units(&mixture(engine), Order::Plain);
    let Namespace { source, target } = engine.empty().await;
    let sink = begin(&*target, &units).await;
    refused(source.snapshot().await, "reading a namespace that a restore has begun in");
    write_all(&*sink, &units.units).await;
    refused(source.snapshot().await, "reading a half restored namespace");
    let restored = finish(sink).await;
    refused(source.snapshot().await, "reading a namespace that is not published");
    drop(restored);
    refused(source.snapshot().await, "reading a namespace whose restore was dropped");
}
