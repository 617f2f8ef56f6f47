//! Attesting a proof in the repository of its dump.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use backup_console::{Attester, Report as Printed, Session};
use backup_format::{Attestation, Digest, ObjectId, Proven};
use backup_repository::{Proof, Repository};
use validator_network::runtime::block_on;

use crate::TOOL;
use crate::args::Args;
use crate::report::Report;
use crate::subject::Subject;

/// Who attests a proof, and where.
pub struct Attesting {
    attester: Attester,
    /// `None` where there is no dump.
    repository: Option<Repository>,
}

impl Attesting {
    /// Opens the repository, and refuses before any work what could not be attested after it.
    ///
    /// # Errors
    ///
    /// The key or the repository cannot be used, or the key is not trusted.
    pub fn begin(args: &Args, session: &Session) -> Result<Self> {
        let attester = args.attest.attester(session)?;
        let repository = match Subject::new(args, session)? {
            // One that cannot be opened is a finding, or an error, of the proof.
            Subject::Repository(location) => {
                block_on(|| async { Ok(session.repository(&location).await.ok()) })?
            }
            Subject::Namespace(..) => None,
        };
        let repository = repository.map(|repository| attester.of(repository)).transpose()?;
        Ok(Self { attester, repository })
    }

    /// Attests what was proven, if nothing was found and everything could be done.
    ///
    /// # Errors
    ///
    /// Never in practice: an id in a report is one.
    pub fn attest(&self, report: &Report, printed: &mut Printed) -> Result<()> {
        let proofs = proof(report)?;
        let Some(repository) = &self.repository else { return Ok(()) };
        block_on(|| async {
            self.attester.attest(printed, repository, proofs.as_slice()).await;
            Ok(())
        })
    }
}

/// Returns what a report proves of a dump; `None` if it is about none, something was found, or not all could be done.
fn proof(report: &Report) -> Result<Option<Proof>> {
    let Some(dump) = report.dump.as_ref().filter(|_| report.findings_total == 0 && report.is_complete())
    else {
        return Ok(None);
    };
    let id: ObjectId = dump.parse().ok().context("the id of the dump in the report is none")?;
    let digest = report.digest.as_ref().and_then(|digest| digest.parse::<Digest>().ok());
    let not_proven = report.not_proven.iter().map(|note| shorten(&note.what));
    Ok(Some(Proof {
        proven: Proven::Boot,
        dumps: BTreeMap::from([(id, digest)]),
        tool: format!("{TOOL}, linera {}", report.linera),
        network: report.network.clone(),
        not_proven: not_proven.take(Attestation::NOT_PROVEN_MAX).collect(),
    }))
}

/// Cuts a text so that an attestation takes it.
fn shorten(text: &str) -> String {
    let mut end = text.len().min(Attestation::TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}
