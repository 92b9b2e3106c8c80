//! Definitions on disk: files, directories and standard input, put together and found again by line.

use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::values::read_text;

/// A text with where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// The name of the file, as people know it.
    pub(crate) name: String,
    /// Its text.
    pub(crate) text: String,
}

/// Everything that is named: files as they are, directories by the order of their names, `-` for standard input.
pub(crate) fn read(paths: &[PathBuf]) -> Result<Vec<Source>, Failure> {
    let mut sources = Vec::new();
    for path in paths {
        if path.is_dir() {
            for file in definitions_in(path)? {
                sources.push(source(&file)?);
            }
        } else {
            sources.push(source(path)?);
        }
    }
    Ok(sources)
}

fn source(path: &Path) -> Result<Source, Failure> {
    let name = if path == Path::new("-") {
        "(stdin)".to_owned()
    } else {
        path.display().to_string()
    };
    Ok(Source {
        name,
        text: read_text(path)?,
    })
}

fn definitions_in(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable =
        |error: std::io::Error| Failure::error(format!("`{}`: {error}", directory.display()));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let kind = path.extension().and_then(|extension| extension.to_str());
        if matches!(kind, Some("yaml" | "yml" | "json")) && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Failure::error(format!(
            "`{}` holds no *.yaml, *.yml or *.json",
            directory.display()
        )));
    }
    Ok(files)
}

/// Several texts as one request, with the way back from a line to its file.
pub(crate) struct Joined {
    /// The request.
    pub(crate) text: String,
    /// Its media type.
    pub(crate) media_type: &'static str,
    /// Name and first line of each text, the first line counted from one.
    starts: Vec<(String, u64)>,
}

impl Joined {
    /// Puts texts together; a single one stays as it is.
    pub(crate) fn new(sources: Vec<Source>) -> Joined {
        let sources: [Source; 1] = match sources.try_into() {
            Ok(only) => only,
            Err(several) => return Joined::several(several),
        };
        let [Source { name, text }] = sources;
        let media_type = if is_json(&text) {
            "application/json"
        } else {
            "application/yaml"
        };
        Joined {
            text,
            media_type,
            starts: vec![(name, 1)],
        }
    }

    /// JSON is YAML too, so that texts of both kinds go together as YAML documents.
    fn several(sources: Vec<Source>) -> Joined {
        let mut text = String::new();
        let mut starts = Vec::new();
        for source in sources {
            if !begins_a_document(&source.text) {
                text.push_str("---\n");
            }
            starts.push((source.name, text.lines().count() as u64 + 1));
            text.push_str(&source.text);
            if !text.ends_with('\n') {
                text.push('\n');
            }
        }
        Joined {
            text,
            media_type: "application/yaml",
            starts,
        }
    }

    /// Where a line of the request came from: `file:line`.
    pub(crate) fn place(&self, line: u64) -> (&str, u64) {
        let at = self
            .starts
            .partition_point(|(_, start)| *start <= line)
            .saturating_sub(1);
        let (name, start) = &self.starts[at];
        (name, (line + 1).saturating_sub(*start).max(1))
    }
}

fn is_json(text: &str) -> bool {
    text.trim_start_matches('\u{feff}')
        .trim_start()
        .starts_with(['{', '['])
}

/// Whether the text opens its first document itself.
fn begins_a_document(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim_end);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    first.is_some_and(|line| line == "---" || line.starts_with("--- "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str, text: &str) -> Source {
        Source {
            name: name.to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_line_of_the_request_leads_back_to_its_file() {
        let joined = Joined::new(vec![
            source("a.yaml", "kind: A\nname: a"),
            source("b.yaml", "# comment\n---\nkind: B\n"),
            source("c.json", "{\"kind\": \"C\"}\n"),
        ]);
        let lines: Vec<&str> = joined.text.lines().collect();
        for (text, name, line) in [
            ("name: a", "a.yaml", 2),
            ("kind: B", "b.yaml", 3),
            ("{\"kind\": \"C\"}", "c.json", 1),
        ] {
            let found = lines
                .iter()
                .position(|candidate| *candidate == text)
                .expect("there");
            assert_eq!(joined.place(found as u64 + 1), (name, line));
        }
    }

    #[test]
    fn a_single_file_is_sent_as_it_is() {
        let joined = Joined::new(vec![source("a.json", " {\"kind\": \"A\"}")]);
        assert_eq!(joined.text, " {\"kind\": \"A\"}");
        assert_eq!(joined.media_type, "application/json");
        assert_eq!(joined.place(1), ("a.json", 1));
    }

    #[test]
    fn a_directory_is_read_in_the_order_of_names() {
        let directory = tempfile::tempdir().expect("a directory");
        for name in ["b.yml", "a.yaml", "c.json", "notes.txt"] {
            std::fs::write(directory.path().join(name), name).expect("written");
        }
        let sources = read(&[directory.path().to_owned()]).expect("read");
        let texts: Vec<&str> = sources.iter().map(|source| source.text.as_str()).collect();
        assert_eq!(texts, ["a.yaml", "b.yml", "c.json"]);
    }
}
