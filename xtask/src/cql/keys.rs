//! Keys and certificates for nodes whose clients use TLS, made by Java's keytool.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// It guards test keys in a target folder; keytool wants one of six characters or more.
pub(super) const PASSWORD: &str = "kvbackup";

/// Makes what the nodes need, in `folder`, and returns their key store. Beside it are left, for clients, `ca.pem`, the
/// certificate of who vouches for the nodes, and `stranger.pem`, that of somebody who does not.
pub(super) fn make(java: &Path, folder: &Path, addresses: &[Ipv4Addr]) -> Result<PathBuf> {
    if folder.is_dir() {
        fs::remove_dir_all(folder).with_context(|| format!("could not remove {folder:?}"))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("could not create {folder:?}"))?;
    let keytool = Keytool { program: java.with_file_name("keytool"), folder };
    for name in ["ca", "stranger"] {
        keytool.run(name, &format!("-genkeypair -alias {name} -dname CN={name} -ext bc:c {KEY}"))?;
        keytool.run(name, &format!("-exportcert -rfc -alias {name} -file {name}.pem"))?;
    }
    let names = addresses.iter().map(|address| format!("ip:{address}")).collect::<Vec<_>>().join(",");
    keytool.run("nodes", &format!("-genkeypair -alias nodes -dname CN=nodes {KEY}"))?;
    keytool.run("nodes", "-certreq -alias nodes -file nodes.csr")?;
    let signed =
        format!("-gencert -rfc -alias ca -infile nodes.csr -outfile nodes.pem -ext san={names} {VALID}");
    keytool.run("ca", &signed)?;
    keytool.run("nodes", "-importcert -noprompt -alias ca -file ca.pem")?;
    keytool.run("nodes", "-importcert -noprompt -alias nodes -file nodes.pem")?;
    Ok(folder.join("nodes.p12"))
}

const KEY: &str = "-keyalg EC -groupname secp256r1 -validity 3650";
const VALID: &str = "-validity 3650";

struct Keytool<'a> {
    program: PathBuf,
    folder: &'a Path,
}

impl Keytool<'_> {
    /// Runs one command on a key store.
    fn run(&self, store: &str, words: &str) -> Result<()> {
        let mut command = Command::new(&self.program);
        command.args(words.split(' ')).args(["-storetype", "PKCS12", "-storepass", PASSWORD]);
        command.arg("-keystore").arg(format!("{store}.p12")).current_dir(self.folder);
        // It tells on its error channel of all that went well.
        let output = command.output().with_context(|| format!("could not start {:?}", self.program))?;
        if output.status.success() {
            return Ok(());
        }
        let told = [output.stdout, output.stderr].concat();
        anyhow::bail!("`{}` failed: {}", process::show(&command), String::from_utf8_lossy(&told).trim())
    }
}
