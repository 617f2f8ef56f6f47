//! Reading the chains of a database.

use backup_format::{Lookup, Reader, show};

use crate::bytes::{CHAIN_TAG, ChainId, SEED_KEY, TIP_KEY, VOTE_KEY};
use crate::chain::{Chain, Problem, Standing};
use crate::error::FenceError;
use crate::report::Report;
use crate::survey::Survey;

const LAYOUT: &str = "linera-0.15";
/// Chains whose rows are looked up at a time.
const CHAINS_AT_A_TIME: usize = 1_000;
const NETWORK_ROOT_KEY: [u8; 1] = [5];
const NETWORK_KEY: [u8; 1] = [0x77];
const READING: &str = "reading the chains";

/// Reads all chains, in the order of their ids.
pub(crate) async fn chains(lookup: &dyn Lookup) -> Result<Vec<Chain>, FenceError> {
    check_layout(lookup)?;
    let mut root_keys = lookup.root_keys(&[CHAIN_TAG]).await.map_err(FenceError::engine(READING))?;
    root_keys.retain(|root_key| ChainId::of_root_key(root_key).is_some());
    let mut chains = Vec::with_capacity(root_keys.len());
    for some in root_keys.chunks(CHAINS_AT_A_TIME) {
        chains.extend(judge(lookup, some).await?);
    }
    Ok(chains)
}

/// Reads one chain.
pub(crate) async fn chain(lookup: &dyn Lookup, id: ChainId) -> Result<Chain, FenceError> {
    check_layout(lookup)?;
    let mut found = judge(lookup, &[id.root_key()]).await?;
    found.pop().ok_or_else(|| FenceError::NotAChain { found: id.to_string() })
}

async fn judge(lookup: &dyn Lookup, root_keys: &[Vec<u8>]) -> Result<Vec<Chain>, FenceError> {
    let keys = [TIP_KEY.to_vec(), SEED_KEY.to_vec(), VOTE_KEY.to_vec()];
    let values = lookup.values(root_keys, &keys).await.map_err(FenceError::engine(READING))?;
    let ids = root_keys.iter().filter_map(|root_key| ChainId::of_root_key(root_key));
    let row = |rows: &[Option<Vec<u8>>], index: usize| rows.get(index).cloned().flatten();
    ids.zip(values)
        .map(|(id, rows)| {
            let [tip, seed, vote] = [0, 1, 2].map(|index| row(&rows, index));
            Chain::judge(id, tip.as_deref(), seed.as_deref(), vote.as_deref())
        })
        .collect()
}

fn check_layout(lookup: &dyn Lookup) -> Result<(), FenceError> {
    match lookup.layout() {
        LAYOUT => Ok(()),
        found => Err(FenceError::Layout { found: found.to_owned() }),
    }
}

/// Checks that a survey is of the network of the database.
pub(crate) async fn check_network(lookup: &dyn Lookup, survey: &Survey) -> Result<(), FenceError> {
    check_layout(lookup)?;
    let asked = lookup.values(&[NETWORK_ROOT_KEY.to_vec()], &[NETWORK_KEY.to_vec()]).await;
    let row = asked.map_err(FenceError::engine("reading the network description"))?.pop();
    let row = row.and_then(|mut rows| rows.pop().flatten()).unwrap_or_default();
    let network = network_of(&row).ok_or_else(|| FenceError::NoNetwork { found: show(&row) })?;
    if network != survey.network {
        let (expected, found) = (hex::encode(survey.network), hex::encode(network));
        return Err(FenceError::OtherNetwork { expected, found });
    }
    Ok(())
}

/// Takes the hash of the genesis configuration out of a network description: it follows the name.
fn network_of(row: &[u8]) -> Option<[u8; 32]> {
    let mut reader = Reader::new("network description", row);
    reader.byte_string(row.len(), "name").ok()?;
    let rest = row.get(row.len() - reader.remaining()..)?;
    rest.first_chunk().copied()
}

/// Says of each chain whether it is fenced. With a survey, chains that stand above it have passed their fence.
///
/// Without a survey a chain that was passed looks like one that was never fenced: both are bare.
///
/// # Errors
///
/// [`FenceError::Layout`] for other layouts, [`FenceError::OtherNetwork`] for a survey of another network,
/// [`FenceError::Row`] for rows that linera does not write, and as the engine reports them.
pub async fn status(lookup: &dyn Lookup, survey: Option<&Survey>) -> Result<Report, FenceError> {
    if let Some(survey) = survey {
        check_network(lookup, survey).await?;
    }
    let mut report = Report { conditional: survey.is_none(), ..Report::default() };
    let chains = chains(lookup).await?;
    report.chains = chains.len() as u64;
    for chain in &chains {
        let surveyed = survey.and_then(|survey| survey.get(chain.id));
        count(&mut report, chain, surveyed.and_then(|surveyed| chain.difference(surveyed)));
    }
    for id in survey.iter().flat_map(|survey| survey.ids()) {
        if chains.binary_search_by_key(&id, |chain| chain.id).is_err() {
            report.without_state += 1;
        }
    }
    Ok(report)
}

fn count(report: &mut Report, chain: &Chain, difference: Option<Problem>) {
    match (chain.standing, difference) {
        (Standing::Frozen, _) => report.frozen += 1,
        (Standing::WithoutState, _) => report.without_state += 1,
        (_, Some(Problem::Ahead { .. })) if chain.problem().is_none() => report.passed += 1,
        (standing, difference) => {
            match chain.problem().or(difference) {
                Some(problem) => report.refuse(chain.id, problem),
                None if standing == Standing::Fenced => report.fenced += 1,
                None => report.bare += 1,
            };
        }
    }
}
