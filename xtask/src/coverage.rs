//! `coverage`: which rows of the checklist a test shows.
//!
//! `docs/coverage-ids.txt` names every row; `docs/COVERAGE.md` says in a table which test shows it.
//! A row may be missing, a named test may not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};

use crate::finding::{self, Finding};
use crate::tree::Tree;
use crate::{report, step};

const IDS: &str = "docs/coverage-ids.txt";
const TABLE: &str = "docs/COVERAGE.md";

/// Checks the table, and lists the rows that no test shows yet.
pub(crate) fn run(root: &Path) -> Result<()> {
    step::check("coverage", || {
        let tree = Tree::tracked(root)?;
        let known = known_ids(
            tree.text(IDS)
                .with_context(|| format!("`{IDS}` is missing"))?,
        );
        let rows = rows(tree.text(TABLE).unwrap_or_default());
        report_missing(&known, &rows);
        finding::settle(check(&known, &rows, &tree))
    })
}

/// Id and what holds, for every row of the checklist.
type Known<'a> = BTreeMap<&'a str, &'a str>;

/// A row of the table that names an id of the checklist's shape.
#[derive(Debug, PartialEq, Eq)]
struct Row<'a> {
    line: usize,
    ids: Vec<&'a str>,
    tests: Vec<&'a str>,
}

fn known_ids(text: &str) -> Known<'_> {
    text.lines()
        .filter_map(|line| line.split_once('\t'))
        .collect()
}

fn rows(table: &str) -> Vec<Row<'_>> {
    table
        .lines()
        .enumerate()
        .filter_map(|(index, line)| row(index + 1, line))
        .collect()
}

/// Reads `| ID | what | test |`; several ids or tests are separated by commas.
fn row(line: usize, text: &str) -> Option<Row<'_>> {
    let cells = text.trim().strip_prefix('|')?.strip_suffix('|')?;
    let mut cells = cells.split('|').map(str::trim);
    let ids = cells.next()?.split(',').map(str::trim).collect::<Vec<_>>();
    let tests = quoted(cells.next_back()?);
    ids.iter()
        .all(|id| looks_like_id(id))
        .then_some(Row { line, ids, tests })
}

/// A letter or a few, a dash, digits: the header and its rule are no rows.
fn looks_like_id(text: &str) -> bool {
    text.split_once('-').is_some_and(|(letters, digits)| {
        !letters.is_empty()
            && letters.bytes().all(|b| b.is_ascii_uppercase())
            && !digits.is_empty()
            && digits.bytes().all(|b| b.is_ascii_digit())
    })
}

/// What stands between backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

fn report_missing(known: &Known<'_>, rows: &[Row<'_>]) {
    let shown = rows
        .iter()
        .filter(|row| !row.tests.is_empty())
        .flat_map(|row| row.ids.iter().copied())
        .collect::<BTreeSet<_>>();
    let missing = known
        .iter()
        .filter(|(id, _)| !shown.contains(*id))
        .collect::<Vec<_>>();
    report::line(format!(
        "    {} of {} rows are shown by a test; {} are not yet:",
        known.len() - missing.len(),
        known.len(),
        missing.len()
    ));
    for (id, what) in missing {
        report::line(format!("      {id}  {what}"));
    }
}

fn check(known: &Known<'_>, rows: &[Row<'_>], tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for row in rows {
        let place = format!("{TABLE}:{}", row.line);
        for id in row.ids.iter().filter(|id| !known.contains_key(**id)) {
            findings.push(Finding::error(&place, format!("`{id}` is not in `{IDS}`")));
        }
        for test in row.tests.iter().filter(|test| !exists(tree, test)) {
            findings.push(Finding::error(
                &place,
                format!("no test is called `{test}`"),
            ));
        }
    }
    findings
}

/// Whether `file.rs::name` or `crate::path::name` is the name of a test.
fn exists(tree: &Tree, test: &str) -> bool {
    let Some((place, name)) = test.rsplit_once("::") else {
        return false;
    };
    if place.ends_with(".rs") {
        return tree
            .ending_in(&[place])
            .filter(|(path, _)| *path == place || path.ends_with(&format!("/{place}")))
            .any(|(_, text)| has_test(text, name));
    }
    let mut segments = place.split("::");
    let Some(folder) = segments.next().and_then(|name| crate_folder(tree, name)) else {
        return false;
    };
    let modules = segments.filter(|segment| *segment != "tests");
    let modules = modules.collect::<Vec<_>>();
    tree.ending_in(&[".rs"])
        .filter(|(path, _)| path.starts_with(&folder))
        .filter(|(path, text)| modules.iter().all(|module| lies_in(path, text, module)))
        .any(|(_, text)| has_test(text, name))
}

/// The folder of a crate under its short name or its full one.
fn crate_folder(tree: &Tree, name: &str) -> Option<String> {
    let name = name.replace('-', "_");
    let short = match name.as_str() {
        "trainmaster" => "cli",
        full => full.strip_prefix("trainmaster_").unwrap_or(full),
    };
    [format!("crates/{short}/"), format!("{short}/")]
        .into_iter()
        .find(|folder| tree.text(&format!("{folder}Cargo.toml")).is_some())
}

/// Whether a file is, or holds, the module.
fn lies_in(path: &str, text: &str, module: &str) -> bool {
    let without_ending = path.strip_suffix(".rs").unwrap_or(path);
    without_ending.split('/').any(|part| part == module)
        || text.contains(&format!("mod {module} {{"))
}

/// Whether `text` has a function `name` under an attribute that makes it a test.
fn has_test(text: &str, name: &str) -> bool {
    let lines = text.lines().map(str::trim).collect::<Vec<_>>();
    lines
        .iter()
        .enumerate()
        .filter(|(_, line)| declares(line, name))
        .any(|(index, _)| {
            lines[..index]
                .iter()
                .rev()
                .take_while(|above| above.starts_with("#[") || above.starts_with("//"))
                .any(|above| above.starts_with("#[") && above.contains("test"))
        })
}

fn declares(line: &str, name: &str) -> bool {
    line.split_once("fn ")
        .and_then(|(_, rest)| rest.strip_prefix(name))
        .is_some_and(|rest| rest.starts_with(['(', '<']))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "mod tests {\n    #[test]\n    fn a_draft_may_be_deleted() {}\n\n    fn helper() {}\n\n\
                          #[tokio::test(start_paused = true)]\n    /// Why.\n    async fn it_starts_at_its_time() {}\n}\n";

    fn tree() -> Tree {
        Tree::of(&[
            ("crates/core/Cargo.toml", ""),
            ("crates/core/src/release/draft.rs", SOURCE),
            ("crates/cli/Cargo.toml", ""),
            (
                "crates/cli/tests/demo.rs",
                "#[test]\nfn it_prints_the_address() {}\n",
            ),
        ])
    }

    fn complaints(table: &str) -> Vec<String> {
        let known = known_ids("R-108\tDraft deletable\nE-05\tStart at given date\n");
        let found = check(&known, &rows(table), &tree());
        found.iter().map(Finding::to_string).collect()
    }

    #[test]
    fn named_tests_are_found_by_crate_by_module_and_by_file() {
        for test in [
            "core::a_draft_may_be_deleted",
            "trainmaster_core::release::draft::tests::it_starts_at_its_time",
            "draft.rs::a_draft_may_be_deleted",
            "crates/core/src/release/draft.rs::a_draft_may_be_deleted",
            "trainmaster::demo::it_prints_the_address",
        ] {
            assert!(exists(&tree(), test), "{test}");
        }
    }

    #[test]
    fn a_test_that_is_not_there_is_an_error() {
        for test in [
            "core::nothing_of_the_kind",
            "core::helper",
            "core::other::a_draft_may_be_deleted",
            "sim::a_draft_may_be_deleted",
            "raft.rs::a_draft_may_be_deleted",
            "a_draft_may_be_deleted",
        ] {
            let table = format!("| R-108 | Draft deletable | `{test}` |");
            assert_eq!(complaints(&table).len(), 1, "{test}");
        }
    }

    #[test]
    fn an_id_outside_the_checklist_is_an_error() {
        let found = complaints("| R-999 | no such row | `core::a_draft_may_be_deleted` |");
        assert_eq!(
            found,
            ["error: docs/COVERAGE.md:1: `R-999` is not in `docs/coverage-ids.txt`"]
        );
    }

    #[test]
    fn a_row_may_carry_several_ids_and_tests() {
        let table = "| id | what | test |\n|---|---|---|\n\
                     | R-108, E-05 | both | `core::a_draft_may_be_deleted`, `core::it_starts_at_its_time` |\n";
        assert_eq!(complaints(table), Vec::<String>::new());
        let rows = rows(table);
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].ids, ["R-108", "E-05"]);
        assert_eq!(rows[0].tests.len(), 2);
    }
}
