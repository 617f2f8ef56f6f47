//! Two processes that create one repository at the same time, in every order of their requests.

use std::sync::Arc;

use backup_format::Config;
use backup_repository::{Repository, RepositoryError, Store};
use backup_testkit::{Gate, GatedStore};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::support::files;

struct Creator {
    gate: Arc<Gate>,
    task: JoinHandle<Result<Repository, RepositoryError>>,
}

impl Creator {
    fn start(runtime: &Runtime, store: &Arc<InMemory>) -> Self {
        let gate = Arc::<Gate>::default();
        let inner: Arc<dyn ObjectStore> = store.clone();
        let gated = GatedStore::new(inner, gate.clone());
        let ends = gate.clone();
        let task = runtime.spawn(async move {
            let result = Repository::open_or_create(Store::new(Arc::new(gated), Path::default())).await;
            ends.end();
            result
        });
        Self { gate, task }
    }

    /// Does so many requests, or all that are left. Returns how many there were.
    fn go(&self, requests: usize) -> usize {
        (0..requests).take_while(|_| self.gate.step()).count()
    }

    fn config(self, runtime: &Runtime) -> Config {
        self.go(usize::MAX);
        let repository = runtime.block_on(self.task).unwrap().unwrap_or_else(|error| panic!("{error:?}"));
        repository.config().clone()
    }
}

/// Returns how many requests a creator makes that is alone.
fn alone(runtime: &Runtime) -> usize {
    Creator::start(runtime, &Arc::default()).go(usize::MAX)
}

#[test]
fn two_creators_at_once_make_one_config_in_every_order_of_their_requests() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let requests = alone(&runtime);
    assert!(requests > 5, "{requests}");
    for (first, second) in (0..=requests).flat_map(|first| (0..=requests).map(move |second| (first, second)))
    {
        for third in 0..=requests {
            let store = Arc::<InMemory>::default();
            let (one, other) = (Creator::start(&runtime, &store), Creator::start(&runtime, &store));
            one.go(first);
            other.go(second);
            one.go(third);
            let (other, one) = (other.config(&runtime), one.config(&runtime));
            assert_eq!(one, other, "{first}, {second} and {third} requests");
            let names: Vec<_> =
                runtime.block_on(files(&store)).into_iter().map(|(path, _)| path.to_string()).collect();
            assert_eq!(names.len(), 2, "{names:?}");
        }
    }
}
