//! Patches that a writer makes who cannot read: of the fingerprints in a sketch.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use backup_format::Digest;
use backup_memory::MemoryNamespace;
use backup_repository::{
    BackupOptions, BackupReport, BackupWarning, Dump, DumpChoice, ForgetOptions, Repository, RepositoryError,
    RestoreOptions, Secrets, StatsOptions, VerifyOptions,
};
use backup_testkit::{Content, Spec};
use object_store::memory::InMemory;
use tempfile::TempDir;

use super::{Person, Vault, unlocked};
use crate::patches::{Days, digest_of};
use crate::support::{namespace, options};

const TARGETS: [u64; 3] = [32 << 10, 512 << 10, 256 << 10];
const SMALL: [u64; 3] = [512, 8 << 10, 4 << 10];

async fn vault(targets: [u64; 3]) -> Vault {
    Vault::with_targets([7; 16], (Person::new(), Person::new()), targets).await
}

async fn try_back_up(
    repository: &Repository,
    namespace: &MemoryNamespace,
    sketch: Option<&Path>,
) -> Result<BackupReport, RepositoryError> {
    let options = BackupOptions { sketch: sketch.map(Path::to_owned), ..options(2, 2) };
    repository.backup(namespace, options).await
}

async fn back_up(
    repository: &Repository,
    namespace: &MemoryNamespace,
    sketch: Option<&Path>,
) -> BackupReport {
    let made = try_back_up(repository, namespace, sketch).await.unwrap();
    assert!(made.warnings.is_empty(), "{:?}", made.warnings);
    made
}

/// Verifies and restores with an identity, and compares both with what the namespace held.
async fn check(vault: &Vault, store: &Arc<InMemory>, made: &BackupReport, expected: Digest) {
    let reader = unlocked(store, vault.operations.secrets()).await.unwrap();
    let dump = reader.dump(&DumpChoice::Id(made.dump.to_string())).await.unwrap();
    let verified = reader.verify(&dump, &VerifyOptions::default()).await.unwrap();
    assert_eq!(verified.digest.unwrap().digest(), expected);
    let target = MemoryNamespace::new("target");
    reader.restore(&dump, &target, &RestoreOptions::default()).await.unwrap();
    assert_eq!(digest_of(&target).await, expected);
}

async fn patches(repository: &Repository) -> u64 {
    repository.stats(&StatsOptions::default()).await.unwrap().patches.number
}

/// The only file in a directory.
fn sketch_in(directory: &Path) -> PathBuf {
    let mut files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let file = files.next().unwrap();
    assert_eq!(files.next(), None);
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_read_stores_as_little_as_who_can() {
    let (vault, sketches) = (vault(TARGETS).await, TempDir::new().unwrap());
    let mut days = Days::new(6_000, 600);
    back_up(&vault.writer().await, &days.namespace, Some(sketches.path())).await;
    let stores = [vault.store.clone(), Arc::new(vault.store.fork()), Arc::new(vault.store.fork())];
    let with_identity = Secrets { identities: vault.operations.secrets().identities, ..vault.key_only() };
    let mut sums = [0; 3];
    for day in 0..6 {
        days.change(60);
        let expected = digest_of(&days.namespace).await;
        for (number, secrets) in
            [vault.key_only(), with_identity.clone(), vault.key_only()].into_iter().enumerate()
        {
            let repository = unlocked(&stores[number], secrets).await.unwrap();
            let sketch = (number == 0).then(|| sketches.path());
            let made = back_up(&repository, &days.namespace, sketch).await;
            sums[number] += made.stored_bytes;
            assert_eq!(made.sketch.is_some(), number == 0);
            if day % 3 == 2 {
                check(&vault, &stores[number], &made, expected).await;
            }
        }
    }
    let [sketched, read_back, whole] = sums;
    println!("stored on six days: {sketched} with a sketch, {read_back} with an identity, {whole} whole");
    let length = std::fs::metadata(sketch_in(sketches.path())).unwrap();
    assert_eq!(length.permissions().mode() & 0o777, 0o600);
    assert!(sketched * 100 < read_back * 110, "{sums:?}");
    assert!(sketched * 3 < whole, "{sums:?}");
    assert!(patches(&vault.locked().await).await > 100);
}

/// Two dumps of little content: what the namespace holds on the second day, and the directory with the sketch of the first one.
struct TwoDays {
    vault: Vault,
    sketches: TempDir,
    namespace: MemoryNamespace,
    expected: Digest,
}

impl TwoDays {
    async fn new() -> Self {
        Self::of(&Spec { partitions: 3, entries: 8..=12, value_bytes: 20..=60, ..Spec::default() }).await
    }

    async fn of(spec: &Spec) -> Self {
        let (vault, sketches) = (vault(SMALL).await, TempDir::new().unwrap());
        let content = Content::seeded(31, spec);
        let namespace = namespace(&content);
        back_up(&vault.writer().await, &namespace, Some(sketches.path())).await;
        for (number, (root_key, key, _)) in content.iter().enumerate() {
            if number % 9 == 4 {
                namespace.put(root_key, key, &[9; 30]).unwrap();
            }
        }
        let expected = digest_of(&namespace).await;
        Self { vault, sketches, namespace, expected }
    }

    fn sketch(&self) -> PathBuf {
        sketch_in(self.sketches.path())
    }

    /// Makes the second dump in a copy of the repository, with this sketch. Returns the warnings, and how many patches there are.
    async fn second(&self, sketch: &[u8]) -> (Vec<BackupWarning>, u64) {
        let store = Arc::new(self.vault.store.fork());
        std::fs::write(self.sketch(), sketch).unwrap();
        let repository = unlocked(&store, self.vault.key_only()).await.unwrap();
        let made = try_back_up(&repository, &self.namespace, Some(self.sketches.path())).await.unwrap();
        let dump = Dump { id: made.dump, manifest: made.manifest };
        let (reader, target) = (
            unlocked(&store, self.vault.operations.secrets()).await.unwrap(),
            MemoryNamespace::new("target"),
        );
        reader.restore(&dump, &target, &RestoreOptions::default()).await.unwrap();
        assert_eq!(digest_of(&target).await, self.expected);
        (made.warnings, patches(&repository).await)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_altered_byte_of_a_sketch_makes_a_wrong_dump() {
    let days = TwoDays::new().await;
    let sketch = std::fs::read(days.sketch()).unwrap();
    let (warnings, most) = days.second(&sketch).await;
    assert!(warnings.is_empty() && most > 1, "{warnings:?} {most}");
    assert!(sketch.len() < 2_500, "{}", sketch.len());
    let mut warned = 0;
    for at in 0..sketch.len() {
        let mut altered = sketch.clone();
        altered[at] ^= 1 << (at % 8);
        let (warnings, patches) = days.second(&altered).await;
        assert!(!warnings.is_empty() || patches == most, "byte {at}: {patches} of {most} patches");
        warned += usize::from(!warnings.is_empty());
    }
    // Records of segments that did not change are not all read, and all else is.
    assert!(warned * 10 > sketch.len() * 3, "{warned} of {}", sketch.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sketch_that_does_not_fit_is_a_warning_and_segments_are_stored_whole() {
    let days = TwoDays::new().await;
    let sketch = std::fs::read(days.sketch()).unwrap();
    let other = TwoDays::new().await;
    let of_another_repository = std::fs::read(other.sketch()).unwrap();
    let end = sketch.len() - 64;
    let with = |at: usize, bytes: &[u8]| {
        let mut altered = sketch.clone();
        altered[at..at + bytes.len()].copy_from_slice(bytes);
        altered
    };
    let of_dump = |bytes: &[u8]| {
        let mut altered = bytes.to_vec();
        let at = altered.len() - 64;
        altered[at..at + 32].copy_from_slice(&sketch[end..end + 32]);
        altered
    };
    for (what, bytes) in [
        ("empty", Vec::new()),
        ("short", sketch[..40].to_vec()),
        ("truncated", sketch[..sketch.len() - 1].to_vec()),
        ("longer", [&sketch[..], b"x"].concat()),
        ("half", sketch[..sketch.len() / 2].to_vec()),
        ("without records", [&sketch[..16], &sketch[end..]].concat()),
        ("of another repository", of_another_repository.clone()),
        ("of another repository that looks right", of_dump(&of_another_repository)),
        ("a directory at the end of all numbers", with(end + 32, &[255; 8])),
        ("a directory of very many segments", with(end + 40, &[255, 255, 255, 255, 0, 0, 0, 0])),
        ("a directory of more segments than numbers", with(end + 40, &[255; 8])),
        ("zeros", vec![0; 5_000]),
    ] {
        let (warnings, patches) = days.second(&bytes).await;
        assert!(matches!(warnings[..], [BackupWarning::UnusableSketch { .. }]), "{what}: {warnings:?}");
        assert_eq!(patches, 0, "{what}");
        assert!(std::fs::read(days.sketch()).unwrap().len() > 1_000, "{what}: a new one was written");
    }
    // A record that claims to be longer than anything is not read.
    let all_long = (16..sketch.len() - 200).fold(sketch.clone(), |mut bytes, at| {
        bytes[at] = 255;
        bytes
    });
    let (warnings, patches) = days.second(&all_long).await;
    assert!(matches!(warnings[..], [BackupWarning::DamagedSketch { .. }]), "{warnings:?}");
    assert_eq!(patches, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sketch_of_a_dump_that_is_not_the_one_before_is_not_used() {
    let days = TwoDays::new().await;
    let (store, writer) = (&days.vault.store, days.vault.writer().await);
    let first = std::fs::read(days.sketch()).unwrap();
    // A backup without a sketch came between.
    back_up(&writer, &days.namespace, None).await;
    days.namespace.put(b"new", b"key", b"value").unwrap();
    let made = try_back_up(&writer, &days.namespace, Some(days.sketches.path())).await.unwrap();
    assert!(matches!(made.warnings[..], [BackupWarning::UnusableSketch { .. }]), "{:?}", made.warnings);
    check(&days.vault, store, &made, digest_of(&days.namespace).await).await;
    // The one that was written then is of a dump that is forgotten.
    back_up(&writer, &days.namespace, None).await;
    let options = ForgetOptions { dumps: vec![made.dump.to_string()], ..ForgetOptions::default() };
    days.vault.locked().await.forget(&options).await.unwrap();
    days.namespace.put(b"new", b"key", b"other").unwrap();
    let made = try_back_up(&writer, &days.namespace, Some(days.sketches.path())).await.unwrap();
    assert!(matches!(made.warnings[..], [BackupWarning::UnusableSketch { .. }]), "{:?}", made.warnings);
    check(&days.vault, store, &made, digest_of(&days.namespace).await).await;
    // Another namespace has another file.
    assert_ne!(first, std::fs::read(days.sketch()).unwrap());
    let other = MemoryNamespace::new("other");
    other.put(b"root", b"key", b"value").unwrap();
    back_up(&writer, &other, Some(days.sketches.path())).await;
    assert_eq!(std::fs::read_dir(days.sketches.path()).unwrap().count(), 2);
    days.namespace.put(b"new", b"key", b"another").unwrap();
    back_up(&writer, &days.namespace, Some(days.sketches.path())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_makes_no_dump_leaves_the_sketch_as_it_was() {
    let days = TwoDays::new().await;
    let (writer, sketches) = (days.vault.writer().await, days.sketches.path());
    let before = std::fs::read(days.sketch()).unwrap();
    let dry = BackupOptions { dry_run: true, sketch: Some(sketches.to_owned()), ..options(2, 2) };
    let made = writer.backup(&days.namespace, dry).await.unwrap();
    assert_eq!((made.sketch, made.warnings), (None, Vec::new()));
    assert_eq!(std::fs::read(days.sketch()).unwrap(), before);
    // One that is refused at the end: all was read, and packs are there.
    let strict = BackupOptions { max_shrink_percent: 0, sketch: Some(sketches.to_owned()), ..options(2, 2) };
    let small = MemoryNamespace::new("validator");
    small.put(b"root", b"key", b"value").unwrap();
    let refused = writer.backup(&small, strict).await;
    assert!(matches!(refused, Err(RepositoryError::Shrunk { .. })), "{refused:?}");
    assert_eq!(std::fs::read(days.sketch()).unwrap(), before);
    // A killed one leaves its file, which goes when it is old.
    let left = sketches.join(format!(".{}.0123.tmp", days.sketch().file_name().unwrap().display()));
    std::fs::write(&left, b"left").unwrap();
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(7_200);
    std::fs::File::options().write(true).open(&left).unwrap().set_modified(old).unwrap();
    let made = back_up(&writer, &days.namespace, Some(sketches)).await;
    assert_ne!(std::fs::read(days.sketch()).unwrap(), before);
    assert!(patches(&writer).await > 1);
    check(&days.vault, &days.vault.store, &made, days.expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sketch_that_cannot_be_written_or_is_missing_is_a_warning() {
    let days = TwoDays::new().await;
    let (writer, file) = (days.vault.writer().await, days.sketch());
    let made = try_back_up(&writer, &days.namespace, Some(&file)).await.unwrap();
    let [BackupWarning::UnusableSketch { .. }, BackupWarning::UnwrittenSketch { .. }] = &made.warnings[..]
    else {
        panic!("{:?}", made.warnings);
    };
    assert_eq!(made.sketch, None);
    days.namespace.put(b"new", b"key", b"value").unwrap();
    let missing = days.sketches.path().join("below/it");
    let made = try_back_up(&writer, &days.namespace, Some(&missing)).await.unwrap();
    let [BackupWarning::UnusableSketch { problem, .. }] = &made.warnings[..] else {
        panic!("{:?}", made.warnings);
    };
    assert!(problem.contains("there is none"), "{problem}");
    let directory = std::fs::metadata(&missing).unwrap().permissions().mode() & 0o777;
    assert_eq!(directory, 0o700);
    assert!(made.sketch.unwrap().file.starts_with(&missing));
    // A directory in its place is none.
    std::fs::remove_file(sketch_in(&missing)).unwrap();
    std::fs::create_dir(missing.join(file.file_name().unwrap())).unwrap();
    days.namespace.put(b"new", b"key", b"another").unwrap();
    let made = try_back_up(&writer, &days.namespace, Some(&missing)).await.unwrap();
    assert_eq!(made.warnings.len(), 2, "{:?}", made.warnings);
    check(&days.vault, &days.vault.store, &made, digest_of(&days.namespace).await).await;
}
