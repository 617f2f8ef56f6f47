//! What must be known of a dump before it is restored.

use anyhow::Result;
use backup_console::{Problem, Report, RepositoryLocation, Session};
use backup_format::Proven;
use backup_repository::{Attestations, Dump, Repository};
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::attested;

/// What a dump must be like.
#[derive(Args, Clone, Debug)]
pub(crate) struct RequireArgs {
    /// Refuse (code 4) a dump that is not all of this, by the word of a trusted key: signed, verified, boot-proven
    ///
    /// `verified` needs an attestation that all of the dump was read, as `kvbackup verify --sign-key FILE` leaves it, and `boot-proven`
    /// one of `bootproof --sign-key FILE`. Attestations count only if a trusted key signed them, so --trust is needed.
    #[arg(long, value_enum, value_name = "WHAT", value_delimiter = ',')]
    require: Vec<Requirement>,
}

/// What may be required of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Requirement {
    /// A trusted key signed it
    Signed,
    /// A trusted key attests that all of it was read
    Verified,
    /// A trusted key attests that a validator boots on it
    BootProven,
}

impl RequireArgs {
    /// Refuses requirements that cannot be checked.
    pub(crate) fn check_trust(&self, session: &Session) -> Result<()> {
        if self.require.is_empty() || session.trust.is_some() {
            return Ok(());
        }
        let text = "--require rests on the word of trusted keys: name them with --trust or KVBACKUP_TRUST";
        Err(Problem::Usage(text.to_owned()).into())
    }

    /// Refuses a dump that is not what is required.
    pub(crate) async fn check(
        &self,
        repository: &Repository,
        dump: &Dump,
        location: &RepositoryLocation,
    ) -> Result<()> {
        // Dumps that no trusted key signed are refused whenever keys are trusted, and they are here.
        if self.require.iter().all(|requirement| *requirement == Requirement::Signed) {
            return Ok(());
        }
        let attestations = repository.attestations(std::slice::from_ref(dump)).await?;
        for requirement in &self.require {
            if let Some(problem) = requirement.problem(&attestations, dump, location) {
                return Err(Problem::Refused(problem).into());
            }
        }
        Ok(())
    }

    /// Says what was required.
    pub(crate) fn describe(&self, report: &mut Report) {
        report.field("required", &self.require);
    }
}

impl Requirement {
    /// Says what a dump lacks; `None` if it lacks nothing.
    fn problem(
        self,
        attestations: &Attestations,
        dump: &Dump,
        location: &RepositoryLocation,
    ) -> Option<String> {
        let (proven, what, program) = match self {
            Self::Signed => return None,
            Self::Verified => (Proven::Content, "that all of it was read", "kvbackup verify"),
            Self::BootProven => (Proven::Boot, "that a validator boots on it", "bootproof"),
        };
        if attestations.newest(dump.id, proven).is_some() {
            return None;
        }
        let found = match attested::verified(attestations, dump.id) {
            Some(found) => format!("the most that is attested is {}", found.proven),
            None => "nothing is attested".to_owned(),
        };
        let ignored = match attestations.ignored() {
            0 => String::new(),
            number => format!("; {number} attestations do not count"),
        };
        Some(format!(
            "dump {:.12}: no trusted key attests {what}; {found}{ignored}. `{program} {location} --dump {:.12} --sign-key FILE` \
             proves and attests it",
            dump.id, dump.id
        ))
    }
}
