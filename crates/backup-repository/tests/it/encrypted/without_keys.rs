//! What can be done with which key, one line for each operation.

use std::pin::Pin;
use std::sync::Arc;

use backup_format::ErrorClass;
use backup_memory::MemoryNamespace;
use backup_repository::{
    CopyOptions, Dump, ForgetOptions, KeepRules, PruneOptions, Repository, RepositoryError, RestoreOptions,
    StatsOptions, VerifyLevel, VerifyOptions,
};
use object_store::memory::InMemory;

use super::{Vault, place, small, text};
use crate::support::{namespace, options};

type Outcome = Pin<Box<dyn Future<Output = Result<(), RepositoryError>> + Send>>;

/// An operation, and who can do it: who has nothing, the repository key, an identity.
struct Operation {
    name: &'static str,
    run: fn(Repository, Dump) -> Outcome,
    can: [bool; 3],
    /// What who cannot is told.
    says: &'static str,
}

macro_rules! run {
    (|$repository:ident, $dump:ident| $body:expr) => {
        |$repository, $dump| Box::pin(async move { $body.map(drop) })
    };
}

const READS: &str = "the identity of a recipient";

const OPERATIONS: &[Operation] = &[
    Operation {
        name: "list",
        run: run!(|repository, _dump| repository.dumps().await),
        can: [true; 3],
        says: "",
    },
    Operation {
        name: "verify, structure",
        run: run!(|repository, dump| {
            let options = VerifyOptions { level: VerifyLevel::Structure, ..VerifyOptions::default() };
            repository.verify(&dump, &options).await
        }),
        can: [true; 3],
        says: "",
    },
    Operation {
        name: "verify",
        run: run!(|repository, dump| repository.verify(&dump, &VerifyOptions::default()).await),
        can: [true; 3],
        says: "",
    },
    Operation {
        name: "verify all",
        run: run!(|repository, _dump| repository.verify_all(&VerifyOptions::default()).await),
        can: [true; 3],
        says: "",
    },
    Operation {
        name: "stats",
        run: run!(|repository, _dump| repository.stats(&StatsOptions::default()).await),
        can: [true; 3],
        says: "",
    },
    Operation {
        name: "forget",
        run: run!(|repository, _dump| {
            let rules = KeepRules { last: 1, ..KeepRules::default() };
            repository.forget(&ForgetOptions { rules, ..ForgetOptions::default() }).await
        }),
        can: [true; 3],
        says: "",
    },
    Operation {
        name: "prune",
        run: run!(|repository, _dump| repository.prune(&PruneOptions::default()).await),
        can: [true; 3],
        says: "",
    },
    Operation {
        name: "copy to the same repository elsewhere",
        run: run!(|repository, dump| {
            let target = Repository::create(place(&Arc::<InMemory>::default()), repository.config().clone());
            match target.await {
                Ok(target) => repository.copy_to(&target, &[dump], &CopyOptions::default()).await.map(drop),
                Err(error) => Err(error),
            }
        }),
        can: [true; 3],
        says: "",
    },
    Operation {
        name: "backup",
        run: run!(|repository, _dump| repository.backup(&namespace(&small()), options(2, 1)).await),
        can: [false, true, false],
        says: "the repository key",
    },
    Operation {
        name: "restore",
        run: run!(|repository, dump| {
            let target = MemoryNamespace::new("target");
            repository.restore(&dump, &target, &RestoreOptions::default()).await
        }),
        can: [false, false, true],
        says: READS,
    },
    Operation {
        name: "what is in it",
        run: run!(|_repository, dump| dump.inventory()),
        can: [false, false, true],
        says: READS,
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn each_operation_needs_the_key_that_it_says_and_no_other() {
    for Operation { name, run, can, says } in OPERATIONS {
        let (vault, made) = Vault::with(&small()).await;
        let repositories = [vault.locked().await, vault.writer().await, vault.reader().await];
        for ((repository, can), who) in
            repositories.into_iter().zip(can).zip(["nothing", "the key", "an identity"])
        {
            let dumps = repository.dumps().await.unwrap().good;
            let dump = dumps.into_iter().find(|dump| dump.id == made.id).unwrap();
            let result = run(repository, dump).await;
            let what = format!("{name} with {who}");
            match (result, can) {
                (Ok(()), true) => {}
                (Err(error), false) => {
                    assert_eq!(error.class(), ErrorClass::Refused, "{what}: {error:?}");
                    assert!(text(&error).contains(says), "{what}: {}", text(&error));
                }
                (result, _) => panic!("{what}: {result:?}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verification_without_an_identity_says_that_the_content_was_not_checked() {
    let (vault, dump) = Vault::with(&small()).await;
    let sealed = vault.locked().await.verify(&dump, &VerifyOptions::default()).await.unwrap();
    assert!(sealed.is_sealed && sealed.digest.is_none() && sealed.segments_read == 0);
    assert_eq!(sealed.pages, dump.manifest.pages);
    let opened = vault.reader().await.verify(&dump, &VerifyOptions::default()).await.unwrap();
    assert!(!opened.is_sealed && opened.digest.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_says_what_was_to_be_done_and_what_it_needs() {
    let (vault, dump) = Vault::with(&small()).await;
    let locked = vault.locked().await;
    let target = MemoryNamespace::new("target");
    let restore = locked.restore(&dump, &target, &RestoreOptions::default()).await.map(drop).unwrap_err();
    let backup = locked.backup(&namespace(&small()), options(2, 1)).await.map(drop).unwrap_err();
    let needs = "the repository is encrypted, and reading a dump needs the identity of a recipient";
    assert_eq!(text(&restore), needs);
    assert_eq!(text(&backup), "the repository is encrypted, and writing a dump needs the repository key");
    assert!(target.is_empty());
}
