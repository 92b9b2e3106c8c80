//! Reports as tables: one CSV file with a section column, or an Excel workbook with a sheet per section.
//!
//! What people wrote may begin like a formula; a spreadsheet must not compute it (reliability.md, S19).

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use rust_xlsxwriter::{Format, Workbook, XlsxError};

use crate::error::{ApiError, ApiResult};

/// Longest text of a cell, in characters; Excel takes no more.
const TEXT_MAX: usize = 32_000;
/// Most rows of a sheet; Excel takes about a million.
const ROWS_MAX: usize = 200_000;

/// One section of a report.
#[derive(Debug)]
pub(crate) struct Sheet {
    /// Its name.
    pub(crate) name: &'static str,
    /// What its columns hold.
    pub(crate) head: &'static [&'static str],
    /// Its rows, each as long as the head.
    pub(crate) rows: Vec<Vec<Cell>>,
}

/// What stands in a cell.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    /// Nothing.
    Empty,
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }
}

impl From<&String> for Cell {
    fn from(text: &String) -> Cell {
        Cell::Text(text.clone())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell::Text(text)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Cell {
        value.map_or(Cell::Empty, Into::into)
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Cell {
        Cell::Number(number)
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Cell {
        Cell::Number(number as f64)
    }
}

impl From<u64> for Cell {
    fn from(number: u64) -> Cell {
        Cell::Number(number as f64)
    }
}

impl From<u32> for Cell {
    fn from(number: u32) -> Cell {
        Cell::Number(f64::from(number))
    }
}

/// In which form a report is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// JSON.
    #[default]
    Json,
    /// One CSV table.
    Csv,
    /// An Excel workbook.
    Xlsx,
}

impl Form {
    /// The form that a query asks for.
    pub(crate) fn asked(text: Option<&str>) -> ApiResult<Form> {
        match text {
            None | Some("json") => Ok(Form::Json),
            Some("csv") => Ok(Form::Csv),
            Some("xlsx") => Ok(Form::Xlsx),
            Some(_) => Err(ApiError::invalid_query(
                "format",
                "must be `json`, `csv` or `xlsx`",
            )),
        }
    }
}

/// A report as a file; `name` is what the file is called, without its ending.
pub(crate) async fn file(form: Form, name: String, sheets: Vec<Sheet>) -> ApiResult<Response> {
    let (ending, kind) = match form {
        Form::Xlsx => (
            "xlsx",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ),
        Form::Csv | Form::Json => ("csv", "text/csv; charset=utf-8"),
    };
    let bytes = tokio::task::spawn_blocking(move || match form {
        Form::Xlsx => xlsx(&sheets).map_err(ApiError::internal),
        Form::Csv | Form::Json => csv(&sheets).map_err(ApiError::internal),
    })
    .await
    .map_err(ApiError::internal)??;
    let plain: String = name
        .chars()
        .map(|letter| match letter.is_ascii_alphanumeric() {
            true => letter.to_ascii_lowercase(),
            false => '-',
        })
        .take(100)
        .collect();
    let disposition = format!("attachment; filename=\"{plain}.{ending}\"");
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(disposition) = HeaderValue::from_str(&disposition) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    Ok(response)
}

/// All sections in one table: the section comes first, and each fills its own columns.
pub(crate) fn csv(sheets: &[Sheet]) -> Result<Vec<u8>, csv::Error> {
    let mut head: Vec<&str> = vec!["section"];
    for name in sheets.iter().flat_map(|sheet| sheet.head) {
        if !head.contains(name) {
            head.push(name);
        }
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&head)?;
    for sheet in sheets {
        let columns: Vec<usize> = sheet
            .head
            .iter()
            .map(|name| head.iter().position(|known| known == name).unwrap_or(0))
            .collect();
        for row in sheet.rows.iter().take(ROWS_MAX) {
            let mut record = vec![String::new(); head.len()];
            record[0] = sheet.name.to_owned();
            for (column, cell) in columns.iter().zip(row) {
                record[*column] = match cell {
                    Cell::Empty => String::new(),
                    Cell::Number(number) => number.to_string(),
                    Cell::Text(text) => harmless(text),
                };
            }
            writer.write_record(&record)?;
        }
    }
    writer
        .into_inner()
        .map_err(|error| csv::Error::from(error.into_error()))
}

/// A text that a spreadsheet takes for a text: what could begin a formula is quoted.
fn harmless(text: &str) -> String {
    let text: String = text.chars().take(TEXT_MAX).collect();
    let begins_like_a_formula = |letter: char| {
        matches!(
            letter,
            '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠'
        )
    };
    match text.trim_start_matches(' ').chars().next() {
        Some(letter) if begins_like_a_formula(letter) => format!("'{text}"),
        _ => text,
    }
}

/// A sheet per section; texts are written as texts, whatever they look like.
pub(crate) fn xlsx(sheets: &[Sheet]) -> Result<Vec<u8>, XlsxError> {
    let mut workbook = Workbook::new();
    let bold = Format::new().set_bold();
    for sheet in sheets {
        let page = workbook.add_worksheet();
        page.set_name(sheet.name)?;
        for (column, name) in (0_u16..).zip(sheet.head) {
            page.write_string_with_format(0, column, *name, &bold)?;
        }
        page.set_freeze_panes(1, 0)?;
        for (line, row) in (1_u32..).zip(sheet.rows.iter().take(ROWS_MAX)) {
            for (column, cell) in (0_u16..).zip(row) {
                match cell {
                    Cell::Empty => (),
                    Cell::Number(number) => drop(page.write_number(line, column, *number)?),
                    Cell::Text(text) => {
                        let text: String = text.chars().take(TEXT_MAX).collect();
                        page.write_string(line, column, text)?;
                    }
                }
            }
        }
    }
    workbook.save_to_buffer()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheets() -> Vec<Sheet> {
        vec![
            Sheet {
                name: "notes",
                head: &["at", "text"],
                rows: vec![vec!["2026-01-05".into(), "=HYPERLINK(\"x\")".into()]],
            },
            Sheet {
                name: "figures",
                head: &["figure", "at", "value"],
                rows: vec![vec!["rate".into(), Cell::Empty, 0.5.into()]],
            },
        ]
    }

    #[test]
    fn a_table_holds_all_sections_side_by_side() {
        let text = String::from_utf8(csv(&sheets()).expect("a table")).expect("a text");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "section,at,text,figure,value",
                "notes,2026-01-05,\"'=HYPERLINK(\"\"x\"\")\",,",
                "figures,,,rate,0.5",
            ]
        );
    }

    #[test]
    fn nothing_that_people_wrote_becomes_a_formula() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =1", "＝1"] {
            assert!(harmless(text).starts_with('\''), "{text}");
        }
        for text in ["1.4.0", "a=b", "", "user:ada"] {
            assert_eq!(harmless(text), text);
        }
    }

    #[test]
    fn a_workbook_holds_texts_as_texts() {
        let bytes = xlsx(&sheets()).expect("a workbook");
        assert!(bytes.starts_with(b"PK"), "a workbook is a zip archive");
    }
}
