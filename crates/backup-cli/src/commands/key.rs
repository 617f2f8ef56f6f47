//! `key`: makes keys.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use backup_console::{Problem, Report, quoted};
use backup_sign::SecretKey;
use clap::{Args, Subcommand};

/// Make a key to sign dumps with
#[derive(Args, Debug)]
pub(crate) struct KeyArgs {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    Generate(GenerateArgs),
}

/// Make a key, and write it to two new files
///
/// FILE gets the secret key, which only its owner can read and no password protects; FILE.pub gets the public one. Both are files
/// of minisign. Who has FILE can sign dumps; those who read dumps need FILE.pub or the key that is printed.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  kvbackup key generate --sign /etc/kvbackup/node.key
  kvbackup backup rocksdb:/var/lib/linera/validator_0 /backup/validator --sign-key /etc/kvbackup/node.key
  kvbackup verify /backup/validator --trust /etc/kvbackup/node.key.pub")]
struct GenerateArgs {
    /// Where the key to sign with goes
    #[arg(long, value_name = "FILE")]
    sign: PathBuf,
}

pub(crate) fn run(args: KeyArgs) -> Result<Report> {
    let KeyCommand::Generate(GenerateArgs { sign: secret }) = args.command;
    let mut public = secret.clone().into_os_string();
    public.push(".pub");
    let public = PathBuf::from(public);
    if public.try_exists().with_context(|| format!("looking at {}", public.display()))? {
        return Err(exists(&public));
    }
    let key = SecretKey::generate()?;
    write_new(&secret, 0o600, key.encode().as_bytes())?;
    if let Err(error) = write_new(&public, 0o644, key.public().encode().as_bytes()) {
        // Without its public half nobody knows of it.
        drop(std::fs::remove_file(&secret));
        return Err(error);
    }
    let mut report = Report::default();
    report.field("key", key.public().id().to_string());
    report.field("public_key", key.public().to_string());
    report.field("secret_file", secret.display().to_string());
    report.field("public_file", public.display().to_string());
    report.line("key", key.public().id());
    report.line("public key", key.public());
    report.line("secret file", secret.display());
    report.line("public file", public.display());
    report.line(
        "next",
        format_args!(
            "--sign-key {} to sign, --trust {} to check",
            quoted(secret.display()),
            quoted(public.display())
        ),
    );
    Ok(report)
}

/// Writes a file that was not there, durably, with its mode from the beginning.
fn write_new(path: &Path, mode: u32, content: &[u8]) -> Result<()> {
    let doing = || format!("writing {}", path.display());
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = match opened {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(exists(path)),
        opened => opened.with_context(doing)?,
    };
    file.write_all(content).and_then(|()| file.sync_all()).with_context(doing)?;
    let directory = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    File::open(directory).and_then(|directory| directory.sync_all()).with_context(doing)
}

fn exists(path: &Path) -> anyhow::Error {
    Problem::Refused(format!("{} exists already, and a key is never overwritten", path.display())).into()
}
