//! What takes the room of a repository.

use backup_format::Limits;

use crate::error::RepositoryError;
use crate::index::Index;
use crate::mark::Marks;
use crate::progress::Progress;
use crate::reader::DumpReader;
use crate::repository::{Dump, Repository};
use crate::warning::Unusable;
use crate::work;

/// How a repository is measured.
#[derive(Clone, Debug, Default)]
pub struct StatsOptions {
    /// Receives events.
    pub progress: Progress,
}

/// What takes the room of a repository. Bytes are those of the store, unless said otherwise.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Its dumps, the earliest first.
    pub dumps: Vec<DumpStats>,
    /// Number of packs whose tables are good.
    pub packs: u64,
    /// Bytes of these packs.
    pub pack_bytes: u64,
    /// Objects in these packs, without salts.
    pub objects: ObjectStats,
    /// Segments that are stored as patches, which are among the objects too.
    pub patches: ObjectStats,
    /// Most patches that a segment is read from.
    pub longest_chain: u64,
    /// The salts of packs of version 1, which nothing refers to: what makes the name of each pack another one. A segment of just that
    /// length which is the first of its pack, and which no dump reaches, counts as one.
    pub salts: ObjectStats,
    /// Objects that no dump reaches: of forgotten dumps, or of a backup that did not end.
    pub unreferenced: ObjectStats,
    /// Objects that lie in another pack, too.
    pub copies: ObjectStats,
}

/// Objects, and what they take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectStats {
    /// Their number.
    pub number: u64,
    /// Their bytes in the packs.
    pub stored_bytes: u64,
    /// Their bytes before compression; of a patch those of its segment.
    pub plain_bytes: u64,
}

impl ObjectStats {
    fn add(&mut self, index: &Index, number: usize) {
        let (stored, plain) = index.lengths(number);
        self.number += 1;
        self.stored_bytes += stored;
        self.plain_bytes += plain;
    }
}

/// What a dump takes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DumpStats {
    /// The dump.
    pub dump: Dump,
    /// All objects that it reaches.
    pub reached: ObjectStats,
    /// Objects that no other dump reaches: what would be free without it.
    pub own: ObjectStats,
    /// Objects that no dump before it in [`Stats::dumps`] reaches: what it added to what is there. All dumps together, these are all that
    /// dumps reach.
    pub new: ObjectStats,
}

impl Repository {
    /// Measures a repository: reads the tables of all packs and the pages of all dumps, and no segment.
    ///
    /// This takes 32 bytes of memory for each object, and some bits.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Unlisted`] while a manifest cannot be read.
    /// [`RepositoryError::MissingObject`] and the like when a dump is damaged.
    pub async fn stats(&self, options: &StatsOptions) -> Result<Stats, RepositoryError> {
        let (repository, options) = (self.clone(), options.clone());
        work::drive(async move { repository.measure(&options).await }).await
    }

    async fn measure(&self, options: &StatsOptions) -> Result<Stats, RepositoryError> {
        options.progress.phase("reading tables", None);
        let unlisted = |unusable: Unusable, source| {
            let Unusable { damaged, unsupported, untrusted } = unusable;
            RepositoryError::Unlisted { damaged, unsupported, untrusted, source }
        };
        let dumps = self.dumps().await?.certain(unlisted)?;
        let index = self.index().await?;
        let (mut reached, mut again) = (Marks::none(&index), Marks::none(&index));
        options.progress.phase("reading pages", None);
        for dump in &dumps {
            let reader = DumpReader::with_index(self, index.clone(), dump, Limits::default());
            reached.join(&Marks::of(&reader, &dump.manifest).await?, &mut again);
        }
        let mut stats = totals(&index, &reached);
        let mut before = Marks::none(&index);
        // Marks of all dumps at a time might not fit in memory, so the pages are read again.
        for dump in dumps {
            let reader = DumpReader::with_index(self, index.clone(), &dump, Limits::default());
            let marks = Marks::of(&reader, &dump.manifest).await?;
            let [reached, own, new] = [ObjectStats::default(); 3];
            let mut found = DumpStats { dump, reached, own, new };
            for number in (0..index.len()).filter(|number| marks.has(*number)) {
                found.reached.add(&index, number);
                if !again.has(number) {
                    found.own.add(&index, number);
                }
                if !before.has(number) {
                    found.new.add(&index, number);
                    before.insert(number);
                }
            }
            stats.dumps.push(found);
        }
        Ok(stats)
    }
}

fn totals(index: &Index, reached: &Marks) -> Stats {
    let mut stats = Stats {
        packs: index.packs().len() as u64,
        pack_bytes: index.packs().iter().map(|(_, bytes)| bytes).sum(),
        ..Stats::default()
    };
    stats.longest_chain = index.longest_chain();
    for number in 0..index.len() {
        if index.may_be_salt(number) && !reached.has(number) && !index.is_copy(number) {
            stats.salts.add(index, number);
            continue;
        }
        stats.objects.add(index, number);
        if index.is_patch(number) {
            stats.patches.add(index, number);
        }
        if index.is_copy(number) {
            stats.copies.add(index, number);
        } else if !reached.has(number) {
            stats.unreferenced.add(index, number);
        }
    }
    stats
}
