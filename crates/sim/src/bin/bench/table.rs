//! What was measured, next to what was aimed at.

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// One measured thing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    /// What.
    pub(crate) what: String,
    /// The number.
    pub(crate) measured: f64,
    /// Its unit.
    pub(crate) unit: String,
    /// What it should be.
    pub(crate) goal: Option<Goal>,
}

/// What a number should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    fn is_met(self, measured: f64) -> bool {
        match self {
            Goal::AtLeast(limit) => measured >= limit,
            Goal::AtMost(limit) => measured <= limit,
        }
    }

    fn text(self) -> String {
        match self {
            Goal::AtLeast(limit) => format!("≥ {}", number(limit)),
            Goal::AtMost(limit) => format!("≤ {}", number(limit)),
        }
    }
}

impl Row {
    /// A number without a goal.
    pub(crate) fn plain(what: impl Into<String>, measured: f64, unit: &str) -> Row {
        Row {
            what: what.into(),
            measured,
            unit: unit.to_owned(),
            goal: None,
        }
    }

    /// A number with a goal.
    pub(crate) fn aimed(what: impl Into<String>, measured: f64, unit: &str, goal: Goal) -> Row {
        Row {
            goal: Some(goal),
            ..Row::plain(what, measured, unit)
        }
    }

    fn value(&self) -> Value {
        let (least, most) = match self.goal {
            Some(Goal::AtLeast(limit)) => (Some(limit), None),
            Some(Goal::AtMost(limit)) => (None, Some(limit)),
            None => (None, None),
        };
        json!({
            "what": self.what,
            "measured": self.measured,
            "unit": self.unit,
            "atLeast": least,
            "atMost": most,
            "met": self.goal.map(|goal| goal.is_met(self.measured)),
        })
    }

    /// As one line for the process that collects them.
    pub(crate) fn line(&self) -> String {
        self.value().to_string()
    }

    /// Reads a line back.
    pub(crate) fn parse(line: &str) -> Result<Row> {
        let value: Value =
            serde_json::from_str(line).with_context(|| format!("a row, not `{line}`"))?;
        let text = |field: &str| value[field].as_str().unwrap_or_default().to_owned();
        let least = value["atLeast"].as_f64().map(Goal::AtLeast);
        let most = value["atMost"].as_f64().map(Goal::AtMost);
        let measured = value["measured"].as_f64().context("a measured number")?;
        Ok(Row {
            what: text("what"),
            measured,
            unit: text("unit"),
            goal: least.or(most),
        })
    }
}

/// All rows as JSON.
pub(crate) fn json(rows: &[Row]) -> String {
    let rows: Vec<Value> = rows.iter().map(Row::value).collect();
    json!({"engine": rows}).to_string()
}

/// All rows for people.
pub(crate) fn text(rows: &[Row]) -> String {
    let mut cells = vec![[
        "what".to_owned(),
        "goal".to_owned(),
        "measured".to_owned(),
        "met".to_owned(),
    ]];
    for row in rows {
        let met = row.goal.map(|goal| {
            if goal.is_met(row.measured) {
                "yes"
            } else {
                "NO"
            }
        });
        cells.push([
            row.what.clone(),
            row.goal.map(Goal::text).unwrap_or_default(),
            format!("{} {}", number(row.measured), row.unit),
            met.unwrap_or_default().to_owned(),
        ]);
    }
    let width = |column: usize| {
        cells
            .iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths = [width(0), width(1), width(2), width(3)];
    let line = |row: &[String; 4]| {
        let [what, goal, measured, met] = row;
        let [w, g, m, _] = widths;
        format!("{what:w$}  {goal:>g$}  {measured:>m$}  {met}")
            .trim_end()
            .to_owned()
    };
    cells.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A number as short as it may be: whole when large, with thousands apart.
fn number(value: f64) -> String {
    if value.abs() < 100.0 {
        let text = format!("{value:.2}");
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_read_back_and_say_whether_the_goal_is_met() {
        let row = Row::aimed("steps", 15_000.5, "/s", Goal::AtLeast(15_000.0));
        assert_eq!(Row::parse(&row.line()).expect("a row"), row);
        let late = Row::aimed("late", 3.25, "ms", Goal::AtMost(3.0));
        let text = text(&[row, late]);
        assert!(
            text.contains("≥ 15,000") && text.contains("15,000 /s  yes"),
            "{text}"
        );
        assert!(text.contains("3.25 ms  NO"), "{text}");
    }
}
