//! What every engine must do.

use std::sync::Arc;

use async_trait::async_trait;
use backup_memory::{MemoryNamespace, Options, WriteBatch};
use backup_testkit::{Amendable, Content, Engine, Live, Namespace, Put, Writer, suite};

struct Memory(Options);

impl Memory {
    fn namespace(&self, content: &Content) -> MemoryNamespace {
        let namespace = MemoryNamespace::new("test").with_options(self.0.clone());
        content.iter().for_each(|(root_key, key, value)| namespace.put(root_key, key, value).unwrap());
        namespace
    }
}

#[async_trait]
impl Engine for Memory {
    fn name(&self) -> &str {
        "memory"
    }

    async fn create(&self, content: &Content) -> Namespace {
        Namespace::of(self.namespace(content))
    }

    async fn empty(&self) -> Namespace {
        Namespace::of(self.namespace(&Content::default()))
    }

    async fn amendable(&self, content: &Content) -> Option<Amendable> {
        Some(Amendable::of(self.namespace(content), true))
    }

    async fn live(&self, content: &Content) -> Option<Live> {
        let namespace = self.namespace(content);
        Some(Live { database: Arc::new(namespace.clone()), writer: Arc::new(Validator(namespace)) })
    }
}

struct Validator(MemoryNamespace);

#[async_trait]
impl Writer for Validator {
    async fn write(&self, puts: &[Put]) {
        let mut batch = WriteBatch::default();
        puts.iter().for_each(|put| batch.put(&put.root_key, &put.key, &put.value));
        self.0.write_batch(&batch).unwrap();
    }
}

backup_testkit::conformance!(Memory(Options::default()));

#[test]
fn batches_of_any_size_pass_the_checks_of_reading() {
    let groups = ["reading::", "sharing::", "concurrency::"];
    for bytes in [0, 1_000] {
        let engine = Memory(Options::default().with_batch_bytes(bytes));
        let chosen = |check: &suite::Check| groups.iter().any(|group| check.name.starts_with(group));
        assert_eq!(suite::block_on(suite::failures(&engine, chosen)), []);
    }
}
