//! One small release, and one line in, one line out.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use trainmaster_expr::{Condition, Error, Outcome, Scope, Template, Type, Values};

/// The names an expression of the tests sees.
pub(crate) fn names() -> BTreeMap<String, Json> {
    let Json::Object(names) = json!({
        "inputs": {
            "service": "shop",
            "replicas": 3,
            "ratio": 0.5,
            "canary": true,
            "note": null,
            "target-region": "eu-west",
            "regions": [
                {"name": "us-east", "tags": [], "weight": 1},
                {"name": "eu-west", "tags": ["gdpr", "prod"], "weight": 2},
            ],
            "limits": {"memory": "2Gi", "cpu": 2},
            "big": 9_007_199_254_740_993_i64,
            "started": "2026-03-29T00:30:00Z",
        },
        "phases": {
            "build": {"outputs": {"url": "https://registry/shop:1"}},
            "sign-off": {"outputs": {"by": "ann"}},
        },
        "release": {"name": "Week 12", "number": 12},
        "result": {"code": 200, "body": {"items": [1, 2, 3]}},
        "password": "hunter2",
    }) else {
        unreachable!("the literal is an object");
    };
    names.into_iter().collect()
}

/// The same names with their values.
pub(crate) fn values() -> Values {
    Values {
        names: names(),
        outcome: Some(Outcome {
            success: true,
            failure: false,
        }),
        ..Values::default()
    }
}

/// The same names with their types; what an activity answers is open.
pub(crate) fn scope() -> Scope {
    let mut names: BTreeMap<String, Type> = names()
        .iter()
        .map(|(name, value)| (name.clone(), Type::of(value)))
        .collect();
    names.insert("result".to_owned(), Type::Any);
    Scope {
        names,
        outcome_functions: true,
    }
}

/// What a template gives: JSON, or the error.
pub(crate) fn value_of(source: &str) -> String {
    let value = Template::parse(source).and_then(|template| template.evaluate(&values()));
    value.map_or_else(|error| described(source, &error), |value| value.to_string())
}

/// What a condition answers, or the error.
pub(crate) fn answer_of(source: &str) -> String {
    let answer = Condition::parse(source).and_then(|condition| condition.evaluate(&values()));
    answer.map_or_else(
        |error| described(source, &error),
        |answer| answer.to_string(),
    )
}

/// What the check says of a template: its type, or the errors.
pub(crate) fn type_of(source: &str) -> String {
    let template = match Template::parse(source) {
        Ok(template) => template,
        Err(error) => return described(source, &error),
    };
    match template.check(&scope()) {
        Ok(kind) => kind.to_string(),
        Err(errors) => errors
            .iter()
            .map(|error| described(source, error))
            .collect::<Vec<_>>()
            .join("; "),
    }
}

/// An error as `Kind at ‹the text it marks›: message`.
pub(crate) fn described(source: &str, error: &Error) -> String {
    let marked = source
        .get(error.offset..error.offset + error.length)
        .unwrap_or("");
    format!("{:?} at ‹{marked}›: {error}", error.kind)
}

/// Checks a table of `source => expected` lines.
pub(crate) fn expect(table: &str, actual: impl Fn(&str) -> String) {
    let mut differences = String::new();
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (source, expected) = line.split_once(" => ").expect("a line has a `=>`");
        let actual = actual(source.trim());
        if actual != expected.trim() {
            differences += &format!("{source}\n  expected {expected}\n  but got  {actual}\n");
        }
    }
    assert!(differences.is_empty(), "\n{differences}");
}
