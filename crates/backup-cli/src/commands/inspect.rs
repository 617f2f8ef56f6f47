//! `inspect`: what a dump or a namespace holds.

use std::ffi::OsString;

use anyhow::Result;
use backup_console::{DumpArgs, ReadArgs, Report, RepositoryLocation, Session, SourceArgs};
use clap::Args;

use super::{digest, fence};
use crate::attested;
use crate::report;
use crate::repository;

/// Show what a dump or a namespace holds: counts and bytes per kind of partition
///
/// Of a dump only the manifest is read, which takes no time however large the dump is. A namespace is read whole.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  kvbackup inspect /backup/validator --dump 3f2a0c11
  kvbackup inspect rocksdb:/var/lib/linera/validator_0")]
pub(crate) struct InspectArgs {
    /// A repository, or a namespace like rocksdb:DIR/NAMESPACE or scylla://HOST/KEYSPACE/TABLE
    #[arg(value_name = "REPO|SOURCE")]
    place: OsString,
    #[command(flatten)]
    dump: DumpArgs,
    #[command(flatten)]
    open: SourceArgs,
    #[command(flatten)]
    read: ReadArgs,
}

pub(crate) async fn run(args: InspectArgs, session: &Session) -> Result<Report> {
    if session.engines.names_namespace(&args.place) {
        return inspect_namespace(&args, session).await;
    }
    args.open.refuse(&session.opening, "and this is a repository")?;
    inspect_dump(&args.place.into(), &args.dump, session).await
}

async fn inspect_namespace(args: &InspectArgs, session: &Session) -> Result<Report> {
    let InspectArgs { place, open, read, .. } = args;
    let mut report = digest::scan(place, open, read, session).await?;
    let namespace = session.source(place)?.amend(&open.opening(&session.opening, read)).await;
    fence::add_standing(&mut report, namespace).await;
    Ok(report)
}

async fn inspect_dump(location: &RepositoryLocation, choice: &DumpArgs, session: &Session) -> Result<Report> {
    let repository = session.repository(location).await?;
    let dump = repository::find(&repository, choice).await?;
    let manifest = &dump.manifest;
    let mut report = Report::default();
    report::add_dump(&mut report, dump.id, manifest);
    report::add_signed(&mut report, repository.signed(dump.id).await?);
    let attestations = repository.attestations(std::slice::from_ref(&dump)).await?;
    attested::add(&mut report, &attestations, dump.id);
    report.line("started", &manifest.started);
    report.line("finished", &manifest.finished);
    report.line("made by", &manifest.tool);
    if let Some(inventory) = &manifest.inventory {
        for (name, value) in &inventory.annotations {
            report.line("annotation", format_args!("{name}={value}"));
        }
        report::add_contents(&mut report, &inventory.contents);
    }
    Ok(report)
}
