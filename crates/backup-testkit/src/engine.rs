//! What an engine crate gives to the suite.

use std::sync::Arc;

use async_trait::async_trait;
use backup_format::{AmendTarget, DatabaseBackup, RestoreTarget};

use crate::capabilities::Capabilities;
use crate::content::Content;

/// An engine under test: makes namespaces for the checks. It panics when it cannot, and may be asked many times.
///
/// What a namespace needs, such as a temporary folder, must live as long as the engine or the namespace.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Names engine and layout in messages.
    fn name(&self) -> &str;

    /// Says what the engine can hold and promise.
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    /// Makes a namespace that holds exactly this content, written by the engine's own means and not by a restore.
    async fn create(&self, content: &Content) -> Namespace;

    /// Makes a target for a restore: a namespace that is empty, or not there yet.
    async fn empty(&self) -> Namespace;

    /// Makes a namespace that holds this content and is written to while it is read; `None` when the engine has no such.
    async fn live(&self, content: &Content) -> Option<Live> {
        let _ = content;
        None
    }

    /// Makes a namespace that holds this content and whose entries can be changed in place; `None`, the default, when the engine
    /// has no such. One with an empty content can be restored into.
    async fn amendable(&self, content: &Content) -> Option<Amendable> {
        let _ = content;
        None
    }
}

/// A namespace under test, with a handle to read it and one to restore into it.
#[derive(Clone)]
pub struct Namespace {
    /// Reads it.
    pub source: Arc<dyn DatabaseBackup>,
    /// Restores into it.
    pub target: Arc<dyn RestoreTarget>,
}

impl Namespace {
    /// Makes both handles of a type that is source and target.
    #[must_use]
    pub fn of<N: DatabaseBackup + RestoreTarget + 'static>(namespace: N) -> Self {
        let namespace = Arc::new(namespace);
        Self { source: Arc::<N>::clone(&namespace), target: namespace }
    }
}

/// A namespace whose entries can be changed in place.
#[derive(Clone)]
pub struct Amendable {
    /// The namespace.
    pub namespace: Namespace,
    /// Looks entries up and changes them.
    pub amend: Arc<dyn AmendTarget>,
    /// Whether an open amendment keeps a second one away.
    pub has_lock: bool,
}

impl Amendable {
    /// Makes all handles of a type that has all three traits.
    #[must_use]
    pub fn of<N>(namespace: N, has_lock: bool) -> Self
    where
        N: DatabaseBackup + RestoreTarget + AmendTarget + 'static,
    {
        let shared = Arc::new(namespace);
        let namespace = Namespace { source: Arc::<N>::clone(&shared), target: Arc::<N>::clone(&shared) };
        Self { namespace, amend: shared, has_lock }
    }
}

/// A namespace with somebody who writes to it.
pub struct Live {
    /// The namespace, to be read.
    pub database: Arc<dyn DatabaseBackup>,
    /// Who writes.
    pub writer: Arc<dyn Writer>,
}

/// Somebody who writes to a namespace, as a validator would. May be called from any thread.
#[async_trait]
pub trait Writer: Send + Sync {
    /// Puts some entries, atomically as far as [`Capabilities::atomicity`] says. Afterwards every new reader sees them.
    async fn write(&self, puts: &[Put]);
}

/// An entry to put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// Its root key.
    pub root_key: Vec<u8>,
    /// Its key.
    pub key: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
}
