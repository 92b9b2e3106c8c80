//! Where the interpreter of the `cel` crate gives a value, ours gives the same.

#![expect(
    clippy::disallowed_types,
    reason = "the other interpreter takes its objects as hash maps"
)]

use std::sync::Arc;

use cel::{Context, Env, Value};
use proptest::prelude::*;
use serde_json::Value as Json;
use trainmaster_expr::Template;

use crate::world::{names, values};

/// Expressions without the things that differ on purpose.
const EXPRESSIONS: [&str; 66] = [
    "1 + 2 * 3 - 4 / 2",
    "7 % 3",
    "-7 / 2",
    "-7 % 3",
    "1.5 + 2.25",
    "2.0 * 3.0 / 4.0",
    "1 == 1.0",
    "1 < 2 && 2.5 > 1.5",
    "'a' < 'b' || false",
    "!true",
    "--1",
    "!!false",
    "true ? 'yes' : 'no'",
    "'a' + 'b' + \"c\"",
    "r'\\d' + '\\x41\\u00e9\\101\\n'",
    "'''it's'''",
    "[1, 2] + [3]",
    "[1, 2][1]",
    "{'a': 1}['a']",
    "{'a': {'b': [1, 2]}}.a.b[0]",
    "2 in [1, 2]",
    "'a' in {'a': 1}",
    "[1, 2] == [1, 2]",
    "{'a': 1} == {'a': 1.0}",
    "1 == 'a'",
    "null == null",
    "size('héllo')",
    "size([1, 2]) + size({'a': 1})",
    "'héllo'.size()",
    "[1, 2, 3].map(x, x * 2)",
    "[1, 2, 3].filter(x, x > 1)",
    "[1, 2, 3].map(x, x > 1, x * 10)",
    "[1, 2, 3].all(x, x > 0)",
    "[1, 2, 3].exists(x, x > 2)",
    "[1, 2, 3].exists_one(x, x > 2)",
    "[1, 2].map(x, [3, 4].map(y, x * y))",
    "[1, 'a'].exists(x, x == 'a')",
    "inputs.regions.filter(r, 'gdpr' in r.tags).map(r, r.name)",
    "inputs.service.startsWith('sh') && inputs.service.endsWith('p')",
    "inputs.service.contains('ho')",
    "inputs.service.matches('^s.*p$')",
    "has(inputs.service) && !has(inputs.missing)",
    "inputs.?missing.orValue('x')",
    "inputs.?limits.?cpu.orValue(7)",
    "inputs.?service.hasValue()",
    "inputs[?'service'].value()",
    "optional.of(1).or(optional.none()).value()",
    "optional.ofNonZeroValue('').orValue('empty')",
    "int('12') + int(3.7)",
    "double('1.5') + double(2)",
    "string(12) + string(true) + string(1.5)",
    "bool('true')",
    "dyn(1) == 1",
    "false && inputs.missing",
    "inputs.missing == 1 || true",
    "timestamp('2026-03-01T09:00:00Z').getFullYear()",
    "timestamp('2026-03-01T09:00:00Z').getMonth()",
    "timestamp('2026-03-01T09:00:00Z').getDayOfWeek()",
    "timestamp('2026-03-01T23:30:00Z').getDate('Europe/Berlin')",
    "timestamp('2026-03-01T23:30:00Z').getDayOfYear()",
    "timestamp('2026-03-01T09:00:00Z') < timestamp('2026-03-01T09:00:01Z')",
    "duration('90m').getHours()",
    "duration('1h') == duration('60m')",
    "timestamp('2026-03-01T09:00:00Z') - timestamp('2026-03-01T08:00:00Z') == duration('1h')",
    "duration('90s').getMilliseconds()",
    "string(duration('90s'))",
];

/// Expressions of the string, list and math extensions.
const EXTENDED: [&str; 34] = [
    "'a-b-c'.split('-')",
    "'a-b-c'.split('-', 2)",
    "'a-b-c'.split('-', 0)",
    "'a-b-c'.split('-', -1)",
    "'abc'.split('')",
    "'abc'.split('', 2)",
    "['a', 'b'].join('-')",
    "['a', 'b'].join()",
    "'héllo'.charAt(1)",
    "'héllo'.charAt(5)",
    "'héllo'.substring(1, 3)",
    "'héllo'.substring(5)",
    "'héllo'.indexOf('l')",
    "'héllo'.indexOf('l', 3)",
    "'héllo'.indexOf('')",
    "'héllo'.lastIndexOf('l')",
    "'héllo'.lastIndexOf('l', 2)",
    "'héllo'.lastIndexOf('lo', 3)",
    "'a-b-c'.replace('-', '+')",
    "'a-b-c'.replace('-', '+', 1)",
    "'ab'.replace('', '-')",
    "' a '.trim()",
    "'aB'.upperAscii() + 'aB'.lowerAscii()",
    "'héllo'.reverse()",
    "[3, 1, 2].sort()",
    "[1, 2, 1].distinct()",
    "[1, 2, 3].slice(1, 3)",
    "[[1], [2, [3]]].flatten()",
    "[[1], [2, [3]]].flatten(2)",
    "[1, 2].reverse()",
    "lists.range(3)",
    "math.greatest(1, 3, 2) + math.least([4, 2])",
    "[math.abs(-2), math.sign(-3)]",
    "[math.ceil(1.2), math.floor(-1.2), math.round(-1.5), math.trunc(1.9)]",
];

fn environment() -> Arc<Env> {
    let mut env = Env::stdlib();
    for extension in [
        cel::extensions::strings,
        cel::extensions::lists,
        cel::extensions::math,
    ] {
        extension(&mut env).expect("the extensions do not collide");
    }
    Arc::new(env)
}

#[test]
fn standard_expressions_give_what_cel_gives() {
    let env = environment();
    let mut differences = String::new();
    for source in EXPRESSIONS.into_iter().chain(EXTENDED) {
        let (theirs, ours) = (theirs(&env, source), ours(source));
        if theirs != ours {
            differences += &format!("{source}\n  cel  {theirs:?}\n  ours {ours:?}\n");
        }
    }
    assert!(differences.is_empty(), "\n{differences}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Either may be more forgiving than the other, but two values are one value.
    #[test]
    fn composed_expressions_give_what_cel_gives(source in expression()) {
        if let (Ok(theirs), Ok(ours)) = (theirs(&environment(), &source), ours(&source)) {
            prop_assert_eq!(ours, theirs, "{}", source);
        }
    }
}

/// Expressions of a few levels that mostly make sense.
pub(crate) fn expression() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "0",
        "1",
        "2",
        "-3",
        "7",
        "1.5",
        "-0.5",
        "true",
        "false",
        "null",
        "''",
        "'a'",
        "'b-c'",
        "'héllo'",
        "[]",
        "[1, 2, 3]",
        "['b', 'a']",
        "{'a': 1}",
        "inputs.service",
        "inputs.replicas",
        "inputs.missing",
        "inputs.regions",
        "inputs.limits.cpu",
        "result.code",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 3, |inner| {
        let operator = prop::sample::select(vec![
            "+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "in", "&&", "||",
        ]);
        let call = prop::sample::select(vec![
            "size(#)",
            "#.size()",
            "string(#)",
            "int(#)",
            "double(#)",
            "!#",
            "-(#)",
            "[#]",
            "[#, 1]",
            "{'k': #}",
            "#.map(x, x)",
            "#.map(x, [x, x])",
            "#.filter(x, x != 1)",
            "#.all(x, x == x)",
            "#.exists(x, x == 1)",
            "#.exists_one(x, x == 1)",
            "#[0]",
            "#['a']",
            "#.a",
            "#.?a.b.orValue(2)",
            "#[?0].orValue(2)",
            "#.?a.orValue(1)",
            "has(inputs.service) && #",
            "#.split('-')",
            "#.join('-')",
            "#.reverse()",
            "#.sort()",
            "#.distinct()",
            "#.flatten()",
            "#.startsWith('a')",
            "#.indexOf('l')",
            "#.substring(1)",
            "#.charAt(0)",
            "#.upperAscii()",
            "#.trim()",
            "#.replace('l', 'L')",
            "#.contains('a')",
            "lists.range(#)",
            "math.abs(#)",
            "math.greatest(#, 1)",
            "optional.of(#).value()",
            "optional.ofNonZeroValue(#).hasValue()",
            "dyn(#)",
            "#.slice(0, 1)",
        ]);
        prop_oneof![
            (inner.clone(), operator, inner.clone())
                .prop_map(|(left, operator, right)| format!("({left} {operator} {right})")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(test, yes, no)| format!("({test} ? {yes} : {no})")),
            (call, inner).prop_map(|(call, inner)| call.replace('#', &format!("({inner})"))),
        ]
    })
}

/// What the interpreter of the `cel` crate gives.
fn theirs(env: &Arc<Env>, source: &str) -> Result<Json, String> {
    let mut context = Context::with_env(env.clone());
    for (name, value) in names() {
        context.add_variable_from_value(name, from_json(value));
    }
    let program = env.compile(source).map_err(|error| error.to_string())?;
    let value = program
        .execute(&context)
        .map_err(|error| error.to_string())?;
    value.json().map_err(|error| error.to_string())
}

/// What we give.
fn ours(source: &str) -> Result<Json, String> {
    Template::parse(&format!("${{{source}}}"))
        .and_then(|template| template.evaluate(&values()))
        .map_err(|error| error.to_string())
}

/// JSON for `cel`, with every whole number as its signed kind.
fn from_json(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Float(number.as_f64().expect("a number fits")),
        },
        Json::String(text) => text.into(),
        Json::Array(elements) => elements
            .into_iter()
            .map(from_json)
            .collect::<Vec<_>>()
            .into(),
        Json::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name, from_json(value)))
            .collect::<std::collections::HashMap<_, _>>()
            .into(),
    }
}
