//! Relative links in Markdown lead somewhere: to a tracked file, and to a heading that is there.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::Finding;
use crate::tree::Tree;

/// Finds links that lead nowhere, in every Markdown file of the repository.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.ending_in(&[".md"])
        .flat_map(|(path, text)| {
            links(text).into_iter().filter_map(move |link| {
                let problem = problem(tree, path, &link.target)?;
                Some(Finding::error(format!("{path}:{}", link.line), problem))
            })
        })
        .collect()
}

struct Link {
    line: usize,
    target: String,
}

fn problem(tree: &Tree, from: &str, target: &str) -> Option<String> {
    if leads_outside(target) {
        return None;
    }
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    let file = if file.is_empty() {
        from.to_owned()
    } else {
        match resolved(from, file) {
            Some(file) => file,
            None => return Some(format!("link `{target}` leaves the repository")),
        }
    };
    if !tree.holds(&file) {
        return Some(format!("link `{target}` leads to no tracked file"));
    }
    let page = tree.text(&file).filter(|_| file.ends_with(".md"))?;
    if heading.is_empty() || anchors(page).contains(heading) {
        return None;
    }
    Some(format!("link `{target}` leads to no heading of `{file}`"))
}

fn leads_outside(target: &str) -> bool {
    target.contains("://") || target.starts_with("mailto:")
}

/// `target` as seen from the folder of `from`, without `.` and `..`.
fn resolved(from: &str, target: &str) -> Option<String> {
    let mut parts = from.split('/').collect::<Vec<_>>();
    parts.pop();
    if target.starts_with('/') {
        parts.clear();
    }
    for part in target.split('/') {
        match part {
            "" | "." => (),
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// Inline links and reference definitions outside code.
fn links(text: &str) -> Vec<Link> {
    prose(text)
        .flat_map(|(line, prose)| {
            inline_targets(&prose)
                .chain(definition_target(&prose))
                .map(move |target| Link { line, target })
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Numbered lines outside fenced code, with code spans blanked.
fn prose(text: &str) -> impl Iterator<Item = (usize, String)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            return None;
        }
        (!fenced).then(|| (index + 1, without_code(line)))
    })
}

fn without_code(line: &str) -> String {
    line.split('`')
        .enumerate()
        .map(|(index, part)| if index % 2 == 0 { part } else { "code" })
        .collect()
}

fn inline_targets(line: &str) -> impl Iterator<Item = String> {
    line.match_indices("](")
        .filter_map(|(start, open)| line[start + open.len()..].split(')').next())
        .filter_map(|inside| inside.split_whitespace().next())
        .map(|target| target.trim_matches(['<', '>']).to_owned())
}

fn definition_target(line: &str) -> Option<String> {
    let (label, target) = line.strip_prefix('[')?.split_once("]: ")?;
    let footnote = label.starts_with('^');
    (!footnote).then(|| target.split_whitespace().next().map(str::to_owned))?
}

/// The anchors of a page's headings, as the common hosts make them.
fn anchors(page: &str) -> BTreeSet<String> {
    let mut seen = BTreeMap::<String, usize>::new();
    let mut fenced = false;
    let mut anchors = BTreeSet::new();
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced || !line.starts_with('#') {
            continue;
        }
        let anchor = anchor(line.trim_start_matches('#').trim());
        let count = seen.entry(anchor.clone()).or_default();
        anchors.insert(match *count {
            0 => anchor,
            earlier => format!("{anchor}-{earlier}"),
        });
        *count += 1;
    }
    anchors
}

fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(page: &str) -> Vec<String> {
        let tree = Tree::of(&[
            ("README.md", ""),
            (
                "docs/API.md",
                "# The API\n\n## Status codes\n\n## Status codes\n",
            ),
            ("docs/errors/gone.md", ""),
            ("docs/page.md", page),
        ]);
        check(&tree).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn links_that_lead_somewhere_are_fine() {
        let page = "See [a](API.md), [b](API.md#status-codes-1 \"again\"), [c](errors/), [d](../README.md),\n\
                    [e](https://example.com/x) and [f](#here).\n\n# Here\n\n[g]: errors/gone.md\n";
        assert_eq!(problems(page), Vec::<String>::new());
    }

    #[test]
    fn a_link_to_no_file_is_found_with_its_line() {
        let found = problems("fine\n\nSee [a](GONE.md).\n");
        assert_eq!(
            found,
            ["error: docs/page.md:3: link `GONE.md` leads to no tracked file"]
        );
    }

    #[test]
    fn a_link_to_no_heading_is_found() {
        assert_eq!(problems("[a](API.md#gone) and [b](#gone)").len(), 2);
    }

    #[test]
    fn a_link_out_of_the_repository_is_found() {
        assert_eq!(problems("[a](../../elsewhere.md)").len(), 1);
    }

    #[test]
    fn what_stands_in_code_is_no_link() {
        assert!(problems("```\n[a](GONE.md)\n```\nand `[b](GONE.md)`\n").is_empty());
    }
}
