//! The engine as the suite wants it.

use std::time::Duration;

use async_trait::async_trait;
use backup_format::Limits;
use backup_format::limits::VALUE_BYTES_CEILING;
use backup_layout::Layout;
use backup_layout::cql::{KEY_BYTES_MAX, ROOT_KEY_BYTES_MAX};
use backup_scylla::CqlOptions;
use backup_testkit::{Amendable, Atomicity, Capabilities, Content, Engine, Namespace, RootKeys};
use tokio::sync::OnceCell;

use crate::support::{Server, permit_for};

pub struct Cql {
    layout: Layout,
    server: OnceCell<Server>,
}

impl Cql {
    pub fn new(layout: Layout) -> Self {
        Self { layout, server: OnceCell::new() }
    }

    async fn server(&self) -> &Server {
        self.server.get_or_init(Server::connect).await
    }

    fn options(&self) -> CqlOptions {
        let limits = Limits::default().with_value_bytes_max(VALUE_BYTES_CEILING);
        CqlOptions::default().with_layout(self.layout).with_limits(limits)
    }
}

#[async_trait]
impl Engine for Cql {
    fn name(&self) -> &str {
        self.layout.name()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            root_keys: RootKeys::Any,
            empty_key: self.layout != Layout::Linera016,
            root_key_bytes_max: ROOT_KEY_BYTES_MAX,
            key_bytes_max: KEY_BYTES_MAX - 4,
            // Linera's own limit where values are not split.
            value_bytes_max: if self.layout == Layout::Linera015 { VALUE_BYTES_CEILING } else { 15_476_727 },
            atomicity: Atomicity::Partition,
            stride: 7,
            ..Capabilities::default()
        }
    }

    async fn create(&self, content: &Content) -> Namespace {
        let server = self.server().await;
        let permit = permit_for(content.iter().map(|(.., value)| value.len()).sum()).await;
        let table = server.create_table().await;
        server.put(&table, self.layout, content.iter()).await;
        server.put_sentinels(&table, self.layout, content.root_keys()).await;
        let mut namespace = server.namespace(&table, self.options());
        namespace.permit = permit;
        Namespace::of(namespace)
    }

    async fn empty(&self) -> Namespace {
        let server = self.server().await;
        server.drop_tables().await;
        Namespace::of(server.namespace(&server.new_name(), self.options()))
    }

    async fn amendable(&self, content: &Content) -> Option<Amendable> {
        if self.layout != Layout::Linera015 {
            return None;
        }
        let server = self.server().await;
        let table = match content.is_empty() {
            true => server.new_name(),
            false => server.create_table().await,
        };
        if !content.is_empty() {
            server.put(&table, self.layout, content.iter()).await;
            server.put_sentinels(&table, self.layout, content.root_keys()).await;
        }
        let options = self.options().with_quiet(Duration::ZERO);
        Some(Amendable::of(server.namespace(&table, options), false))
    }
}
