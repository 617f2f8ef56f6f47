//! Databases that are good, of different pasts.

use std::sync::OnceLock;

use libtest_mimic::Failed;
use linera_execution::{FLAG_HISTORICAL_HASH, FLAG_HISTORICAL_HASH_SHADOW, FLAG_ZERO_HASH};
use validator_network::runtime::block_on;

use crate::past::Past;
use crate::proving::{prove_entries, show};
use crate::{chains, fixture, traffic};

/// How a database came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// linera itself wrote it, elsewhere.
    Fixture,
    /// A message waits in the outbox of its sender.
    MessageInOutbox,
    /// Two messages wait in the inbox of their recipient.
    MessagesInInbox,
    /// A block of the recipient took a message before its inbox got it.
    MessageTakenEarly,
    /// A block came before the one that it follows.
    BlockBeforeItsTurn,
    /// The same, and then came the other.
    BlockAfterAll,
    /// A chain got a message before it had a description; another one rejected a message.
    UnknownChain,
    /// A second committee, the first one removed; a data blob; a chain that a block opened.
    Epochs,
    /// An application has state on a chain without blocks.
    Application,
    /// The validator has voted for a block that is not confirmed.
    Voted,
    /// The state of the sender is older than its blocks.
    SetBack,
    /// States are not hashed.
    ZeroHash,
    /// States are hashed by their history.
    HistoricalHash,
    /// They are, but headers do not have the hashes.
    ShadowHash,
    /// The last block of each chain was the first that was hashed so.
    FirstHistoricalBlock,
}

impl History {
    /// Those in which nothing may be found, with what is not proven in each.
    pub const GOOD: [(Self, &'static [&'static str]); 14] = [
        (Self::Fixture, &[]),
        (Self::MessageInOutbox, &[]),
        (Self::MessagesInInbox, &[]),
        (Self::MessageTakenEarly, &[]),
        (Self::BlockBeforeItsTurn, &[]),
        (Self::BlockAfterAll, &[]),
        (Self::UnknownChain, &["not initialized"]),
        (Self::Epochs, &[]),
        (Self::Application, &[]),
        (Self::Voted, &[]),
        (Self::ZeroHash, &["FLAG_ZERO_HASH"]),
        (Self::HistoricalHash, &["FLAG_HISTORICAL_HASH"]),
        (Self::ShadowHash, &["FLAG_HISTORICAL_HASH_SHADOW"]),
        (Self::FirstHistoricalBlock, &[]),
    ];

    /// Returns the database, which is made once.
    pub fn past(self) -> &'static Past {
        static PASTS: [OnceLock<Past>; 15] = [const { OnceLock::new() }; 15];
        PASTS[self as usize].get_or_init(|| block_on(|| async { Ok(self.make().await) }).unwrap())
    }

    async fn make(self) -> Past {
        match self {
            Self::Fixture => fixture::past().await,
            Self::MessageInOutbox => traffic::message_in_outbox().await,
            Self::MessagesInInbox => traffic::messages_in_inbox().await,
            Self::MessageTakenEarly => traffic::message_taken_early().await,
            Self::BlockBeforeItsTurn => traffic::block_before_its_turn().await,
            Self::BlockAfterAll => traffic::block_after_all().await,
            Self::UnknownChain => traffic::unknown_chain().await,
            Self::Epochs => chains::epochs().await,
            Self::Application => chains::application().await,
            Self::Voted => traffic::voted().await,
            Self::SetBack => traffic::set_back().await,
            Self::ZeroHash => chains::hashed(FLAG_ZERO_HASH).await,
            Self::HistoricalHash => chains::hashed(FLAG_HISTORICAL_HASH).await,
            Self::ShadowHash => chains::hashed(FLAG_HISTORICAL_HASH_SHADOW).await,
            Self::FirstHistoricalBlock => chains::first_historical_block().await,
        }
    }

    /// Proves the database, and checks that nothing is found, and what is not proven.
    pub fn check(self, not_proven: &[&str]) -> Result<(), Failed> {
        let report = prove_entries(&self.past().entries, &[]);
        let found: Vec<_> = report.findings.iter().map(show).collect();
        assert!(found.is_empty(), "{found:#?}");
        let unproven: Vec<_> = report.not_proven.iter().map(|note| &note.what).collect();
        let as_expected = unproven.len() == not_proven.len()
            && unproven.iter().zip(not_proven).all(|(found, expected)| found.contains(expected));
        assert!(as_expected, "{unproven:#?}");
        assert!(report.scenarios.len() == 2 && report.scenarios.iter().all(|boot| boot.result == "ok"));
        Ok(())
    }
}
