//! Restores that end early.

use backup_format::{Order, Restore, RestoreTarget};

use super::support::{
    begin, check_database, finish, finish_and_publish, mixture, ok, other_restore, refused,
    refused_for_safety, units, write, write_all, writer,
};
use crate::content::Content;
use crate::engine::{Engine, Namespace};
use crate::units::Units;

pub(super) async fn a_dropped_restore_goes_on_where_it_was(engine: &dyn Engine) {
    let content = mixture(engine);
    for order in [Order::Plain, Order::Token] {
        let units = units(&content, order);
        let Namespace { source, target } = engine.empty().await;
        let (before, after) = units.units.split_at(units.units.len() / 2);
        let sink = begin(&*target, &units).await;
        write_all(&*sink, before).await;
        drop(sink);
        let sink = begin(&*target, &units).await;
        for unit in before {
            assert!(!write(&*sink, unit).await, "page {} was written, and must be again", unit.unit.page);
        }
        write_all(&*sink, after).await;
        finish_and_publish(sink).await;
        check_database("a restore that was resumed", &*source, &content).await;
    }
}

pub(super) async fn a_dropped_writer_leaves_its_unit_to_be_written_anew(engine: &dyn Engine) {
    let content = mixture(engine);
    let units = units(&content, Order::Plain);
    let Namespace { source, target } = engine.empty().await;
    let sink = begin(&*target, &units).await;
    for (index, unit) in units.units.iter().enumerate() {
        let mut dropped = writer(&*sink, unit).await;
        for segment in unit.segments.iter().take(index % 3) {
            ok(dropped.write(segment.clone()).await, "writing a segment");
        }
        drop(dropped);
    }
    write_all(&*sink, units.units.iter().skip(1)).await;
    drop(sink);
    // The first unit was begun in the earlier try only.
    let sink = begin(&*target, &units).await;
    write_all(&*sink, units.units.iter().take(1)).await;
    finish_and_publish(sink).await;
    check_database("units that were begun twice", &*source, &content).await;
}

pub(super) async fn a_unit_that_is_written_twice_counts_once(engine: &dyn Engine) {
    let content = mixture(engine);
    let units = units(&content, Order::Plain);
    let Namespace { source, target } = engine.empty().await;
    let sink = begin(&*target, &units).await;
    for unit in &units.units {
        // Both writers were opened before the unit was whole.
        let (mut first, mut second) = (writer(&*sink, unit).await, writer(&*sink, unit).await);
        for segment in &unit.segments {
            ok(first.write(segment.clone()).await, "writing a segment");
            ok(second.write(segment.clone()).await, "writing a segment again");
        }
        ok(first.finish().await, "completing a unit");
        ok(second.finish().await, "completing a unit again");
        write(&*sink, unit).await;
    }
    finish_and_publish(sink).await;
    check_database("units that were written twice", &*source, &content).await;
}

/// How far a restore comes before it is dropped.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
enum Stage {
    Begun,
    HalfWritten,
    Written,
    Finished,
    Viewed,
}

pub(super) async fn a_dropped_restore_is_never_published(engine: &dyn Engine) {
    let content = mixture(engine);
    let units = units(&content, Order::Plain);
    for stage in [Stage::Begun, Stage::HalfWritten, Stage::Written, Stage::Finished, Stage::Viewed] {
        let Namespace { source, target } = engine.empty().await;
        drop_at(stage, &*target, &units).await;
        refused(source.snapshot().await, &format!("reading after a restore was dropped, {stage:?}"));
        check_marked(&*target, &units.restore).await;
        let sink = begin(&*target, &units).await;
        for unit in &units.units {
            write(&*sink, unit).await;
        }
        finish_and_publish(sink).await;
        check_database(&format!("restored after one was dropped, {stage:?}"), &*source, &content).await;
    }
}

async fn drop_at(stage: Stage, target: &dyn RestoreTarget, units: &Units) {
    let sink = begin(target, units).await;
    if stage == Stage::HalfWritten {
        write_all(&*sink, units.units.iter().step_by(2)).await;
    }
    if stage >= Stage::Written {
        write_all(&*sink, &units.units).await;
    }
    if stage >= Stage::Finished {
        let restored = finish(sink).await;
        if stage >= Stage::Viewed {
            drop(ok(restored.snapshot().await, "reading what was restored"));
        }
    }
}

async fn check_marked(target: &dyn RestoreTarget, restore: &Restore) {
    ok(target.check(restore).await, "checking with the marker that is there");
    refused_for_safety(target.check(&other_restore()).await, "checking with another marker");
}

pub(super) async fn a_discarded_restore_leaves_an_empty_target(engine: &dyn Engine) {
    let content = mixture(engine);
    let units = units(&content, Order::Plain);
    let Namespace { source, target } = engine.empty().await;
    for (written, finishes) in [(0, false), (1, false), (units.units.len(), false), (units.units.len(), true)]
    {
        let sink = begin(&*target, &units).await;
        write_all(&*sink, units.units.iter().take(written)).await;
        let discarded = match finishes {
            true => finish(sink).await.discard().await,
            false => sink.discard().await,
        };
        ok(discarded, "discarding a restore");
        ok(target.check(&other_restore()).await, "checking a target after its restore was discarded");
    }
    // What was discarded neither shows nor counts as written in a restore of something else.
    let other = engine.capabilities().fit(&Content::of(&[(b"\x06other", b"key", b"value")]));
    let other_units = Units::cut(&other, Order::Plain, 1, 1);
    let sink = begin(&*target, &other_units).await;
    write_all(&*sink, &other_units.units).await;
    finish_and_publish(sink).await;
    check_database("another dump after a discarded restore", &*source, &other).await;
}
