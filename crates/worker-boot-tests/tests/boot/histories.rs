//! One network for each source engine, which all of its cases share: they only read what it left behind.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use libtest_mimic::Failed;
use validator_network::Genesis;
use worker_boot_tests::engines::Engine;
use worker_boot_tests::history::History;

/// The networks that were asked for.
pub struct Histories(BTreeMap<Engine, OnceLock<Result<History, String>>>);

impl Histories {
    /// Makes room for a network on each engine.
    pub fn new() -> Self {
        Self(Engine::ALL.iter().map(|&engine| (engine, OnceLock::new())).collect())
    }

    /// Returns what the network on an engine did; the first to ask lets it live.
    pub fn of(&self, engine: Engine) -> Result<&History, Failed> {
        let record = || History::record(engine, Genesis::new(0, 0)?);
        let history = self.0.get(&engine).ok_or("an engine that is not in the list of all")?;
        let history = history.get_or_init(|| record().map_err(|error| format!("{error:?}")));
        history.as_ref().map_err(|error| Failed::from(format!("the network on {engine}: {error}")))
    }

    /// Returns what was recorded so far.
    pub fn recorded(&self) -> impl Iterator<Item = (Engine, &History)> {
        self.0.iter().filter_map(|(&engine, history)| Some((engine, history.get()?.as_ref().ok()?)))
    }
}
