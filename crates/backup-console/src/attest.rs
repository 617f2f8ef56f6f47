//! Attestations of what a program has proven.

use anyhow::Result;
use backup_repository::{Proof, Repository};
use clap::Args;

use crate::keys::{SignArgs, Signer};
use crate::problem::Problem;
use crate::report::Report;
use crate::session::Session;

/// Whether a program attests what it has proven, and with which key.
#[derive(Args, Clone, Debug)]
pub struct AttestArgs {
    #[command(flatten)]
    sign: SignArgs,
    /// Attest in the repository what was proven, also without a key to sign that with; `kvbackup list` shows it. With a key it is always attested
    #[arg(long)]
    attest: bool,
}

impl AttestArgs {
    /// Returns true if an option was given.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.attest || self.sign.is_given()
    }

    /// Reads the key, if one is named.
    ///
    /// # Errors
    ///
    /// As [`SignArgs::signer`].
    pub fn attester(&self, session: &Session) -> Result<Attester> {
        let signer = self.sign.signer(session)?;
        let attests = self.attest || signer.is_some();
        Ok(Attester { signer, attests })
    }
}

/// Who attests what was proven, or nobody.
#[derive(Clone, Debug)]
pub struct Attester {
    signer: Signer,
    attests: bool,
}

impl Attester {
    /// Gives a repository the key to sign with.
    ///
    /// # Errors
    ///
    /// Only what trusted keys sign would count, and there is no key.
    pub fn of(&self, repository: Repository) -> Result<Repository> {
        let repository = self.signer.of(repository);
        if self.attests {
            repository.check_attests()?;
        }
        Ok(repository)
    }

    /// Attests proofs, those that are about any dump, and reports that. The report fails if it could not be done: what was proven stands in it all
    /// the same.
    pub async fn attest(&self, report: &mut Report, repository: &Repository, proofs: &[Proof]) {
        let mut ids = Vec::new();
        for proof in proofs.iter().filter(|proof| self.attests && !proof.dumps.is_empty()) {
            match repository.attest(proof).await {
                Ok(new) => ids.extend(new),
                Err(error) => {
                    let error = anyhow::Error::from(error);
                    let text = format!("what was proven could not be attested in the repository: {error:#}");
                    report.failure.get_or_insert(Problem::Failed(text));
                }
            }
        }
        if !ids.is_empty() {
            self.signer.describe_as(report, "attested by");
        }
        report.field("attestations", ids);
    }
}
