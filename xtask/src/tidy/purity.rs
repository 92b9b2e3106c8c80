//! The domain stays pure: what `core` and `expr` may lean on, and what must never be reachable from them.
//!
//! Three nets, because each has its holes: the declared dependencies against an explicit list, everything reachable
//! against a short list of what would betray I/O or a runtime, and clippy's list of forbidden types and methods.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;

use crate::finding::Finding;
use crate::metadata::{Dependency, Package};
use crate::step;
use crate::tree::Tree;

/// The crates without I/O, clock, randomness, async, SQL, HTTP, hash maps or logging.
pub(super) const PURE: &[&str] = &["trainmaster-core", "trainmaster-expr"];

/// Outside crates that the pure crates may declare.
/// A new entry says in its commit why the domain needs it and that it neither reads a clock nor does I/O there.
const MAY_DECLARE: &[(&str, &[&str])] = &[
    (
        "trainmaster-core",
        &[
            "jiff",
            // Linear-time patterns of declared inputs.
            "regex-lite",
            "schemars",
            "serde",
            "serde_json",
            "serde-saphyr",
            "sha2",
            "strsim",
            "thiserror",
        ],
    ),
    (
        "trainmaster-expr",
        &[
            "cel",
            // Timestamps and durations in expressions, with the bundled zones; its clock is forbidden by clippy.
            "jiff",
            // Linear-time `matches` without tables, quick to build within a budget.
            "regex-lite",
            "serde",
            "serde_json",
            "stacker",
            "strsim",
            "thiserror",
        ],
    ),
];

/// Outside crates that the tests of the pure crates may declare in addition.
const TESTS_MAY_DECLARE: &[&str] = &["insta", "jiff", "proptest", "serde_json"];

/// What no pure crate may reach, not even through others.
const NEVER_REACHED: &[&str] = &[
    "async-std",
    "axum",
    "hyper",
    "mio",
    "rand",
    "reqwest",
    "sea-orm",
    "sqlx",
    "sqlx-core",
    "tokio",
    "tracing",
];

/// What clippy must forbid in each pure crate; a list that lost one of these guards nothing.
const CLIPPY_FORBIDS: &[&str] = &[
    "std::collections::HashMap",
    "std::collections::HashSet",
    "std::time::SystemTime",
    "std::time::Instant",
    "jiff::Timestamp::now",
    "jiff::Zoned::now",
    "std::env::var",
    "std::fs::read_to_string",
    "std::thread::spawn",
    "std::process::Command::new",
];

/// Finds declared dependencies of the pure crates that are not on their list.
pub(super) fn check_dependencies(packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, may) in MAY_DECLARE {
        let Some(package) = packages.iter().find(|package| package.name == *name) else {
            findings.push(Finding::error(*name, "is not in the workspace"));
            continue;
        };
        let surplus = package
            .dependencies
            .iter()
            .filter(|dependency| !dependency.is_ours() && !may_declare(may, dependency));
        findings.extend(surplus.map(|dependency| {
            Finding::error(
                *name,
                format!(
                    "declares `{}`, which is not on the list of the pure crates (xtask/src/tidy/purity.rs)",
                    dependency.name
                ),
            )
        }));
    }
    findings
}

fn may_declare(may: &[&str], dependency: &Dependency) -> bool {
    let name = dependency.name.as_str();
    may.contains(&name) || dependency.is_for_tests() && TESTS_MAY_DECLARE.contains(&name)
}

/// The names of all packages that `package` reaches on any platform, its tests aside.
pub(super) fn reached(root: &Path, package: &str) -> Result<BTreeSet<String>> {
    let mut command = step::cargo([
        "tree",
        "--package",
        package,
        "--edges",
        "normal",
        "--target",
        "all",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]);
    let listing = step::output(command.current_dir(root))?;
    Ok(listing
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect())
}

/// Finds what a pure crate must not reach.
pub(super) fn check_reached(package: &str, reached: &BTreeSet<String>) -> Vec<Finding> {
    NEVER_REACHED
        .iter()
        .filter(|forbidden| reached.contains(**forbidden))
        .map(|forbidden| {
            Finding::error(
                package,
                format!("reaches `{forbidden}`; see `cargo tree -p {package} -i {forbidden}`"),
            )
        })
        .collect()
}

/// Finds gaps in clippy's lists, and sources that switch them off.
pub(super) fn check_sources(tree: &Tree) -> Vec<Finding> {
    ["crates/core", "crates/expr"]
        .into_iter()
        .flat_map(|folder| {
            let mut findings = check_clippy(tree, &format!("{folder}/clippy.toml"));
            findings.extend(check_allowances(tree, &format!("{folder}/src/")));
            findings
        })
        .collect()
}

fn check_clippy(tree: &Tree, path: &str) -> Vec<Finding> {
    let Some(text) = tree.text(path) else {
        return vec![Finding::error(path, "is missing; it keeps the crate pure")];
    };
    let live = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .collect::<String>();
    CLIPPY_FORBIDS
        .iter()
        .filter(|forbidden| !live.contains(&format!("\"{forbidden}\"")))
        .map(|forbidden| Finding::error(path, format!("no longer forbids `{forbidden}`")))
        .collect()
}

fn check_allowances(tree: &Tree, folder: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.ending_in(&[".rs"]) {
        if !path.starts_with(folder) {
            continue;
        }
        for (index, line) in text.lines().enumerate() {
            if line.contains("clippy::disallowed_") {
                findings.push(Finding::error(
                    format!("{path}:{}", index + 1),
                    "switches off a list that keeps the crate pure; pass the thing in instead",
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace(extra: Dependency) -> Vec<Package> {
        let plain = |name: &str, dependencies| Package {
            name: name.to_owned(),
            rust_version: None,
            dependencies,
            targets: Vec::new(),
        };
        vec![
            plain("trainmaster-core", vec![extra]),
            plain("trainmaster-expr", vec![]),
        ]
    }

    fn outside(name: &str, kind: Option<&str>) -> Dependency {
        Dependency {
            name: name.to_owned(),
            kind: kind.map(str::to_owned),
            path: None,
        }
    }

    fn complete_clippy() -> String {
        CLIPPY_FORBIDS
            .iter()
            .map(|name| format!("{{ path = \"{name}\" }},\n"))
            .collect()
    }

    #[test]
    fn the_domain_declares_only_what_is_listed() {
        assert_eq!(
            check_dependencies(&workspace(outside("serde", None))),
            vec![]
        );
        assert_eq!(
            check_dependencies(&workspace(outside("uuid", None))).len(),
            1
        );
    }

    #[test]
    fn a_crate_for_tests_is_none_for_the_domain() {
        let in_tests = workspace(outside("proptest", Some("dev")));
        assert_eq!(check_dependencies(&in_tests), vec![]);
        assert_eq!(
            check_dependencies(&workspace(outside("proptest", None))).len(),
            1
        );
    }

    #[test]
    fn a_runtime_reached_through_another_crate_is_found() {
        let reached = BTreeSet::from(["serde".to_owned(), "tokio".to_owned()]);
        let findings = check_reached("trainmaster-core", &reached);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].to_string().contains("`tokio`"));
    }

    #[test]
    fn a_list_that_lost_an_entry_is_found() {
        let whole = complete_clippy();
        let commented = whole.replace(
            "{ path = \"std::time::Instant\" }",
            "# { path = \"std::time::Instant\" }",
        );
        let tree = Tree::of(&[
            ("crates/core/clippy.toml", &whole),
            ("crates/expr/clippy.toml", &commented),
        ]);
        let findings = check_sources(&tree);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].to_string().contains("`std::time::Instant`"));
    }

    #[test]
    fn a_missing_list_is_found() {
        let whole = complete_clippy();
        let tree = Tree::of(&[("crates/core/clippy.toml", &whole)]);
        assert_eq!(check_sources(&tree).len(), 1);
    }

    #[test]
    fn the_domain_cannot_excuse_itself() {
        let whole = complete_clippy();
        let tree = Tree::of(&[
            ("crates/core/clippy.toml", &whole),
            ("crates/expr/clippy.toml", &whole),
            (
                "crates/core/src/world.rs",
                "#[allow(clippy::disallowed_types)]\nstruct Map;",
            ),
        ]);
        assert_eq!(check_sources(&tree).len(), 1);
    }
}
