//! The table of docs/ARCHITECTURE.md: which crate may import which.

use std::path::Path;

use cargo_metadata::{DependencyKind, Package};

use super::Finding;

const DOCUMENT: &str = "docs/ARCHITECTURE.md";
/// The examples stand for crates of users, and have one row.
const EXAMPLES: &str = "tests/downstream";
const ADAPTER: &str = "linera-views-adapter";
/// The crates that may depend on those of linera.
const USES_LINERA: [&str; 4] = [ADAPTER, "bootproof", "validator-network", "worker-boot-tests"];
/// Libraries, whose errors are for callers. The other crates report errors to people.
const LIBRARIES: [&str; 11] = [
    "format",
    "layout",
    "fence",
    "sign",
    "repository",
    "memory",
    "rocksdb",
    "scylla",
    "testkit",
    "sources",
    ADAPTER,
];

/// A crate, what it may import of ours, and what its tests may import besides.
struct Row<'d> {
    name: &'d str,
    imports: Vec<&'d str>,
    dev_imports: Vec<&'d str>,
}

/// Checks the packages of all workspaces.
pub(super) fn check(root: &Path, document: &str, packages: &[Package]) -> Vec<Finding> {
    let table = table(document);
    packages.iter().flat_map(|package| check_package(root, &table, package)).collect()
}

fn check_package(root: &Path, table: &[Row<'_>], package: &Package) -> Vec<Finding> {
    let folder = package.manifest_path.parent().map(|folder| short(root, folder.as_std_path()));
    let Some(row) = table.iter().find(|row| folder == Some(row.name)) else {
        let text = format!("has no row in the table of {DOCUMENT}");
        return vec![Finding::new("imports", package.name.as_str(), text)];
    };
    let checked = package.dependencies.iter().map(|dependency| {
        let dev_only = dependency.kind == DependencyKind::Development;
        match &dependency.path {
            Some(path) => check_import(row, short(root, path.as_std_path()), true, dev_only),
            None => check_import(row, &dependency.name, false, dev_only),
        }
    });
    checked.flatten().collect()
}

/// Checks an import: a crate of ours by its folder, or another one by its name.
fn check_import(row: &Row<'_>, name: &str, is_ours: bool, dev_only: bool) -> Option<Finding> {
    let Row { name: crate_name, imports, dev_imports } = row;
    let found = |rule, text: String| Some(Finding::new(rule, *crate_name, text));
    if is_ours && !imports.contains(&name) && !(dev_only && dev_imports.contains(&name)) {
        let tests = if dev_only { " for its tests" } else { "" };
        return found("imports", format!("imports {name}{tests}, which {DOCUMENT} does not allow"));
    }
    if !is_ours && name.starts_with("linera-") && !USES_LINERA.contains(crate_name) {
        return found("imports", format!("imports {name}; only {} may", USES_LINERA.join(", ")));
    }
    if name == "anyhow" && LIBRARIES.contains(crate_name) && !dev_only {
        return found("anyhow", "imports anyhow; a library has an error enum of its own".to_owned());
    }
    None
}

/// Returns the rows of the document's table. No other table there has four columns.
fn table(document: &str) -> Vec<Row<'_>> {
    let rows = document.lines().filter_map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, _, imports, dev_imports] = cells[..] else { return None };
        let name = without_prefix(name.strip_prefix('`')?.strip_suffix('`')?);
        Some(Row {
            name,
            imports: imports.split(", ").collect(),
            dev_imports: dev_imports.split(", ").collect(),
        })
    });
    rows.collect()
}

/// Returns the name of a crate's folder as the table has it.
fn short<'p>(root: &Path, folder: &'p Path) -> &'p str {
    let folder = folder.strip_prefix(root).unwrap_or(folder).to_str().unwrap_or_default();
    if folder.starts_with(EXAMPLES) { EXAMPLES } else { without_prefix(folder) }
}

fn without_prefix(folder: &str) -> &str {
    let name = folder.strip_prefix("crates/").unwrap_or(folder);
    name.strip_prefix("backup-").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cargo;

    const TABLE: &str = include_str!("../../../docs/ARCHITECTURE.md");

    fn found(crate_name: &str, name: &str, dev_only: bool) -> Option<&'static str> {
        let table = table(TABLE);
        let row = table.iter().find(|row| row.name == crate_name).unwrap();
        let is_ours = table.iter().any(|row| row.name == name);
        check_import(row, name, is_ours, dev_only).map(|finding| finding.rule)
    }

    #[test]
    fn each_crate_imports_what_its_row_allows_and_nothing_else() {
        assert_eq!(
            (found("layout", "format", false), found("format", "layout", false)),
            (None, Some("imports"))
        );
        assert_eq!(
            (found("memory", "testkit", true), found("memory", "testkit", false)),
            (None, Some("imports"))
        );
        for row in table(TABLE).iter().filter(|row| row.name != EXAMPLES) {
            assert_eq!(found(row.name, "cli", true), Some("imports"), "{} imports the program", row.name);
        }
    }

    #[test]
    fn engines_never_import_each_other_not_even_for_tests() {
        let engines = ["memory", "rocksdb", "scylla"];
        for one in engines {
            for other in engines.into_iter().filter(|other| *other != one) {
                assert_eq!(found(one, other, true), Some("imports"), "{one} {other}");
            }
        }
    }

    #[test]
    fn only_four_crates_import_linera_and_only_programs_anyhow() {
        assert_eq!(found("worker-boot-tests", "linera-core", false), None);
        assert_eq!(found("tests", "linera-core", true), Some("imports"));
        assert_eq!(found("testkit", "anyhow", false), Some("anyhow"));
        assert_eq!((found("testkit", "anyhow", true), found("cli", "anyhow", false)), (None, None));
    }

    #[test]
    fn packages_are_found_by_their_folders_and_need_a_row() {
        let packages = cargo::members(&cargo::root().join("Cargo.toml")).unwrap();
        let rules = |document: &str| super::super::rules(&check(&cargo::root(), document, &packages));
        assert_eq!(rules(TABLE), [""; 0]);
        assert_eq!(rules(""), vec!["imports"; packages.len()]);
        assert_eq!(rules(&TABLE.replace("| nothing | memory, testkit", "| nothing | testkit")), [""; 0]);
        assert_eq!(
            rules(
                &TABLE
                    .replace("| format, sign, seal | memory, testkit |", "| format, sign, seal | testkit |")
            ),
            ["imports"]
        );
    }
}
