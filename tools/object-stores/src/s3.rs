//! A server that speaks S3.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::json;

use crate::keys::Keys;
use crate::process::{self, Process};
use crate::programs::run;
use crate::{Programs, Variables};

/// Key id and secret of the owner of all buckets.
const OWNER: [&str; 2] = ["owner", "owner-secret"];

/// Key id and secret of a user who may read, list and add, and neither overwrite policies nor delete.
const NODE: [&str; 2] = ["node", "node-secret"];

/// A running versitygw.
#[derive(Debug)]
pub struct S3 {
    programs: Programs,
    folder: PathBuf,
    keys: Keys,
    port: u16,
    process: Process,
}

impl S3 {
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
    /// As [`S3::start`].
    pub fn start_at(programs: &Programs, folder: &Path, port: u16) -> Result<Self> {
        // versitygw changes its directory.
        fs::create_dir_all(folder).with_context(|| format!("could not create {folder:?}"))?;
        let folder = folder.canonicalize().with_context(|| format!("could not find {folder:?}"))?;
        let keys = Keys::make(&folder.join("keys"))?;
        for name in ["users", "buckets"] {
            let path = folder.join(name);
            fs::create_dir_all(&path).with_context(|| format!("could not create {path:?}"))?;
        }
        let process = launch(programs, &folder, &keys, port)?;
        Ok(Self { programs: programs.clone(), folder, keys, port, process })
    }

    /// Kills the server, as a loss of power would. What it acknowledged stays.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts a server that was killed, on the same port.
    ///
    /// # Errors
    ///
    /// As [`S3::start`].
    pub fn revive(&mut self) -> Result<()> {
        self.process = launch(&self.programs, &self.folder, &self.keys, self.port)?;
        Ok(())
    }

    /// Creates a bucket.
    ///
    /// # Errors
    ///
    /// The bucket is there, or the server does not answer.
    pub fn create_bucket(&self, name: &str) -> Result<()> {
        self.put(name, None)
    }

    /// Lets the user of [`S3::node_variables`] read, list and add objects of a bucket, and nothing else.
    ///
    /// # Errors
    ///
    /// The server does not answer.
    pub fn allow_node(&self, bucket: &str) -> Result<()> {
        let mut admin = Command::new(self.programs.versitygw());
        admin.args(["admin", "--access", OWNER[0], "--secret", OWNER[1], "--allow-insecure"]);
        admin.args(["--endpoint-url", &self.endpoint(), "create-user"]);
        admin.args(["--access", NODE[0], "--secret", NODE[1], "--role", "user"]);
        run(&mut admin, "versitygw admin create-user")?;
        let policy = json!({
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": [NODE[0]],
                    "Action": ["s3:GetObject", "s3:PutObject"],
                    "Resource": format!("arn:aws:s3:::{bucket}/*"),
                },
                {
                    "Effect": "Allow",
                    "Principal": [NODE[0]],
                    "Action": ["s3:ListBucket"],
                    "Resource": format!("arn:aws:s3:::{bucket}"),
                },
            ],
        });
        self.put(&format!("{bucket}?policy="), Some(&policy.to_string()))
    }

    /// Returns the variables for the owner of all buckets.
    #[must_use]
    pub fn variables(&self) -> Variables {
        self.variables_of(OWNER)
    }

    /// Returns the variables for the user of [`S3::allow_node`].
    #[must_use]
    pub fn node_variables(&self) -> Variables {
        self.variables_of(NODE)
    }

    fn variables_of(&self, [id, secret]: [&str; 2]) -> Variables {
        vec![
            ("AWS_ACCESS_KEY_ID", id.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", secret.to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ENDPOINT", self.endpoint()),
            ("SSL_CERT_FILE", self.keys.ca.display().to_string()),
        ]
    }

    /// Lets the server outlive this; returns its process.
    pub fn leave(mut self) -> Option<u32> {
        self.process.leave()
    }

    fn endpoint(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// Sends a request that curl signs. Not every version of curl sends the header that servers ask for, nor signs a parameter without a value.
    fn put(&self, path: &str, body: Option<&str>) -> Result<()> {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail-with-body", "--aws-sigv4", "aws:amz:us-east-1:s3"]);
        curl.args(["--user", &OWNER.join(":"), "--cacert"]).arg(&self.keys.ca);
        curl.args(["--header", "x-amz-content-sha256: UNSIGNED-PAYLOAD"]);
        curl.args(["--request", "PUT", &format!("{}/{path}", self.endpoint())]);
        if let Some(body) = body {
            curl.args(["--header", "Content-Type: application/json", "--data-binary", body]);
        }
        run(&mut curl, "curl, which makes buckets; `cargo xtask setup` installs it")
    }
}

fn launch(programs: &Programs, folder: &Path, keys: &Keys, port: u16) -> Result<Process> {
    let mut server = Command::new(programs.versitygw());
    server.args(["--port", &format!("127.0.0.1:{port}"), "--access", OWNER[0], "--secret", OWNER[1]]);
    server.args(["--quiet", "--keep-alive", "--iam-dir"]).arg(folder.join("users"));
    server.arg("--cert").arg(&keys.certificate).arg("--key").arg(&keys.key);
    server.arg("posix").arg(folder.join("buckets"));
    Process::start(server, port, &folder.join("s3.log"))
}
