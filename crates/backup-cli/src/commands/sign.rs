//! `sign`: signs dumps that are there.

use anyhow::Result;
use backup_console::{Problem, Report, RepositoryLocation, Session, SignArgs, count};
use backup_repository::{Signed, SignedDump};
use clap::Args;
use serde_json::{Value, json};

use crate::report;

/// Sign dumps that are there
///
/// For dumps that were made without a key, or by one that is replaced. A signature says that the dump is what its manifest says. So name dumps by
/// ids that you know from elsewhere, as from the log of the backup, and not by what the repository lists. `verify` them before.
///
/// A dump that this key has signed is left as it is. One that names another key is refused (code 4) without --replace.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  kvbackup sign /backup/validator --dump 3f2a0c11 --sign-key node.key
  kvbackup sign /backup/validator --dump 3f2a0c11 --dump 9b1d77e0 --sign-key new.key --replace")]
pub(crate) struct SignDumpsArgs {
    /// The repository: a directory or a URL
    repository: RepositoryLocation,
    /// The dump, by the first 4 to 64 digits of its id; may be repeated
    #[arg(long = "dump", value_name = "ID", required = true, value_parser = parse_digits)]
    dumps: Vec<String>,
    /// Replace a signature that names another key
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    sign: SignArgs,
}

pub(crate) async fn run(args: SignDumpsArgs, session: &Session) -> Result<Report> {
    let signer = args.sign.signer(session)?;
    if !signer.is_some() {
        return Err(Problem::Usage("name the key to sign with: --sign-key FILE".to_owned()).into());
    }
    let repository = signer.of(session.repository(&args.repository).await?);
    let mut signed = Vec::new();
    for digits in &args.dumps {
        signed.push(repository.sign_dump(digits, args.replace).await?);
    }
    let mut report = Report::default();
    report.field("dumps", signed.iter().map(as_json).collect::<Vec<_>>());
    for dump in &signed {
        report.line("dump", format_args!("{}: {}", dump.dump.id, describe(dump)));
    }
    let new = signed.iter().filter(|dump| dump.is_new).count() as u64;
    report.line("signed", count(new, "dump"));
    signer.describe(&mut report);
    Ok(report)
}

fn as_json(signed: &SignedDump) -> Value {
    json!({
        "dump": signed.dump.id,
        "is_new": signed.is_new,
        "signed_before": report::signed_by(signed.before),
    })
}

fn describe(signed: &SignedDump) -> String {
    match (signed.is_new, signed.before) {
        (false, _) => "this key had signed it already".to_owned(),
        (true, Signed::Unchecked(other)) => format!("signed, in place of a signature by {other}"),
        (true, _) => "signed".to_owned(),
    }
}

/// Takes digits of an id; `latest` would sign what the repository says.
fn parse_digits(text: &str) -> Result<String, String> {
    let is_id = (4..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id { Ok(text.to_ascii_lowercase()) } else { Err("expected 4 to 64 hex digits of an id".to_owned()) }
}
