//! The signals that interrupt a command.

use std::{fs, io, thread};

use anyhow::{Context, Result};
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::exit::Exit;
use crate::problem::Problem;

/// The first signal that comes to this process, which interrupts what it does.
pub struct Interruption(oneshot::Receiver<&'static str>);

impl Interruption {
    /// Returns one that never comes: signals are not listened to.
    #[must_use]
    pub fn never() -> Self {
        Self(oneshot::channel().1)
    }

    /// Does the work, unless a signal comes before its end. `resumes` is true if the same command continues it.
    ///
    /// # Errors
    ///
    /// Those of the work, and [`Problem::Interrupted`].
    pub async fn or<T>(self, work: impl Future<Output = Result<T>>, resumes: bool) -> Result<T> {
        tokio::select! {
            result = work => result,
            Ok(signal) = self.0 => Err(Problem::Interrupted { signal, resumes }.into()),
        }
    }
}

/// Begins to listen to SIGINT, SIGTERM and SIGHUP, which from now on no longer end the program by themselves. The name of the
/// first one is received; a second one ends the program at once.
///
/// Under `nohup` SIGHUP stays ignored.
///
/// A thread of its own listens, so that the second one is heard also while the work of others comes to rest.
pub(crate) fn listen() -> Result<Interruption> {
    let doing = "listening to signals";
    let runtime = Builder::new_current_thread().enable_io().build().context(doing)?;
    let guard = runtime.enter();
    let mut signals = Signals::listen().context(doing)?;
    drop(guard);
    let (sender, receiver) = oneshot::channel();
    let wait = move || {
        runtime.block_on(async {
            let first = signals.next().await;
            // Nobody receives it when the command is done already.
            let _ = sender.send(first);
            signals.next().await;
        });
        std::process::exit(Exit::Interrupted.code().into());
    };
    thread::Builder::new().name("signals".to_owned()).spawn(wait).context(doing)?;
    Ok(Interruption(receiver))
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// `None` where the process that started the program had it ignored.
    hang_up: Option<Signal>,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: if is_ignored(SignalKind::hangup()) {
                None
            } else {
                Some(signal(SignalKind::hangup())?)
            },
        })
    }

    async fn next(&mut self) -> &'static str {
        let hang_up = async {
            match &mut self.hang_up {
                Some(hang_up) => hang_up.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
            _ = hang_up => "SIGHUP",
        }
    }
}

/// Returns true if this process ignores a signal, according to the system's list of them; false where there is none.
fn is_ignored(kind: SignalKind) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (kind.as_raw_value() - 1) & 1 == 1)
}
