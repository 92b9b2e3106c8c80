//! Lock files and settings name the public registries only, so that a clone builds anywhere.

use crate::finding::Finding;
use crate::tree::Tree;

const CRATES: &str = "registry+https://github.com/rust-lang/crates.io-index";
const NPM: &str = "https://registry.npmjs.org/";

/// Finds registries that only some machine can reach.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.files()
        .flat_map(|(path, text)| match file_name(path) {
            "Cargo.lock" => foreign(path, text, "source = \"", CRATES),
            "package-lock.json" => foreign(path, text, "\"resolved\": \"", NPM),
            ".npmrc" => naming(path, text, "registry"),
            "config.toml" if path.ends_with(".cargo/config.toml") => {
                naming(path, text, "replace-with")
            }
            _ => Vec::new(),
        })
        .collect()
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Lines whose value behind `label` begins with anything but `home`.
fn foreign(path: &str, text: &str, label: &str, home: &str) -> Vec<Finding> {
    numbered(text)
        .filter_map(|(number, line)| Some((number, line.split_once(label)?.1)))
        .filter(|(_, value)| !value.starts_with(home))
        .map(|(number, _)| {
            Finding::error(
                format!("{path}:{number}"),
                format!("names another source than `{home}`"),
            )
        })
        .collect()
}

fn naming(path: &str, text: &str, word: &str) -> Vec<Finding> {
    numbered(text)
        .filter(|(_, line)| line.contains(word))
        .map(|(number, _)| {
            Finding::error(
                format!("{path}:{number}"),
                format!("sets `{word}`: a registry belongs into the settings of a machine"),
            )
        })
        .collect()
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_tools_write_is_fine() {
        let tree = Tree::of(&[
            (
                "Cargo.lock",
                "name = \"a\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\n",
            ),
            (
                "web/package-lock.json",
                "  \"resolved\": \"https://registry.npmjs.org/react/-/react-19.3.1.tgz\",\n",
            ),
            (".cargo/config.toml", "[alias]\n"),
        ]);
        assert_eq!(check(&tree), vec![]);
    }

    #[test]
    fn a_private_registry_is_found_wherever_it_is_named() {
        let tree = Tree::of(&[
            (
                "Cargo.lock",
                "source = \"registry+https://mirror.example/index\"\n",
            ),
            (
                "web/package-lock.json",
                "  \"resolved\": \"http://mirror.example/react.tgz\",\n",
            ),
            (
                ".cargo/config.toml",
                "[source.crates-io]\nreplace-with = \"mirror\"\n",
            ),
            ("web/.npmrc", "registry=http://mirror.example/\n"),
        ]);
        assert_eq!(check(&tree).len(), 4);
    }
}
