//! Rules over single lines of text: nothing unfinished, nothing skipped, no path of somebody's machine.

use crate::finding::Finding;
use crate::tree::Tree;

/// A file longer than this should be one topic told in order; somebody looks.
const LINES_MAX: usize = 1_000;

/// First folders of absolute paths that exist on one machine only.
const MACHINE_ROOTS: &[&str] = &["home", "Users", "root", "work", "builds", "tmp/bash"];

/// Marks of unfinished work, as they stand in comments.
/// Written in halves: a rule that finds itself is no help.
const UNFINISHED: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
];

/// What compiles but is not there, and tests that do not run: in Rust.
const SKIPPED_IN_RUST: &[&str] = &[
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
    concat!("#[ig", "nore"),
];

/// The same in TypeScript.
const SKIPPED_IN_TYPESCRIPT: &[&str] = &[
    concat!(".on", "ly("),
    concat!("test.sk", "ip"),
    concat!("it.sk", "ip"),
    concat!("describe.sk", "ip"),
];

/// Runs the rules over every file they speak of.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.files() {
        findings.extend(over_lines(path, text, machine_path));
        match language(path) {
            Some(Language::Rust) => {
                findings.extend(over_lines(path, text, unfinished));
                findings.extend(over_lines(path, text, skipped_in_rust));
                findings.extend(length(path, text));
            }
            Some(Language::TypeScript) => {
                findings.extend(over_lines(path, text, unfinished));
                findings.extend(over_lines(path, text, skipped_in_typescript));
                findings.extend(length(path, text));
            }
            None => (),
        }
    }
    findings
}

enum Language {
    Rust,
    TypeScript,
}

fn language(path: &str) -> Option<Language> {
    match path.rsplit('.').next()? {
        "rs" => Some(Language::Rust),
        "ts" | "tsx" => Some(Language::TypeScript),
        _ => None,
    }
}

fn over_lines(path: &str, text: &str, rule: fn(&str) -> Option<String>) -> Vec<Finding> {
    text.lines()
        .enumerate()
        .filter_map(|(index, line)| {
            rule(line).map(|found| Finding::error(format!("{path}:{}", index + 1), found))
        })
        .collect()
}

fn length(path: &str, text: &str) -> Option<Finding> {
    let lines = text.lines().count();
    (lines > LINES_MAX).then(|| {
        Finding::warning(
            path,
            format!("has {lines} lines; is it one topic told in order?"),
        )
    })
}

fn machine_path(line: &str) -> Option<String> {
    MACHINE_ROOTS
        .iter()
        .map(|root| format!("/{root}"))
        .find(|root| names_folder(line, root))
        .map(|root| format!("names a path of one machine (below `{root}`)"))
}

/// Whether an absolute path below `root` stands in the line.
/// What comes right before tells it from the middle of an address or of a longer path.
fn names_folder(line: &str, root: &str) -> bool {
    line.match_indices(root).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + root.len()..].chars().next();
        let whole_folder = root.contains("tmp/") || after == Some('/');
        whole_folder && !before.is_some_and(continues_a_path)
    })
}

fn continues_a_path(before: char) -> bool {
    before.is_alphanumeric() || matches!(before, '/' | '.' | '-' | '_' | '}' | '~' | '*')
}

fn unfinished(line: &str) -> Option<String> {
    let comment = comment(line)?;
    UNFINISHED
        .iter()
        .find(|mark| has_word(comment, mark))
        .map(|mark| format!("says `{mark}`: finish it, or write down why it is fine"))
}

fn comment(line: &str) -> Option<&str> {
    let trimmed = line.trim_start();
    if trimmed.starts_with("* ") || trimmed.starts_with("/*") {
        return Some(trimmed);
    }
    line.find("//").map(|start| &line[start..])
}

fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(start, _)| {
        let before = text[..start].chars().next_back();
        let after = text[start + word.len()..].chars().next();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '`')
            && !after.is_some_and(|c| c.is_alphanumeric() || c == '`')
    })
}

fn skipped_in_rust(line: &str) -> Option<String> {
    skipped(line, SKIPPED_IN_RUST)
}

fn skipped_in_typescript(line: &str) -> Option<String> {
    skipped(line, SKIPPED_IN_TYPESCRIPT)
}

fn skipped(line: &str, marks: &[&str]) -> Option<String> {
    marks
        .iter()
        .find(|mark| line.contains(**mark))
        .map(|mark| format!("has `{mark}`: code that is not there, or a test that does not run"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> usize {
        check(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn a_path_of_one_machine_is_found_in_any_file() {
        for root in MACHINE_ROOTS {
            let text = format!("see `/{root}/main/notes.md`");
            assert_eq!(findings("docs/A.md", &text), 1, "{text}");
        }
    }

    #[test]
    fn the_middle_of_an_address_is_no_path_of_a_machine() {
        let text =
            "https://example.com/home/page and /srv/work/x and {base}/root/ and at home/work/";
        assert_eq!(findings("docs/A.md", text), 0);
    }

    #[test]
    fn unfinished_work_is_found_in_comments_only() {
        let mark = UNFINISHED[0];
        assert_eq!(findings("a.rs", &format!("let x = 1; // {mark} later")), 1);
        assert_eq!(findings("a.ts", &format!(" * {mark}: later")), 1);
        assert_eq!(
            findings("a.rs", &format!("const OPEN: &str = \"{mark}\";")),
            0
        );
        assert_eq!(
            findings("a.rs", &format!("/// The status `{mark}` of a task.")),
            0
        );
        assert_eq!(findings("a.md", &format!("// {mark}")), 0);
    }

    #[test]
    fn code_that_is_not_there_is_found() {
        for mark in SKIPPED_IN_RUST {
            assert_eq!(findings("a.rs", mark), 1, "{mark}");
        }
        for mark in SKIPPED_IN_TYPESCRIPT {
            assert_eq!(findings("a.test.tsx", mark), 1, "{mark}");
        }
    }

    #[test]
    fn a_long_file_is_named_but_not_refused() {
        let long = "let a = 1;\n".repeat(LINES_MAX + 1);
        let found = check(&Tree::of(&[("a.rs", &long)]));
        assert!(found[0].to_string().starts_with("warning: a.rs"));
        assert_eq!(findings("a.rs", &"let a = 1;\n".repeat(LINES_MAX)), 0);
    }
}
