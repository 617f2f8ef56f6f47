//! A repository in a directory, and contents to go into it.

use backup_format::Config;
use backup_layout::Layout;
use backup_repository::{BackupOptions, Dump, Repository, RepositoryError, open_location};
use backup_scylla::CqlNamespace;
use backup_testkit::Content;
use tempfile::TempDir;

use crate::support::Server;

/// A repository that goes with the test.
pub struct Place {
    pub repository: Repository,
    _folder: TempDir,
}

impl Place {
    /// Makes one with short segments and pages, so that little content has many.
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open_location(folder.path().join("repository").to_str().unwrap(), true, []).unwrap();
        let mut config = Config::new([1; 16], [2; 16]);
        (config.segment_target, config.page_target) = (4 << 10, 16 << 10);
        let repository = Repository::create(store, config).await.unwrap();
        Self { repository, _folder: folder }
    }

    pub async fn dumps(&self) -> usize {
        let dumps = self.repository.dumps().await.unwrap();
        assert!(dumps.damaged.is_empty() && dumps.unsupported.is_empty());
        dumps.good.len()
    }

    pub async fn dump(&self, namespace: &CqlNamespace) -> Dump {
        let report = self.repository.backup(namespace, BackupOptions::default()).await.unwrap();
        Dump { id: report.dump, manifest: report.manifest }
    }
}

/// Some partitions of each kind, in layout `linera-0.15`: chains, blocks, blobs. `generation` is in
/// all values.
pub fn validator(chains: u8, generation: u8) -> Content {
    let mut content = Content::default();
    content.put(&[5], &[0x77], b"the network");
    for number in 0..chains {
        let chain = [&[0][..], &[number; 32]].concat();
        for row in 0..20 + u16::from(number) {
            content.put(&chain, &[&[1][..], &row.to_be_bytes()].concat(), &[generation; 60]);
        }
        let block = [&[1][..], &[number; 32]].concat();
        content.put(&block, &[0x5b], &[generation; 300]);
        content.put(&block, &[0xdd], &[generation; 700]);
        content.put(&[&[2][..], &[number; 32], &[6]].concat(), &[0x2a], &vec![generation; 2_000]);
    }
    content
}

/// Makes a table that holds a content, with the sentinels of linera.
pub async fn filled(server: &Server, content: &Content) -> String {
    let table = server.create_table().await;
    fill(server, &table, content).await;
    table
}

pub async fn fill(server: &Server, table: &str, content: &Content) {
    server.put(table, Layout::Linera015, content.iter()).await;
    server.put_sentinels(table, Layout::Linera015, content.root_keys()).await;
}

/// Returns an error with all its causes.
pub fn text(error: &RepositoryError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}
