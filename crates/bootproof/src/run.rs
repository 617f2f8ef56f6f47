//! The steps of a proof.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use backup_console::{Interruption, Session};
use backup_format::{Anchor, Consistency};
use backup_repository::Dump;
use linera_base::crypto::{ValidatorPublicKey, ValidatorSecretKey};
use linera_base::identifiers::ChainId;

use crate::args::Args;
use crate::boot::Boots;
use crate::certificates::{Certificate, read_certificate};
use crate::chain::{self, Context};
use crate::database;
use crate::fence::Fence;
use crate::findings::Findings;
use crate::genesis::Genesis;
use crate::keys::read_key;
use crate::kind::Kind;
use crate::network::Network;
use crate::place::Place;
use crate::records::Records;
use crate::report::{KeyChoice, Report, Scenario};
use crate::restore::{self, Restorer};
use crate::scratch::Scratch;
use crate::source;
use crate::subject::Subject;
use crate::sweep::{Counts, Rows, Sweep, sweep};
use crate::tip::Tip;
use crate::{LINERA, TOOL};
use validator_network::runtime::block_on;
use validator_network::worker::open_storage;

/// Proves, or refutes, what was asked for. Damage and differences are findings in the report.
///
/// # Errors
///
/// When it could not be done: options that do not go together, no such dump, another layout, a full disk, an unreadable key or
/// certificate.
///
/// # Panics
///
/// Never because of what a database holds.
pub fn prove(args: &Args, session: &Session) -> Result<Report> {
    prove_until(args, session, Interruption::never())
}

/// As [`prove`], but stops when a signal comes. Nothing is left in the scratch directory then.
///
/// # Errors
///
/// As [`prove`], and when it was interrupted.
///
/// # Panics
///
/// As [`prove`].
pub fn prove_until(args: &Args, session: &Session, interruption: Interruption) -> Result<Report> {
    let subject = Subject::new(args, session)?;
    let certificates =
        args.certificates.iter().map(|path| read_certificate(path)).collect::<Result<Vec<_>>>()?;
    let own_key = args.own_key.as_deref().map(read_key).transpose()?;
    let genesis = args.genesis.as_deref().map(Genesis::read).transpose()?;
    // Outside of the runtime, so that all databases in it are closed when it is removed.
    let scratch = Scratch::create(args.scratch.as_deref())?;
    block_on(|| {
        let findings = Findings::default();
        let proof = Proof { args, session, subject, genesis, scratch: &scratch, findings };
        interruption.or(proof.run(&certificates, own_key.as_ref()), false)
    })
}

struct Proof<'a> {
    args: &'a Args,
    session: &'a Session,
    subject: Subject,
    genesis: Option<Genesis>,
    scratch: &'a Scratch,
    findings: Findings,
}

/// What the checks of all chains leave.
#[derive(Default)]
struct Content {
    counts: Counts,
    network: Option<Anchor>,
    tips: BTreeMap<ChainId, Tip>,
    validators: BTreeSet<ValidatorPublicKey>,
    fence: Option<Fence>,
    network_description: Option<String>,
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
        let found = restore::find(self.session, location, &self.args.dump.choice()).await;
        Ok(Some(found.with_context(|| format!("finding the dump to compare with in {location}"))?.1))
    }

    /// Gets what is to be proven into the scratch directory; `None` when it is too damaged for that.
    async fn restore(&self, against: Option<&Dump>) -> Result<Option<Dump>> {
        let Self { args, session, subject, scratch, findings, .. } = self;
        let restorer = Restorer { scratch, findings, session, read: &args.read };
        let source = match subject {
            Subject::Repository(location) => return restorer.dump(location, &args.dump.choice()).await,
            Subject::Namespace(source, opening) => source::open(findings, session, source, opening).await?,
        };
        let Some(source) = source else { return Ok(None) };
        let copy = restorer.namespace(&source).await?;
        if let (Some(dump), Some(copy)) = (against, &copy) {
            restore::compare(findings, dump, copy);
        }
        Ok(copy)
    }

    /// Checks all that the restored namespace holds.
    async fn check(&self, point_in_time: bool) -> Result<Content> {
        let Self { args, scratch, findings, .. } = self;
        let counter = &self.session.counter;
        let database = database::open(&scratch.fork("checked")?).await?;
        let records = Records::new(database.clone());
        let restored = restore::restored(scratch, args.read.limits());
        let Sweep { counts, chains } = sweep(&restored, &records, findings, counter).await?;
        let network = Network::read(&records, findings).await?;
        self.check_anchor(&network, &records, &chains).await?;
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
        counter.begin("checking", "chains", Some(chains.len() as u64));
        for id in chains.keys() {
            let checked = chain::check(&context, *id).await?;
            blocks += checked.blocks;
            content.tips.extend(checked.tip.map(|tip| (*id, tip)));
            counter.advance(1);
        }
        let unreferenced = counts.blocks.saturating_sub(blocks);
        findings.remark("blocks that no chain refers to, or that are damaged", unreferenced, "all chains");
        content.fence = Fence::of(&restored).await;
        content.network = network.anchor();
        content.network_description = network.hash();
        content.validators = network.validators();
        Ok(content)
    }

    /// Holds the database against the genesis, or the network description, that was given.
    async fn check_anchor(
        &self,
        network: &Network<'_>,
        records: &Records,
        chains: &BTreeMap<ChainId, Rows>,
    ) -> Result<()> {
        let Self { args, genesis, findings, .. } = self;
        if let (Some(expected), Some(found)) = (&args.network_description, network.hash())
            && *expected != found
        {
            findings.add(Kind::OtherNetwork, Place::of("network description"), expected, found);
        }
        let Some(genesis) = genesis else { return Ok(()) };
        if let Some(found) = network.description() {
            genesis.check_network(found, findings);
        }
        let has_state = |id| chains.get(&id).is_some_and(|rows| rows.state > 0);
        for id in chains.keys().filter(|id| has_state(**id)) {
            genesis.check_chain((records, findings), *id, has_state).await?;
        }
        Ok(())
    }

    /// Boots workers, each on a copy of its own.
    async fn boot(
        &self,
        content: &Content,
        certificates: &[Certificate],
        own_key: Option<&ValidatorSecretKey>,
    ) -> Result<Vec<Scenario>> {
        let Self { scratch, findings, .. } = self;
        let Content { tips, validators, .. } = content;
        let counter = &self.session.counter;
        let boots = Boots { scratch, findings, counter, tips, certificates, validators };
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
        let is_dump = matches!(self.subject, Subject::Repository(_));
        Report {
            tool: TOOL,
            linera: LINERA,
            subject: self.subject.to_string(),
            dump: restored.filter(|_| is_dump).map(|dump| dump.id.to_string()),
            against_dump: None,
            digest: manifest
                .and_then(|manifest| manifest.inventory.as_ref())
                .map(|inventory| inventory.digest.to_string()),
            layout: manifest.map(|manifest| manifest.source.layout.clone()),
            consistency: manifest.map(|manifest| manifest.consistency.to_string()),
            network: content.network,
            network_description: content.network_description,
            anchored: self.args.genesis.is_some() || self.args.network_description.is_some(),
            fence: content.fence,
            counts: content.counts,
            findings: self.findings.kept(),
            findings_total: self.findings.count(),
            not_proven: self.findings.unproven(),
            remarks: self.findings.remarks(),
            scenarios,
        }
    }
}
