//! Putting the seed of a frozen chain back.

use backup_format::{AmendedEntry, Amendment, Lookup};

use crate::bytes::{ChainId, SEED_KEY, VOTE_KEY, seed_row, vote_row};
use crate::chain::{Chain, Standing};
use crate::error::FenceError;
use crate::read::{chain, check_network};
use crate::survey::{Survey, Verdict};

/// What a chain is after it was thawed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Thawed {
    /// It stands where the survey found it, and is fenced there.
    Fenced {
        /// The next height.
        next_height: u64,
    },
    /// It lacks blocks, which a frozen chain cannot take. Until they are applied and the chain is fenced again, the
    /// validator must not have its key.
    Behind {
        /// The next height in the survey.
        expected: u64,
        /// The next height in the database.
        found: u64,
    },
}

/// Thaws a chain that a survey now calls clean: its seed is put back, and its fence with it, in one write.
///
/// # Errors
///
/// [`FenceError::NoThaw`] when the chain is not frozen. The same when the survey does not name it, calls it open, or does not
/// know its blocks. [`FenceError::OtherNetwork`], [`FenceError::Layout`], [`FenceError::Row`]; and as the engine reports them.
pub async fn thaw(amendment: &dyn Amendment, survey: &Survey, id: ChainId) -> Result<Thawed, FenceError> {
    let (chain, thawed) = judge(amendment, survey, id).await?;
    let entry = |key: &[u8], value| AmendedEntry { root_key: id.root_key(), key: key.to_vec(), value };
    let (vote, seed) = (vote_row(id, &chain.tip), seed_row(chain.tip.next_height));
    let entries = vec![entry(&VOTE_KEY, vote), entry(&SEED_KEY, seed)];
    amendment.write(entries).await.map_err(FenceError::engine("writing the rows of the thawed chain"))?;
    Ok(thawed)
}

/// Says what [`thaw`] would make of the chain, and whether it would refuse. Writes nothing.
///
/// # Errors
///
/// As [`thaw`].
pub async fn rehearse_thaw(lookup: &dyn Lookup, survey: &Survey, id: ChainId) -> Result<Thawed, FenceError> {
    Ok(judge(lookup, survey, id).await?.1)
}

async fn judge(lookup: &dyn Lookup, survey: &Survey, id: ChainId) -> Result<(Chain, Thawed), FenceError> {
    check_network(lookup, survey).await?;
    let chain = chain(lookup, id).await?;
    let refuse = |expected: &str, found: String| {
        Err(FenceError::NoThaw { chain: id, expected: expected.to_owned(), found })
    };
    if chain.standing != Standing::Frozen {
        return refuse("a frozen chain, whose seed row is ff", format!("one that is {:?}", chain.standing));
    }
    let Some(surveyed) = survey.get(id) else {
        return refuse("a line of the survey for it", "none".to_owned());
    };
    if surveyed.verdict != Verdict::Clean {
        return refuse("the verdict clean in the survey", "open".to_owned());
    }
    let (expected, found) = (surveyed.next_height, chain.tip.next_height);
    if found > expected {
        return refuse(
            "a survey that knows its blocks",
            format!("next height {found} here, {expected} there"),
        );
    }
    if found == expected && surveyed.block != chain.tip.block {
        let block = |hash: Option<[u8; 32]>| hash.map_or_else(|| "none".to_owned(), hex::encode);
        let (here, there) = (block(chain.tip.block), block(surveyed.block));
        return refuse("the same last block as in the survey", format!("{here} here, {there} there"));
    }
    let fenced = Thawed::Fenced { next_height: found };
    Ok((chain, if found < expected { Thawed::Behind { expected, found } } else { fenced }))
}
