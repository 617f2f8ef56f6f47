//! Who may import whom: the table of docs/ARCHITECTURE.md as data, and nothing else.

use super::finding::{ANYHOW, Finding, IMPORTS};
use crate::cargo::Package;

/// A crate and what it may import of ours; development dependencies come on top.
struct Row {
    name: &'static str,
    imports: &'static [&'static str],
    dev_imports: &'static [&'static str],
}

const FORMAT: &str = "backup-format";
const LAYOUT: &str = "backup-layout";
const REPOSITORY: &str = "backup-repository";
const MEMORY: &str = "backup-memory";
const ROCKSDB: &str = "backup-rocksdb";
const SCYLLA: &str = "backup-scylla";
const TESTKIT: &str = "backup-testkit";
const PROGRAM: &str = "backup-cli";
const BOOT_TESTS: &str = "worker-boot-tests";
const BENCHES: &str = "kvbackup-benches";
const BENCH_CONTENT: &str = "kvbackup-bench-content";
const BENCH_CQL: &str = "kvbackup-bench-cql";
const INSTRUCTIONS: &str = "kvbackup-instructions";

const OURS: [&str; 8] = [FORMAT, LAYOUT, REPOSITORY, MEMORY, ROCKSDB, SCYLLA, TESTKIT, PROGRAM];
const ALL_BUT_PROGRAM: &[&str] = &[FORMAT, LAYOUT, REPOSITORY, MEMORY, ROCKSDB, SCYLLA, TESTKIT];
const FOR_USERS: &[&str] = &[FORMAT, LAYOUT, REPOSITORY, MEMORY, ROCKSDB, SCYLLA];

/// The conformance suite and what it stands on.
const SUITE: &[&str] = &[TESTKIT, REPOSITORY];

const TABLE: [Row; 16] = [
    Row { name: FORMAT, imports: &[], dev_imports: &[] },
    Row { name: LAYOUT, imports: &[FORMAT], dev_imports: &[] },
    Row { name: REPOSITORY, imports: &[FORMAT], dev_imports: &[MEMORY, TESTKIT] },
    Row { name: MEMORY, imports: &[FORMAT], dev_imports: SUITE },
    Row { name: ROCKSDB, imports: &[FORMAT, LAYOUT], dev_imports: SUITE },
    Row { name: SCYLLA, imports: &[FORMAT, LAYOUT], dev_imports: SUITE },
    Row { name: TESTKIT, imports: &[FORMAT, REPOSITORY], dev_imports: &[MEMORY] },
    Row { name: PROGRAM, imports: FOR_USERS, dev_imports: &[TESTKIT] },
    Row { name: BOOT_TESTS, imports: ALL_BUT_PROGRAM, dev_imports: &[] },
    Row { name: "backup-format-fuzz", imports: &[FORMAT], dev_imports: &[] },
    Row { name: "xtask", imports: &[], dev_imports: &[] },
    Row { name: BENCHES, imports: FOR_USERS, dev_imports: &[] },
    Row { name: BENCH_CONTENT, imports: &[], dev_imports: &[] },
    Row { name: BENCH_CQL, imports: &[LAYOUT, REPOSITORY, MEMORY, SCYLLA], dev_imports: &[] },
    Row { name: INSTRUCTIONS, imports: &[FORMAT, LAYOUT], dev_imports: &[] },
    Row { name: "kvbackup-tests", imports: ALL_BUT_PROGRAM, dev_imports: &[] },
];

/// What stands in tests/downstream is somebody else's crate, who uses what is for users.
const DOWNSTREAM: Row = Row { name: "downstream", imports: FOR_USERS, dev_imports: &[] };

/// Packages that report errors to people, not to callers.
const WITH_ANYHOW: [&str; 7] =
    [PROGRAM, "xtask", "kvbackup-tests", BOOT_TESTS, BENCHES, BENCH_CONTENT, BENCH_CQL];

/// Checks all packages, of the workspace and beside it.
pub(super) fn check(packages: &[Package]) -> Vec<Finding> {
    packages.iter().flat_map(check_package).collect()
}

fn check_package(package: &Package) -> Vec<Finding> {
    let Some(row) = row(package) else {
        let text = "has no row in the table of xtask/src/tidy/imports.rs";
        return vec![Finding::new(&IMPORTS, &package.name, text)];
    };
    let mut findings = Vec::new();
    for dependency in &package.dependencies {
        let name = dependency.name.as_str();
        let allowed = row.imports.contains(&name) || dependency.dev_only && row.dev_imports.contains(&name);
        if OURS.contains(&name) && !allowed {
            findings.push(Finding::new(&IMPORTS, &package.name, forbidden(row, name, dependency.dev_only)));
        }
        if name.starts_with("linera-") && row.name != BOOT_TESTS {
            let text = format!("imports {name}; only {BOOT_TESTS} may depend on linera's crates");
            findings.push(Finding::new(&IMPORTS, &package.name, text));
        }
        let library = !WITH_ANYHOW.contains(&row.name) && row.name != DOWNSTREAM.name;
        if name == "anyhow" && library && !dependency.dev_only {
            let text = "imports anyhow; a library has an error enum of its own";
            findings.push(Finding::new(&ANYHOW, &package.name, text));
        }
    }
    findings
}

fn row(package: &Package) -> Option<&'static Row> {
    if package.folder().parent().is_some_and(|parent| parent.ends_with("tests/downstream")) {
        return Some(&DOWNSTREAM);
    }
    TABLE.iter().find(|row| row.name == package.name)
}

fn forbidden(row: &Row, name: &str, dev_only: bool) -> String {
    let way = if dev_only { "imports for its tests" } else { "imports" };
    let mut allowed = row.imports.to_vec();
    if dev_only {
        allowed.extend(row.dev_imports);
    }
    let allowed = if allowed.is_empty() { "nothing".into() } else { allowed.join(", ") };
    format!("{way} {name}; of ours it may import {allowed}")
}

#[cfg(test)]
mod tests {
    use super::super::finding::rules;
    use super::*;
    use crate::cargo::Dependency;

    const ENGINES: [&str; 3] = [MEMORY, ROCKSDB, SCYLLA];

    fn package(name: &str, dependencies: &[(&str, bool)]) -> Package {
        let dependencies = dependencies
            .iter()
            .map(|(name, dev_only)| Dependency { name: (*name).into(), dev_only: *dev_only })
            .collect();
        Package {
            name: name.into(),
            version: "0.1.0".into(),
            manifest: format!("/w/crates/{name}/Cargo.toml").into(),
            dependencies,
            features: Vec::new(),
            programs: Vec::new(),
            published: true,
        }
    }

    fn found(name: &str, dependency: &str, dev_only: bool) -> Vec<&'static str> {
        rules(&check(&[package(name, &[(dependency, dev_only)])]))
    }

    #[test]
    fn engines_never_import_each_other_not_even_for_tests() {
        for one in ENGINES {
            for other in ENGINES.into_iter().filter(|other| *other != one) {
                assert_eq!(found(one, other, false), ["imports"], "{one} {other}");
                assert_eq!(found(one, other, true), ["imports"], "{one} {other}");
            }
        }
    }

    #[test]
    fn nobody_imports_the_program() {
        for row in &TABLE {
            assert_eq!(found(row.name, PROGRAM, false), ["imports"], "{}", row.name);
            assert_eq!(found(row.name, PROGRAM, true), ["imports"], "{}", row.name);
        }
    }

    #[test]
    fn each_crate_imports_what_its_row_says_and_no_more() {
        for row in &TABLE {
            for name in OURS {
                let good = row.imports.contains(&name);
                assert_eq!(found(row.name, name, false).is_empty(), good, "{} {name}", row.name);
            }
        }
        assert!(found(ROCKSDB, TESTKIT, true).is_empty());
        assert_eq!(found(ROCKSDB, TESTKIT, false), ["imports"]);
    }

    #[test]
    fn only_the_boot_tests_depend_on_linera() {
        assert!(found(BOOT_TESTS, "linera-core", false).is_empty());
        for name in [FORMAT, ROCKSDB, PROGRAM, "kvbackup-tests"] {
            assert_eq!(found(name, "linera-core", true), ["imports"]);
        }
    }

    #[test]
    fn only_programs_and_tests_use_anyhow() {
        for name in [FORMAT, MEMORY, TESTKIT] {
            assert_eq!(found(name, "anyhow", false), ["anyhow"]);
            assert!(found(name, "anyhow", true).is_empty());
        }
        assert!(found(PROGRAM, "anyhow", false).is_empty());
    }

    #[test]
    fn a_new_crate_needs_a_row_and_an_example_is_a_user() {
        assert_eq!(rules(&check(&[package("backup-new", &[])])), ["imports"]);
        let mut example = package("memory-only", &[(MEMORY, false), ("anyhow", false)]);
        example.manifest = "/w/tests/downstream/memory-only/Cargo.toml".into();
        assert!(check(std::slice::from_ref(&example)).is_empty());
        example.dependencies[0].name = TESTKIT.into();
        assert_eq!(rules(&check(&[example])), ["imports"]);
    }
}
