//! The two logs of a chain: rows that are missing, or that the count leaves out.

use anyhow::Result;
use linera_base::data_types::BlockHeight;
use linera_views::ViewError;
use linera_views::context::Context;
use linera_views::log_view::LogView;
use linera_views::store::ReadableKeyValueStore as _;
use linera_views::views::{MIN_VIEW_TAG, View};
use serde::de::DeserializeOwned;

use crate::chain::Chain;
use crate::decode::decode;
use crate::kind::Kind;
use crate::ranges::ranges;

/// Tag of a log's entries beneath its base key, behind that of its count.
const ENTRY_TAG: u8 = MIN_VIEW_TAG + 1;

/// Entries of a log that are read at once.
const CHUNK: usize = 1_000;

/// An entry of a log: `None` when it is missing, `Err` when it cannot be decoded.
pub(crate) type LogEntry<T> = Option<Result<T, String>>;

/// Reads entries of a log, whatever its count says.
pub(crate) async fn entries<C, T>(log: &LogView<C, T>, from: u64, to: u64) -> Result<Vec<LogEntry<T>>>
where
    C: Context,
    T: DeserializeOwned + Send + Sync + serde::Serialize,
    ViewError: From<C::Error>,
{
    let context = log.context();
    let keys = (from..to).map(|index| context.base_key().derive_tag_key(ENTRY_TAG, &index));
    let keys = keys.collect::<Result<Vec<_>, _>>()?;
    let values = context.store().read_multi_values_bytes(&keys).await?;
    Ok(values.into_iter().map(|value| value.map(|bytes| decode(&bytes))).collect())
}

/// Lists the indices of all entries that are stored, in numeric order.
async fn indices<C, T>(log: &LogView<C, T>) -> Result<Vec<u64>>
where
    C: Context,
    T: Send + Sync + serde::Serialize,
    ViewError: From<C::Error>,
{
    let context = log.context();
    let prefix = context.base_key().base_tag(ENTRY_TAG);
    let keys = context.store().find_keys_by_prefix(&prefix).await?;
    let mut indices: Vec<_> =
        keys.iter().filter_map(|key| Some(u64::from_le_bytes(key.as_slice().try_into().ok()?))).collect();
    indices.sort_unstable();
    Ok(indices)
}

/// Returns the largest index of an entry that is stored; `None` when there is none.
pub(crate) async fn last_index<C, T>(log: &LogView<C, T>) -> Result<Option<u64>>
where
    C: Context,
    T: Send + Sync + serde::Serialize,
    ViewError: From<C::Error>,
{
    Ok(indices(log).await?.last().copied())
}

/// Compares the entries that are stored with a count: returns those missing, and those behind the last.
fn compare(stored: &[u64], count: u64) -> (Vec<std::ops::Range<u64>>, Vec<std::ops::Range<u64>>) {
    let split = stored.partition_point(|index| *index < count);
    let (counted, behind) = stored.split_at(split);
    let mut missing = Vec::new();
    let mut next = 0;
    for index in counted {
        if *index > next {
            missing.push(next..*index);
        }
        next = index + 1;
    }
    if next < count {
        missing.push(next..count);
    }
    (missing, ranges(behind.iter().copied()))
}

impl Chain<'_> {
    /// Checks that both logs have all entries that they count and no more, and that of blocks as many as there are blocks.
    pub(super) async fn check_logs(&self) -> Result<()> {
        let count = self.view.confirmed_log.count() as u64;
        if count != self.next_height().0 {
            let place = self.place("confirmed log");
            self.add(
                Kind::ConfirmedLog,
                place,
                format!("{} entries", self.next_height()),
                format!("{count} entries"),
            );
        }
        let stored = indices(&self.view.confirmed_log).await?;
        self.check_log("confirmed log", Kind::ConfirmedLog, &stored, count);
        let count = self.view.received_log.count() as u64;
        let stored = indices(&self.view.received_log).await?;
        self.check_log("received log", Kind::ReceivedLog, &stored, count);
        Ok(())
    }

    fn check_log(&self, what: &str, kind: Kind, stored: &[u64], count: u64) {
        let (missing, behind) = compare(stored, count);
        for range in missing {
            let mut place = self.place(format!("{what}, entries {} to {}", range.start, range.end - 1));
            if kind == Kind::ConfirmedLog {
                place = place.height(BlockHeight(range.start));
            }
            self.add(kind, place, format!("{count} entries"), format!("{} missing", range.end - range.start));
        }
        for range in behind {
            let place = self.place(format!("{what}, entries {} to {}", range.start, range.end - 1));
            self.add(kind, place, format!("a count of {count} entries"), "entries behind that");
        }
    }

    /// Reads the received log: chains and heights, in the order of the log. Entries that are missing or cannot be decoded,
    /// which is a finding, are left out.
    pub(super) async fn received(&self) -> Result<Vec<linera_chain::data_types::ChainAndHeight>> {
        let log = &self.view.received_log;
        let stored = indices(log).await?;
        let mut received = Vec::with_capacity(stored.len());
        for range in ranges(stored.iter().copied()) {
            for from in range.clone().step_by(CHUNK) {
                let to = range.end.min(from + CHUNK as u64);
                for (index, entry) in (from..to).zip(entries(log, from, to).await?) {
                    match entry {
                        Some(Ok(entry)) => received.push(entry),
                        Some(Err(problem)) => {
                            let place = self.place(format!("received log, entry {index}"));
                            self.add(Kind::ReceivedLog, place, "a chain and a height", problem);
                        }
                        None => {}
                    }
                }
            }
        }
        Ok(received)
    }
}

#[cfg(test)]
mod tests {
    use super::compare;

    #[test]
    fn gaps_and_entries_behind_the_count_are_ranges() {
        assert_eq!(compare(&[0, 1, 2], 3), (vec![], vec![]));
        assert_eq!(compare(&[], 0), (vec![], vec![]));
        assert_eq!(compare(&[1, 4], 6), (vec![0..1, 2..4, 5..6], vec![]));
        assert_eq!(compare(&[0, 1, 2, 7], 1), (vec![], vec![1..3, 7..8]));
        assert_eq!(compare(&[], u64::MAX).0.first(), Some(&(0..u64::MAX)));
    }
}
