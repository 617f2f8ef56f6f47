//! Kills a program in the middle of a write: a library for `LD_PRELOAD`.
//!
//! Writes to files below `POWER_CUT_BELOW` are counted. Call number `POWER_CUT_AT`, from 0, writes the first half of its bytes and then
//! kills the process. The number of calls is in the file `POWER_CUT_CALLS`, which lies elsewhere.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

const SIGKILL: c_int = 9;
const RTLD_NEXT: *mut c_void = -1_isize as *mut c_void;

type Write = extern "C" fn(c_int, *const c_void, usize) -> isize;
type WriteAt = extern "C" fn(c_int, *const c_void, usize, i64) -> isize;

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    fn raise(signal: c_int) -> c_int;
}

static CALLS: AtomicUsize = AtomicUsize::new(0);

#[unsafe(no_mangle)]
pub extern "C" fn write(file: c_int, bytes: *const c_void, length: usize) -> isize {
    let next: Write = unsafe { std::mem::transmute(symbol(c"write")) };
    if is_last(file) {
        next(file, bytes, length / 2);
        unsafe { raise(SIGKILL) };
    }
    next(file, bytes, length)
}

#[unsafe(no_mangle)]
pub extern "C" fn pwrite(file: c_int, bytes: *const c_void, length: usize, at: i64) -> isize {
    write_at(c"pwrite", file, bytes, length, at)
}

#[unsafe(no_mangle)]
pub extern "C" fn pwrite64(file: c_int, bytes: *const c_void, length: usize, at: i64) -> isize {
    write_at(c"pwrite64", file, bytes, length, at)
}

fn write_at(name: &CStr, file: c_int, bytes: *const c_void, length: usize, at: i64) -> isize {
    let next: WriteAt = unsafe { std::mem::transmute(symbol(name)) };
    if is_last(file) {
        next(file, bytes, length / 2, at);
        unsafe { raise(SIGKILL) };
    }
    next(file, bytes, length, at)
}

fn symbol(name: &CStr) -> *mut c_void {
    let next = unsafe { dlsym(RTLD_NEXT, name.as_ptr()) };
    assert!(!next.is_null(), "libc has {name:?}");
    next
}

/// Counts a call; returns true if it is the one that kills.
fn is_last(file: c_int) -> bool {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let path = std::fs::read_link(format!("/proc/self/fd/{file}"));
    let (Ok(path), Some(below), Some(calls)) = (path, variable("POWER_CUT_BELOW"), variable("POWER_CUT_CALLS")) else {
        return false;
    };
    if !path.starts_with(below) {
        return false;
    }
    let number = CALLS.fetch_add(1, Ordering::SeqCst);
    // This comes back here, and is not counted.
    std::fs::write(calls, (number + 1).to_string()).expect("the number of calls can be kept");
    let at = std::env::var("POWER_CUT_AT").ok().and_then(|number| number.parse().ok());
    at == Some(number)
}
