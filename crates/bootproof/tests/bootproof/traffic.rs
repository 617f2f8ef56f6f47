//! Pasts with messages and blocks on their way.

use linera_base::crypto::CryptoHash;
use linera_base::identifiers::ChainId;
use linera_chain::data_types::{MessageAction, Transaction};

use crate::keys;
use crate::past::Past;
use crate::validator::{Lone, execute, transfer};

/// Begins a network in which both chains have blocks.
pub async fn begin(flags: &[&str]) -> Lone {
    let lone = Lone::begin(flags).await;
    lone.operate(lone.admin, transfer(lone.other)).await;
    lone.receive(lone.other).await;
    lone
}

pub async fn message_in_outbox() -> Past {
    let lone = begin(&[]).await;
    let certificate = lone.certify(lone.admin, vec![execute(transfer(lone.other))], Vec::new()).await;
    lone.apply_alone(&certificate).await;
    lone.past().await
}

pub async fn messages_in_inbox() -> Past {
    let lone = begin(&[]).await;
    for _ in 0..2 {
        lone.operate(lone.admin, transfer(lone.other)).await;
    }
    lone.past().await
}

pub async fn message_taken_early() -> Past {
    let (whole, late) = (begin(&[]).await, begin(&[]).await);
    let sent = whole.operate(whole.admin, transfer(whole.other)).await;
    let received = whole.receive(whole.other).await;
    late.apply_alone(&sent).await;
    late.apply_alone(&received).await;
    late.past().await
}

pub async fn block_before_its_turn() -> Past {
    let (whole, late) = (begin(&[]).await, begin(&[]).await);
    whole.operate(whole.admin, transfer(whole.other)).await;
    let second = whole.operate(whole.admin, transfer(whole.other)).await;
    late.apply(&second).await;
    late.past().await
}

pub async fn block_after_all() -> Past {
    let (whole, late) = (begin(&[]).await, begin(&[]).await);
    let first = whole.operate(whole.admin, transfer(whole.other)).await;
    let second = whole.operate(whole.admin, transfer(whole.other)).await;
    for certificate in [&second, &first, &second] {
        late.apply(certificate).await;
    }
    late.past().await
}

pub async fn unknown_chain() -> Past {
    let lone = begin(&[]).await;
    let unknown = ChainId(CryptoHash::from([1; 32]));
    lone.operate(lone.admin, transfer(unknown)).await;
    lone.operate(lone.admin, transfer(lone.other)).await;
    let mut bundles = lone.waiting(lone.other).await;
    for bundle in &mut bundles {
        bundle.action = MessageAction::Reject;
    }
    let transactions = bundles.into_iter().map(Transaction::ReceiveMessages).collect();
    let rejected = lone.certify(lone.other, transactions, Vec::new()).await;
    lone.apply(&rejected).await;
    lone.past().await
}

pub async fn voted() -> Past {
    let lone = begin(&[]).await;
    lone.propose(lone.admin, vec![execute(transfer(lone.other))]).await;
    lone.past().await
}

/// Three blocks that the state of their chain does not know of.
pub async fn set_back() -> Past {
    let lone = begin(&[]).await;
    let before = lone.past().await;
    for _ in 0..3 {
        lone.operate(lone.admin, transfer(lone.other)).await;
    }
    let mut after = lone.past().await;
    let root_key = keys::chain_state(after.sender);
    after.entries.0.retain(|(found, _), _| *found != root_key);
    after.entries.0.extend(before.entries.0.into_iter().filter(|((found, _), _)| *found == root_key));
    after
}
