//! Restoring namespaces.

use std::fs;

use backup_format::{ErrorClass, Order, RestoreTarget};
use backup_layout::Layout;
use backup_layout::rocksdb::Encoder;
use backup_rocksdb::{RocksDbNamespace, RocksDbOptions};
use backup_testkit::{Heartbeat, longest_allowed};
use futures::{StreamExt, TryStreamExt};
use rocksdb::DB;
use tempfile::tempdir;

use crate::support::*;

fn index_rows(path: &std::path::Path) -> Vec<Vec<u8>> {
    let database = DB::open(&linera_options(), path).unwrap();
    let mut options = rocksdb::ReadOptions::default();
    options.set_total_order_seek(true);
    let from = rocksdb::IteratorMode::From(&[1], rocksdb::Direction::Forward);
    database.iterator_opt(from, options).map(|row| row.unwrap().0.to_vec()).collect()
}

fn expected_index(layout: Layout, entries: &[Entry]) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(layout);
    let rows = entries.iter().map(|(root, _, _)| encoder.index_row(root).unwrap().to_vec());
    let rows: std::collections::BTreeSet<_> = rows.collect();
    rows.into_iter().collect()
}

#[tokio::test]
async fn a_restored_fixture_opens_as_linera_opens_it_and_reads_the_same() {
    let base = tempdir().unwrap();
    let entries = read(&at(&fixture(base.path()))).await;
    let path = base.path().join("copy");
    let found = restore(&with(&path, Layout::Linera015), Order::Plain, &entries, 30).await.unwrap();
    assert_eq!(found, entries);
    assert_eq!(names(base.path()), ["copy", "validator_0"]);
    assert_eq!(index_rows(&path), expected_index(Layout::Linera015, &entries));
    assert_eq!(DB::list_cf(&linera_options(), &path).unwrap(), ["default"]);
    assert_eq!(read(&at(&path)).await, entries);
}

#[tokio::test]
async fn entries_of_any_order_are_restored_in_any_layout() {
    let base = tempdir().unwrap();
    for layout in [Layout::Linera015, Layout::Linera016] {
        for order in [Order::Plain, Order::Prefixed, Order::Token] {
            let mut entries = chains(40, 11, 300);
            entries.extend(
                chains(25, 3, 9)
                    .into_iter()
                    .map(|(root, key, value)| ([&[2], &root[1..], &[5]].concat(), key, value)),
            );
            entries.sort_by(|left, right| {
                order.compare_roots(&left.0, &right.0).then_with(|| left.1.cmp(&right.1))
            });
            let path = base.path().join(format!("{layout}-{}", order as u8));
            let mut options = RocksDbOptions::default().with_layout(layout);
            options.sst_bytes = 20_000;
            options.sort_bytes = 5_000;
            let target = RocksDbNamespace::at(&path, options);
            let found = restore(&target, order, &entries, 37).await.unwrap();
            let own = layout.rocksdb_order();
            entries.sort_by(|left, right| {
                own.compare_roots(&left.0, &right.0).then_with(|| left.1.cmp(&right.1))
            });
            assert_eq!(found, entries, "{layout} from order {order:?}");
            assert_eq!(index_rows(&path), expected_index(layout, &entries));
            assert_eq!(read(&with(&path, layout)).await, entries);
        }
    }
}

#[tokio::test]
async fn an_interrupted_restore_goes_on_where_it_was() {
    let base = tempdir().unwrap();
    let entries = chains(10, 10, 100);
    let units: Vec<_> = entries.chunks(25).collect();
    let path = base.path().join("ns");
    let target = with(&path, Layout::Linera015);
    let sink = target.begin(&restore_of(1, Order::Plain, &entries)).await.unwrap();
    assert!(write_unit(&*sink, 0, units[0]).await.unwrap());
    assert!(write_unit(&*sink, 2, units[2]).await.unwrap());
    let mut half = sink.writer(&unit(1, units[1])).await.unwrap().unwrap();
    half.write(segment(&units[1][..5])).await.unwrap();
    drop((half, sink));
    assert_eq!(names(base.path()), ["ns.restoring-0101010101010101"]);

    let sink = target.begin(&restore_of(1, Order::Plain, &entries)).await.unwrap();
    let written: Vec<bool> = {
        let mut written = Vec::new();
        for (number, some) in units.iter().enumerate() {
            written.push(write_unit(&*sink, number, some).await.unwrap());
        }
        written
    };
    assert_eq!(written, [false, true, false, true]);
    drop(sink.finish().await.unwrap());

    // A restore that is finished is not written again.
    let sink = target.begin(&restore_of(1, Order::Plain, &entries)).await.unwrap();
    for (number, some) in units.iter().enumerate() {
        assert!(!write_unit(&*sink, number, some).await.unwrap());
    }
    let restored = sink.finish().await.unwrap();
    let snapshot = restored.snapshot().await.unwrap();
    assert_eq!(read_all(&*snapshot, 2).await.unwrap(), entries);
    drop(snapshot);
    restored.publish().await.unwrap();
    assert_eq!(names(base.path()), ["ns"]);
    assert_eq!(read(&target).await, entries);
}

#[tokio::test]
async fn a_unit_whose_file_is_gone_is_written_again() {
    let base = tempdir().unwrap();
    let entries = chains(4, 10, 100);
    let target = with(&base.path().join("ns"), Layout::Linera015);
    let sink = target.begin(&restore_of(1, Order::Plain, &entries)).await.unwrap();
    assert!(write_unit(&*sink, 0, &entries).await.unwrap());
    drop(sink);
    let tables = base.path().join("ns.restoring-0101010101010101/sst");
    fs::remove_file(tables.join(&names(&tables)[0])).unwrap();
    let sink = target.begin(&restore_of(1, Order::Plain, &entries)).await.unwrap();
    assert!(write_unit(&*sink, 0, &entries).await.unwrap());
    sink.finish().await.unwrap().publish().await.unwrap();
    assert_eq!(read(&target).await, entries);
}

/// Copies of the work directory at moments of `finish` are what a crash there leaves behind.
#[tokio::test]
async fn finishing_is_repeatable_after_a_crash_between_its_steps() {
    let base = tempdir().unwrap();
    let entries = chains(10, 10, 100);
    let target = with(&base.path().join("ns"), Layout::Linera015);
    let sink = target.begin(&restore_of(1, Order::Plain, &entries)).await.unwrap();
    for (number, some) in entries.chunks(25).enumerate() {
        write_unit(&*sink, number, some).await.unwrap();
    }
    let work = base.path().join("ns.restoring-0101010101010101");
    let kept = base.path().join("tables");
    copy_directory(&work.join("sst"), &kept);
    drop(sink.finish().await.unwrap());
    let all = names(&kept);
    for back in [0, 1, all.len()] {
        // The stage says that files are being taken in, and some of them still stand outside.
        let text = fs::read_to_string(work.join("marker.json")).unwrap();
        assert!(text.contains("\"complete\""), "{text}");
        fs::write(work.join("marker.json"), text.replace("\"complete\"", "\"ingesting\"")).unwrap();
        for name in all.iter().take(back) {
            fs::copy(kept.join(name), work.join("sst").join(name)).unwrap();
        }
        let sink = target.begin(&restore_of(1, Order::Plain, &entries)).await.unwrap();
        assert!(!write_unit(&*sink, 0, &entries[..25]).await.unwrap());
        let restored = sink.finish().await.unwrap();
        let snapshot = restored.snapshot().await.unwrap();
        assert_eq!(read_all(&*snapshot, 1).await.unwrap(), entries);
    }
}

#[tokio::test]
async fn a_target_that_holds_anything_is_refused_and_left_alone() {
    let base = tempdir().unwrap();
    let entries = chains(2, 2, 2);
    let one = restore_of(1, Order::Plain, &entries);
    let path = fixture(base.path());
    let before = look(&path);
    let target = with(&path, Layout::Linera015);
    assert_error(target.begin(&one).await.map(drop), ErrorClass::Refused, &["validator_0", "not empty"]);
    assert_error(target.check(&one).await, ErrorClass::Refused, &["not empty"]);
    assert_eq!(look(&path), before);
    assert_eq!(names(base.path()), ["validator_0"]);

    let file = base.path().join("file");
    fs::write(&file, "x").unwrap();
    let target = with(&file, Layout::Linera015);
    assert_error(target.check(&one).await, ErrorClass::Refused, &["not empty"]);
}

#[tokio::test]
async fn a_restore_of_another_dump_stands_in_the_way() {
    let base = tempdir().unwrap();
    let entries = chains(2, 2, 2);
    let [one, two] = [1, 2].map(|number| restore_of(number, Order::Plain, &entries));
    let target = with(&base.path().join("ns"), Layout::Linera015);
    target.check(&one).await.unwrap();
    assert_eq!(names(base.path()), [""; 0]);
    let sink = target.begin(&one).await.unwrap();
    target.check(&one).await.unwrap();
    let words = [base.path().join("ns").to_str().unwrap(), &"01".repeat(32)].map(str::to_owned);
    let words = words.each_ref().map(String::as_str);
    assert_error(target.begin(&two).await.map(drop), ErrorClass::Refused, &words);
    assert_error(target.check(&two).await, ErrorClass::Refused, &words);
    drop(sink);
    assert_error(
        with(&base.path().join("ns"), Layout::Linera016).begin(&one).await.map(drop),
        ErrorClass::Refused,
        &["layout linera-0.15", "linera-0.16"],
    );
    let sink = target.begin(&one).await.unwrap();
    sink.discard().await.unwrap();
    assert_eq!(names(base.path()), [""; 0]);
    target.check(&two).await.unwrap();
    fs::create_dir_all(base.path().join("ns.restoring-0202020202020202/own")).unwrap();
    for restore in [one, two] {
        let words = ["ns.restoring-0202020202020202", "in the way"];
        assert_error(target.begin(&restore).await.map(drop), ErrorClass::Refused, &words);
    }
}

#[tokio::test]
async fn what_is_still_read_is_neither_put_in_its_place_nor_removed() {
    let base = tempdir().unwrap();
    let entries = chains(4, 4, 4);
    let target = with(&base.path().join("ns"), Layout::Linera015);
    let restored = || async {
        let sink = target.begin(&restore_of(1, Order::Plain, &entries)).await.unwrap();
        write_unit(&*sink, 0, &entries).await.unwrap();
        sink.finish().await.unwrap()
    };
    for publish in [true, false] {
        let restored = restored().await;
        let snapshot = restored.snapshot().await.unwrap();
        let refused = if publish { restored.publish().await } else { restored.discard().await };
        assert_error(refused, ErrorClass::Failed, &["ns.restoring-0101010101010101", "still in use"]);
        assert_eq!(read_all(&*snapshot, 1).await.unwrap(), entries);
    }
    restored().await.publish().await.unwrap();
    assert_eq!(read(&target).await, entries);
}

#[tokio::test]
async fn a_restore_that_waits_for_another_ends_when_it_is_dropped() {
    let base = tempdir().unwrap();
    let one = restore_of(1, Order::Plain, &[]);
    let target = with(&base.path().join("ns"), Layout::Linera015);
    let sink = target.begin(&one).await.unwrap();
    let began = std::time::Instant::now();
    let waiting = tokio::time::timeout(std::time::Duration::from_millis(200), target.begin(&one));
    assert!(waiting.await.is_err());
    assert!(began.elapsed() < std::time::Duration::from_secs(5), "it waited {:?}", began.elapsed());
    sink.finish().await.unwrap().publish().await.unwrap();
}

#[tokio::test]
async fn a_second_restore_of_the_same_dump_waits_and_disturbs_nothing() {
    let base = tempdir().unwrap();
    let entries = chains(4, 4, 20);
    let path = base.path().join("ns");
    let one = restore_of(1, Order::Plain, &entries);
    let sink = with(&path, Layout::Linera015).begin(&one).await.unwrap();
    assert!(write_unit(&*sink, 0, &entries).await.unwrap());
    let second = tokio::spawn({
        let path = path.clone();
        async move { with(&path, Layout::Linera015).begin(&one).await.map(drop) }
    });
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    sink.finish().await.unwrap().publish().await.unwrap();
    assert_error(second.await.unwrap(), ErrorClass::Refused, &["ns", "not empty"]);
    assert_eq!(names(base.path()), ["ns"]);
    assert_eq!(read(&at(&path)).await, entries);
}

#[tokio::test]
async fn what_cannot_be_a_target_is_refused() {
    let base = tempdir().unwrap();
    let one = restore_of(1, Order::Plain, &[]);
    let no_layout = at(&base.path().join("ns"));
    assert_error(no_layout.begin(&one).await.map(drop), ErrorClass::Refused, &["ns", "layout"]);
    let open = std::sync::Arc::new(DB::open(&linera_options(), base.path().join("open")).unwrap());
    let handle =
        RocksDbNamespace::from_handle(open, "open", RocksDbOptions::default().with_layout(Layout::Linera015));
    assert_error(handle.begin(&one).await.map(drop), ErrorClass::Refused, &["open", "by path"]);
    let link = base.path().join("link");
    std::os::unix::fs::symlink(base.path().join("missing"), &link).unwrap();
    let link = with(&link, Layout::Linera015);
    for refused in [link.check(&one).await, link.begin(&one).await.map(drop)] {
        assert_error(refused, ErrorClass::Refused, &["link", "symbolic link"]);
    }
    assert_eq!(names(base.path()), ["link", "open"]);
}

#[tokio::test]
async fn a_restore_without_all_entries_is_not_finished() {
    let base = tempdir().unwrap();
    let entries = chains(4, 4, 4);
    let target = with(&base.path().join("ns"), Layout::Linera015);
    let sink = target.begin(&restore_of(1, Order::Plain, &entries)).await.unwrap();
    write_unit(&*sink, 0, &entries[..6]).await.unwrap();
    assert_error(sink.finish().await.map(drop), ErrorClass::Failed, &["16 entries", "6 were written"]);
    assert_eq!(names(base.path()), ["ns.restoring-0101010101010101"]);
    let sink = target.begin(&restore_of(1, Order::Plain, &entries)).await.unwrap();
    assert!(!write_unit(&*sink, 0, &entries[..6]).await.unwrap());
    assert!(write_unit(&*sink, 1, &entries[6..]).await.unwrap());
    sink.finish().await.unwrap();
}

#[tokio::test]
async fn publishing_does_not_replace_what_came_in_between() {
    let base = tempdir().unwrap();
    let entries = chains(4, 4, 4);
    let path = base.path().join("ns");
    fs::create_dir(&path).unwrap();
    let target = with(&path, Layout::Linera015);
    let sink = target.begin(&restore_of(1, Order::Plain, &entries)).await.unwrap();
    write_unit(&*sink, 0, &entries).await.unwrap();
    let restored = sink.finish().await.unwrap();
    fs::write(path.join("precious"), "x").unwrap();
    assert_error(restored.publish().await, ErrorClass::Refused, &["not empty"]);
    fs::remove_file(path.join("precious")).unwrap();
    let sink = target.begin(&restore_of(1, Order::Plain, &entries)).await.unwrap();
    sink.finish().await.unwrap().publish().await.unwrap();
    assert_eq!(read(&target).await, entries);
}

#[tokio::test]
async fn column_families_are_restored_from_partitions_of_layout_plain() {
    let base = tempdir().unwrap();
    let entries = vec![
        entry("", "key", "default"),
        entry("a", "", "no key"),
        entry("b", "1", ""),
        entry("b", "2", "x"),
    ];
    let path = base.path().join("ns");
    let target = with(&path, Layout::Plain);
    let sink = target.begin(&restore_of(1, Order::Token, &entries)).await.unwrap();
    for (number, some) in entries.chunks(3).enumerate() {
        write_unit(&*sink, number, some).await.unwrap();
    }
    drop(sink.finish().await.unwrap());
    let sink = target.begin(&restore_of(1, Order::Token, &entries)).await.unwrap();
    sink.finish().await.unwrap().publish().await.unwrap();
    let mut expected = entries;
    expected[0].0 = bytes("default");
    expected.sort();
    assert_eq!(read(&target).await, expected);
}

#[tokio::test]
async fn root_keys_that_are_no_names_of_column_families_are_refused() {
    let base = tempdir().unwrap();
    for (root, word) in [(vec![0xff], "UTF-8"), (vec![b'a', 0], "zero byte")] {
        let entries = vec![(root.clone(), bytes("k"), bytes("v"))];
        let target = with(&base.path().join(word), Layout::Plain);
        let sink = target.begin(&restore_of(1, Order::Plain, &entries)).await.unwrap();
        let result = write_unit(&*sink, 0, &entries).await;
        assert_error(result, ErrorClass::Refused, &[word, &hex::encode(root)]);
        sink.discard().await.unwrap();
    }
}

#[tokio::test]
async fn nested_root_keys_are_not_restored_to_linera_0_15() {
    let base = tempdir().unwrap();
    let entries = vec![entry("ab", "k", "v"), entry("abc", "k", "v")];
    let target = with(&base.path().join("ns"), Layout::Linera015);
    let sink = target.begin(&restore_of(1, Order::Plain, &entries)).await.unwrap();
    assert_error(write_unit(&*sink, 0, &entries).await, ErrorClass::Refused, &["6162 ", "616263"]);
    drop(sink);
    // In units of their own, only the index brings them together.
    let sink = target.begin(&restore_of(1, Order::Plain, &entries)).await.unwrap();
    write_unit(&*sink, 1, &entries[..1]).await.unwrap();
    write_unit(&*sink, 2, &entries[1..]).await.unwrap();
    let restored = sink.finish().await.unwrap();
    let snapshot = restored.snapshot().await.unwrap();
    assert_error(read_all(&*snapshot, 1).await, ErrorClass::Refused, &["6162 ", "616263"]);
}

#[tokio::test]
async fn an_empty_dump_becomes_an_empty_namespace() {
    let base = tempdir().unwrap();
    let target = with(&base.path().join("ns"), Layout::Linera015);
    let sink = target.begin(&restore_of(1, Order::Plain, &[])).await.unwrap();
    let restored = sink.finish().await.unwrap();
    let snapshot = restored.snapshot().await.unwrap();
    assert_eq!(read_all(&*snapshot, 1).await.unwrap(), []);
    drop(snapshot);
    restored.publish().await.unwrap();
    assert_eq!(read(&target).await, []);
}

#[test]
fn a_resumed_restore_of_ten_thousand_units_keeps_no_task_of_the_runtime_waiting() {
    let base = tempdir().unwrap();
    let entries = chains(10_000, 1, 20);
    let path = base.path().join("ns");
    let restore = restore_of(1, Order::Plain, &entries);
    let units = || entries.chunks(1).enumerate();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let sink = with(&path, Layout::Linera015).begin(&restore).await.unwrap();
        let written = futures::stream::iter(units()).map(|(number, some)| write_unit(&*sink, number, some));
        let written =
            written.buffer_unordered(64).try_fold(0, |sum, new| async move { Ok(sum + u32::from(new)) });
        assert_eq!(written.await.unwrap(), 10_000);
    });
    let allowed = longest_allowed();
    let runtime =
        tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let beats = Heartbeat::start();
        let sink = with(&path, Layout::Linera015).begin(&restore).await.unwrap();
        for (number, some) in units() {
            assert!(sink.writer(&unit(number, some)).await.unwrap().is_none());
            tokio::task::yield_now().await;
        }
        let restored = sink.finish().await.unwrap();
        restored.publish().await.unwrap();
        let beats = beats.stop().await;
        println!("{beats:?} of {allowed:?}");
        assert!(beats.are_regular(allowed), "{beats:?} of {allowed:?}");
    });
    assert_eq!(
        DB::open(&linera_options(), &path).unwrap().iterator(rocksdb::IteratorMode::Start).count() / 2,
        10_000
    );
}
