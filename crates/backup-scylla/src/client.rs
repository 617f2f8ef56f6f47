//! The session with the servers, and requests that are repeated.

use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use backup_format::{ErrorClass, show};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use scylla::client::PoolSize;
use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::deserialize::row::DeserializeRow;
use scylla::errors::ExecutionError;
use scylla::policies::retry::FallthroughRetryPolicy;
use scylla::response::query_result::{QueryResult, QueryRowsResult};
use scylla::response::{PagingState, PagingStateResponse};
use scylla::serialize::row::SerializeRow;
use scylla::statement::batch::Batch;
use scylla::statement::prepared::PreparedStatement;

use crate::address::CqlAddress;
use crate::error::CqlError;
use crate::obstacle::Obstacle;
use crate::options::CqlOptions;
use crate::page_size::PageSize;
use crate::range::TokenRange;
use crate::retry::{self, Backoff, Reaction};
use crate::route::Route;
use crate::translator::Translator;

const CONNECT_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);
const PARTITIONER: &str = "Murmur3Partitioner";

/// A session for one namespace, on the runtime that it was opened on.
pub(crate) struct Client {
    session: Session,
    /// What statements run with, unless they have a route.
    profile: ExecutionProfile,
    routes: AtomicUsize,
    pub address: CqlAddress,
    pub options: CqlOptions,
    pub server: Server,
}

/// A page of rows.
pub(crate) struct Page {
    pub rows: QueryRowsResult,
    /// Where the next one begins; `None` at the end.
    pub next: Option<PagingState>,
}

/// What kind of server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    pub is_scylla: bool,
    /// Name and version.
    pub version: String,
}

impl Client {
    /// Connects to the servers of a namespace.
    pub(crate) async fn connect(address: &CqlAddress, options: &CqlOptions) -> Result<Arc<Self>, CqlError> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(CqlError::NoRuntime { address: address.to_string() });
        }
        let profile = ExecutionProfile::builder()
            .consistency(options.consistency.level())
            .request_timeout(Some(options.request_timeout))
            .retry_policy(Arc::new(FallthroughRetryPolicy))
            .build();
        let session = open(address, options, profile.clone()).await?;
        let server = Server { is_scylla: false, version: String::new() };
        let (address, options, routes) = (address.clone(), options.clone(), AtomicUsize::new(0));
        let mut client = Self { session, profile, routes, address, options, server };
        client.server = client.ask_server().await?;
        Ok(Arc::new(client))
    }

    async fn ask_server(&self) -> Result<Server, CqlError> {
        let doing = "asking for the version of";
        let local = "SELECT release_version, partitioner FROM system.local";
        let (release, partitioner) =
            self.rows(doing, local, ()).await?.first_row::<(String, String)>().map_err(self.answer(doing))?;
        if !partitioner.ends_with(PARTITIONER) {
            return Err(CqlError::Partitioner { address: self.address.to_string(), partitioner });
        }
        // Only ScyllaDB has tables of that name; what it calls its release is that of a Cassandra
        // it resembles.
        let tables = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = 'system'";
        let tables: Vec<(String,)> = self.all(doing, tables, ()).await?;
        if !tables.iter().any(|(name,)| name.contains("scylla")) {
            return Ok(Server { is_scylla: false, version: format!("Apache Cassandra {release}") });
        }
        let versions: Vec<(String,)> = self.all(doing, "SELECT version FROM system.versions", ()).await?;
        let version = versions.into_iter().next().map(|(version,)| version).unwrap_or_default();
        Ok(Server { is_scylla: true, version: format!("ScyllaDB {version}").trim_end().to_owned() })
    }

    /// Returns the number of nodes that are known.
    pub(crate) fn nodes(&self) -> usize {
        self.session.get_cluster_state().get_nodes_info().len()
    }

    /// Runs a statement with a short answer, and returns all rows.
    pub(crate) async fn all<R>(
        &self,
        doing: &'static str,
        text: &str,
        values: impl SerializeRow + Sync,
    ) -> Result<Vec<R>, CqlError>
    where
        R: for<'frame> DeserializeRow<'frame, 'frame>,
    {
        let result = self.rows(doing, text, values).await?;
        let rows = result.rows::<R>().map_err(self.answer(doing))?;
        rows.collect::<Result<_, _>>().map_err(self.answer(doing))
    }

    async fn rows(
        &self,
        doing: &'static str,
        text: &str,
        values: impl SerializeRow + Sync,
    ) -> Result<QueryRowsResult, CqlError> {
        let result = self.run(doing, text, values).await?;
        result.into_rows_result().map_err(self.answer(doing))
    }

    /// Runs a statement that may be run twice.
    pub(crate) async fn run(
        &self,
        doing: &'static str,
        text: &str,
        values: impl SerializeRow + Sync,
    ) -> Result<QueryResult, CqlError> {
        self.repeat(doing, || self.session.query_unpaged(text, &values), |_| ()).await
    }

    /// Prepares a statement that may be run twice.
    pub(crate) async fn prepare(
        &self,
        doing: &'static str,
        text: &str,
    ) -> Result<PreparedStatement, CqlError> {
        let limit = self.options.request_timeout;
        // The driver has no limit for this: it would wait for a lost answer forever.
        let request = || async move {
            let prepared = tokio::time::timeout(limit, self.session.prepare(text)).await;
            Ok(prepared.map_err(|_| ExecutionError::RequestTimeout(limit))??)
        };
        let mut statement = self.repeat(doing, request, |_| ()).await?;
        statement.set_is_idempotent(true);
        Ok(statement)
    }

    /// Prepares a statement that selects rows. ScyllaDB is asked to leave its cache as it is.
    pub(crate) async fn prepare_select(
        &self,
        doing: &'static str,
        text: &str,
    ) -> Result<PreparedStatement, CqlError> {
        if !self.server.is_scylla {
            return self.prepare(doing, text).await;
        }
        let seconds = self.options.request_timeout.as_secs().max(1);
        self.prepare(doing, &format!("{text} BYPASS CACHE USING TIMEOUT {seconds}s")).await
    }

    /// Routes a statement for a range of tokens to nodes that hold it.
    pub(crate) fn routed(&self, statement: &PreparedStatement, range: TokenRange) -> PreparedStatement {
        let cluster = self.session.get_cluster_state();
        let number = self.routes.fetch_add(1, Ordering::Relaxed);
        let route = Arc::new(Route::to(&cluster, &self.address, range, number));
        let profile = self.profile.to_builder().load_balancing_policy(route).build();
        let mut statement = statement.clone();
        statement.set_execution_profile_handle(Some(profile.into_handle()));
        statement
    }

    /// Asks for the page that begins at `state`.
    pub(crate) async fn page(
        &self,
        doing: &'static str,
        statement: &PreparedStatement,
        values: &(impl SerializeRow + Sync),
        size: &PageSize,
        state: PagingState,
    ) -> Result<Page, CqlError> {
        let asked = AtomicU32::new(size.rows());
        let request = || {
            let rows = asked.load(Ordering::Relaxed).min(size.rows());
            asked.store(rows, Ordering::Relaxed);
            let mut statement = statement.clone();
            statement.set_page_size(i32::try_from(rows).unwrap_or(i32::MAX));
            let state = state.clone();
            async move { self.session.execute_single_page(&statement, values, state).await }
        };
        let failed = |reaction: Reaction| {
            if reaction.smaller {
                size.failed(asked.load(Ordering::Relaxed));
            }
        };
        let (result, next): (QueryResult, PagingStateResponse) = self.repeat(doing, request, failed).await?;
        let rows = result.into_rows_result().map_err(self.answer(doing))?;
        let (asked, next) = (asked.into_inner(), next.into_paging_control_flow().continue_value());
        size.seen(asked, rows.rows_num(), rows.rows_bytes_size());
        Ok(Page { rows, next })
    }

    /// Runs a prepared statement.
    pub(crate) async fn execute(
        &self,
        doing: &'static str,
        statement: &PreparedStatement,
        values: &(impl SerializeRow + Sync),
        failed: impl FnMut(Reaction) + Send,
    ) -> Result<QueryResult, CqlError> {
        self.repeat(doing, || self.session.execute_unpaged(statement, values), failed).await
    }

    /// Runs a batch of one partition's rows, each with the values that its statement has.
    pub(crate) async fn batch(
        &self,
        doing: &'static str,
        batch: &Batch,
        rows: &[impl SerializeRow + Sync],
        failed: impl FnMut(Reaction) + Send,
    ) -> Result<(), CqlError> {
        self.repeat(doing, || self.session.batch(batch, rows), failed).await?;
        Ok(())
    }

    /// Waits until all nodes have the same schema.
    pub(crate) async fn agree(&self) -> Result<(), CqlError> {
        let doing = "waiting until the schema is the same on all nodes of";
        let request = || async { Ok(self.session.await_schema_agreement().await?) };
        self.repeat(doing, request, |_| ()).await?;
        Ok(())
    }

    /// Repeats a request after transient errors, until it succeeds or patience ends.
    async fn repeat<T, F>(
        &self,
        doing: &'static str,
        mut request: impl FnMut() -> F,
        mut failed: impl FnMut(Reaction),
    ) -> Result<T, CqlError>
    where
        F: Future<Output = Result<T, ExecutionError>>,
    {
        let mut backoff = Backoff::new(self.options.patience);
        // The error that says most of the cause.
        let mut reported: Option<(u8, ExecutionError)> = None;
        loop {
            let error = match request().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let reaction = retry::reaction(&error);
            failed(reaction);
            if reported.as_ref().is_none_or(|(detail, _)| *detail <= reaction.detail) {
                reported = Some((reaction.detail, error));
            }
            if !reaction.again || !backoff.wait().await {
                let class = if reaction.again { ErrorClass::Transient } else { ErrorClass::Failed };
                let (_, error) = reported.expect("an error was seen");
                let source = error.to_string().into();
                let (tries, elapsed) = (backoff.tries(), backoff.elapsed());
                let address = self.address.to_string();
                return Err(CqlError::Request { doing, address, tries, elapsed, class, source });
            }
        }
    }

    /// Takes the value of a row.
    pub(crate) fn value<'a>(
        &self,
        partition_key: &[u8],
        key: &[u8],
        value: Option<&'a [u8]>,
    ) -> Result<&'a [u8], CqlError> {
        value.ok_or_else(|| CqlError::NoValue {
            address: self.address.to_string(),
            partition_key: show(partition_key),
            key: show(key),
        })
    }

    /// Returns the error for an answer that is not what was asked for.
    pub(crate) fn answer<E: Error>(&self, doing: &'static str) -> impl Fn(E) -> CqlError {
        // Called for each row, so nothing is made before there is an error.
        move |error| CqlError::Answer {
            doing,
            address: self.address.to_string(),
            source: error.to_string().into(),
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Client({}, {})", self.address, self.server.version)
    }
}

async fn open(
    address: &CqlAddress,
    options: &CqlOptions,
    profile: ExecutionProfile,
) -> Result<Session, CqlError> {
    let mut builder = SessionBuilder::new()
        .known_nodes(address.hosts())
        .default_execution_profile_handle(profile.into_handle())
        .keyspaces_to_fetch([address.keyspace()])
        .connection_timeout(CONNECT_TIMEOUT)
        .schema_agreement_timeout(options.request_timeout)
        .pool_size(PoolSize::PerShard(std::num::NonZeroUsize::MIN));
    let login = |problem| CqlError::Login { address: address.to_string(), problem };
    builder = match (address.user(), &options.password) {
        (Some(user), Some(password)) => builder.user(user, &password.0),
        (Some(_), None) => return Err(login("it names a user, but there is no password")),
        (None, Some(_)) => return Err(login("there is a password, but the address names no user")),
        (None, None) => builder,
    };
    if !options.addresses.is_empty() {
        builder = builder.address_translator(Arc::new(Translator(options.addresses.clone())));
    }
    if let Some(path) = &options.tls_ca_file {
        let failed = |source| CqlError::Certificates { path: path.clone(), source };
        builder = builder.tls_context(Some(tls(path).map_err(failed)?));
    }
    builder.build().await.map_err(|error| CqlError::Connect {
        address: address.to_string(),
        obstacle: Obstacle::of(&error),
        source: error.to_string().into(),
    })
}

/// Trusts the CAs in the file, and no others.
fn tls(ca_file: &std::path::Path) -> Result<Arc<ClientConfig>, Box<dyn Error + Send + Sync>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca_file)? {
        roots.add(certificate?)?;
    }
    if roots.is_empty() {
        return Err("there is no certificate in it".into());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}
