//! What the exit codes mean, and which error leads to which.

use std::process::ExitCode;

use backup_fence::FenceError;
use backup_format::{EngineError, ErrorClass};
use backup_layout::LayoutError;
use backup_repository::RepositoryError;
use backup_sources::SourceError;

use crate::problem::Problem;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exit {
    /// All that was asked for is done.
    Done,
    /// It could not be done.
    Failed,
    /// The command line makes no sense.
    Usage,
    /// Damage, or a difference, was found.
    Damage,
    /// It was refused, because it would endanger something.
    Refused,
    /// Somebody stopped it.
    Interrupted,
}

impl Exit {
    /// Returns the code that the shell sees.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Damage => 3,
            Self::Refused => 4,
            Self::Interrupted => 130,
        }
    }

    /// Returns how a run ends that ends with this error: what the program itself says of it, or else the first of its
    /// causes that knows.
    #[must_use]
    pub fn of(error: &anyhow::Error) -> Self {
        // A problem that is the context of another error is no link of the chain.
        match error.downcast_ref::<Problem>() {
            Some(problem) => problem.exit(),
            None => error.chain().find_map(of_cause).unwrap_or(Self::Failed),
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

fn of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<Exit> {
    let class = if let Some(error) = cause.downcast_ref::<SourceError>() {
        if error.is_usage() {
            return Some(Exit::Usage);
        }
        error.class()
    } else if let Some(error) = cause.downcast_ref::<RepositoryError>() {
        if let RepositoryError::NotALocation { .. } = error {
            return Some(Exit::Usage);
        }
        error.class()
    } else if let Some(error) = cause.downcast_ref::<EngineError>() {
        error.class()
    } else if let Some(error) = cause.downcast_ref::<FenceError>() {
        error.class()
    } else {
        cause.downcast_ref::<LayoutError>()?.class()
    };
    Some(match class {
        ErrorClass::Damaged => Exit::Damage,
        ErrorClass::Refused => Exit::Refused,
        _ => Exit::Failed,
    })
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    fn engine(class: ErrorClass) -> anyhow::Error {
        EngineError::new(class, "broken").into()
    }

    #[test]
    fn the_class_of_a_cause_decides_through_any_context() {
        let cases = [
            (ErrorClass::Transient, 1),
            (ErrorClass::Failed, 1),
            (ErrorClass::Damaged, 3),
            (ErrorClass::Refused, 4),
        ];
        for (class, code) in cases {
            assert_eq!(Exit::of(&engine(class)).code(), code);
            let wrapped = Err::<(), _>(engine(class)).context("doing this").context("and that");
            assert_eq!(Exit::of(&wrapped.unwrap_err()).code(), code);
        }
        assert_eq!(Exit::of(&anyhow::anyhow!("no class")).code(), 1);
    }

    #[test]
    fn problems_of_the_program_have_codes_of_their_own() {
        let code = |problem: Problem| Exit::of(&problem.into()).code();
        assert_eq!(code(Problem::Usage("which?".into())), 2);
        assert_eq!(code(Problem::Refused("no".into())), 4);
        assert_eq!(code(Problem::Damage("broken".into())), 3);
        assert_eq!(code(Problem::Interrupted { signal: "SIGINT", resumes: true }), 130);
        let context = Err::<(), _>(engine(ErrorClass::Failed)).context(Problem::Damage("broken".into()));
        assert_eq!(Exit::of(&context.context("doing this").unwrap_err()).code(), 3);
    }
}
