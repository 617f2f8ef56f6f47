//! Validator databases of a chosen size, written by linera's real worker.
//!
//! Every block is executed, certified by the committee and applied. So such a database passes every check that a
//! validator's passes. It has chains with inboxes and outboxes, blocks and certificates, blobs, events of the committee's changes.

mod author;
mod plan;
mod world;

use anyhow::{Context, Result};
use linera_base::data_types::{Amount, Blob, BlobContent, Epoch};
use linera_chain::test::BlockTestExt;
use linera_execution::system::{AdminOperation, SystemOperation};
use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};

use crate::generate::author::Author;
use crate::generate::world::World;
use crate::worker::WorkerDatabase;

pub use plan::Plan;

/// Bytes at the start of each blob that are drawn by chance; the rest repeats them, as far as half of it.
const NOISE: usize = 2;

/// Writes a network into an empty database. After each block `progress` gets the number of blocks.
///
/// # Errors
///
/// When linera refuses what it should take, or cannot write.
pub async fn generate<D: WorkerDatabase>(
    database: D,
    plan: Plan,
    mut progress: impl FnMut(u64) + Send,
) -> Result<()> {
    let mut blocks = 0;
    let mut made = || {
        blocks += 1;
        progress(blocks);
    };
    let mut author = Author::begin(World::new(plan.chains.max(1))?, database).await?;
    fund(&mut author, plan, &mut made).await?;
    for round in 0..plan.rounds {
        pass_on(&mut author, plan, round, &mut made).await?;
    }
    change_committees(&mut author, plan, &mut made).await?;
    publish(&mut author, plan, &mut made).await
}

/// Sends tokens from the administering chain to each of the others.
async fn fund<D: WorkerDatabase>(author: &mut Author<D>, plan: Plan, made: &mut impl FnMut()) -> Result<()> {
    let admin = author.world.chain(0)?;
    for index in 1..=plan.chains.max(1) {
        let block = author.next(admin).await?;
        let block = block.with_simple_transfer(author.world.chain(index)?, Amount::from_tokens(1_000));
        author.commit(block, Vec::new()).await?;
        made();
    }
    Ok(())
}

/// Lets each chain receive what it was sent, and send something to the next one.
async fn pass_on<D: WorkerDatabase>(
    author: &mut Author<D>,
    plan: Plan,
    round: u32,
    made: &mut impl FnMut(),
) -> Result<()> {
    let chains = plan.chains.max(1);
    for index in 1..=chains {
        let (chain, next) = (author.world.chain(index)?, author.world.chain(index % chains + 1)?);
        let bundles = author.incoming(chain).await?;
        let block = author.next(chain).await?;
        let block = bundles.into_iter().fold(block, BlockTestExt::with_incoming_bundle);
        let amount = Amount::from_tokens(1 + u128::from(round));
        author.commit(block.with_simple_transfer(next, amount), Vec::new()).await?;
        made();
    }
    Ok(())
}

/// Registers the same committee for one epoch after the other. Each change publishes an event.
async fn change_committees<D: WorkerDatabase>(
    author: &mut Author<D>,
    plan: Plan,
    made: &mut impl FnMut(),
) -> Result<()> {
    let admin = author.world.chain(0)?;
    let blob = author.world.committee_blob.clone();
    let blob_hash = blob.id().hash;
    for epoch in 1..=plan.epochs {
        let register = AdminOperation::CreateCommittee { epoch: Epoch::from(epoch), blob_hash };
        for operation in [AdminOperation::PublishCommitteeBlob { blob_hash }, register] {
            let published = matches!(operation, AdminOperation::PublishCommitteeBlob { .. });
            let block = author.next(admin).await?.with_operation(SystemOperation::Admin(operation));
            author.commit(block, published.then(|| blob.clone()).into_iter().collect()).await?;
            made();
        }
    }
    Ok(())
}

/// Publishes data blobs, on one chain after the other.
async fn publish<D: WorkerDatabase>(
    author: &mut Author<D>,
    plan: Plan,
    made: &mut impl FnMut(),
) -> Result<()> {
    let mut random = SmallRng::seed_from_u64(plan.seed);
    for number in 0..plan.blobs {
        let index = u32::try_from(number % u64::from(plan.chains.max(1))).context("too many chains")? + 1;
        let blob = Blob::new(BlobContent::new_data(bytes(&mut random, plan.blob_bytes)));
        let operation = SystemOperation::PublishDataBlob { blob_hash: blob.id().hash };
        let block = author.next(author.world.chain(index)?).await?.with_operation(operation);
        author.commit(block, vec![blob]).await?;
        made();
    }
    Ok(())
}

/// Draws the content of a blob: half of it does not compress.
fn bytes(random: &mut SmallRng, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let (noise, rest) = bytes.split_at_mut(len.div_ceil(NOISE));
    random.fill_bytes(noise);
    let pattern = noise.first_chunk::<16>().copied().unwrap_or_default();
    rest.chunks_mut(16).for_each(|chunk| chunk.copy_from_slice(&pattern[..chunk.len()]));
    bytes
}
