//! A server that speaks the protocol of Azure Blob Storage.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::keys::Keys;
use crate::process::{self, Process};
use crate::programs::run;
use crate::{Programs, Variables};

/// The account that Azurite has, with its key: both are in its documentation.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A running Azurite.
#[derive(Debug)]
pub struct Azure {
    keys: Keys,
    port: u16,
    process: Process,
}

impl Azure {
    /// Starts a server on a free port, with its files below a folder.
    ///
    /// # Errors
    ///
    /// The program is missing ([`Programs::install`]), or the server does not start.
    pub fn start(programs: &Programs, folder: &Path) -> Result<Self> {
        Self::start_at(programs, folder, process::free_port()?)
    }

    /// Starts a server on this port.
    ///
    /// # Errors
    ///
    /// As [`Azure::start`].
    pub fn start_at(programs: &Programs, folder: &Path, port: u16) -> Result<Self> {
        let keys = Keys::make(&folder.join("keys"))?;
        let blobs = folder.join("blobs");
        fs::create_dir_all(&blobs).with_context(|| format!("could not create {blobs:?}"))?;
        let mut server = Command::new(programs.azurite());
        server.args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string(), "--location"]).arg(&blobs);
        server.args(["--silent", "--skipApiVersionCheck", "--disableTelemetry"]);
        server.arg("--cert").arg(&keys.certificate).arg("--key").arg(&keys.key);
        let process = Process::start(server, port, &folder.join("azure.log"))?;
        Ok(Self { keys, port, process })
    }

    /// Creates a container. It is given to nobody but the account's owner.
    ///
    /// # Errors
    ///
    /// The container is there, or the server does not answer.
    pub fn create_container(&self, name: &str) -> Result<()> {
        let mut node = Command::new("node");
        node.args(["-e", include_str!("container.js"), &self.endpoint(), ACCOUNT, KEY, name]);
        run(node.env("NODE_EXTRA_CA_CERTS", &self.keys.ca), "node, which creates a container")
    }

    /// Returns the variables for the account's owner.
    #[must_use]
    pub fn variables(&self) -> Variables {
        vec![
            ("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT.to_owned()),
            ("AZURE_STORAGE_ACCOUNT_KEY", KEY.to_owned()),
            ("AZURE_ENDPOINT", self.endpoint()),
            ("SSL_CERT_FILE", self.keys.ca.display().to_string()),
        ]
    }

    /// Lets the server outlive this; returns its process.
    pub fn leave(mut self) -> Option<u32> {
        self.process.leave()
    }

    fn endpoint(&self) -> String {
        format!("https://127.0.0.1:{}/{ACCOUNT}", self.port)
    }
}
