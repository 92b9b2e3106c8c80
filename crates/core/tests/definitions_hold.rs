//! What must hold for any text and any value: no panic, and nothing lost between YAML and back.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use trainmaster_core::definition::parse;

const SAMPLE: &str = r#"apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: train}
spec:
  inputs: [{name: services, type: list, default: [a, b]}]
  variables: {region: "eu-${size(services)}", text: |
      first ${region2}
      second}
  phases:
    - id: build
      gates: [{id: ok, uses: approval, with: {approvers: [team:qa], quorum: all}}]
      activities:
        - {id: x, uses: command, forEach: "${services}", with: {run: [a, "${item}"], env: {T: "${secrets.T}"}}, outputs: {o: "${result}"}}
        - {id: y, uses: wait, dependsOn: [x], with: {until: {day: 2, time: "10:00"}}}
    - {id: end, dependsOn: [build], when: always(), activities: [{id: z, uses: http, with: {url: "${phases.build.outputs.o[0]}"}}]}
"#;

/// Pieces that definitions are made of, so that random texts come close to real ones.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "apiVersion: trainmaster.dev/v1\n",
            "kind: Process\n",
            "metadata: {name: a}\n",
            "spec:\n",
            "  phases:\n",
            "  - id: a\n",
            "    activities:\n",
            "    - {id: x, uses: wait, with: {for: 1h}}\n",
            "    dependsOn: [a]\n",
            "${",
            "}",
            "{",
            "[",
            "]",
            "*a",
            "&a ",
            "---\n",
            "- ",
            ": ",
            "|\n",
            ">\n",
            "\"",
            "'",
            "#",
            "!!str ",
            "\t",
            "\u{85}",
            "  inputs: [{name: a, default: ",
            "when: ",
            "size(",
            "phases.a",
            "<<: ",
            "? ",
            "é",
            "\u{feff}",
            "\r\n",
            "%YAML 1.2\n",
        ])
        .prop_map(str::to_owned),
        ".{0,6}",
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        // Texts that other notations would take for something else, and every kind of white space.
        prop::sample::select(vec![
            "",
            " ",
            "yes",
            "no",
            "on",
            "off",
            "true",
            "null",
            "~",
            "1",
            "1.0",
            "0x1F",
            "0o7",
            "1e3",
            ".inf",
            "12:30",
            "2026-01-01",
            "- a",
            "a: b",
            "a #b",
            "# c",
            "{",
            "}",
            "[",
            "]",
            "&a",
            "*a",
            "!x",
            "|",
            ">",
            "%",
            "@",
            "`",
            "'",
            "\"",
            "a\nb",
            "a\n",
            "\na",
            "a\n\n",
            " a",
            "a ",
            "\ta",
            "a\\b",
            "---",
            "...",
            "<<",
            "=",
            "é",
            "\u{a0}",
            "\u{2028}",
            "🚂",
            "$${x}",
            "-1",
            "+1",
            "1_000",
        ])
        .prop_map(str::to_owned),
        "[ -~\n\u{a0}-\u{17f}]{0,40}".prop_filter("no expression", |text| !text.contains("${")),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e15..1e15_f64).prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(text.clone(), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn printable(value: &Value) -> bool {
    let clean = |text: &str| {
        !text
            .chars()
            .any(|letter| letter.is_control() && !matches!(letter, '\n' | '\t' | '\r'))
    };
    match value {
        Value::String(text) => clean(text),
        Value::Array(elements) => elements.iter().all(printable),
        Value::Object(fields) => fields
            .iter()
            .all(|(name, value)| clean(name) && printable(value)),
        _ => true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_text_makes_the_reader_panic(pieces in prop::collection::vec(piece(), 0..60)) {
        let text = pieces.concat();
        if let Err(problems) = parse(&text, Some("any.yaml")) {
            prop_assert!(!problems.is_empty());
            prop_assert!(problems.iter().all(|problem| !problem.message.is_empty()));
        }
    }

    #[test]
    fn no_slip_of_the_pen_makes_the_reader_panic(
        at in 0..SAMPLE.len(), removed in 0_usize..12, inserted in piece(),
    ) {
        let start = (0..=at).rev().find(|at| SAMPLE.is_char_boundary(*at)).unwrap_or(0);
        let end = (start + removed).min(SAMPLE.len());
        let end = (end..=SAMPLE.len()).find(|at| SAMPLE.is_char_boundary(*at)).unwrap_or(end);
        let text = format!("{}{inserted}{}", &SAMPLE[..start], &SAMPLE[end..]);
        let lines = text.lines().count() as u32 + 1;
        if let Err(problems) = parse(&text, None) {
            for place in problems.iter().filter_map(|problem| problem.place.as_ref()) {
                prop_assert!((1..=lines).contains(&place.line) && place.column >= 1, "{place} of {text}");
            }
        }
    }

    #[test]
    fn an_exported_value_is_read_back_as_it_was(value in value()) {
        prop_assume!(printable(&value));
        let document = json!({
            "apiVersion": "trainmaster.dev/v1",
            "kind": "InputSet",
            "metadata": {"name": "any"},
            "spec": {"process": "train", "values": {"x": value}},
        });
        let first = parse(&document.to_string(), None).expect("an input set").remove(0).definition;
        let yaml = first.to_yaml();
        let second = parse(&yaml, None);
        let second = second.unwrap_or_else(|problems| panic!("{problems:?}\n{yaml}")).remove(0).definition;
        prop_assert_eq!(&first.spec, &second.spec, "{}", yaml);
        prop_assert_eq!(first.digest, second.digest);
    }
}
