//! Which crate of the workspace may know which.
//!
//! The table is the drawing of `docs/ARCHITECTURE.md` as data; a new edge is a design change and begins there.

use crate::finding::Finding;
use crate::metadata::{Dependency, Package};

/// What one crate may depend on, among our own.
struct Edges {
    of: &'static str,
    to: &'static [&'static str],
    /// In addition for its tests, examples and benchmarks.
    tests_to: &'static [&'static str],
}

const CORE: &str = "trainmaster-core";
const EXPR: &str = "trainmaster-expr";
const ENGINE: &str = "trainmaster-engine";
const STORE: &str = "trainmaster-store";
const EXECUTORS: &str = "trainmaster-executors";
const API: &str = "trainmaster-api";
const SERVER: &str = "trainmaster-server";
const SIM: &str = "trainmaster-sim";

const ALLOWED: &[Edges] = &[
    Edges {
        of: EXPR,
        to: &[],
        tests_to: &[],
    },
    Edges {
        of: CORE,
        to: &[EXPR],
        tests_to: &[],
    },
    Edges {
        of: ENGINE,
        to: &[CORE],
        tests_to: &[],
    },
    Edges {
        of: STORE,
        to: &[CORE, ENGINE],
        tests_to: &[],
    },
    Edges {
        of: EXECUTORS,
        to: &[CORE, ENGINE],
        tests_to: &[],
    },
    Edges {
        of: API,
        to: &[],
        tests_to: &[],
    },
    Edges {
        of: SERVER,
        to: &[CORE, ENGINE, STORE, API],
        tests_to: &[EXECUTORS],
    },
    // Its program `bench` measures the engine with the store that people run it with.
    Edges {
        of: SIM,
        to: &[CORE, ENGINE, EXPR, STORE],
        tests_to: &[EXECUTORS],
    },
    Edges {
        of: "trainmaster",
        to: &[EXPR, CORE, ENGINE, STORE, EXECUTORS, API, SERVER],
        tests_to: &[SIM],
    },
    Edges {
        of: "xtask",
        to: &[SIM, ENGINE, STORE, EXECUTORS],
        tests_to: &[],
    },
];

/// Finds edges that the table does not name, and packages it does not know.
pub(super) fn check(packages: &[Package]) -> Vec<Finding> {
    packages.iter().flat_map(check_package).collect()
}

fn check_package(package: &Package) -> Vec<Finding> {
    let Some(edges) = ALLOWED.iter().find(|edges| edges.of == package.name) else {
        return vec![Finding::error(
            &package.name,
            "is not in the table of dependency edges (xtask/src/tidy/edges.rs)",
        )];
    };
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.is_ours() && !edges.allow(dependency))
        .map(|dependency| {
            Finding::error(
                &package.name,
                format!(
                    "must not depend on `{}`: the architecture has no such edge",
                    dependency.name
                ),
            )
        })
        .collect()
}

impl Edges {
    fn allow(&self, dependency: &Dependency) -> bool {
        let name = dependency.name.as_str();
        self.to.contains(&name) || dependency.is_for_tests() && self.tests_to.contains(&name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, dependencies: Vec<Dependency>) -> Package {
        Package {
            name: name.to_owned(),
            rust_version: None,
            dependencies,
            targets: Vec::new(),
        }
    }

    fn ours(name: &str, kind: Option<&str>) -> Dependency {
        Dependency {
            name: name.to_owned(),
            kind: kind.map(str::to_owned),
            path: Some("crates/made-up".to_owned()),
        }
    }

    #[test]
    fn the_edges_of_the_drawing_are_allowed() {
        let packages = [
            package(CORE, vec![ours(EXPR, None)]),
            package(
                "trainmaster",
                vec![ours(SERVER, None), ours(SIM, Some("dev"))],
            ),
        ];
        assert_eq!(check(&packages), vec![]);
    }

    #[test]
    fn an_edge_against_the_drawing_is_an_error() {
        let findings = check(&[package(CORE, vec![ours(ENGINE, None)])]);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].to_string().contains("`trainmaster-engine`"));
    }

    #[test]
    fn an_edge_for_tests_is_none_for_the_product() {
        let findings = check(&[package("trainmaster", vec![ours(SIM, None)])]);
        assert_eq!(findings.len(), 1);
    }

    #[test]
    fn a_package_outside_the_table_is_an_error() {
        assert_eq!(check(&[package("trainmaster-extra", vec![])]).len(), 1);
    }
}
