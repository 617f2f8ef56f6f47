//! `backup`: from a namespace to a repository.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use anyhow::{Context, Result};
use backup_repository::{BackupOptions, BackupReport, Compression, Progress};
use clap::Args;

use crate::args::{ReadArgs, SourceArgs};
use crate::locator::{RepositoryLocation, Source};
use crate::report::{self, Report, count};
use crate::{engine, repository};

/// Dump a namespace into a repository, which is created where nothing is
///
/// Whoever writes to the namespace is not disturbed. Nothing is dumped twice: objects that the repository holds already
/// are used again, and a backup that was interrupted goes on where it stopped when the same command runs again.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  kvbackup backup rocksdb:/var/lib/linera/validator_0 /backup/validator --origin 02ab...
  kvbackup backup rocksdb:/var/lib/linera/validator_0 s3://bucket/validator --codec zstd:3 --json
  kvbackup backup rocksdb-backup:/var/lib/engine-backups#7 /backup/validator --annotate ticket=42")]
pub(crate) struct BackupArgs {
    /// The namespace, like rocksdb:DIR/NAMESPACE
    source: Source,
    /// The repository: a directory or a URL
    repository: RepositoryLocation,
    /// The validator's public key, for the manifest: 66 hex digits (secp256k1), or ed25519: and 64 hex digits
    #[arg(long, value_name = "VALIDATOR_PUBLIC_KEY", value_parser = parse_public_key)]
    origin: Option<String>,
    /// How new objects are stored: none, zstd or zstd:LEVEL with a level up to 22
    #[arg(long, value_name = "CODEC", default_value_t)]
    codec: Compression,
    /// Dump also what does not seem to be a validator's namespace, or is empty
    #[arg(long)]
    allow_implausible: bool,
    /// Read and encode everything, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// A remark for the manifest; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_annotation)]
    annotate: Vec<(String, String)>,
    #[command(flatten)]
    open: SourceArgs,
    #[command(flatten)]
    read: ReadArgs,
    /// Ranges of the namespace that are read at the same time [default: one for every four workers]
    #[arg(long, value_name = "N", hide_short_help = true)]
    shares: Option<NonZeroUsize>,
}

pub(crate) async fn run(args: BackupArgs, progress: Progress) -> Result<Report> {
    repository::keep_private();
    let database = engine::open_source(&args.source, args.open.options(&args.read)).await?;
    // A source that cannot be opened shall not leave an empty repository behind.
    let namespace = database.source().namespace;
    drop(database.snapshot().await.with_context(|| format!("opening namespace {namespace}"))?);
    let repository = match args.dry_run {
        true => repository::open_for_dry_run(&args.repository).await?,
        false => repository::open_or_create(&args.repository).await?,
    };
    let options = BackupOptions {
        compression: args.codec,
        workers: args.read.workers,
        shares: args.shares,
        limits: args.read.limits(),
        tool: crate::TOOL.to_owned(),
        origin: args.origin,
        annotations: args.annotate.into_iter().collect::<BTreeMap<_, _>>(),
        allow_implausible: args.allow_implausible,
        dry_run: args.dry_run,
        progress,
    };
    let made = repository.backup(&*database, options).await?;
    Ok(describe(&made, &args.repository, args.dry_run))
}

/// Reports a dump that was made, or would be.
pub(super) fn describe(made: &BackupReport, location: &RepositoryLocation, dry_run: bool) -> Report {
    let mut report = Report::default();
    report.dump(made.dump, &made.manifest);
    report.field("new_objects", made.new_objects);
    report.field("new_packs", made.new_packs);
    report.field("stored_bytes", made.stored_bytes);
    report.field("dry_run", dry_run);
    let stored = format!(
        "{}: {} in {}",
        report::bytes(made.stored_bytes),
        count(made.new_objects, "new object"),
        count(made.new_packs, "pack")
    );
    if dry_run {
        report.line("would store", stored);
        report.line("dry run", "nothing was written");
    } else {
        report.line("stored", stored);
        report.line("next", format_args!("kvbackup verify {location}"));
    }
    report.timed()
}

/// Reads a public key. 64 digits alone are refused: they may well be a secret key.
pub(super) fn parse_public_key(text: &str) -> Result<String, String> {
    let expected = "expected a public key: 66 hex digits that begin with 02 or 03 (secp256k1), or ed25519: and 64 hex digits";
    let (prefix, digits) = match text.split_once(':') {
        Some(("ed25519", digits)) => ("ed25519:", digits),
        Some(_) => return Err(expected.to_owned()),
        None => ("", text),
    };
    let key = hex::decode(digits).map_err(|_| expected.to_owned())?;
    match (prefix, key.len(), key.first()) {
        ("", 33, Some(2 | 3)) | ("ed25519:", 32, _) => Ok(format!("{prefix}{}", hex::encode(key))),
        ("", 32, _) => {
            Err(format!("64 hex digits may be a secret key, which must not get into a dump; {expected}"))
        }
        _ => Err(expected.to_owned()),
    }
}

pub(super) fn parse_annotation(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_keys_are_taken_and_what_may_be_a_secret_key_is_not() {
        let secp = format!("02{}", "aB".repeat(32));
        assert_eq!(parse_public_key(&secp), Ok(secp.to_lowercase()));
        let ed25519 = format!("ed25519:{}", "cd".repeat(32));
        assert_eq!(parse_public_key(&ed25519), Ok(ed25519.clone()));
        assert!(parse_public_key(&"cd".repeat(32)).unwrap_err().contains("secret"));
        for bad in ["", "02ab", "not hex", &format!("05{}", "ab".repeat(32)), "rsa:00", "\u{1b}[31m"] {
            assert!(parse_public_key(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn annotations_have_a_name_and_perhaps_no_value() {
        assert_eq!(parse_annotation("ticket=4=2"), Ok(("ticket".into(), "4=2".into())));
        assert_eq!(parse_annotation("empty="), Ok(("empty".into(), String::new())));
        assert!(parse_annotation("=x").is_err() && parse_annotation("x").is_err());
    }
}
