//! Where everything is printed: data on standard output, everything else on standard error.
//!
//! A reader that goes away (`… | head`) ends the program quietly; colour only where somebody looks.

use std::io::{ErrorKind, IsTerminal, Write};

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::args::Format;
use crate::failure::{Done, Failure};

/// Prints a line of data.
pub(crate) fn data(line: impl std::fmt::Display) {
    give(&mut std::io::stdout().lock(), &line);
}

/// Prints a line that is no data: progress, warnings, hints.
pub(crate) fn note(line: impl std::fmt::Display) {
    give(&mut std::io::stderr().lock(), &line);
}

/// Prints what would help, on its own line.
pub(crate) fn hint(line: impl std::fmt::Display) {
    note(format_args!("hint: {line}"));
}

fn give(stream: &mut dyn Write, line: &dyn std::fmt::Display) {
    let written = writeln!(stream, "{line}").and_then(|()| stream.flush());
    if let Err(error) = written
        && error.kind() == ErrorKind::BrokenPipe
    {
        std::process::exit(0);
    }
}

/// Prints a value as JSON or YAML; other formats are the caller's.
pub(crate) fn structured<T: Serialize>(format: Format, value: &T) -> Done {
    match format {
        Format::Yaml => data(yaml(value)?.trim_end()),
        Format::Json | Format::Table | Format::Wide | Format::Name => {
            data(serde_json::to_string_pretty(value)?);
        }
    }
    Ok(())
}

/// A value as YAML.
pub(crate) fn yaml<T: Serialize>(value: &T) -> Result<String, Failure> {
    serde_saphyr::to_string(value).map_err(Failure::error)
}

/// Whether the format is for programs: the server's answer, unchanged.
pub(crate) fn is_structured(format: Format) -> bool {
    matches!(format, Format::Json | Format::Yaml)
}

/// Columns for people, without borders, as `kubectl` prints them.
pub(crate) struct Columns {
    table: Table,
}

impl Columns {
    /// Columns with these headings.
    pub(crate) fn new(headings: &[&str]) -> Self {
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(headings.iter().map(|heading| (*heading).to_owned()));
        Columns { table }
    }

    /// Adds a row.
    pub(crate) fn row<I: IntoIterator<Item = String>>(&mut self, cells: I) {
        self.table.add_row(cells);
    }

    /// Prints them as data.
    pub(crate) fn print(self) {
        self.lines().iter().for_each(data);
    }

    fn lines(mut self) -> Vec<String> {
        for column in self.table.column_iter_mut() {
            column.set_padding((0, 3));
        }
        self.table
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect()
    }
}

/// Prints names and values below each other, the values in one column.
pub(crate) fn fields(fields: &[(&str, String)]) {
    let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 1;
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        let mut lines = value.lines();
        let first = lines.next().unwrap_or_default();
        data(format!("{:width$}  {first}", format!("{name}:")).trim_end());
        for line in lines {
            data(format!("{:width$}  {line}", ""));
        }
    }
}

/// Whether standard output is a terminal.
pub(crate) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Whether colour may be used on standard output (`NO_COLOR`, dumb and missing terminals say no).
pub(crate) fn has_colour() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    is_terminal() && !refused && !dumb
}

/// What a text means, which is what its colour says once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Went well.
    Good,
    /// Under way.
    Active,
    /// Somebody should look.
    Attention,
    /// Went wrong.
    Bad,
    /// Of no importance now.
    Quiet,
}

/// The text in the colour of its tone, where colour may be used.
pub(crate) fn paint(tone: Tone, text: &str) -> String {
    if text.is_empty() || !has_colour() {
        return text.to_owned();
    }
    let code = match tone {
        Tone::Good => "32",
        Tone::Active => "36",
        Tone::Attention => "33",
        Tone::Bad => "31",
        Tone::Quiet => "2",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// The glyph and tone of a status of a release, a phase, an activity or an attempt.
pub(crate) fn mark(status: &str) -> (&'static str, Tone) {
    match status {
        "Success" | "Succeeded" => ("✓", Tone::Good),
        "PartialSuccess" => ("◐", Tone::Attention),
        "Ignored" => ("⊘", Tone::Attention),
        "Failed" | "TimedOut" => ("✗", Tone::Bad),
        "Aborted" | "Aborting" | "Cancelled" => ("■", Tone::Bad),
        "Running" => ("▶", Tone::Active),
        "Queued" => ("…", Tone::Active),
        "OnHold" | "Unknown" => ("?", Tone::Attention),
        "Skipped" => ("↷", Tone::Quiet),
        _ => ("○", Tone::Quiet),
    }
}

/// Control characters taken out, so that a name cannot steer the terminal.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() && c != '\t' { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other_without_borders() {
        let mut columns = Columns::new(&["ID", "NAME"]);
        columns.row(["rel-00000001".to_owned(), "First".to_owned()]);
        columns.row(["x".to_owned(), String::new()]);
        assert_eq!(
            columns.lines(),
            ["ID             NAME", "rel-00000001   First", "x"]
        );
    }

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        assert_eq!(plain("red\u{1b}[31m\u{7}"), "red [31m ");
    }
}
