//! `tidy`: the rules of the house that no compiler knows.
//!
//! Every rule is a pure function from what was read to findings; reading happens here, once.

use std::path::Path;

use anyhow::Result;

use crate::finding::{self, Finding};
use crate::metadata::Workspace;
use crate::step;
use crate::tree::Tree;

mod codes;
mod edges;
mod hosts;
mod links;
mod manifests;
mod purity;
mod words;

/// Runs every rule over the tracked files and the manifests.
pub(crate) fn run(root: &Path) -> Result<()> {
    step::check("tidy", || {
        let workspace = Workspace::read(root)?;
        let tree = Tree::tracked(root)?;
        let mut findings = check(&workspace, &tree);
        for package in purity::PURE {
            let reached = purity::reached(root, package)?;
            findings.extend(purity::check_reached(package, &reached));
        }
        finding::settle(findings)
    })
}

fn check(workspace: &Workspace, tree: &Tree) -> Vec<Finding> {
    let mut findings = edges::check(&workspace.packages);
    findings.extend(purity::check_dependencies(&workspace.packages));
    findings.extend(purity::check_sources(tree));
    findings.extend(manifests::check(tree));
    findings.extend(words::check(tree));
    findings.extend(hosts::check(tree));
    findings.extend(links::check(tree));
    findings.extend(codes::check(tree));
    findings
}
