//! What is expected of the newest dumps.

use std::time::{Duration, SystemTime};

use backup_repository::{Dumps, RepositoryError};
use clap::Args;

use crate::keep_args::parse_age;

/// What is expected of the newest dump of each namespace.
#[derive(Args, Clone, Debug)]
pub(crate) struct FreshArgs {
    /// Fail (code 3) if the newest dump of a namespace has a smaller sequence than this: who remembers it notices when the end was taken away
    #[arg(long, value_name = "N")]
    pub(crate) expect_sequence: Option<u64>,
    /// Fail (code 3) if the newest dump of a namespace is older than this: hours, days, weeks or years, like 36h, 14d, 8w, 1y
    #[arg(long, value_name = "TIME", value_parser = parse_age)]
    pub(crate) max_age: Option<Duration>,
}

impl FreshArgs {
    /// Returns what is wrong with the newest dumps: of one namespace, or of all.
    pub(crate) fn stale(&self, dumps: &Dumps, namespace: Option<&str>) -> Option<RepositoryError> {
        let sequence = self.expect_sequence.map_or(Ok(()), |least| dumps.check_sequence(namespace, least));
        let age = || self.max_age.map_or(Ok(()), |most| dumps.check_age(most, SystemTime::now().into()));
        sequence.and_then(|()| age()).err()
    }
}
