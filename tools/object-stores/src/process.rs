//! A server's process.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long a server may take until it accepts connections.
const START: Duration = Duration::from_secs(60);

/// A process that is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    /// `None` once it may outlive this.
    child: Option<Child>,
    log: PathBuf,
}

impl Process {
    /// Starts a server and waits until it accepts connections on this port of 127.0.0.1.
    pub(crate) fn start(mut command: Command, port: u16, log: &Path) -> Result<Self> {
        let file = File::create(log).with_context(|| format!("could not create {log:?}"))?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        // A process group of its own: Ctrl-C is not meant for the server.
        let child = command.process_group(0).spawn();
        let child = child.with_context(|| format!("could not start {command:?}"))?;
        let mut process = Self { child: Some(child), log: log.to_owned() };
        process.wait(port)?;
        Ok(process)
    }

    fn wait(&mut self, port: u16) -> Result<()> {
        let end = Instant::now() + START;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            if let Some(status) = ended {
                bail!("the server ended with {status}: {}", self.printed());
            }
            if Instant::now() > end {
                bail!("the server does not answer at port {port}: {}", self.printed());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn printed(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default().trim().to_owned()
    }

    /// Lets the process outlive this; returns its id.
    pub(crate) fn leave(&mut self) -> Option<u32> {
        self.child.take().map(|child| child.id())
    }

    /// Kills the process, as a loss of power would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Returns a port of 127.0.0.1 that nobody uses at the moment.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("could not find a free port")?;
    Ok(listener.local_addr()?.port())
}
