//! Keys and certificates for nodes whose clients use TLS, made by Java's keytool.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Password of the key stores of tests. keytool requires six characters or more.
pub(crate) const PASSWORD: &str = "kvbackup";

/// Creates the keys of the nodes in `folder`, and returns their key store.
///
/// Clients find there `ca.pem`, the certificate of the CA that signed the nodes' certificate, and `stranger.pem`, that of
/// another CA.
pub(crate) fn make(java: &Path, folder: &Path, addresses: &[Ipv4Addr]) -> Result<PathBuf> {
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
        // keytool reports success on stderr, so its output is shown only when it fails.
        let output = command.output().with_context(|| format!("could not start {:?}", self.program))?;
        if output.status.success() {
            return Ok(());
        }
        let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned();
        bail!("`keytool {words}` failed: {printed}")
    }
}
