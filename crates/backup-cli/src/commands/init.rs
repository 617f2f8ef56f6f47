//! `init`: makes a repository.

use std::path::PathBuf;

use anyhow::{Context, Result};
use backup_console::{Problem, Report, RepositoryLocation, Session, SignArgs, quoted, recipients};
use backup_format::Config;
use backup_repository::Repository;
use backup_seal::RepositoryKey;
use clap::Args;

use crate::new_file::{self, check_new};
use crate::repository;

/// Make an empty repository
///
/// A backup makes one of version 1 where nothing is, so this is for those who want another version, or an encrypted one. In a repository of
/// version 2 a segment that changed may be stored as a patch of the one before it. So the next dump takes little more room than what
/// changed. One of version 1 can also be read by the first programs. Neither a version nor encryption ever changes.
///
/// With --recipient the repository is encrypted, and of version 2. Those recipients of age can read it, each with its identity alone; give
/// at least two, one of which is kept offline. The file of --repository-key is made: who has it can write dumps, and cannot read
/// any. It lies in the repository, too, for the recipients; --sign-key signs that copy, so that nobody can add a recipient to it unnoticed.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  kvbackup init /backup/validator
  kvbackup init s3://bucket/validator --version 2
  kvbackup key generate --age operations.age; kvbackup key generate --age offline.age
  kvbackup init s3://bucket/validator --recipient age1qx.. --recipient age1h4.. --repository-key /etc/kvbackup/repository.key")]
pub(crate) struct InitArgs {
    /// The repository: a directory or a URL
    repository: RepositoryLocation,
    /// Version of the repository: 1 or 2 [default: 1, or 2 if it is encrypted]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(Config::VERSIONS))]
    version: Option<u64>,
    /// Encrypt for this recipient of age, as `age-keygen -y` prints it; to be repeated
    #[arg(long, value_name = "AGE")]
    recipient: Vec<String>,
    /// Make an encrypted repository that one recipient alone can read; what is lost with its identity is lost
    #[arg(long, requires = "recipient")]
    one_recipient_only: bool,
    #[command(flatten)]
    sign: SignArgs,
}

pub(crate) async fn run(args: InitArgs, session: &Session) -> Result<Report> {
    repository::keep_private();
    let mut report = Report::default();
    let repository = match args.recipient.is_empty() {
        true => plain(&args, session).await?,
        false => encrypted(&args, session, &mut report).await?,
    };
    let config = repository.config();
    report.field("repository", &config.repository);
    report.field("version", config.version());
    report.field("encrypted", config.is_encrypted());
    report.line("repository", &config.repository);
    report.line("version", config.version());
    report.line("next", format_args!("kvbackup backup SOURCE {}", args.repository));
    Ok(report.timed())
}

async fn plain(args: &InitArgs, session: &Session) -> Result<Repository> {
    if session.repository_key_file().is_some() {
        let text = "a repository key is for an encrypted repository; name its recipients with --recipient";
        return Err(Problem::Usage(text.to_owned()).into());
    }
    let version = args.version.unwrap_or(Config::DEFAULT_VERSION);
    repository::create(&args.repository, version, session).await
}

async fn encrypted(args: &InitArgs, session: &Session, report: &mut Report) -> Result<Repository> {
    let usage = |text: &str| Err(Problem::Usage(text.to_owned()).into());
    if args.version == Some(1) {
        return usage("a repository of version 1 is never encrypted; leave --version out");
    }
    if args.recipient.len() == 1 && !args.one_recipient_only {
        return usage(
            "one recipient alone: with its identity all dumps would be lost. Name a second one, which is kept offline, or give \
             --one-recipient-only",
        );
    }
    let Some(file): Option<PathBuf> = session.repository_key_file() else {
        return usage(
            "an encrypted repository needs --repository-key FILE, where the key to write with goes",
        );
    };
    let recipients = recipients(&args.recipient)?;
    let signer = args.sign.signer(session)?;
    check_new(&file)?;
    let mut id = [0; 16];
    getrandom::fill(&mut id)?;
    let key = RepositoryKey::generate(id, args.recipient.clone())?;
    // First: without its key nothing can be written to a repository.
    new_file::write(&file, 0o600, key.encode().as_bytes())?;
    let created = repository::create_encrypted(&args.repository, (&key, &recipients), session).await;
    let created = match created {
        Err(error) if repository::may_be_of(&args.repository, &key, session).await => {
            let text = "a repository was begun; its key stays in";
            return Err(error
                .context(format!("{text} {}, and a backup with it finishes that", quoted(file.display()))));
        }
        Err(error) => {
            drop(std::fs::remove_file(&file));
            return Err(error);
        }
        Ok(created) => signer.of(created),
    };
    if signer.is_some() {
        created.store_key(&key, &*recipients).await.context("signing the repository key that is stored")?;
    }
    report.field("repository_key_file", file.display().to_string());
    report.field("recipients", &args.recipient);
    report.line("key file", quoted(file.display()));
    report.line("recipients", args.recipient.join(", "));
    Ok(created)
}
