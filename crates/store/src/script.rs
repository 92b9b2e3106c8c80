//! Statements with many rows, made so that few different texts arise and each is prepared once.
//!
//! A statement takes 1, 8, 32 or 128 rows; what is not used is null and passed over.
//! Several statements go to the database as one script: each trip to its thread costs as much as a small statement.

use std::fmt::Write as _;

use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Arguments as _, AssertSqlSafe};

/// How many rows statements are made for.
const SIZES: [usize; 4] = [1, 8, 32, 128];

/// From this length on, in bytes, a script is not kept prepared: it hardly comes again and takes much memory.
const KEPT_BYTES_MAX: usize = 32 * 1024;

/// What happens to a row whose key is there already.
#[derive(Clone, Copy)]
pub(crate) enum Conflict {
    /// That is an error.
    Refuse,
    /// It is kept.
    Keep,
    /// It gets the new values.
    Replace,
}

/// A table as statements write it; the key columns come first.
pub(crate) struct Table {
    /// Its name.
    pub(crate) name: &'static str,
    /// The columns, in the order in which values are given.
    pub(crate) columns: &'static [&'static str],
    /// How many of them are the key.
    pub(crate) key: usize,
    /// What happens to rows that are there.
    pub(crate) conflict: Conflict,
}

/// A value of a row.
pub(crate) enum Cell {
    /// A whole number or null.
    Number(Option<i64>),
    /// A text.
    Text(String),
    /// A text or null.
    Optional(Option<String>),
}

impl From<i64> for Cell {
    fn from(number: i64) -> Cell {
        Cell::Number(Some(number))
    }
}

impl From<Option<i64>> for Cell {
    fn from(number: Option<i64>) -> Cell {
        Cell::Number(number)
    }
}

impl From<bool> for Cell {
    fn from(flag: bool) -> Cell {
        Cell::Number(Some(i64::from(flag)))
    }
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

impl From<Option<String>> for Cell {
    fn from(text: Option<String>) -> Cell {
        Cell::Optional(text)
    }
}

/// Statements with their values, to be run in one go.
#[derive(Default)]
pub(crate) struct Script {
    sql: String,
    cells: Vec<Cell>,
}

impl Script {
    /// Adds a statement with a value for each `?`.
    pub(crate) fn statement(&mut self, sql: &str, cells: impl IntoIterator<Item = Cell>) {
        self.sql.push_str(sql);
        self.sql.push_str(";\n");
        self.cells.extend(cells);
    }

    /// Adds statements that write rows.
    pub(crate) fn write(&mut self, table: &Table, rows: Vec<Vec<Cell>>) {
        let largest = SIZES[SIZES.len() - 1];
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let chunk: Vec<Vec<Cell>> = rows.by_ref().take(largest).collect();
            let size = SIZES
                .into_iter()
                .find(|size| *size >= chunk.len())
                .unwrap_or(largest);
            self.insert(table, size);
            let nulls = (size - chunk.len()) * table.columns.len();
            self.cells.extend(chunk.into_iter().flatten());
            self.cells.extend((0..nulls).map(|_| Cell::Number(None)));
        }
    }

    /// `insert into t (a, b) select * from (values (?,?),…) as new where column1 is not null on conflict …`
    fn insert(&mut self, table: &Table, size: usize) {
        let columns = table.columns.join(", ");
        let row = format!("({})", vec!["?"; table.columns.len()].join(","));
        let values = vec![row.as_str(); size].join(",");
        let sql = &mut self.sql;
        write!(
            sql,
            "insert into {} ({columns}) select * from (values {values}) as new where column1 is not null",
            table.name
        )
        .expect("a text takes everything");
        sql.push_str(&on_conflict(table));
        sql.push_str(";\n");
    }

    /// Whether there is nothing to run.
    pub(crate) fn is_empty(&self) -> bool {
        self.sql.is_empty()
    }

    /// Appends another script.
    pub(crate) fn append(&mut self, other: Script) {
        // The driver numbers plain `?` through all statements of a script, so texts and values simply follow.
        self.sql.push_str(&other.sql);
        self.cells.extend(other.cells);
    }

    /// Runs all statements; after an error some of them have run.
    pub(crate) async fn run(self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        if self.is_empty() {
            return Ok(());
        }
        let mut arguments = SqliteArguments::default();
        arguments.reserve(self.cells.len(), 0);
        for cell in self.cells {
            match cell {
                Cell::Number(number) => arguments.add(number),
                Cell::Text(text) => arguments.add(text),
                Cell::Optional(text) => arguments.add(text),
            }
            .map_err(sqlx::Error::Encode)?;
        }
        let kept = self.sql.len() <= KEPT_BYTES_MAX;
        let script = sqlx::query_with(AssertSqlSafe(self.sql), arguments).persistent(kept);
        script.execute(connection).await?;
        Ok(())
    }
}

fn on_conflict(table: &Table) -> String {
    let keys = table.columns[..table.key].join(", ");
    match table.conflict {
        Conflict::Refuse => String::new(),
        Conflict::Keep => format!(" on conflict ({keys}) do nothing"),
        Conflict::Replace => {
            let sets: Vec<String> = table.columns[table.key..]
                .iter()
                .map(|column| format!("{column} = excluded.{column}"))
                .collect();
            format!(" on conflict ({keys}) do update set {}", sets.join(", "))
        }
    }
}
