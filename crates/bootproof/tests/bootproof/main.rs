//! What `bootproof` finds in damaged dumps of a validator's database, and that it finds nothing in good ones.

mod certificates;
mod chains;
#[cfg(feature = "scylla")]
mod cql;
mod damage;
mod damages;
mod entries;
mod fixture;
mod genesis;
mod histories;
mod keys;
mod namespaces;
mod past;
mod program;
mod proving;
mod traffic;
mod validator;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::histories::History;

/// Tests by their names.
type Tests = &'static [(&'static str, fn())];

fn main() -> ExitCode {
    let name = |group: &str, name: &str| {
        format!("{group}::{}", name.replace(' ', "_").replace(',', "").to_lowercase())
    };
    let mut trials: Vec<_> =
        damages::all().map(|damage| Trial::test(name("finds", damage.name), || damage.check())).collect();
    trials.extend(History::GOOD.map(|(history, not_proven)| {
        Trial::test(name("finds_nothing_in", &format!("{history:?}")), move || history.check(not_proven))
    }));
    for (group, tests) in [
        ("certificates", certificates::TESTS),
        #[cfg(feature = "scylla")]
        ("cql", cql::TESTS),
        ("genesis", genesis::TESTS),
        ("namespaces", namespaces::TESTS),
        ("program", program::TESTS),
    ] {
        trials.extend(tests.iter().map(|(test, run)| Trial::test(name(group, test), || succeed(*run))));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Tests fail by panicking.
fn succeed(test: fn()) -> Result<(), Failed> {
    test();
    Ok(())
}
