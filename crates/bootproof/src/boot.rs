//! Booting linera's worker on a copy of the restored namespace.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;

use anyhow::Result;
use backup_console::Counter;
use futures::FutureExt;
use linera_base::crypto::{ValidatorPublicKey, ValidatorSecretKey};
use linera_base::identifiers::ChainId;

use crate::ask::Booted;
use crate::certificates::Certificate;
use crate::database::{self, Storage};
use crate::findings::Findings;
use crate::kind::Kind;
use crate::place::Place;
use crate::report::{KeyChoice, Scenario};
use crate::scratch::Scratch;
use crate::tip::Tip;
use validator_network::worker::open_storage;

/// Chains that one worker is asked for: it keeps in memory what it loaded.
const CHAINS_PER_WORKER: usize = 500;
/// Most chains whose tips are reported one by one.
const TIPS_MAX: usize = 100;

/// What linera says where an application is to be run, and there is nothing to run it with.
const NO_RUNTIME: &str = "runtime is required";

/// What all boots have in common.
pub struct Boots<'a> {
    /// Where the copies are made.
    pub scratch: &'a Scratch,
    /// Where findings go.
    pub findings: &'a Findings,
    /// Where progress goes.
    pub counter: &'a Counter,
    /// Tips of all initialized chains, as the database says.
    pub tips: &'a BTreeMap<ChainId, Tip>,
    /// Certificates to continue with.
    pub certificates: &'a [Certificate],
    /// Validators whose votes are recognized.
    pub validators: &'a BTreeSet<ValidatorPublicKey>,
}

impl Boots<'_> {
    /// Boots a worker with this key on a copy of its own, asks it for the tips of all chains, and applies the certificates.
    /// What goes wrong is a finding.
    ///
    /// # Errors
    ///
    /// When the copy cannot be made or opened.
    pub async fn boot(&self, choice: KeyChoice, key: Option<&ValidatorSecretKey>) -> Result<Scenario> {
        let name = match choice {
            KeyChoice::None => "boot_without_key",
            KeyChoice::Random => "boot_with_random_key",
            KeyChoice::Own => "boot_with_own_key",
        };
        let database = database::open(&self.scratch.fork(name)?).await?;
        let before = self.findings.count();
        let mut scenario = empty(choice, key);
        let run = async {
            let storage = open_storage(database).await?;
            self.run(&storage, key, &mut scenario).await
        };
        let ended = AssertUnwindSafe(run).catch_unwind().await;
        let problem = match ended {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("{error:#}")),
            Err(panic) => Some(message(&*panic)),
        };
        scenario.result = match problem {
            Some(problem) if problem.contains(NO_RUNTIME) => {
                self.findings.not_proven("certificates of blocks that run applications", name);
                format!("not proven: {problem}")
            }
            Some(problem) => {
                self.findings.add(Kind::BootFailed, Place::of(name), "a worker that boots", &problem);
                problem
            }
            None if self.findings.count() > before => "see findings".to_owned(),
            None => Scenario::OK.to_owned(),
        };
        Ok(scenario)
    }

    async fn run(
        &self,
        storage: &Storage,
        key: Option<&ValidatorSecretKey>,
        scenario: &mut Scenario,
    ) -> Result<()> {
        let chains: Vec<_> = self.tips.iter().collect();
        self.counter.begin("booting", "chains", Some(chains.len() as u64));
        for chunk in chains.chunks(CHAINS_PER_WORKER) {
            let booted = Booted::new(storage, key);
            for (chain, expected) in chunk {
                scenario.chains_answered += u64::from(self.ask(&booted, **chain, expected).await);
            }
            self.counter.advance(chunk.len() as u64);
        }
        let booted = Booted::new(storage, key);
        let reported = self.reported();
        scenario.tips_before = booted.tips(&reported).await;
        for certificate in self.certificates {
            let applied = booted.apply(certificate).await;
            if let Some(place) = applied.refused() {
                let expected = format!("the tip of the chain at block {}", applied.block);
                self.findings.add(Kind::CertificateNotApplied, place, expected, &applied.result);
            }
            scenario.certificates.push(applied);
        }
        scenario.tips_after = booted.tips(&reported).await;
        scenario.votes = booted.votes(&reported, self.validators).await;
        Ok(())
    }

    /// Asks for a tip, and returns true if it is the one expected.
    async fn ask(&self, booted: &Booted, chain: ChainId, expected: &Tip) -> bool {
        let place = || Place::of("tip that the worker tells").chain(chain);
        match booted.tip(chain).await {
            Ok(found) if found == *expected => true,
            Ok(found) => {
                self.findings.add(Kind::BootTip, place(), expected, found);
                false
            }
            Err(problem) => {
                self.findings.add(Kind::BootFailed, place(), expected, problem);
                false
            }
        }
    }

    fn reported(&self) -> Vec<ChainId> {
        let certified: BTreeSet<_> = self
            .certificates
            .iter()
            .map(|certificate| certificate.certificate.block().header.chain_id)
            .collect();
        if self.tips.len() <= TIPS_MAX {
            return self.tips.keys().copied().collect::<BTreeSet<_>>().union(&certified).copied().collect();
        }
        certified.into_iter().collect()
    }
}

fn empty(key: KeyChoice, secret: Option<&ValidatorSecretKey>) -> Scenario {
    Scenario {
        key,
        public_key: secret.map(|secret| secret.public().to_string()),
        chains_answered: 0,
        certificates: Vec::new(),
        tips_before: Vec::new(),
        tips_after: Vec::new(),
        votes: Vec::new(),
        result: String::new(),
    }
}

/// Returns what a panic said.
fn message(panic: &(dyn Any + Send)) -> String {
    let text =
        panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("linera panicked: {}", text.unwrap_or("without a message"))
}
