//! The table of cases.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use backup_format::Digest;
use linera_views_adapter::ViewsNamespace;
use validator_network::places::Place;
use validator_network::worker::WorkerDatabase;
use validator_network::{Node, runtime};

use crate::check;
use crate::content::Content;
use crate::engines::{Engine, LAYOUT, Restorable};
use crate::history::History;
use crate::on_engine;
use crate::scenario::{Scenario, Vote};

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Case {
    /// With which key the restored validator starts.
    pub scenario: Scenario,
    /// The engine of the network and of the backup.
    pub source: Engine,
    /// The engine that is restored to.
    pub target: Engine,
}

impl fmt::Display for Case {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&format!("{}/{}_to_{}", self.scenario, self.source, self.target))
    }
}

/// What was checked in a case, all of which was as it should be.
#[derive(Clone, Debug)]
pub struct Report {
    /// The case.
    pub case: Case,
    /// How long it took, without the network.
    pub duration: Duration,
    /// The digest of the manifest, of the restored namespace as we read it, and as linera does.
    pub restored: Digest,
    /// Number of certificates that were applied.
    pub certificates: usize,
    /// Number of times that a chain's height, tip, state hash and balance were compared.
    pub tips: usize,
    /// The digest of the live validator's database, and of the restored one after the certificates.
    pub caught_up: Digest,
    /// Number of entries that were compared.
    pub entries: usize,
    /// The vote for one more block.
    pub vote: Vote,
}

impl Case {
    /// Lists all cases of the engines that this build knows.
    pub fn all() -> Vec<Self> {
        let mut cases = Vec::new();
        for scenario in Scenario::ALL {
            for &source in Engine::ALL {
                cases.extend(Engine::ALL.iter().map(|&target| Self { scenario, source, target }));
            }
        }
        cases
    }

    /// Restores the backup of a network on the source engine, boots a worker on the result, and checks it.
    ///
    /// # Errors
    ///
    /// A [`check::Failure`] when a check fails; another error when something cannot be done at all.
    pub fn run(self, history: &History) -> Result<Report> {
        on_engine!(self.target, P => self.run_on::<P>(history))
    }

    fn run_on<P: Restorable>(self, history: &History) -> Result<Report> {
        let started = Instant::now();
        let place = P::new()?;
        let report = runtime::block_on(|| self.boot(&place, history))?;
        let tips = report.tips + runtime::block_on(|| boot_again(&place, history))?;
        Ok(Report { duration: started.elapsed(), tips, ..report })
    }

    async fn boot<P: Restorable>(self, place: &P, history: &History) -> Result<Report> {
        let History { genesis, backup, before, missed, content, next, .. } = history;
        let digest = backup.manifest().inventory.as_ref().context("the dump is sealed")?.digest;
        let namespace = place.namespace().await?;
        backup.restore(&*namespace.target).await?;
        check::digest(digest, Content::read(&*namespace.source).await?.digest)?;
        let database = place.open().await?;
        check::digest(digest, read(database.clone()).await?.digest)?;

        let node = Node::boot(database, self.scenario.key(genesis)?).await?;
        let mut tips = check::tips(&node, genesis, 0, before).await?;
        tips += check::catch_up(&node, genesis, missed).await?;
        let entries = check::content(content, &Content::read(&*namespace.source).await?)?;
        let vote = self.scenario.vote();
        check::vote(&node, genesis, next, vote).await?;
        Ok(Report {
            case: self,
            duration: Duration::ZERO,
            restored: digest,
            certificates: missed.len(),
            tips,
            caught_up: content.digest,
            entries,
            vote,
        })
    }
}

/// Reads a database through linera's own stores.
///
/// # Errors
///
/// When it cannot be read.
pub async fn read<D: WorkerDatabase>(database: D) -> Result<Content> {
    Content::read(&ViewsNamespace::new("restored", LAYOUT, database)).await
}

/// Opens the database once more, and checks that another worker finds the chains where they were left.
async fn boot_again<P: Place>(place: &P, history: &History) -> Result<usize> {
    let node = Node::boot(place.open().await?, None).await?;
    let last = history.missed.last().context("nothing was missed")?;
    check::tips(&node, &history.genesis, history.missed.len(), &last.tips).await
}
