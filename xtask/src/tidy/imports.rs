//! The table of docs/ARCHITECTURE.md as data: which crate may import which.

use super::Finding;
use crate::cargo::Package;

/// A crate, what it may import of ours, and what its tests may import besides.
struct Row {
    name: &'static str,
    imports: &'static [&'static str],
    dev_imports: &'static [&'static str],
}

const FORMAT: &str = "backup-format";
const LAYOUT: &str = "backup-layout";
const FENCE: &str = "backup-fence";
const REPOSITORY: &str = "backup-repository";
const MEMORY: &str = "backup-memory";
const ROCKSDB: &str = "backup-rocksdb";
const SCYLLA: &str = "backup-scylla";
const TESTKIT: &str = "backup-testkit";
const SOURCES: &str = "backup-sources";
const PROGRAM: &str = "backup-cli";
const CASSANDRA: &str = "kvbackup-cassandra";
const BOOT_TESTS: &str = "worker-boot-tests";
const BOOTPROOF: &str = "bootproof";
const VIEWS_ADAPTER: &str = "linera-views-adapter";
const NETWORK: &str = "validator-network";

const OURS: [&str; 15] = [
    FORMAT,
    LAYOUT,
    FENCE,
    REPOSITORY,
    MEMORY,
    ROCKSDB,
    SCYLLA,
    TESTKIT,
    SOURCES,
    PROGRAM,
    CASSANDRA,
    VIEWS_ADAPTER,
    BOOTPROOF,
    NETWORK,
    BOOT_TESTS,
];
const FOR_USERS: &[&str] = &[FORMAT, LAYOUT, REPOSITORY, MEMORY, ROCKSDB, SCYLLA];
const FOR_DOWNSTREAM: &[&str] = &[FORMAT, LAYOUT, REPOSITORY, MEMORY, ROCKSDB, SCYLLA, SOURCES, PROGRAM];
const FOR_TESTS: &[&str] = &[FORMAT, LAYOUT, REPOSITORY, MEMORY, ROCKSDB, SCYLLA, TESTKIT, CASSANDRA];
/// The crates that may depend on those of linera.
const USES_LINERA: [&str; 4] = [VIEWS_ADAPTER, BOOTPROOF, NETWORK, BOOT_TESTS];
/// The conformance suite and what it needs.
const SUITE: &[&str] = &[TESTKIT, REPOSITORY];

const fn row(
    name: &'static str,
    imports: &'static [&'static str],
    dev_imports: &'static [&'static str],
) -> Row {
    Row { name, imports, dev_imports }
}

const TABLE: [Row; 22] = [
    row(FORMAT, &[], &[]),
    row(LAYOUT, &[FORMAT], &[]),
    row(FENCE, &[FORMAT], &[MEMORY]),
    row(REPOSITORY, &[FORMAT], &[MEMORY, TESTKIT]),
    row(MEMORY, &[FORMAT], SUITE),
    row(ROCKSDB, &[FORMAT, LAYOUT], SUITE),
    row(SCYLLA, &[FORMAT, LAYOUT], &[TESTKIT, REPOSITORY, CASSANDRA]),
    row(TESTKIT, &[FORMAT, REPOSITORY], &[MEMORY]),
    row(SOURCES, &[FORMAT, LAYOUT, MEMORY, ROCKSDB, SCYLLA], &[]),
    row(PROGRAM, &[FORMAT, LAYOUT, FENCE, REPOSITORY, MEMORY, SOURCES], &[TESTKIT, CASSANDRA]),
    row(VIEWS_ADAPTER, &[FORMAT, LAYOUT], &[TESTKIT, ROCKSDB, SCYLLA, NETWORK]),
    row(BOOTPROOF, &[FORMAT, LAYOUT, REPOSITORY, ROCKSDB, SCYLLA, SOURCES, NETWORK], &[MEMORY, TESTKIT]),
    row(NETWORK, &[], &[]),
    row(
        BOOT_TESTS,
        &[FORMAT, LAYOUT, FENCE, REPOSITORY, ROCKSDB, SCYLLA, TESTKIT, VIEWS_ADAPTER, NETWORK],
        &[],
    ),
    row("backup-format-fuzz", &[FORMAT], &[]),
    row(CASSANDRA, &[], &[]),
    row("xtask", &[CASSANDRA], &[]),
    row("kvbackup-benches", FOR_USERS, &[]),
    row("kvbackup-bench-content", &[], &[]),
    row("kvbackup-bench-cql", &[LAYOUT, REPOSITORY, MEMORY, SCYLLA], &[]),
    row("kvbackup-instructions", &[FORMAT, LAYOUT], &[]),
    row("kvbackup-tests", FOR_TESTS, &[]),
];

/// A crate of tests/downstream stands for that of a user: of libraries, or of the program and its registry of engines.
const DOWNSTREAM: Row = row("downstream", FOR_DOWNSTREAM, &[]);

/// Libraries, whose errors are for callers. The other crates report errors to people.
const LIBRARIES: [&str; 12] = [
    FORMAT,
    LAYOUT,
    FENCE,
    REPOSITORY,
    MEMORY,
    ROCKSDB,
    SCYLLA,
    TESTKIT,
    SOURCES,
    VIEWS_ADAPTER,
    "backup-format-fuzz",
    "kvbackup-instructions",
];

/// Checks the packages of all workspaces.
pub(super) fn check(packages: &[Package]) -> Vec<Finding> {
    packages.iter().flat_map(check_package).collect()
}

fn check_package(package: &Package) -> Vec<Finding> {
    let is_example = package.folder().parent().is_some_and(|parent| parent.ends_with("tests/downstream"));
    let row = TABLE.iter().find(|row| row.name == package.name).or(is_example.then_some(&DOWNSTREAM));
    let Some(row) = row else {
        let text = "has no row in the table of xtask/src/tidy/imports.rs";
        return vec![Finding::new("imports", &package.name, text)];
    };
    let mut findings = Vec::new();
    let mut found = |rule, text| findings.push(Finding::new(rule, &package.name, text));
    for dependency in &package.dependencies {
        let (name, dev) = (dependency.name.as_str(), dependency.dev_only);
        let allowed = row.imports.contains(&name) || dev && row.dev_imports.contains(&name);
        if OURS.contains(&name) && !allowed {
            let tests = if dev { " for its tests" } else { "" };
            found(
                "imports",
                format!("imports {name}{tests}; of ours it may import {}", row.imports.join(", ")),
            );
        }
        if name.starts_with("linera-") && name != VIEWS_ADAPTER && !USES_LINERA.contains(&row.name) {
            found("imports", format!("imports {name}; only {} may", USES_LINERA.join(", ")));
        }
        if name == "anyhow" && LIBRARIES.contains(&row.name) && !dev {
            found("anyhow", "imports anyhow; a library has an error enum of its own".to_owned());
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::rules;
    use super::*;
    use crate::cargo::Dependency;

    fn found(name: &str, dependency: &str, dev_only: bool) -> Vec<&'static str> {
        let dependencies = vec![Dependency { name: dependency.into(), dev_only }];
        let manifest = format!("/w/crates/{name}/Cargo.toml").into();
        rules(&check(&[Package { name: name.into(), manifest, dependencies, ..Package::default() }]))
    }

    #[test]
    fn each_crate_imports_what_its_row_allows_and_nothing_else() {
        for row in &TABLE {
            for name in OURS {
                let allowed = row.imports.contains(&name);
                let dev = allowed || row.dev_imports.contains(&name);
                assert_eq!(found(row.name, name, false).is_empty(), allowed, "{} {name}", row.name);
                assert_eq!(found(row.name, name, true).is_empty(), dev, "{} {name}", row.name);
            }
            assert_eq!(found(row.name, PROGRAM, true), ["imports"], "{} imports the program", row.name);
        }
    }

    #[test]
    fn engines_never_import_each_other_not_even_for_tests() {
        for one in [MEMORY, ROCKSDB, SCYLLA] {
            for other in [MEMORY, ROCKSDB, SCYLLA].into_iter().filter(|other| *other != one) {
                assert_eq!(found(one, other, true), ["imports"], "{one} {other}");
            }
        }
    }

    #[test]
    fn only_four_crates_import_linera_and_only_programs_anyhow() {
        assert!(found(BOOT_TESTS, "linera-core", false).is_empty());
        assert_eq!(found("kvbackup-tests", "linera-core", true), ["imports"]);
        assert_eq!(found(TESTKIT, "anyhow", false), ["anyhow"]);
        assert!(found(TESTKIT, "anyhow", true).is_empty() && found(PROGRAM, "anyhow", false).is_empty());
    }

    #[test]
    fn a_new_crate_needs_a_row_and_an_example_is_a_user() {
        assert_eq!(found("backup-new", "some", false), ["imports"]);
        let manifest = "/w/tests/downstream/memory-only/Cargo.toml".into();
        let mut example = Package { name: "memory-only".into(), manifest, ..Package::default() };
        example.dependencies = vec![Dependency { name: MEMORY.into(), dev_only: false }];
        assert!(check(std::slice::from_ref(&example)).is_empty());
        example.dependencies[0].name = TESTKIT.into();
        assert_eq!(rules(&check(&[example])), ["imports"]);
    }
}
