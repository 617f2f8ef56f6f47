//! Keeping the program's memory small.

/// Starts this program anew with a single arena of glibc's allocator, unless the environment says how many there shall be.
///
/// By default glibc makes eight arenas for each core, and each keeps what it once needed: up to twice the memory of one. That gains no
/// speed, since what is allocated here is large and rare. Only the environment of a new process, or unsafe code, can say so.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn keep_small() {
    use std::os::unix::process::CommandExt;

    const ARENAS: &str = "MALLOC_ARENA_MAX";
    if std::env::var_os(ARENAS).is_some() {
        return;
    }
    // The system names the process by the file. A file that was replaced since is only found the other way.
    let files = [std::env::current_exe().ok(), Some("/proc/self/exe".into())];
    for file in files.into_iter().flatten() {
        let mut arguments = std::env::args_os();
        let mut command = std::process::Command::new(file);
        if let Some(name) = arguments.next() {
            command.arg0(name);
        }
        // This returns only where it cannot be done. Then more memory is taken, and nothing else is different.
        drop(command.args(arguments).env(ARENAS, "1").exec());
    }
}

/// Does nothing: only glibc has arenas.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn keep_small() {}
