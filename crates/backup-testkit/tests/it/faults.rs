//! Namespaces that fail on purpose.

use std::sync::Arc;

use backup_format::{DatabaseBackup, EngineError, EntryBatch, ErrorClass, Order, RestoreTarget};
use backup_memory::MemoryNamespace;
use backup_testkit::suite::block_on;
use backup_testkit::{Content, Fault, Faults, FaultyEngine, InjectedFault, Namespace, Units};
use futures::TryStreamExt;

/// The operations of [`everything`]. The end of a stream counts as a batch.
const OPERATIONS: [&str; 20] = [
    "check",
    "begin",
    "writer",
    "write",
    "finish_unit",
    "finish",
    "view",
    "plan",
    "publish",
    "snapshot",
    "estimate",
    "plan",
    "entries",
    "batch",
    "batch",
    "begin",
    "discard",
    "begin",
    "finish",
    "discard",
];

/// Two empty namespaces whose operations are numbered together.
struct Pair {
    inner: [MemoryNamespace; 2],
    faults: Arc<Faults>,
    class: ErrorClass,
}

impl Pair {
    fn new(faults: Faults, class: ErrorClass) -> Self {
        Self { inner: ["one", "two"].map(MemoryNamespace::new), faults: Arc::new(faults), class }
    }

    /// Does everything that can be done with a namespace, and stops at the first error.
    async fn everything(&self) -> Result<(), EngineError> {
        let faulty = |inner: &MemoryNamespace| {
            FaultyEngine::new(Namespace::of(inner.clone()), Arc::clone(&self.faults), self.class)
        };
        let [one, two] = self.inner.each_ref().map(faulty);
        let units = Units::cut(&Content::of(&[(b"root", b"key", b"value")]), Order::Plain, 1, 1);
        one.check(&units.restore).await?;
        let sink = one.begin(&units.restore).await?;
        let mut writer = sink.writer(&units.units[0].unit).await?.unwrap();
        writer.write(units.units[0].segments[0].clone()).await?;
        writer.finish().await?;
        let restored = sink.finish().await?;
        restored.snapshot().await?.plan(1.try_into().unwrap()).await?;
        restored.publish().await?;
        let snapshot = one.snapshot().await?;
        snapshot.estimate().await?;
        let plan = snapshot.plan(1.try_into().unwrap()).await?;
        let batches: Vec<EntryBatch> = snapshot.entries(&plan.phases[0][0]).await?.try_collect().await?;
        assert_eq!(batches.len(), 1);
        two.begin(&units.restore).await?.discard().await?;
        two.begin(&units.restore).await?.finish().await?.discard().await
    }
}

#[test]
fn every_operation_of_a_namespace_fails_in_its_turn_and_with_the_chosen_class() {
    let classes = [ErrorClass::Transient, ErrorClass::Failed, ErrorClass::Damaged, ErrorClass::Refused];
    for class in classes {
        for fault in [Fault::Before, Fault::After] {
            for (number, operation) in (0..).zip(OPERATIONS) {
                let pair = Pair::new(Faults::nth(number, fault), class);
                let error = block_on(pair.everything()).unwrap_err();
                assert_eq!(error.class(), class);
                let injected = error.get_ref().downcast_ref::<InjectedFault>();
                assert_eq!(injected, Some(&InjectedFault { operation, number }));
                assert_eq!((pair.faults.fired(), pair.faults.operations()), (true, number + 1));
            }
        }
    }
}

#[test]
fn without_faults_all_operations_are_passed_on_and_counted() {
    let pair = Pair::new(Faults::none(), ErrorClass::Failed);
    block_on(pair.everything()).unwrap();
    assert_eq!(pair.faults.operations(), OPERATIONS.len() as u64);
    assert!(!pair.faults.fired());
    let counts = pair.faults.counts();
    for operation in OPERATIONS {
        let number = OPERATIONS.iter().filter(|other| **other == operation).count();
        assert_eq!(counts.get(operation), Some(&(number as u64)), "{operation}");
    }
    assert_eq!((pair.inner[0].len(), pair.inner[0].marker()), (1, None));
}

#[test]
fn an_operation_that_fails_after_has_done_its_work_and_one_that_fails_before_has_not() {
    let run = |operation, fault| {
        let pair = Pair::new(Faults::nth(0, fault).only(operation), ErrorClass::Failed);
        block_on(pair.everything()).unwrap_err();
        let [one, two] = &pair.inner;
        (one.len(), one.marker().is_some(), two.marker().is_some())
    };
    for (operation, before, after) in [
        ("begin", (0, false, false), (0, true, false)),
        ("write", (0, true, false), (1, true, false)),
        ("publish", (1, true, false), (1, false, false)),
        ("discard", (1, false, true), (1, false, false)),
    ] {
        assert_eq!(run(operation, Fault::Before), before, "{operation}");
        assert_eq!(run(operation, Fault::After), after, "{operation}");
    }
}

#[test]
fn a_lasting_fault_stays_and_another_one_passes() {
    for (faults, expected) in [
        (Faults::nth(1, Fault::Before), [false, true, false, false]),
        (Faults::nth(1, Fault::Before).lasting(), [false, true, true, true]),
        (Faults::nth(1, Fault::Before).only("b"), [false, false, false, true]),
    ] {
        assert_eq!(["a", "b", "a", "b"].map(|operation| faults.next(operation).is_err()), expected);
    }
}

#[test]
fn a_namespace_has_no_short_reads() {
    for number in 0..OPERATIONS.len() as u64 {
        let pair = Pair::new(Faults::nth(number, Fault::Short), ErrorClass::Failed);
        block_on(pair.everything()).unwrap();
        assert!(!pair.faults.fired());
    }
}
