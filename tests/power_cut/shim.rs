//! Stands between a program and the calls that make files durable: a library for `LD_PRELOAD`.
//!
//! What is synced below `POWER_CUT_BELOW` is recorded in the directory `POWER_CUT_DISK`. Call number `POWER_CUT_AT`, from 0, kills the process instead, or
//! fails with EIO if `POWER_CUT_FAILS` is set. At the end the number of calls is in the file `calls` there.

#[allow(dead_code)]
mod disk;

use std::ffi::{CStr, c_char, c_int, c_void};
use std::fs::File;
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;
use std::path::PathBuf;
use std::sync::Mutex;

use disk::Disk;

const EIO: c_int = 5;
const SIGKILL: c_int = 9;
const RTLD_NEXT: *mut c_void = -1_isize as *mut c_void;

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    fn __errno_location() -> *mut c_int;
    fn raise(signal: c_int) -> c_int;
}

/// Calls so far. The lock is held during a call: one is over before the next begins.
static CALLS: Mutex<usize> = Mutex::new(0);

#[unsafe(no_mangle)]
pub extern "C" fn fsync(file: c_int) -> c_int {
    sync(c"fsync", file)
}

#[unsafe(no_mangle)]
pub extern "C" fn fdatasync(file: c_int) -> c_int {
    sync(c"fdatasync", file)
}

fn sync(name: &CStr, file: c_int) -> c_int {
    let disk = PathBuf::from(std::env::var_os("POWER_CUT_DISK").expect("a directory to record in"));
    let at = std::env::var("POWER_CUT_AT").ok().and_then(|number| number.parse().ok());
    let mut calls = CALLS.lock().expect("no call panics");
    let number = *calls;
    *calls += 1;
    std::fs::write(disk.join("calls"), calls.to_string()).expect("the number of calls can be kept");
    if at == Some(number) {
        if std::env::var_os("POWER_CUT_FAILS").is_none() {
            unsafe { raise(SIGKILL) };
        }
        unsafe { *__errno_location() = EIO };
        return -1;
    }
    let next: extern "C" fn(c_int) -> c_int = unsafe {
        let next = dlsym(RTLD_NEXT, name.as_ptr());
        assert!(!next.is_null(), "libc has {name:?}");
        std::mem::transmute(next)
    };
    let result = next(file);
    if result == 0 {
        // The caller owns the file.
        let file = ManuallyDrop::new(unsafe { File::from_raw_fd(file) });
        let path = disk::path(&file).expect("a file that is open has a path");
        if path.starts_with(std::env::var_os("POWER_CUT_BELOW").expect("the directory that is watched")) {
            Disk(&disk).record(&file).expect("what is synced can be read");
        }
    }
    result
}
