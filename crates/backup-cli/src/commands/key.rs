//! `key`: makes keys, and says who can read an encrypted repository.

use std::path::PathBuf;

use anyhow::{Context, Result};
use backup_console::{
    Problem, Readers, Report, RepositoryLocation, Session, SignArgs, count, quoted, read_repository_key,
    recipients, replace_durably,
};
use backup_seal::{AgeIdentities, RepositoryKey};
use backup_sign::SecretKey;
use clap::{Args, Subcommand};

use crate::new_file::{self, check_new};
use crate::report;

/// Make keys, and choose who can read an encrypted repository
#[derive(Args, Debug)]
pub(crate) struct KeyArgs {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    Generate(GenerateArgs),
    List(ListArgs),
    Add(ChangeArgs),
    Remove(ChangeArgs),
    Rotate(RotateArgs),
    Recover(RecoverArgs),
}

/// Make a key, and write it to new files
///
/// With --sign, FILE gets the secret key, which only its owner can read and no password protects; FILE.pub gets the public one. Both are
/// files of minisign. Who has FILE can sign dumps; those who read dumps need FILE.pub or the key that is printed.
///
/// With --age, FILE gets an identity of age, as age-keygen makes it, and its recipient is printed. Who has FILE can read what is
/// encrypted for the recipient. It should never be on the machine that makes backups.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  kvbackup key generate --sign /etc/kvbackup/node.key
  kvbackup backup rocksdb:/var/lib/linera/validator_0 /backup/validator --sign-key /etc/kvbackup/node.key
  kvbackup verify /backup/validator --trust /etc/kvbackup/node.key.pub
  kvbackup key generate --age operations.age")]
#[group(required = true, multiple = false)]
struct GenerateArgs {
    /// Where the key to sign with goes
    #[arg(long, value_name = "FILE")]
    sign: Option<PathBuf>,
    /// Where the identity of age to read with goes
    #[arg(long, value_name = "FILE")]
    age: Option<PathBuf>,
}

/// List the recipients of a repository key
#[derive(Args, Debug)]
struct ListArgs {}

/// Change who can read what is written from now on
///
/// The file of the repository key and its copy in the repository change. Every machine that writes to the repository needs the new file. What was
/// written before stays readable for those who were recipients then. With --identity of one of them it becomes so for all there are now: a new
/// dump consists mostly of what was written before.
#[derive(Args, Debug)]
struct ChangeArgs {
    /// The repository: a directory or a URL
    repository: RepositoryLocation,
    /// The recipient of age; may be repeated
    #[arg(long, value_name = "AGE", required = true)]
    recipient: Vec<String>,
    #[command(flatten)]
    sign: SignArgs,
}

/// Put other recipients in the place of all that there are
///
/// As after the theft of an identity. With --identity of a recipient the new ones can read what was written before, as `key add` says. It stays
/// readable for the thief: remove those dumps when new ones are there.
#[derive(Args, Debug)]
struct RotateArgs {
    /// The repository: a directory or a URL
    repository: RepositoryLocation,
    /// A new recipient of age; to be repeated
    #[arg(long, value_name = "AGE", required = true)]
    recipient: Vec<String>,
    #[command(flatten)]
    sign: SignArgs,
}

/// Write the repository key to a new file, by the identity of a recipient
///
/// For a new machine, or when the file was lost. `age -d -i IDENTITY keys/repository.age` does the same. With --trust the stored key must be
/// signed, as `init`, `key add`, `remove` and `rotate` sign it with --sign-key: who can write to the store could add a recipient.
#[derive(Args, Debug)]
struct RecoverArgs {
    /// The repository: a directory or a URL
    repository: RepositoryLocation,
    /// Where the repository key goes
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

pub(crate) async fn run(args: KeyArgs, session: &Session) -> Result<Report> {
    match args.command {
        KeyCommand::Generate(GenerateArgs { sign: Some(file), .. }) => generate_sign(file),
        KeyCommand::Generate(GenerateArgs { age: Some(file), .. }) => generate_identity(&file),
        KeyCommand::Generate(_) => Err(Problem::Usage("name --sign or --age".to_owned()).into()),
        KeyCommand::List(_) => Ok(describe(&read_key(session)?.1)),
        KeyCommand::Add(ChangeArgs { repository, recipient, sign }) => {
            let change = |before: &[String]| [before, &recipient].concat();
            replace(&repository, change, &sign, session).await
        }
        KeyCommand::Remove(args) => remove(&args, session).await,
        KeyCommand::Rotate(RotateArgs { repository, recipient, sign }) => {
            replace(&repository, |_| recipient.clone(), &sign, session).await
        }
        KeyCommand::Recover(RecoverArgs { repository, to }) => recover(&repository, &to, session).await,
    }
}

fn generate_sign(secret: PathBuf) -> Result<Report> {
    let mut public = secret.clone().into_os_string();
    public.push(".pub");
    let public = PathBuf::from(public);
    check_new(&public)?;
    let key = SecretKey::generate()?;
    new_file::write(&secret, 0o600, key.encode().as_bytes())?;
    if let Err(error) = new_file::write(&public, 0o644, key.public().encode().as_bytes()) {
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

fn generate_identity(file: &std::path::Path) -> Result<Report> {
    let (identity, recipient) = AgeIdentities::generate();
    new_file::write(file, 0o600, identity.as_bytes())?;
    let mut report = Report::default();
    report.field("recipient", &recipient);
    report.field("secret_file", file.display().to_string());
    report.line("recipient", &recipient);
    report.line("secret file", file.display());
    report.line(
        "next",
        format_args!("init --recipient to encrypt, --identity {} to read", quoted(file.display())),
    );
    Ok(report)
}

/// Reads the repository key that is named; returns its file with it.
fn read_key(session: &Session) -> Result<(PathBuf, RepositoryKey)> {
    let named = session.repository_key_file();
    let file = named
        .ok_or_else(|| Problem::Usage("name the repository key with --repository-key FILE".to_owned()))?;
    let key = read_repository_key(&file)?;
    Ok((file, key))
}

fn describe(key: &RepositoryKey) -> Report {
    let mut report = Report::default();
    let id = format!("{:032x}", u128::from_be_bytes(key.repository()));
    report.field("repository", &id);
    report.field("recipients", key.recipients());
    report.line("repository", id);
    key.recipients().iter().for_each(|recipient| report.line("recipient", recipient));
    report
}

async fn remove(args: &ChangeArgs, session: &Session) -> Result<Report> {
    let ChangeArgs { repository, recipient: gone, sign } = args;
    let (_, key) = read_key(session)?;
    if let Some(unknown) = gone.iter().find(|recipient| !key.recipients().contains(recipient)) {
        return Err(Problem::Usage(format!("{unknown} is no recipient; `key list` shows them")).into());
    }
    let change =
        |before: &[String]| before.iter().filter(|recipient| !gone.contains(recipient)).cloned().collect();
    replace(repository, change, sign, session).await
}

/// Changes the recipients: first in the repository, then in the file.
async fn replace(
    location: &RepositoryLocation,
    change: impl Fn(&[String]) -> Vec<String>,
    sign: &SignArgs,
    session: &Session,
) -> Result<Report> {
    let (file, key) = read_key(session)?;
    let signer = sign.signer(session)?;
    let changed = change(key.recipients());
    let key = key.with_recipients(changed).map_err(|error| Problem::Usage(error.to_string()))?;
    let recipients = recipients(key.recipients())?;
    let repository = signer.of(session.repository(location).await?);
    // First: those who can read the past know what it is read with.
    let shared = match repository.is_locked() {
        true => None,
        false => Some(repository.share_keys(&*recipients).await?),
    };
    repository.store_key(&key, &*recipients).await?;
    replace_durably(&file, key.encode().as_bytes(), Readers::Owner)
        .with_context(|| format!("writing {}", file.display()))?;
    let mut report = describe(&key);
    report.field("shared_keys", shared.map(|(shared, _)| shared));
    report.field("unread_keys", shared.map(|(_, unread)| unread));
    match shared {
        Some((shared, 0)) => {
            report.line("the past", format_args!("readable for all of them: {}", count(shared, "data key")));
        }
        Some((shared, unread)) => report.line(
            "the past",
            format_args!(
                "{} readable for all of them, and {unread} for others alone: name their identities, too",
                count(shared, "data key")
            ),
        ),
        None => report.line("the past", "as it was: --identity of a recipient shares it with new ones"),
    }
    report.line("next", format_args!("copy {} to every machine that writes", quoted(file.display())));
    Ok(report)
}

async fn recover(location: &RepositoryLocation, file: &std::path::Path, session: &Session) -> Result<Report> {
    let identities = session.secrets()?.identities;
    let identities = identities
        .ok_or_else(|| Problem::Usage("name the identity of a recipient with --identity FILE".to_owned()))?;
    check_new(file)?;
    let repository = session.repository_to_read(location).await?;
    let signed = repository.stored_key_signed().await.context(
        "finding out who signed the repository key that is stored: somebody may have added a recipient to it. \
         `key add`, `remove` and `rotate` sign it with --sign-key",
    )?;
    let key = repository.read_key(&*identities).await.context("reading the repository key")?;
    new_file::write(file, 0o600, key.encode().as_bytes())?;
    let mut report = describe(&key);
    report.field("repository_key_file", file.display().to_string());
    report.line("key file", quoted(file.display()));
    report::add_signed(&mut report, signed);
    Ok(report)
}
