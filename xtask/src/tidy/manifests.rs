//! Every crate takes the lints of the workspace; a crate without that line is held to nothing.

use crate::finding::Finding;
use crate::tree::Tree;

/// Finds manifests that do not inherit the lints.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.ending_in(&["/Cargo.toml"])
        .filter(|(_, text)| !inherits_lints(text))
        .map(|(path, _)| Finding::error(path, "lacks `[lints]` with `workspace = true`"))
        .collect()
}

fn inherits_lints(manifest: &str) -> bool {
    manifest
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != "[lints]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .any(|line| line.replace(' ', "") == "workspace=true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_that_inherits_the_lints_is_fine() {
        let tree = Tree::of(&[(
            "crates/a/Cargo.toml",
            "[package]\n\n[lints]\nworkspace = true\n",
        )]);
        assert_eq!(check(&tree), vec![]);
    }

    #[test]
    fn a_crate_without_the_lints_is_found() {
        let tree = Tree::of(&[
            ("crates/a/Cargo.toml", "[package]\nname = \"a\"\n"),
            (
                "crates/b/Cargo.toml",
                "[lints]\n[dependencies]\nworkspace = true\n",
            ),
        ]);
        assert_eq!(check(&tree).len(), 2);
    }
}
