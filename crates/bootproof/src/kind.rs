//! The kinds of findings.

use serde::Serialize;

/// What is wrong. Its name in reports is in snake case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A dump that its repository does not give back.
    DumpDamaged,
    /// A namespace that its engine does not give back.
    NamespaceDamaged,
    /// A RocksDB directory without its write-ahead log.
    LogMissing,
    /// A namespace whose digest is not that of the dump it is compared with.
    DigestDiffers,
    /// The network description is missing or unreadable.
    NetworkDescription,
    /// The network description is not that of the genesis that was given.
    OtherNetwork,
    /// A chain is not in the genesis that was given, and no block opens it.
    ChainUnopened,
    /// The committee of an epoch is missing or unreadable.
    Committee,
    /// The state of a chain is missing or unreadable.
    ChainState,
    /// What a chain calls its last block is not what its blocks say.
    Tip,
    /// The log of a chain's own blocks has gaps, or not as many entries as it counts.
    ConfirmedLog,
    /// The log of blocks that sent messages to a chain has gaps, or not as many entries as it counts.
    ReceivedLog,
    /// A row of the index from heights to blocks is missing or wrong.
    HeightIndex,
    /// A block is missing.
    BlockMissing,
    /// The bytes of a block do not hash to its key.
    BlockDamaged,
    /// A certificate is missing.
    CertificateMissing,
    /// A certificate cannot be read, or is that of something else.
    CertificateDamaged,
    /// A certificate has not the signatures of its committee.
    CertificateInvalid,
    /// A block does not follow the one before it.
    BlockLink,
    /// The execution state does not hash to what the certified header says.
    StateHash,
    /// A hash that is stored beside a part of the execution state is not that of the part.
    StoredHash,
    /// The content of a blob is missing.
    BlobMissing,
    /// The bytes of a blob do not hash to its id.
    BlobDamaged,
    /// The state of a blob is missing or wrong.
    BlobState,
    /// An event is missing, or not the one that its block published.
    Event,
    /// A row of the index from events to heights is missing or wrong.
    EventIndex,
    /// What a chain remembers of its last messages or events is not what its blocks say.
    PreviousBlocks,
    /// An inbox is not what the blocks of both chains say.
    Inbox,
    /// An outbox, or what a chain counts of its outboxes, is not what its blocks say.
    Outbox,
    /// A message that the sender regards as delivered is not in the recipient's inbox.
    MessageLost,
    /// The state of a chain is older than its blocks.
    ChainBehind,
    /// The worker reports an error.
    BootFailed,
    /// The worker's tip of a chain is not that of the database.
    BootTip,
    /// A certificate did not move the tip to its block.
    CertificateNotApplied,
}

impl Kind {
    /// Says what such a finding means for the use of the database.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::DumpDamaged => {
                "the dump cannot be restored; take another one, or another copy of the repository"
            }
            Self::NamespaceDamaged => "the namespace cannot be read whole; restore it from a dump",
            Self::LogMissing => "the latest writes are missing; copy the whole directory again",
            Self::DigestDiffers => "the namespace does not hold what the dump holds",
            Self::NetworkDescription => "a worker cannot find the committee of any block",
            Self::OtherNetwork => {
                "the database is of another network, or somebody made it up: all that it holds rests on this"
            }
            Self::ChainUnopened => "nobody certified that this chain exists; what it holds may be made up",
            Self::Committee => "certificates of this epoch cannot be checked, here or by a worker",
            Self::ChainState => "the worker cannot continue this chain",
            Self::Tip => "the worker would expect the next block at a wrong place, or count wrongly",
            Self::ConfirmedLog => "the worker cannot tell others its own blocks; executing messages may fail",
            Self::ReceivedLog => {
                "clients that synchronize from this validator miss messages, without an error"
            }
            Self::HeightIndex => "the block cannot be found by its height, and is not served to others",
            Self::BlockMissing => "the block cannot be served, nor its messages delivered again",
            Self::BlockDamaged => "the block that is stored is not the one that was certified",
            Self::CertificateMissing => "nothing proves the block to others",
            Self::CertificateDamaged => "nothing proves the block to others",
            Self::CertificateInvalid => "the committee did not certify this block, or the committee is wrong",
            Self::BlockLink => "the blocks of this chain do not form a chain",
            Self::StateHash => {
                "balances or other state of this chain were altered; its next block will not be confirmed"
            }
            Self::StoredHash => {
                "linera trusts the stored hash, so that it will refuse the chain's next block"
            }
            Self::BlobMissing => "blocks and applications that need the blob cannot be executed or served",
            Self::BlobDamaged => "what is stored is not what was published",
            Self::BlobState => "the worker does not know that the blob was published, and asks for it again",
            Self::Event => "chains that read this event miss it, or get a wrong one",
            Self::EventIndex => "the block that published the event cannot be found by it",
            Self::PreviousBlocks => "the next block of this chain will differ from what the others compute",
            Self::Inbox => "messages to this chain are lost, or are refused when they are received",
            Self::Outbox => "messages of this chain are not sent, or never counted as delivered",
            Self::MessageLost => {
                "the message is never delivered here unless the sender is made to send it again"
            }
            Self::ChainBehind => {
                "the chain was set back, so that its validator might sign a second time at these heights"
            }
            Self::BootFailed => "a worker does not boot on this database, or not for this chain",
            Self::BootTip => "the worker continues elsewhere than the database says",
            Self::CertificateNotApplied => "the worker does not continue with this block",
        }
    }
}

impl std::fmt::Display for Kind {
    /// Writes the name as in reports.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = serde_json::to_value(self).map_err(|_| std::fmt::Error)?;
        out.pad(name.as_str().unwrap_or_default())
    }
}
