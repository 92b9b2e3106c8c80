//! Hostile text is refused soon, whatever it tries: depth, loops, sizes, patterns.

#![expect(
    clippy::disallowed_types,
    reason = "these tests measure time; the crate does not"
)]

use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use trainmaster_expr::{Condition, Error, ErrorKind, Limits, Template, Values};

use crate::world::{scope, values};

/// Parses, checks and evaluates, and says how it ended and how long it took.
fn run(source: &str) -> (Result<Json, Error>, Duration) {
    let start = Instant::now();
    let result = Template::parse(source).and_then(|template| {
        let _ = template.check(&scope());
        template.evaluate(&values())
    });
    (result, start.elapsed())
}

fn hole(expression: String) -> String {
    format!("${{{expression}}}")
}

/// Texts that must be refused for what they would cost.
fn bombs() -> Vec<(&'static str, String)> {
    let ten = "[1,2,3,4,5,6,7,8,9,10]";
    let a = "'aaaaaaaaaa'";
    vec![
        ("a chain of sums", hole(format!("1{}", "+1".repeat(1000)))),
        (
            "a chain of indexes",
            hole(format!("result{}", "[0]".repeat(600))),
        ),
        (
            "a chain of fields",
            hole(format!("result{}", ".f".repeat(1000))),
        ),
        (
            "a chain of calls",
            hole(format!("'a'{}", ".trim()".repeat(280))),
        ),
        (
            "a chain of comparisons",
            hole(format!("1{}", "<1".repeat(1000))),
        ),
        (
            "parentheses",
            hole(format!("{}1{}", "(".repeat(1000), ")".repeat(1000))),
        ),
        ("open parentheses", hole("(".repeat(2000))),
        (
            "lists in lists",
            hole(format!("{}{}", "[".repeat(1000), "]".repeat(1000))),
        ),
        (
            "objects in objects",
            hole(format!("{}1{}", "{'a':".repeat(300), "}".repeat(300))),
        ),
        ("choices", hole(format!("{}1", "true?1:".repeat(250)))),
        ("half choices", hole("true?".repeat(400))),
        (
            "calls in calls",
            hole(format!("{}1{}", "dyn(".repeat(400), ")".repeat(400))),
        ),
        (
            "many elements",
            hole(format!("[{}1]", "1,".repeat(900))).repeat(2),
        ),
        ("a long source", hole(format!("'{}'", "a".repeat(3000)))),
        ("many holes", "${inputs.service}".repeat(2000)),
        (
            "three loops within one another",
            hole(format!("{ten}.all(a,{ten}.all(b,{ten}.all(c,a+b+c>0)))")),
        ),
        (
            "six loops within one another",
            hole(format!(
                "{ten}.map(a,{ten}.map(b,{ten}.map(c,{ten}.map(d,{ten}.map(e,{ten}.map(f,1))))))"
            )),
        ),
        (
            "a long loop",
            hole("lists.range(1000000).all(x, x >= 0)".to_owned()),
        ),
        (
            "a loop over loops",
            hole("lists.range(1000).map(x, lists.range(1000))".to_owned()),
        ),
        (
            "loops side by side",
            hole(format!(
                "[{}]",
                vec!["lists.range(900).map(x, lists.range(9))"; 20].join(",")
            )),
        ),
        ("doubled lists", hole(doubled("[[1]]", "x + x + x + x", 18))),
        ("shared lists", hole(doubled("[1,2]", "[x, x, x, x]", 20))),
        (
            "shared lists in a text",
            hole(format!(
                "{} == {}",
                doubled("[1,2]", "[x, x, x, x]", 16),
                doubled("[1,2]", "[x, x, x, x]", 16)
            )),
        ),
        (
            "a growing text",
            hole(format!(
                "[{a}].map(a,a+a+a+a+a+a+a+a+a+a){}",
                ".map(a,a+a+a+a+a+a+a+a+a+a)".repeat(6)
            )),
        ),
        (
            "a growing replacement",
            hole(format!(
                "'aaaaaaaaaa'{}",
                ".replace('a', 'aaaaaaaaaa')".repeat(8)
            )),
        ),
        (
            "an empty replacement",
            hole(format!(
                "'aaaaaaaaaa'{}",
                ".replace('', 'aaaaaaaaaa')".repeat(8)
            )),
        ),
        (
            "a growing join",
            hole(format!(
                "lists.range(9999).map(x, '{}').join('{}')",
                "a".repeat(100),
                "b".repeat(100)
            )),
        ),
        (
            "a shattered text",
            hole(format!(
                "'{}'.replace('a', 'aaaaaaaaaa').replace('a', 'aaaaaaaaaa').split('')",
                "a".repeat(1000)
            )),
        ),
        ("distinct", hole("lists.range(50000).distinct()".to_owned())),
        (
            "a huge range",
            hole("lists.range(9223372036854775807)".to_owned()),
        ),
        (
            "a pattern of patterns",
            hole("'a'.matches('((a{1,99}){1,99}){1,99}')".to_owned()),
        ),
        (
            "a pattern at run time",
            hole("'a'.matches(string('(((a{1,99}){1,99}){1,99})'))".to_owned()),
        ),
        (
            "a deep pattern",
            hole(format!("'a'.matches('{}')", "(".repeat(400))),
        ),
        (
            "a slow search",
            hole(format!(
                "'{}'.replace('a','aaaaaaaaaa').replace('a','aaaaaaaaaa').matches('(x+x+)+y{{1,40}}')",
                "a".repeat(500)
            )),
        ),
        (
            "many small patterns",
            hole("lists.range(9999).map(x, 'a'.matches('(?i)[^abc].*' + string(x)))".to_owned()),
        ),
        (
            "many patterns",
            hole(
                "lists.range(9999).map(x, 'a'.matches('(\\\\w{1,9}){1,9}' + string(x)))".to_owned(),
            ),
        ),
    ]
}

/// `list.map(x, step).map(x, step)…`
fn doubled(list: &str, step: &str, times: usize) -> String {
    format!("{list}{}", format!(".map(x, {step})").repeat(times))
}

#[test]
fn every_bomb_is_refused_soon() {
    for (name, source) in bombs() {
        let (result, took) = run(&source);
        let error = result.expect_err(name);
        let is_limit = matches!(
            error.kind,
            ErrorKind::TooLarge | ErrorKind::TooNested | ErrorKind::BudgetSpent
        );
        let says_so = ["half choices", "a deep pattern"];
        assert!(is_limit || says_so.contains(&name), "{name}: {error:?}");
        // The promise is 50 ms; an unoptimized build on a busy machine gets more.
        assert!(took < Duration::from_secs(1), "{name} took {took:?}");
    }
}

#[test]
fn a_small_stack_is_enough() {
    let thread = std::thread::Builder::new().stack_size(256 * 1024);
    let all = thread.spawn(|| {
        for (_, source) in bombs() {
            let _ = run(&source);
        }
        let sum = run(&hole(format!("0{}", "+1".repeat(90)))).0;
        assert_eq!(sum, Ok(json!(90)));
        let lists = run(&hole(format!("{}{}", "[".repeat(80), "]".repeat(80)))).0;
        assert!(lists.is_ok_and(|lists| lists.is_array()));
    });
    all.expect("the thread starts").join().expect("it ends");
}

#[test]
fn ordinary_work_is_within_the_limits() {
    let services: Vec<Json> = (0..1000)
        .map(|n| json!({"name": format!("service-{n}"), "tier": if n % 3 == 0 { "gold" } else { "base" }}))
        .collect();
    let values = Values {
        names: [("services".to_owned(), json!(services))].into(),
        ..Values::default()
    };
    let template =
        Template::parse("${services.filter(s, s.tier == 'gold').map(s, s.name).join(',')}")
            .expect("it is a template");
    let text = template.evaluate(&values).expect("it fits the budget");
    assert!(
        text.as_str()
            .is_some_and(|text| text.starts_with("service-0,service-3,"))
    );
}

#[test]
fn a_spent_budget_is_not_excused_by_another_part() {
    let condition = Condition::parse("lists.range(99999999).all(x, true) || true");
    let error = condition
        .and_then(|condition| condition.evaluate(&values()))
        .expect_err("the budget is spent");
    assert_eq!(error.kind, ErrorKind::BudgetSpent);
}

#[test]
fn a_result_may_not_be_larger_than_the_limit() {
    let values = Values {
        names: [("log".to_owned(), json!("x".repeat(300 * 1024)))].into(),
        ..Values::default()
    };
    for source in ["${log}", "<${log}>", "${[log]}", "${log + 'x'}"] {
        let template = Template::parse(source).expect(source);
        let error = template.evaluate(&values).expect_err(source);
        assert_eq!(error.kind, ErrorKind::TooLarge, "{source}");
    }
    let template = Template::parse("${size(log)}").expect("it is a template");
    assert_eq!(template.evaluate(&values), Ok(json!(300 * 1024)));
}

#[test]
fn deep_data_is_refused_and_not_followed() {
    let mut deep = json!(1);
    for _ in 0..120 {
        deep = json!([deep]);
    }
    let values = Values {
        names: [("deep".to_owned(), deep)].into(),
        ..Values::default()
    };
    for source in ["${deep}", "${deep == deep}", "${deep.flatten(999)}"] {
        let template = Template::parse(source).expect(source);
        let error = template.evaluate(&values).expect_err(source);
        assert_eq!(error.kind, ErrorKind::TooNested, "{source}");
    }
}

#[test]
fn tighter_limits_are_kept() {
    let limits = Limits {
        source_bytes_max: 20,
        nodes_max: 5,
        comprehensions_max: 1,
        ..Limits::default()
    };
    let kind = |source: &str| Template::parse_within(source, &limits).map_err(|error| error.kind);
    assert!(kind("${1 + 2}").is_ok());
    assert_eq!(kind("${1 + 2 + 3 + 4}").err(), Some(ErrorKind::TooLarge));
    assert_eq!(kind("${1 + 2} ${3 + 4}").err(), Some(ErrorKind::TooLarge));
    assert_eq!(
        kind("${'aaaaaaaaaaaaaaaaaaaaaa'}").err(),
        Some(ErrorKind::TooLarge)
    );
    let few_steps = Values {
        limits: Limits {
            steps_max: 10,
            ..limits
        },
        ..values()
    };
    let template = Template::parse("${lists.range(9)}").expect("it is a template");
    let error = template
        .evaluate(&few_steps)
        .expect_err("ten steps are few");
    assert_eq!(error.kind, ErrorKind::BudgetSpent);
}

/// Fragments that make an arbitrary text look like an expression.
fn fragments() -> impl Strategy<Value = String> {
    let fragment = prop::sample::select(vec![
        "inputs",
        ".",
        "service",
        "[",
        "]",
        "(",
        ")",
        "{",
        "}",
        "'",
        "\"",
        "`",
        "'a'",
        "r'",
        "1",
        "-",
        "--",
        "!",
        "+",
        "==",
        "&&",
        "||",
        "?",
        ":",
        ",",
        " in ",
        ".map(x,",
        ".?",
        "[?",
        "x",
        "has(",
        "${",
        "$${",
        "\\",
        "\n",
        "//",
        "é",
        "\u{0}",
        "0x",
        "1e9",
        "9999999999999999999",
        "null",
        "true",
        ".matches('",
        "u",
        "b'",
        "'''",
        "for",
        "@",
        "#",
        "\u{1F600}",
    ]);
    prop::collection::vec(fragment, 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        use_fully(&text)?;
    }

    #[test]
    fn any_near_expression_is_read_or_refused(text in fragments()) {
        use_fully(&text)?;
        use_fully(&format!("${{{text}}}"))?;
    }

    #[test]
    fn text_without_dollars_is_itself(text in "[^$]*") {
        let template = Template::parse(&text).expect("it is plain");
        prop_assert!(template.is_literal());
        prop_assert_eq!(template.evaluate(&values()), Ok(json!(text)));
    }
}

/// Parses, checks and evaluates a text as both; errors mark a place inside the text.
fn use_fully(text: &str) -> Result<(), TestCaseError> {
    let mut errors = Vec::new();
    match Template::parse(text) {
        Ok(template) => {
            errors.extend(template.check(&scope()).err().into_iter().flatten());
            let first = template.evaluate(&values());
            prop_assert_eq!(&first, &template.evaluate(&values()));
            errors.extend(first.err());
        }
        Err(error) => errors.push(error),
    }
    match Condition::parse(text) {
        Ok(condition) => {
            errors.extend(condition.check(&scope()).err().into_iter().flatten());
            errors.extend(condition.evaluate(&values()).err());
        }
        Err(error) => errors.push(error),
    }
    for error in errors {
        prop_assert!(text.is_char_boundary(error.offset), "{:?}", error);
        prop_assert!(error.offset <= text.len(), "{:?}", error);
    }
    Ok(())
}
