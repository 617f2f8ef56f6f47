//! Which dumps are forgotten, which never, and that it can be taken back.

use std::sync::Arc;
use std::time::Duration;

use backup_format::{ErrorClass, Manifest, ObjectId};
use backup_repository::{
    Clock, ForgetOptions, ForgetReport, KeepRules, Repository, RepositoryError, VerifyOptions,
};
use backup_testkit::Content;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::support::{back_up, namespace, repository};

/// A repository with dumps of one content that say they were finished at these times.
struct Dumps {
    store: Arc<InMemory>,
    repository: Repository,
    ids: Vec<ObjectId>,
}

impl Dumps {
    async fn at(times: &[&str]) -> Self {
        let store: Arc<InMemory> = Arc::default();
        let repository = repository(&store).await;
        let made = back_up(&repository, &namespace(&Content::partition(1, b"root", 50, 8..=40))).await;
        store.delete(&path("manifests", made.dump)).await.unwrap();
        let mut dumps = Self { store, repository, ids: Vec::new() };
        for time in times {
            dumps.add(&made.manifest, |manifest| manifest.finished = (*time).to_owned()).await;
        }
        dumps
    }

    async fn add(&mut self, manifest: &Manifest, edit: impl FnOnce(&mut Manifest)) {
        let mut manifest = manifest.clone();
        edit(&mut manifest);
        let (id, json) = manifest.encode().unwrap();
        self.store.put(&path("manifests", id), json.into()).await.unwrap();
        self.ids.push(id);
    }

    async fn manifest(&self) -> Manifest {
        self.repository.dumps().await.unwrap().good[0].manifest.clone()
    }

    /// Forgets with these rules; returns the numbers of the dumps that went.
    async fn forget(&self, rules: KeepRules) -> Vec<usize> {
        let options = ForgetOptions { rules, allow_most: true, ..ForgetOptions::default() };
        let report = self.repository.forget(&options).await.unwrap();
        self.check(&report).await;
        self.numbers(&report)
    }

    fn numbers(&self, report: &ForgetReport) -> Vec<usize> {
        let went = |id: &ObjectId| report.going().any(|dump| dump.id == *id);
        (0..self.ids.len()).filter(|number| went(&self.ids[*number])).collect()
    }

    /// Checks that what went is forgotten and can be had back, and that the rest is listed.
    async fn check(&self, report: &ForgetReport) {
        let listed = self.repository.dumps().await.unwrap();
        let forgotten = self.repository.forgotten().await.unwrap();
        assert_eq!((listed.good.len(), listed.damaged.len()), (report.kept(), 0));
        for dump in report.going() {
            assert!(listed.good.iter().all(|listed| listed.id != dump.id));
            assert!(forgotten.iter().any(|forgotten| forgotten.id == dump.id));
        }
    }
}

fn path(folder: &str, id: ObjectId) -> Path {
    Path::from(format!("{folder}/{id}.json"))
}

fn refused<T: std::fmt::Debug>(result: Result<T, RepositoryError>, says: &str) {
    let error = result.expect_err("must be refused");
    assert!(matches!(error, RepositoryError::Forget { .. }), "{error:?}");
    assert_eq!(error.class(), ErrorClass::Refused);
    assert!(error.to_string().contains(says), "{error}");
}

const DAYS: [&str; 6] = [
    "2026-01-01T10:00:00Z",
    "2026-01-01T22:00:00Z",
    "2026-01-02T10:00:00Z",
    "2026-01-04T10:00:00Z",
    "2026-02-01T10:00:00Z",
    "2026-02-01T10:30:00Z",
];

#[tokio::test]
async fn each_rule_keeps_what_it_says() {
    let days = |number: u64| Some(Duration::from_secs(number * 86_400));
    let rules = KeepRules::default;
    let cases = [
        (KeepRules { last: 2, ..rules() }, vec![0, 1, 2, 3]),
        (KeepRules { within: days(29), ..rules() }, vec![0, 1, 2]),
        (KeepRules { hourly: 2, ..rules() }, vec![0, 1, 2, 4]),
        (KeepRules { daily: 3, ..rules() }, vec![0, 1, 4]),
        // The first four days are of one week.
        (KeepRules { weekly: 5, ..rules() }, vec![0, 1, 2, 4]),
        (KeepRules { monthly: 5, ..rules() }, vec![0, 1, 2, 4]),
        (KeepRules { yearly: 5, ..rules() }, vec![0, 1, 2, 3, 4]),
        (KeepRules { last: 1, monthly: 2, ..rules() }, vec![0, 1, 2, 4]),
        (KeepRules { last: 100, ..rules() }, vec![]),
    ];
    for (rules, expected) in cases {
        let dumps = Dumps::at(&DAYS).await;
        assert_eq!(dumps.forget(rules.clone()).await, expected, "{rules:?}");
    }
}

#[tokio::test]
async fn weeks_and_days_are_those_of_utc_also_at_the_turn_of_a_year() {
    // Monday, 2025-12-29 to Sunday, 2026-01-04 is the first week of 2026.
    let dumps = Dumps::at(&["2025-12-28T23:59:59Z", "2025-12-29T00:00:00Z", "2026-01-04T23:59:59Z"]).await;
    assert_eq!(dumps.forget(KeepRules { weekly: 9, ..KeepRules::default() }).await, [1]);
    let dumps = Dumps::at(&["2025-12-31T23:30:00Z", "2026-01-01T00:30:00Z"]).await;
    assert_eq!(dumps.forget(KeepRules { yearly: 9, ..KeepRules::default() }).await, [0usize; 0]);
}

#[tokio::test]
async fn annotations_keep_dumps_by_name_or_by_value() {
    let mut dumps = Dumps::at(&["2026-01-01T00:00:00Z"]).await;
    let manifest = dumps.manifest().await;
    for (day, value) in [(2, "a"), (3, "b"), (4, "c")] {
        dumps
            .add(&manifest, |manifest| {
                manifest.finished = format!("2026-01-0{day}T00:00:00Z");
                manifest.inventory.as_mut().unwrap().annotations.insert("why".to_owned(), value.to_owned());
            })
            .await;
    }
    let rules = |value: Option<&str>| KeepRules {
        annotations: vec![("why".to_owned(), value.map(str::to_owned))],
        ..KeepRules::default()
    };
    assert_eq!(dumps.forget(rules(Some("a"))).await, [0, 2]);
    assert_eq!(dumps.forget(rules(None)).await, [0usize; 0], "the rest has the annotation");
}

#[tokio::test]
async fn the_newest_of_each_group_stays() {
    let mut dumps = Dumps::at(&DAYS[..2]).await;
    let manifest = dumps.manifest().await;
    dumps.add(&manifest, |manifest| manifest.namespace = "other".to_owned()).await;
    dumps.add(&manifest, |manifest| manifest.source.origin = Some("02ab".to_owned())).await;
    dumps.add(&manifest, |manifest| manifest.source.layout = "other-layout".to_owned()).await;
    let rules = KeepRules { within: Some(Duration::from_secs(1)), ..KeepRules::default() };
    assert_eq!(dumps.forget(rules).await, [0]);
    let newest = dumps.ids[1].to_string();
    let options = ForgetOptions { dumps: vec![newest], allow_most: true, ..ForgetOptions::default() };
    refused(dumps.repository.forget(&options).await, "is the newest of namespace");
}

#[tokio::test]
async fn a_dump_from_the_future_pushes_no_other_one_out_and_can_be_forgotten_by_name() {
    let dumps = Dumps::at(&["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2999-01-01T00:00:00Z"]).await;
    assert_eq!(dumps.forget(KeepRules { last: 1, ..KeepRules::default() }).await, [0]);
    let options = ForgetOptions { dumps: vec![dumps.ids[2].to_string()], ..ForgetOptions::default() };
    let report = dumps.repository.forget(&options).await.unwrap();
    assert_eq!(dumps.numbers(&report), [2]);
}

#[tokio::test]
async fn the_future_is_that_of_the_clock_of_the_repository() {
    let mut dumps = Dumps::at(&["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]).await;
    let before_both = std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    dumps.repository = dumps.repository.with_clock(Clock::new(move || before_both));
    assert_eq!(dumps.forget(KeepRules { last: 1, ..KeepRules::default() }).await, [0usize; 0]);
}

#[tokio::test]
async fn only_named_dumps_go_where_there_is_no_rule() {
    let dumps = Dumps::at(&DAYS).await;
    let named = vec![dumps.ids[1].to_string()[..12].to_owned()];
    let options = ForgetOptions { dumps: named, ..ForgetOptions::default() };
    let report = dumps.repository.forget(&options).await.unwrap();
    assert_eq!(dumps.numbers(&report), [1]);
    dumps.check(&report).await;
    let options = ForgetOptions { dumps: vec!["0000000".to_owned()], ..ForgetOptions::default() };
    let error = dumps.repository.forget(&options).await.unwrap_err();
    assert!(matches!(error, RepositoryError::NoDump { .. }), "{error:?}");
}

#[tokio::test]
async fn more_than_half_go_only_if_that_is_allowed_and_a_dry_run_changes_nothing() {
    let dumps = Dumps::at(&DAYS).await;
    let rules = KeepRules { last: 2, ..KeepRules::default() };
    let options = ForgetOptions { rules, ..ForgetOptions::default() };
    refused(dumps.repository.forget(&options).await, "4 of 6 dumps would go");
    assert_eq!(dumps.repository.dumps().await.unwrap().good.len(), 6);
    let dry = ForgetOptions { dry_run: true, ..options.clone() };
    let report = dumps.repository.forget(&dry).await.unwrap();
    assert_eq!(dumps.numbers(&report), [0, 1, 2, 3]);
    assert_eq!(dumps.repository.dumps().await.unwrap().good.len(), 6);
    let half = ForgetOptions { rules: KeepRules { last: 3, ..KeepRules::default() }, ..options };
    assert_eq!(dumps.repository.forget(&half).await.unwrap().kept(), 3);
}

#[tokio::test]
async fn nothing_is_forgotten_while_a_manifest_cannot_be_read() {
    let dumps = Dumps::at(&DAYS).await;
    let damaged = path("manifests", ObjectId([7; 32]));
    dumps.store.put(&damaged, "{}".into()).await.unwrap();
    let rules = KeepRules { last: 5, ..KeepRules::default() };
    let options = ForgetOptions { rules, ..ForgetOptions::default() };
    refused(dumps.repository.forget(&options).await, "cannot be read");
    assert_eq!(dumps.repository.dumps().await.unwrap().good.len(), 6);
}

#[tokio::test]
async fn other_namespaces_and_validators_are_left_alone() {
    let mut dumps = Dumps::at(&DAYS).await;
    let manifest = dumps.manifest().await;
    for day in [5, 6, 7] {
        dumps
            .add(&manifest, |manifest| {
                manifest.namespace = "other".to_owned();
                manifest.finished = format!("2026-01-0{day}T00:00:00Z");
            })
            .await;
    }
    let options = ForgetOptions {
        rules: KeepRules { last: 2, ..KeepRules::default() },
        namespace: Some("other".to_owned()),
        ..ForgetOptions::default()
    };
    assert_eq!(dumps.numbers(&dumps.repository.forget(&options).await.unwrap()), [6]);
    let named = ForgetOptions { dumps: vec![dumps.ids[0].to_string()], ..options };
    refused(dumps.repository.forget(&named).await, "another namespace");
    let origin = ForgetOptions {
        rules: KeepRules { last: 1, ..KeepRules::default() },
        origin: Some("02ab".to_owned()),
        ..ForgetOptions::default()
    };
    assert_eq!(dumps.numbers(&dumps.repository.forget(&origin).await.unwrap()), [0usize; 0]);
}

#[tokio::test]
async fn a_forgotten_dump_can_be_had_back_as_long_as_its_packs_are_there() {
    let dumps = Dumps::at(&DAYS).await;
    dumps.forget(KeepRules { last: 1, ..KeepRules::default() }).await;
    let (one, other) = (dumps.ids[0], dumps.ids[1]);
    assert_eq!(dumps.repository.unforget(&one.to_string()[..16]).await.unwrap().id, one);
    let listed = dumps.repository.dumps().await.unwrap().good;
    let dump = listed.iter().find(|dump| dump.id == one).unwrap();
    dumps.repository.verify(dump, &VerifyOptions::default()).await.unwrap();
    assert_eq!(dumps.repository.forgotten().await.unwrap().len(), 4);

    let error = dumps.repository.unforget(&one.to_string()).await.unwrap_err();
    assert!(matches!(error, RepositoryError::NoDump { .. }), "{error:?}");
    let packs = dumps.store.list(Some(&Path::from("packs")));
    for pack in futures::TryStreamExt::try_collect::<Vec<_>>(packs).await.unwrap() {
        dumps.store.delete(&pack.location).await.unwrap();
    }
    let error = dumps.repository.unforget(&other.to_string()).await.unwrap_err();
    assert!(matches!(error, RepositoryError::Gone { .. }), "{error:?}");
    assert_eq!(error.class(), ErrorClass::Failed);
    assert_eq!(dumps.repository.forgotten().await.unwrap().len(), 4);
}
