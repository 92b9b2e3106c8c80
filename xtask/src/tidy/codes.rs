//! Every problem code has its page, and every page its code.

use std::collections::BTreeSet;

use crate::finding::Finding;
use crate::tree::Tree;

/// The snapshot of all codes, one per line, written by the tests of the crate that owns them.
const CODES: &str = "crates/api/codes.txt";
const PAGES: &str = "docs/errors/";
/// The overview of the pages is no page about a code.
const OVERVIEW: &str = "README";

/// Compares codes and pages both ways.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(text) = tree.text(CODES) else {
        return Vec::new();
    };
    let codes = codes(text);
    let pages = pages(tree);
    let without_page = codes
        .difference(&pages)
        .map(|code| Finding::error(CODES, format!("`{code}` has no page `{PAGES}{code}.md`")));
    let without_code = pages.difference(&codes).map(|page| {
        Finding::error(
            format!("{PAGES}{page}.md"),
            format!("explains a code that `{CODES}` does not name"),
        )
    });
    without_page.chain(without_code).collect()
}

fn codes(text: &str) -> BTreeSet<&str> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
}

fn pages(tree: &Tree) -> BTreeSet<&str> {
    tree.files()
        .filter_map(|(path, _)| path.strip_prefix(PAGES)?.strip_suffix(".md"))
        .filter(|page| *page != OVERVIEW)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_pages_that_match_are_fine() {
        let tree = Tree::of(&[
            (CODES, "# sorted\nnot-found\n"),
            ("docs/errors/not-found.md", "# Not found"),
            ("docs/errors/README.md", "# Problems"),
        ]);
        assert_eq!(check(&tree), vec![]);
    }

    #[test]
    fn a_code_without_a_page_and_a_page_without_a_code_are_found() {
        let tree = Tree::of(&[(CODES, "not-found\n"), ("docs/errors/gone.md", "# Gone")]);
        let findings = check(&tree);
        assert_eq!(findings.len(), 2);
        assert!(findings[0].to_string().contains("`not-found` has no page"));
        assert!(findings[1].to_string().contains("docs/errors/gone.md"));
    }
}
