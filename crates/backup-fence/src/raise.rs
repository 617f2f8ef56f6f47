//! Fencing all chains.

use backup_format::{AmendedEntry, Amendment, Lookup};

use crate::bytes::{FROZEN, SEED_KEY, VOTE_KEY, vote_row};
use crate::chain::{Chain, Problem, Standing};
use crate::error::FenceError;
use crate::read::{chains, check_network};
use crate::report::Report;
use crate::survey::{Survey, Verdict};

/// Chains whose rows are written at a time.
pub const CHAINS_PER_BATCH: usize = 10_000;

/// On what the heights of a fence rest.
#[derive(Clone, Copy, Debug)]
pub enum Basis<'s> {
    /// A survey of the other validators: each chain must stand where they do.
    Survey(&'s Survey),
    /// Nothing. The fence then protects only if no client kept a certificate of a chain's next block to itself.
    WithoutSurvey,
    /// As [`Basis::WithoutSurvey`], and chains without a state are left as they are. They are counted, and not fenced: if the
    /// validator voted there at height 0, and lost that with the state, it can vote again.
    WithoutSurveyOrStates,
}

/// Fences each chain at its next height, and freezes those that the survey calls open.
///
/// All chains are judged before the first row is written, so a refusal writes nothing. What is fenced already is left as it
/// is: a second run writes nothing, and one after an interruption the rest.
///
/// # Errors
///
/// [`FenceError::Chains`] when a chain has no state, unless those are left. The same when it has another seed than its
/// height, or is not where the survey found it;
/// [`FenceError::OtherNetwork`], [`FenceError::Layout`] and [`FenceError::Row`]; and as the engine reports them.
pub async fn raise(amendment: &dyn Amendment, basis: Basis<'_>) -> Result<Report, FenceError> {
    let (report, steps) = judge(amendment, basis).await?;
    for some in steps.chunks(CHAINS_PER_BATCH) {
        let entries = some.iter().flat_map(|(chain, step)| entries(chain, *step)).collect();
        amendment.write(entries).await.map_err(FenceError::engine("writing the rows of the fence"))?;
    }
    Ok(report)
}

/// Says what [`raise`] would write, and whether it would refuse. Writes nothing.
///
/// # Errors
///
/// As [`raise`].
pub async fn rehearse(lookup: &dyn Lookup, basis: Basis<'_>) -> Result<Report, FenceError> {
    Ok(judge(lookup, basis).await?.0)
}

async fn judge(lookup: &dyn Lookup, basis: Basis<'_>) -> Result<(Report, Vec<(Chain, Step)>), FenceError> {
    if let Basis::Survey(survey) = basis {
        check_network(lookup, survey).await?;
    }
    let chains = chains(lookup).await?;
    let mut report = Report { chains: chains.len() as u64, ..Report::default() };
    report.conditional = !matches!(basis, Basis::Survey(_));
    let mut steps = Vec::new();
    for chain in &chains {
        match plan(chain, basis) {
            Err(Problem::WithoutState) if matches!(basis, Basis::WithoutSurveyOrStates) => {
                report.without_state += 1;
            }
            Err(problem) => report.refuse(chain.id, problem),
            Ok(step) => {
                match step {
                    Step::Keep if chain.standing == Standing::Frozen => report.frozen += 1,
                    Step::Freeze => report.frozen += 1,
                    Step::Keep | Step::Fence => report.fenced += 1,
                }
                if step != Step::Keep {
                    steps.push((*chain, step));
                }
            }
        }
    }
    if let Basis::Survey(survey) = basis {
        let known = |id| chains.binary_search_by_key(&id, |chain| chain.id).is_ok();
        survey.ids().filter(|id| !known(*id)).for_each(|id| report.refuse(id, Problem::WithoutState));
    }
    if report.refused > 0 {
        return Err(FenceError::Chains(Box::new(report)));
    }
    report.written = steps.len() as u64;
    Ok((report, steps))
}

/// What is done to a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Keep,
    Fence,
    Freeze,
}

fn plan(chain: &Chain, basis: Basis<'_>) -> Result<Step, Problem> {
    if let Some(problem) = chain.problem() {
        return Err(problem);
    }
    let verdict = match basis {
        Basis::WithoutSurvey | Basis::WithoutSurveyOrStates => Verdict::Clean,
        Basis::Survey(survey) => {
            let surveyed = survey.get(chain.id).ok_or(Problem::NotSurveyed)?;
            if let Some(problem) = chain.difference(surveyed) {
                return Err(problem);
            }
            surveyed.verdict
        }
    };
    match (chain.standing, verdict) {
        (Standing::Frozen, Verdict::Clean) => Err(Problem::Frozen),
        (Standing::Frozen, Verdict::Open) | (Standing::Fenced, Verdict::Clean) => Ok(Step::Keep),
        (_, Verdict::Clean) => Ok(Step::Fence),
        (_, Verdict::Open) => Ok(Step::Freeze),
    }
}

/// Makes the rows of a step. A chain that is frozen has its fence too: it holds if the seed is put back by other means.
fn entries(chain: &Chain, step: Step) -> Vec<AmendedEntry> {
    let root_key = chain.id.root_key();
    let vote = AmendedEntry {
        root_key: root_key.clone(),
        key: VOTE_KEY.to_vec(),
        value: vote_row(chain.id, &chain.tip),
    };
    let seed = AmendedEntry { root_key, key: SEED_KEY.to_vec(), value: FROZEN.to_vec() };
    match step {
        Step::Keep => Vec::new(),
        Step::Fence => vec![vote],
        Step::Freeze => vec![vote, seed],
    }
}
