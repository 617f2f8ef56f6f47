//! The steps of a proof.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use backup_format::Consistency;
use backup_repository::{Dump, DumpChoice};
use linera_base::crypto::{ValidatorPublicKey, ValidatorSecretKey};
use linera_base::identifiers::ChainId;

use crate::args::Args;
use crate::boot::Boots;
use crate::certificates::{Certificate, read_certificate};
use crate::chain::{self, Context};
use crate::database;
use crate::findings::Findings;
use crate::keys::read_key;
use crate::kind::Kind;
use crate::meter::Meter;
use crate::network::{Anchor, Network};
use crate::place::Place;
use crate::records::Records;
use crate::report::{KeyChoice, Report, Scenario};
use crate::restore::{self, Restorer};
use crate::scratch::Scratch;
use crate::source;
use crate::subject::Subject;
use crate::sweep::{Counts, Sweep, sweep};
use crate::tip::Tip;
use crate::{LINERA, TOOL};
use validator_network::runtime::block_on;
use validator_network::worker::open_storage;

/// Proves, or refutes, what was asked for. Damage and differences are findings in the report.
///
/// # Errors
///
/// When it could not be done: no such dump, another layout, a full disk, an unreadable key or certificate.
///
/// # Panics
///
/// Never because of what a database holds.
pub fn prove(args: &Args) -> Result<Report> {
    prove_until(args, || Ok(std::future::pending()))
}

/// As [`prove`], but stops when the future that `stop` makes says why. Nothing is left in the scratch directory then.
///
/// # Errors
///
/// As [`prove`], and when it was stopped.
///
/// # Panics
///
/// As [`prove`].
pub fn prove_until<F: Future<Output = &'static str>>(
    args: &Args,
    stop: impl FnOnce() -> Result<F> + Send,
) -> Result<Report> {
    let started = Instant::now();
    let certificates =
        args.certificates.iter().map(|path| read_certificate(path)).collect::<Result<Vec<_>>>()?;
    let own_key = args.own_key.as_deref().map(read_key).transpose()?;
    // Outside of the runtime, so that all databases in it are closed when it is removed.
    let scratch = Scratch::create(args.scratch.as_deref())?;
    let proof = || async {
        let stop = stop()?;
        let (findings, meter) = (Findings::default(), Meter::new(args.quiet));
        let proof = Proof { args, scratch: &scratch, findings, meter };
        tokio::select! {
            report = proof.run(&certificates, own_key.as_ref()) => report,
            reason = stop => bail!("stopped by {reason}"),
        }
    };
    let mut report = block_on(proof)?;
    report.seconds = (started.elapsed().as_secs_f64() * 1e3).round() / 1e3;
    Ok(report)
}

struct Proof<'a> {
    args: &'a Args,
    scratch: &'a Scratch,
    findings: Findings,
    meter: Meter,
}

/// What the checks of all chains leave.
#[derive(Default)]
struct Content {
    counts: Counts,
    network: Option<Anchor>,
    tips: BTreeMap<ChainId, Tip>,
    validators: BTreeSet<ValidatorPublicKey>,
}

impl Proof<'_> {
    async fn run(self, certificates: &[Certificate], own_key: Option<&ValidatorSecretKey>) -> Result<Report> {
        let against = self.against().await?;
        let restored = self.restore(against.as_ref()).await?;
        let (mut content, mut scenarios) = (Content::default(), Vec::new());
        if let Some(dump) = &restored {
            let point_in_time = dump.manifest.consistency == Consistency::PointInTime;
            content = self.check(point_in_time).await?;
            scenarios = self.boot(&content, certificates, own_key).await?;
        }
        let mut report = self.report(restored.as_ref(), content, scenarios);
        report.against_dump = against.map(|dump| dump.id.to_string());
        Ok(report)
    }

    /// Finds the dump that a namespace is to be compared with.
    async fn against(&self) -> Result<Option<Dump>> {
        let Some(location) = &self.args.against_dump else { return Ok(None) };
        let found = restore::find(location, &self.choice()).await;
        Ok(Some(found.with_context(|| format!("finding the dump to compare with in {location}"))?.1))
    }

    /// Gets what is to be proven into the scratch directory; `None` when it is too damaged for that.
    async fn restore(&self, against: Option<&Dump>) -> Result<Option<Dump>> {
        let Self { args, scratch, findings, meter } = self;
        let restorer = Restorer { scratch, findings, meter };
        let source = match &args.subject {
            Subject::Repository(location) => return restorer.dump(location, &self.choice()).await,
            Subject::RocksDb(path) => source::rocksdb(findings, path, args).await?,
            #[cfg(feature = "scylla")]
            Subject::Cql(address) => source::cql(findings, address, args).await?,
        };
        let Some(source) = source else { return Ok(None) };
        let copy = restorer.namespace(&source).await?;
        if let (Some(dump), Some(copy)) = (against, &copy) {
            restore::compare(findings, dump, copy);
        }
        Ok(copy)
    }

    fn choice(&self) -> DumpChoice {
        self.args.dump.clone().unwrap_or_default()
    }

    /// Checks all that the restored namespace holds.
    async fn check(&self, point_in_time: bool) -> Result<Content> {
        let Self { args, scratch, findings, meter } = self;
        let database = database::open(&scratch.fork("checked")?).await?;
        let records = Records::new(database.clone());
        let Sweep { counts, chains } = sweep(&restore::restored(scratch), &records, findings, meter).await?;
        let network = Network::read(&records, findings).await?;
        let storage = open_storage(database).await?;
        let upgraded = args.upgraded;
        let context = Context {
            storage,
            records: &records,
            network: &network,
            chains: &chains,
            findings,
            upgraded,
            point_in_time,
        };
        let mut content = Content { counts, ..Content::default() };
        let mut blocks = 0;
        for (done, id) in chains.keys().enumerate() {
            let checked = chain::check(&context, *id).await?;
            blocks += checked.blocks;
            content.tips.extend(checked.tip.map(|tip| (*id, tip)));
            meter.tick(|| format!("checking: {} of {} chains, {blocks} blocks", done + 1, chains.len()));
        }
        let unreferenced = counts.blocks.saturating_sub(blocks);
        findings.remark("blocks that no chain refers to, or that are damaged", unreferenced, "all chains");
        content.network = network.anchor();
        content.validators = network.validators();
        Ok(content)
    }

    /// Boots workers, each on a copy of its own.
    async fn boot(
        &self,
        content: &Content,
        certificates: &[Certificate],
        own_key: Option<&ValidatorSecretKey>,
    ) -> Result<Vec<Scenario>> {
        let Self { scratch, findings, meter, .. } = self;
        let Content { tips, validators, .. } = content;
        let boots = Boots { scratch, findings, meter, tips, certificates, validators };
        let random = ValidatorSecretKey::generate();
        let mut scenarios = vec![
            boots.boot(KeyChoice::None, None).await?,
            boots.boot(KeyChoice::Random, Some(&random)).await?,
        ];
        if let Some(key) = own_key {
            if !validators.is_empty() && !validators.contains(&key.public()) {
                findings.remark("own keys that are in no committee met here", 1, key.public());
            }
            scenarios.push(boots.boot(KeyChoice::Own, Some(key)).await?);
        }
        if tips.is_empty() {
            let place = Place::of("namespace");
            findings.add(Kind::BootFailed, place, "chains that a worker can be asked for", "none");
        }
        Ok(scenarios)
    }

    fn report(&self, restored: Option<&Dump>, content: Content, scenarios: Vec<Scenario>) -> Report {
        let manifest = restored.map(|dump| &dump.manifest);
        let is_dump = matches!(self.args.subject, Subject::Repository(_));
        Report {
            tool: TOOL,
            linera: LINERA,
            subject: self.args.subject.to_string(),
            dump: restored.filter(|_| is_dump).map(|dump| dump.id.to_string()),
            against_dump: None,
            digest: manifest.map(|manifest| manifest.digest.to_string()),
            layout: manifest.map(|manifest| manifest.source.layout.clone()),
            consistency: manifest.map(|manifest| manifest.consistency.to_string()),
            network: content.network,
            counts: content.counts,
            findings: self.findings.kept(),
            findings_total: self.findings.count(),
            not_proven: self.findings.unproven(),
            remarks: self.findings.remarks(),
            scenarios,
            seconds: 0.0,
        }
    }
}
