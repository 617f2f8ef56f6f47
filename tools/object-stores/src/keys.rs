//! Certificates: a CA, and a server's certificate that it signed for 127.0.0.1.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::programs::run;

const OPENSSL: &str = "openssl, which makes certificates; `cargo xtask setup` installs it";

/// Files of a server with TLS.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    pub(crate) ca: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Keys {
    /// Makes the keys in a folder, unless they are there.
    pub(crate) fn make(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("could not create {folder:?}"))?;
        let path = |name: &str| folder.join(name);
        let keys = Self { ca: path("ca.pem"), certificate: path("server.pem"), key: path("server.key") };
        if keys.certificate.is_file() {
            return Ok(keys);
        }
        let (ca_key, request, extensions) = (path("ca.key"), path("server.csr"), path("server.ext"));
        fs::write(&extensions, "subjectAltName=IP:127.0.0.1,DNS:localhost\n")
            .with_context(|| format!("could not write {extensions:?}"))?;
        let ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let mut ca = Command::new("openssl");
        ca.args(["req", "-x509", "-days", "3650", "-subj", "/CN=kvbackup tests"]).args(ec);
        run(ca.arg("-keyout").arg(&ca_key).arg("-out").arg(&keys.ca), OPENSSL)?;
        let mut server = Command::new("openssl");
        server.args(["req", "-new", "-subj", "/CN=127.0.0.1"]).args(ec);
        run(server.arg("-keyout").arg(&keys.key).arg("-out").arg(&request), OPENSSL)?;
        let mut sign = Command::new("openssl");
        sign.args(["x509", "-req", "-days", "3650", "-CAcreateserial", "-in"]).arg(&request);
        sign.arg("-CA").arg(&keys.ca).arg("-CAkey").arg(&ca_key).arg("-extfile").arg(&extensions);
        run(sign.arg("-out").arg(&keys.certificate), OPENSSL)?;
        Ok(keys)
    }
}
