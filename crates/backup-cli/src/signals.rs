//! The signals that interrupt a command.

use std::thread;

use anyhow::{Context, Result};
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::exit::Exit;

/// Begins to listen to SIGINT and SIGTERM, which from now on no longer end the program by themselves. The name of the
/// first one is received; a second one ends the program at once.
///
/// A thread of its own listens, so that the second one is heard also while the work of others comes to rest.
pub(crate) fn listen() -> Result<oneshot::Receiver<&'static str>> {
    let doing = "listening to signals";
    let runtime = Builder::new_current_thread().enable_io().build().context(doing)?;
    let guard = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt()).context(doing)?;
    let mut terminate = signal(SignalKind::terminate()).context(doing)?;
    drop(guard);
    let (sender, receiver) = oneshot::channel();
    let wait = move || {
        runtime.block_on(async {
            let first = next(&mut interrupt, &mut terminate).await;
            // Nobody is left to be told when the command is done already.
            let _ = sender.send(first);
            next(&mut interrupt, &mut terminate).await;
        });
        std::process::exit(Exit::Interrupted.code().into());
    };
    thread::Builder::new().name("signals".to_owned()).spawn(wait).context(doing)?;
    Ok(receiver)
}

async fn next(interrupt: &mut Signal, terminate: &mut Signal) -> &'static str {
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}
