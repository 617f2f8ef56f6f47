//! A real client of S3 and a server that fails on purpose.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use backup_format::{Config, ErrorClass};
use backup_memory::MemoryNamespace;
use backup_repository::{
    BackupOptions, DumpChoice, Event, Progress, Repository, RepositoryError, RestoreOptions, Store,
    VerifyOptions, open_location,
};
use backup_testkit::fault_server::Request;
use backup_testkit::{FaultServer, Mishap};

use crate::support::{content, namespace};

/// Serves; what goes wrong with each request is up to `script`.
async fn server(script: impl Fn(&Request) -> Mishap + Send + Sync + 'static) -> FaultServer {
    FaultServer::start(script).await.unwrap()
}

fn store(server: &FaultServer, bucket: &str, more: &[(&str, &str)]) -> Store {
    let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let variables = server.variables().into_iter().chain(more);
    open_location(format!("s3://{bucket}/r"), true, variables).unwrap()
}

fn config() -> Config {
    Config::new([7; 16], [9; 16]).with_targets(512, 8 << 10, 4 << 10)
}

/// Backs up, verifies and restores; returns how many requests were repeated, and how many files read again.
async fn round_trip(store: Store, namespace: &MemoryNamespace) -> Result<(u64, u64), RepositoryError> {
    let counts = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
    let counted = counts.clone();
    let progress = Progress::new(move |event| match event {
        Event::Waiting { .. } => drop(counted[0].fetch_add(1, Ordering::Relaxed)),
        Event::ReadAgain { .. } => drop(counted[1].fetch_add(1, Ordering::Relaxed)),
        _ => {}
    });
    let repository = Repository::create(store.with_progress(progress), config()).await?;
    let made = repository.backup(namespace, BackupOptions::default()).await?;
    let dump = repository.dump(&DumpChoice::Latest).await?;
    repository.verify(&dump, &VerifyOptions::default()).await?;
    let target = MemoryNamespace::new("restored");
    let restored = repository.restore(&dump, &target, &RestoreOptions::default()).await?;
    assert_eq!(
        restored.restored.map(|state| state.digest()),
        Some(made.manifest.inventory.as_ref().unwrap().digest)
    );
    Ok((counts[0].load(Ordering::Relaxed), counts[1].load(Ordering::Relaxed)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_makes_its_round_when_nothing_fails() {
    let server = server(|_| Mishap::None).await;
    assert_eq!(round_trip(store(&server, "kvb", &[]), &namespace(&content(1))).await.unwrap(), (0, 0));
    assert!(server.keys().iter().all(|key| key.starts_with("r/")), "{:?}", server.keys());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_for_a_while_is_waited_for_and_that_is_told() {
    let server = server(|request| match request.number {
        10..20 => Mishap::Refused(503, "SlowDown"),
        _ => Mishap::None,
    })
    .await;
    let (waited, again) = round_trip(store(&server, "kvb", &[]), &namespace(&content(2))).await.unwrap();
    assert!(waited > 0 && again == 0, "{waited} {again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn patience_ends_with_an_error_that_names_bucket_and_endpoint() {
    let server = server(|_| Mishap::Refused(503, "SlowDown")).await;
    let store = store(&server, "kvb", &[]).with_patience(Duration::from_millis(600));
    let error = Repository::open(store).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("bucket kvb at http://127.0.0.1") && text.contains("503"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn resets_lost_answers_and_cut_bodies_are_repeated() {
    let server = server(|request| match (request.method.as_str(), request.number % 5) {
        ("PUT", 0) => Mishap::Lost,
        ("PUT" | "LIST", 2) => Mishap::Reset,
        ("GET", 1) => Mishap::Cut,
        _ => Mishap::None,
    })
    .await;
    let (_, again) = round_trip(store(&server, "kvb", &[]), &namespace(&content(3))).await.unwrap();
    assert_eq!(again, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_config_whose_answer_was_lost_is_the_own_one() {
    let server = server(|request| match (request.method.as_str(), request.number) {
        ("PUT", 0..8) => Mishap::Lost,
        _ => Mishap::None,
    })
    .await;
    let repository = Repository::create(store(&server, "kvb", &[]), config()).await.unwrap();
    assert_eq!(*repository.config(), config());
    let keys = server.keys();
    assert!(keys.len() == 2 && keys[0] == "r/config.json" && keys[1].starts_with("r/configs/"), "{keys:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn downloads_with_flipped_bits_or_a_byte_short_are_read_again() {
    for mishap in [Mishap::Flipped, Mishap::Short] {
        // Once for each file: two readings that both come wrong are an error.
        let disturbed = Mutex::new(HashSet::new());
        let server = server(move |request| match (request.method.as_str(), request.number % 3) {
            ("GET", 0) if disturbed.lock().unwrap().insert(request.key.clone()) => mishap,
            _ => Mishap::None,
        })
        .await;
        let (_, again) = round_trip(store(&server, "kvb", &[]), &namespace(&content(4))).await.unwrap();
        assert!(again > 0, "{mishap:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_request_may_take_longer_than_a_silent_one() {
    let namespace = MemoryNamespace::new("validator");
    let mut random = 1_u64;
    let value: Vec<u8> = std::iter::repeat_with(|| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as u8
    })
    .take(300_000)
    .collect();
    namespace.put(b"chain", b"key", &value).unwrap();
    let server = server(|_| Mishap::Slow(200_000)).await;
    // 300 kB take one second and a half.
    let store = store(&server, "kvb", &[("AWS_READ_TIMEOUT", "400ms")]).with_patience(Duration::ZERO);
    round_trip(store, &namespace).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_stands_still_is_given_up_and_repeated() {
    let server = server(|request| match request.number {
        0..4 => Mishap::Silent,
        _ => Mishap::None,
    })
    .await;
    let store = store(&server, "kvb", &[("AWS_READ_TIMEOUT", "200ms")]);
    round_trip(store, &namespace(&content(5))).await.unwrap();
}

/// Opens or creates a repository on a server that refuses in one way, patiently: the error must come at once.
async fn refusal(bucket: &str, status: u16, code: &'static str, method: &'static str) -> RepositoryError {
    let refuses = move |request: &Request| match request.method == method {
        true => Mishap::Refused(status, code),
        false => Mishap::None,
    };
    let server = server(refuses).await;
    let error =
        Repository::open_or_create(store(&server, bucket, &[("AWS_REGION", "here-1")])).await.unwrap_err();
    let requests = server.requests();
    assert!(requests.len() <= 8, "{code}: {requests:?}");
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn what_will_not_change_is_told_at_once_with_bucket_place_credentials_and_right() {
    let place = "(region here-1)";
    for (bucket, (status, code), method, said) in [
        ("other", (200, ""), "", "bucket other does not exist at http://127.0.0.1"),
        (
            "kvb",
            (403, "AccessDenied"),
            "PUT",
            "the credentials of AWS_ACCESS_KEY_ID lack a right on bucket kvb",
        ),
        ("kvb", (403, "AccessDenied"), "PUT", "s3:PutObject"),
        ("kvb", (403, "AccessDenied"), "LIST", "s3:ListBucket"),
        ("kvb", (403, "AccessDenied"), "GET", "s3:GetObject"),
        ("kvb", (403, "InvalidAccessKeyId"), "GET", "does not accept the credentials of AWS_ACCESS_KEY_ID"),
        ("kvb", (403, "SignatureDoesNotMatch"), "GET", "(SignatureDoesNotMatch)"),
        ("kvb", (400, "AuthorizationHeaderMalformed"), "GET", "in elsewhere-1; set AWS_REGION"),
        ("kvb", (301, "PermanentRedirect"), "GET", "set AWS_REGION"),
        ("kvb", (501, "NotImplemented"), "PUT", "conditional PUT"),
    ] {
        let error = refusal(bucket, status, code, method).await;
        let text = error.to_string();
        assert!(text.contains(said) && text.contains(place), "{code}: {text}");
        assert!(!text.contains('<') && !text.contains("secret"), "{code}: {text}");
        assert_eq!(error.class(), ErrorClass::Failed, "{code}: {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_right_to_write_is_told_before_anything_is_read_and_the_probe_leaves_nothing() {
    let rights = Arc::new(AtomicU64::new(1));
    let given = rights.clone();
    let server = server(move |request| match (request.method.as_str(), given.load(Ordering::Relaxed)) {
        ("PUT", 0) => Mishap::Refused(403, "AccessDenied"),
        _ => Mishap::None,
    })
    .await;
    let repository = Repository::create(store(&server, "kvb", &[]), config()).await.unwrap();
    repository.backup(&namespace(&content(6)), BackupOptions::default()).await.unwrap();
    let (keys, requests) = (server.keys(), server.requests().len());
    rights.store(0, Ordering::Relaxed);
    let namespace = namespace(&content(7));
    let error = repository.backup(&namespace, BackupOptions::default()).await.unwrap_err();
    assert!(error.to_string().contains("s3:PutObject"), "{error}");
    assert_eq!(server.keys(), keys);
    let put = server.requests().into_iter().skip(requests).filter(|request| request.method == "PUT");
    assert!(put.map(|request| request.key).all(|key| key == "r/config.json"));
}
