//! Limits that the system sets for this process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::problem::Problem;
use crate::report::bytes;

/// Address space below which threads, RocksDB or the buffers of a pack may get none, in bytes. They end the process then.
const ADDRESS_SPACE_MIN: u64 = 1 << 30;

/// Raises the number of files that may be open to what is allowed: a database is read with all of its SST files open.
pub(crate) fn raise_open_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Where this is refused the limit stays as it is, and an error names it when it is met.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// Checks that the address space is not limited to less than this program needs: RocksDB ends the process where it gets no memory.
pub(crate) fn check_address_space() -> Result<(), Problem> {
    match getrlimit(Resource::As).current {
        Some(limit) if limit < ADDRESS_SPACE_MIN => Err(Problem::Failed(format!(
            "the address space of this process is limited to {} (ulimit -v), and it needs {}; raise that limit. To limit memory, use a \
             control group, like MemoryMax= of a service",
            bytes(limit),
            bytes(ADDRESS_SPACE_MIN)
        ))),
        _ => Ok(()),
    }
}
