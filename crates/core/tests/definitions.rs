//! Definitions as people write them: text in, problems out.

use trainmaster_core::definition::{Body, Definition, Problem, parse, schema};
use trainmaster_core::ids::ResourceKind;
use trainmaster_core::plan::Plan;

const TRAIN: &str = r##"apiVersion: trainmaster.dev/v1
kind: Process
metadata:
  name: system-release-train
  organization: payments
  description: Weekly train
  labels: {team: platform}
spec:
  inputs:
    - {name: releaseVersion, type: string, required: true, pattern: '^\d+\.\d+\.\d+$', description: Version to deliver}
    - {name: services, type: list, default: [payment-service, user-service]}
    - {name: environment, type: string, default: QA, allowed: [DEV, QA, UAT, PROD1, PROD2, PROD3]}
  variables: {targetRegion: eu-west-1}
  allowPartialSuccess: true
  phases:
    - id: build
      name: Build
      owners: [team:development]
      variables: {buildVersion: "${releaseVersion}"}
      activities:
        - id: compile
          uses: command
          with: {run: ["./build.sh", "--version", "${buildVersion}"]}
          timeout: 30m
          retry: {maxAttempts: 3, initialDelay: 10s, maxDelay: 5m}
          outputs: {artifactUrl: "${result.outputs.url}"}
    - id: sign-off
      dependsOn: [build]
      activities:
        - {id: qa, uses: approval, with: {approvers: [team:qa, user:maria], quorum: 2, excludeRequester: true, deadline: 24h, onDeadline: escalate, escalateTo: [team:release-managers]}}
    - id: deploy
      dependsOn: [sign-off]
      opens: {day: 4, time: "09:00"}
      closes: {day: 9, time: "12:00", then: complete}
      gates:
        - {id: change-approved, uses: approval, with: {approvers: [team:operations]}}
      activities:
        - {id: rollout, uses: command, forEach: "${services}", maxParallel: 2, with: {run: ["./rollout.sh", "${item}", "${phases.build.outputs.artifactUrl}"]}}
        - {id: soak, uses: wait, dependsOn: [rollout], with: {for: 5d}}
"##;

fn plan(text: &str) -> std::sync::Arc<Plan> {
    let parsed = parse(text, Some("train.yaml")).unwrap_or_else(|problems| panic!("{problems:#?}"));
    match &parsed[0].definition.body {
        Body::Process(plan) => plan.clone(),
        other => panic!("expected a process, not {other:?}"),
    }
}

/// The problems of a text, one per line.
fn problems(text: &str) -> Vec<String> {
    match parse(text, Some("train.yaml")) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

/// A process around some lines of its spec.
fn process(spec: &str) -> String {
    let spec: String = spec.lines().map(|line| format!("  {line}\n")).collect();
    format!(
        "apiVersion: trainmaster.dev/v1\nkind: Process\nmetadata:\n  name: train\nspec:\n{spec}"
    )
}

/// The problems of a process around some lines of its spec, which start at line 6.
fn spec_problems(spec: &str) -> Vec<String> {
    problems(&process(spec.trim_start_matches('\n')))
}

#[test]
fn the_train_of_the_manual_compiles() {
    let plan = plan(TRAIN);
    let paths: Vec<&str> = plan
        .activities
        .iter()
        .map(|activity| activity.path.as_str())
        .collect();
    assert_eq!(
        paths,
        [
            "build/compile",
            "sign-off/qa",
            "deploy/change-approved",
            "deploy/rollout",
            "deploy/soak"
        ],
    );
    assert_eq!(plan.phases[2].depends_on, [1]);
    assert_eq!(plan.phases[1].dependents, [2]);
    assert_eq!(plan.phases[2].gates, 2..3);
    assert_eq!(plan.phases[2].activities, 3..5);
    assert!(plan.activities[2].is_gate);
    assert_eq!(plan.activities[4].depends_on, [3]);
    assert_eq!(plan.activities[3].dependents, [4]);
}

/// The single definition of a text.
fn definition(text: &str) -> Definition {
    let mut parsed = parse(text, None).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert_eq!(parsed.len(), 1);
    parsed.remove(0).definition
}

#[test]
fn a_definition_exported_and_applied_again_is_the_same() {
    let tricky = process(
        r##"
inputs:
  - {name: a, default: "yes", allowed: ["yes", "no", "1.0", "null", "~", "0x10", "12:30", "# x", "a: b", " a ", "", "é\t", "- x", "{", "on"]}
  - {name: n, type: number, default: 1.0}
variables:
  text: |
    line one

      line two
  trailing: "a\n\n"
  big: 12345678901234567890
  small: -0.5
  none: null
  dollars: "$${not} an expression"
phases:
  - id: a
    activities:
      - {id: x, uses: wait, with: {for: 1h}}"##
            .trim_start(),
    );
    for text in [TRAIN, &tricky] {
        let first = definition(text);
        let exported = first.to_yaml();
        let second = definition(&exported);
        assert_eq!(first.spec, second.spec, "{exported}");
        assert_eq!(first.digest, second.digest);
        assert_eq!(
            (&first.key, &first.description, &first.labels),
            (&second.key, &second.description, &second.labels)
        );
        assert_eq!(exported, second.to_yaml());
        let json = definition(&first.to_document().to_string());
        assert_eq!(first.digest, json.digest);
        let stored = Definition::from_stored(
            first.key.clone(),
            first.description.clone(),
            first.labels.clone(),
            &first.spec,
        );
        assert_eq!(stored.expect("what was accepted once").digest, first.digest);
    }
}

#[test]
fn an_export_begins_with_what_people_look_for() {
    let exported = definition(TRAIN).to_yaml();
    let start: Vec<&str> = exported.lines().take(7).collect();
    assert_eq!(
        start,
        [
            "apiVersion: trainmaster.dev/v1",
            "kind: Process",
            "metadata:",
            "  name: system-release-train",
            "  organization: payments",
            "  description: Weekly train",
            "  labels:",
        ],
    );
}

#[test]
fn the_digest_does_not_depend_on_the_order_of_fields_or_on_the_notation() {
    let one = definition(&process(
        "phases:\n- id: a\n  activities: [{id: x, uses: wait, with: {for: 1h}}]",
    ));
    let two = definition(&process(
        "phases:\n- activities: [{uses: wait, with: {for: 1h}, id: x}]\n  id: a",
    ));
    assert_eq!(one.digest, two.digest);
    assert_eq!(one.digest.len(), 64);
    assert_ne!(one.digest, definition(TRAIN).digest);
}

#[test]
fn a_text_may_hold_many_documents_in_yaml_and_in_json() {
    let wait = r#"{"phases": [{"id": "a", "activities": [{"id": "x", "uses": "wait", "with": {"for": "1h"}}]}]}"#;
    let document = |name: &str| {
        format!(
            r#"{{"apiVersion": "trainmaster.dev/v1", "kind": "Process", "metadata": {{"name": "{name}"}}, "spec": {wait}}}"#
        )
    };
    let yaml = format!(
        "# first\n---\n{}\n---\n---\n{}\n...\n",
        document("one"),
        document("two")
    );
    let json = format!("[{},\n {}]", document("one"), document("two"));
    for text in [yaml, json] {
        let parsed = parse(&text, Some("all")).expect("two documents");
        let names: Vec<&str> = parsed
            .iter()
            .map(|parsed| parsed.definition.key.name.as_str())
            .collect();
        assert_eq!(names, ["one", "two"]);
        assert!(parsed[0].place.as_ref() < parsed[1].place.as_ref());
    }
    let twice = format!("{}\n---\n{}", document("one"), document("one"));
    assert_eq!(
        problems(&twice),
        ["train.yaml:3:78: `Process/one` is there twice in metadata.name"],
    );
}

#[test]
fn a_problem_in_json_has_its_place_too() {
    let text = r#"{
	"apiVersion": "trainmaster.dev/v1",
	"kind": "Process",
	"metadata": {"name": "a\ud83d\ude00"},
	"spec": {"phases": [
		{"id": "a", "activities": [{"id": "x", "uses": "wait", "with": {"for": 1}}]}
	]}
}"#;
    assert_eq!(
        problems(text),
        [
            "train.yaml:4:23: `a😀` is not a name of 1 to 63 lower-case letters, digits and inner dashes in metadata.name",
        ],
    );
    let text = text.replace(r"\ud83d\ude00", "");
    assert_eq!(
        problems(&text),
        [
            "train.yaml:6:74: expected a duration such as `30m`, found the number `1` in spec.phases[0].activities[0].with.for"
        ],
    );
}

#[test]
fn the_head_of_a_document_says_what_it_is() {
    assert_eq!(problems(""), ["there is no definition in the text"]);
    assert_eq!(
        problems("# nothing\n---\n"),
        ["there is no definition in the text"]
    );
    assert_eq!(
        problems("just text"),
        [
            "train.yaml:1:1: a definition is an object with `apiVersion`, `kind`, `metadata` and `spec`"
        ],
    );
    assert_eq!(
        problems("kind: Proces\nmetadata: {name: a}\n"),
        [
            "train.yaml:1:1: missing field `apiVersion`; write `apiVersion: trainmaster.dev/v1`",
            "train.yaml:1:7: `Proces` is not a kind that is known here, expected `Process`, `InputSet`, `ReleaseGroup`, `Freeze`, `NotificationRule`, `Organization`, `Team`, `RoleBinding` or `Account` in kind (did you mean `Process`?)",
        ],
    );
    assert_eq!(
        problems(
            "apiVersion: v1\nkind: InputSet\nmetadata: {name: a, lables: {}}\nspec: {values: []}\n"
        ),
        [
            "train.yaml:1:13: `v1` is not an `apiVersion` that is known here in apiVersion (did you mean `trainmaster.dev/v1`?)",
            "train.yaml:3:21: unknown field `lables` in metadata (did you mean `labels`?)",
            "train.yaml:4:7: missing field `process` in spec",
            "train.yaml:4:16: expected an object, found a list in spec.values",
        ],
    );
}

#[test]
fn labels_are_few_and_plain() {
    let labels: String = (0..65).map(|number| format!("l{number}: x, ")).collect();
    let text = TRAIN.replace(
        "labels: {team: platform}",
        &format!("labels: {{{labels}\"a b\": x}}"),
    );
    assert_eq!(
        problems(&text),
        [
            "train.yaml:7:11: there are 66 labels; at most 64 are possible in metadata.labels",
            "train.yaml:7:522: the label `a b` is not 1 to 63 letters, digits, `.`, `_`, `-` and `/` in metadata.labels",
        ],
    );
}

#[test]
fn an_input_set_names_a_process_and_values() {
    let text = "apiVersion: trainmaster.dev/v1\nkind: InputSet\nmetadata: {name: prod}\nspec:\n  process: train\n  values: {environment: PROD1, count: 3}\n";
    let definition = definition(text);
    let Body::InputSet(spec) = &definition.body else {
        panic!("expected an input set")
    };
    assert_eq!(spec.process.as_str(), "train");
    assert_eq!(spec.values["count"], 3);
}

#[test]
fn a_hostile_document_is_refused_before_it_costs_anything() {
    let bomb = {
        let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..12 {
            let previous = format!("*a{},", level - 1).repeat(9);
            text.push_str(&format!(
                "a{level}: &a{level} [{}]\n",
                previous.trim_end_matches(',')
            ));
        }
        text
    };
    let cases = [
        (
            "a bomb of aliases",
            bomb,
            "train.yaml:6:10: anchors and aliases unfold to too much",
        ),
        (
            "nesting in flow",
            format!("a: {}", "[".repeat(100_000)),
            "train.yaml:1:259: lists and objects are nested deeper than 64",
        ),
        (
            "nesting of objects",
            format!("a: {}", "{a: ".repeat(100_000)),
            "train.yaml:1:256: lists and objects are nested deeper than 64",
        ),
        (
            "nesting in blocks",
            "- ".repeat(100_000),
            "train.yaml:1:129: lists and objects are nested deeper than 64",
        ),
        (
            "nesting in JSON",
            "[".repeat(100_000),
            "train.yaml:1:65: lists and objects are nested deeper than 64",
        ),
        (
            "nesting of JSON objects",
            "{\"a\":".repeat(100_000),
            "train.yaml:1:321: lists and objects are nested deeper than 64",
        ),
        (
            "a field twice",
            "a: 1\nb: {c: 1, c: 2}\n".to_owned(),
            "train.yaml:2:11: the field `c` is there twice",
        ),
        (
            "a field twice in JSON",
            "{\"a\": 1,\n \"a\": 2}".to_owned(),
            "train.yaml:2:4: the field `a` is there twice",
        ),
        (
            "a merge key",
            "a: &a {x: 1}\nb: {<<: *a}\n".to_owned(),
            "train.yaml:2:5: merge keys (`<<`) are not supported: write the fields out",
        ),
        (
            "too many values",
            format!("[{}]", "1,".repeat(200_000)),
            "train.yaml:1:299999: there are more than 150000 values",
        ),
        (
            "too many values in YAML",
            format!("a: [{}]", "1,".repeat(200_000)),
            "train.yaml:1:299999: there are more than 150000 values",
        ),
        (
            "a hundred megabytes",
            "a".repeat(100_000_000),
            "the text has 100000000 bytes and is limited to 4194304",
        ),
        (
            "infinity",
            "a: .inf\n".to_owned(),
            "train.yaml:1:4: `.inf` is not a finite number; quote it if it is a text",
        ),
        (
            "an unknown tag",
            "a: !ruby/object x\n".to_owned(),
            "train.yaml:1:17: this is not valid YAML: unsupported tag `!ruby/object`",
        ),
        (
            "NUL",
            "a: \0\n".to_owned(),
            "train.yaml:1:4: this is not valid YAML: unexpected character: `\\u{0}'",
        ),
    ];
    for (what, text, expected) in cases {
        let found = problems(&text);
        assert_eq!(found, [expected], "{what}");
    }
}

#[test]
fn characters_that_nobody_sees_are_refused() {
    let named = |name: &str| TRAIN.replace("name: Build", &format!("name: \"{name}\""));
    assert_eq!(
        problems(&named("Bu\\u202eild")),
        ["train.yaml:17:16: the text holds the control character U+202E in spec.phases[0].name"],
    );
    assert_eq!(
        problems(&named("Bu\\0ild")),
        ["train.yaml:17:16: the text holds the control character U+0000 in spec.phases[0].name"],
    );
    assert_eq!(
        problems(&TRAIN.replace("labels: {team:", "labels: {\"te\\u2066am\":")),
        [
            "train.yaml:7:12: the text holds the control character U+2066 in metadata.labels",
            "train.yaml:7:12: the label `te\u{2066}am` is not 1 to 63 letters, digits, `.`, `_`, `-` and `/` in metadata.labels",
        ],
    );
}

#[test]
fn a_process_is_limited_in_size() {
    let phases: String = (0..501)
        .map(|number| {
            format!("- {{id: p{number}, activities: [{{id: x, uses: wait, with: {{for: 1h}}}}]}}\n")
        })
        .collect();
    assert_eq!(
        spec_problems(&format!("phases:\n{phases}")),
        ["train.yaml:7:5: there are 501 phases; at most 500 are possible in spec.phases"],
    );
    let activities = "{id: x, uses: wait},".repeat(10_001);
    assert_eq!(
        spec_problems(&format!("phases:\n- id: a\n  activities: [{activities}]")),
        ["train.yaml:7:5: there are 10001 activities; at most 10000 are possible in spec.phases"],
    );
}

#[test]
fn the_largest_process_compiles_without_a_deep_stack() {
    let mut activities = String::new();
    for number in 0..10_000_u32 {
        let before = number
            .checked_sub(1)
            .map_or(String::new(), |before| format!("dependsOn: [a{before}], "));
        activities.push_str(&format!(
            "  - {{id: a{number}, uses: wait, {before}with: {{for: 1h}}}}\n"
        ));
    }
    let text = process(&format!("phases:\n- id: a\n  activities:\n{activities}"));
    let plan = plan(&text);
    assert_eq!(plan.activities.len(), 10_000);
    assert_eq!(plan.activities[9_999].depends_on, [9_998]);
}

#[test]
fn every_problem_serializes_with_its_place() {
    let found: Vec<Problem> = parse(&process("phazes: []"), Some("a.yaml")).expect_err("a problem");
    assert_eq!(
        serde_json::to_value(&found).expect("JSON"),
        serde_json::json!([{
            "path": "spec",
            "message": "unknown field `phazes`",
            "suggestion": "phases",
            "place": {"file": "a.yaml", "line": 6, "column": 3},
        }]),
    );
}

#[test]
fn the_schema_of_a_process_describes_settings_by_type() {
    let schema = schema(ResourceKind::Process);
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    assert_eq!(schema["properties"]["kind"]["const"], "Process");
    let activity = &schema["$defs"]["ActivitySpec"];
    assert_eq!(activity["allOf"].as_array().map(Vec::len), Some(9));
    assert!(activity["properties"]["timeout"]["description"].is_string());
    let mut references = Vec::new();
    collect_references(&schema, &mut references);
    assert!(references.len() > 20);
    for reference in references {
        let name = reference
            .strip_prefix("#/$defs/")
            .expect("a local reference");
        assert!(schema["$defs"].get(name).is_some(), "{reference}");
    }
    assert_eq!(
        schema["$defs"]["command.with"]["required"],
        serde_json::json!(["run"])
    );
}

fn collect_references(schema: &serde_json::Value, found: &mut Vec<String>) {
    match schema {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str().filter(|_| name == "$ref") {
                    Some(target) => found.push(target.to_owned()),
                    None => collect_references(value, found),
                }
            }
        }
        serde_json::Value::Array(elements) => {
            elements
                .iter()
                .for_each(|element| collect_references(element, found));
        }
        _ => (),
    }
}

#[test]
fn a_variable_may_refine_the_one_further_out_and_comes_after_what_it_uses() {
    let plan = plan(&process(
        r#"
inputs: [{name: region, default: eu}]
variables: {a: "${b}-${z}", b: "${region}", z: 1}
phases:
- id: p
  variables: {b: "${b}-p", region: "${inputs.region}-p"}
  activities:
  - id: x
    uses: wait
    variables: {b: "${b}-x", c: "${b}"}
    with: {for: 1h}"#
            .trim_start(),
    ));
    let names = |variables: &[(String, trainmaster_core::plan::ValueTemplate)]| {
        variables
            .iter()
            .map(|(name, _)| name.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&plan.variables), ["b", "z", "a"]);
    assert_eq!(names(&plan.phases[0].variables), ["b", "region"]);
    assert_eq!(names(&plan.activities[0].variables), ["b", "c"]);
}

#[test]
fn conditions_and_items_see_what_is_there_when_they_are_judged() {
    let valid = r#"
inputs: [{name: services, type: list, required: true}, {name: go, type: boolean, default: true}]
rules: [{condition: "go || size(services) > 0", message: nothing to do}]
outputs: {url: "${phases.build.outputs.url}", all: "${phases.deploy.activities.rollout.outputs.items}"}
phases:
- id: build
  gates: [{id: gate, uses: input, with: {fields: [{name: ticket, required: true}]}}]
  activities:
  - {id: compile, uses: command, with: {run: [a, "${activities.gate.outputs.ticket}"]}, outputs: {url: "${result.outputs.url}"}}
- id: deploy
  dependsOn: [build]
  when: "go && phases.build.status == 'Success'"
  activities:
  - id: rollout
    uses: command
    forEach: "${services}"
    when: "item != 'x' && success()"
    variables: {target: "${item}-${index}"}
    with: {run: [a, "${target}", "${activity.path}", "${release.run}"], env: {T: "x-${secrets.TOKEN}"}}
    outputs: {where: "${target}"}
- id: clean
  dependsOn: [deploy]
  when: always()
  activities:
  - {id: x, uses: command, with: {run: [a, "${phases.deploy.outputs.where[0]}"]}}"#;
    assert_eq!(spec_problems(valid), Vec::<String>::new());
}

#[test]
fn an_argument_may_hold_words_that_look_like_secrets() {
    let valid = r#"
phases:
- id: a
  activities:
  - {id: x, uses: command, with: {run: [cat, "secrets[0]", "${release.id}/secrets.txt"], env: {T: "${ secrets['my-token'] }"}}}"#;
    assert_eq!(spec_problems(valid), Vec::<String>::new());
}

// From here on: lines of a spec, and every problem found in them, in the order of the text.

#[test]
fn a_field_that_is_not_known_is_refused_with_the_likely_one() {
    assert_eq!(
        spec_problems(
            r#"
fazes: []
phases:
- {id: a, activities: [{id: x, uses: wait, with: {for: 1h}}]}
"#
        ),
        [
            r#"train.yaml:6:3: unknown field `fazes`, expected `allowPartialSuccess`, `decisionDeadline`, `holds`, `inputs`, `outputs`, `phases`, `readiness`, `rules` or `variables` in spec"#
        ]
    );
    assert_eq!(
        spec_problems(r#"phazes: []"#),
        [r#"train.yaml:6:3: unknown field `phazes` in spec (did you mean `phases`?)"#]
    );
    assert_eq!(
        spec_problems(
            r#"
phases:
- id: a
  activites:
  - {id: x, uses: wait, with: {for: 1h}}
"#
        ),
        [
            r#"train.yaml:8:5: unknown field `activites` in spec.phases[0] (did you mean `activities`?)"#
        ]
    );
    assert_eq!(
        spec_problems(
            r#"
phases:
- id: a
  activities:
  - {id: x, uses: wait, with: {fro: 1h}}
"#
        ),
        [
            r#"train.yaml:9:34: unknown field `fro` in spec.phases[0].activities[0].with (did you mean `for`?)"#
        ]
    );
    assert_eq!(
        spec_problems(
            r#"
phases:
- id: a
  activities:
  - {id: x, uses: command, with: {run: [ls], environment: {}}}
"#
        ),
        [
            r#"train.yaml:9:48: unknown field `environment`, expected `env`, `run`, `stdin` or `workingDirectory` in spec.phases[0].activities[0].with"#
        ]
    );
    assert_eq!(
        spec_problems(
            r#"
phases:
- id: a
  activities:
  - id: x
    uses: http
    with:
      url: https://a
      poll: {until: 'true', evry: 1s}
"#
        ),
        [
            r#"train.yaml:13:31: unknown field `evry` in spec.phases[0].activities[0].with.poll (did you mean `every`?)"#
        ]
    );
}

#[test]
fn a_value_of_the_wrong_kind_is_refused() {
    assert_eq!(
        spec_problems(r#"phases: {}"#),
        [r#"train.yaml:6:11: expected a list, found an object in spec.phases"#]
    );
    assert_eq!(
        spec_problems(
            r#"
phases:
- id: Build
  activities: []
"#
        ),
        [
            r#"train.yaml:7:9: `Build` is not a name of 1 to 63 lower-case letters, digits and inner dashes in spec.phases[0].id"#
        ]
    );
    assert_eq!(
        spec_problems(
            r#"
phases:
- id: a
  owners: [qa]
  activities:
  - {id: x, uses: wait, timeout: 30, with: {for: 90}}
"#
        ),
        [
            r#"train.yaml:8:14: `qa` is not `user:NAME`, `team:NAME` or `role:NAME` in spec.phases[0].owners[0]"#,
            r#"train.yaml:10:36: expected a duration such as `30m`, found the number `30` in spec.phases[0].activities[0].timeout"#
        ]
    );
    assert_eq!(
        spec_problems(
            r#"
phases:
- id: a
  activities:
  - {id: x, uses: wait, timeout: 30min, with: {for: 1h}}
"#
        ),
        [
            r#"train.yaml:9:36: `30min` is not a duration such as `30m`, `1h30m`, `5d`, `250ms` or `2w` in spec.phases[0].activities[0].timeout"#
        ]
    );
    assert_eq!(
        spec_problems(
            r#"
phases:
- id: a
  opens: {day: 0, time: 9:00}
  activities:
  - {id: x, uses: wait, with: {for: 1h}}
"#
        ),
        [
            r#"train.yaml:8:18: expected a whole number from 1 to 3660, found `0` in spec.phases[0].opens.day"#,
            r#"train.yaml:8:27: `9:00` is not a time of day such as `09:00` or `23:59:30` in spec.phases[0].opens.time"#
        ]
    );
    assert_eq!(
        spec_problems(
            r#"
phases:
- id: a
  activities:
  - {id: x, uses: wait, with: {for: 1h}, importance: importent, onFailure: ignor}
"#
        ),
        [
            r#"train.yaml:9:56: `importent` is not `critical`, `required` or `optional` in spec.phases[0].activities[0].importance"#,
            r#"train.yaml:9:78: `ignor` is not `hold`, `fail` or `ignore` in spec.phases[0].activities[0].onFailure (did you mean `ignore`?)"#
        ]
    );
    assert_eq!(
        spec_problems(
            r#"
phases:
- id: a
  activities:
  - {id: x, uses: wait, with: {for: 1h}, retry: {maxAttempts: 0}}
"#
        ),
        [
            r#"train.yaml:9:65: expected a whole number from 1 to 100, found `0` in spec.phases[0].activities[0].retry.maxAttempts"#
        ]
    );
    assert_eq!(
        spec_problems(
            r#"
phases:
- id: a
  activities:
  - {id: x, uses: wait, with: {for: 1h}, retry: {maxAttempts: 1.5}}
"#
        ),
        [
            r#"train.yaml:9:65: expected a whole number, found `1.5` in spec.phases[0].activities[0].retry.maxAttempts"#
        ]
    );
    assert_eq!(
        spec_problems(
            r#"
phases:
- id: a
  activities:
  - {id: x, uses: wait, with: {until: tomorrow}}
"#
        ),
        [
            r#"train.yaml:9:41: `tomorrow` is not an instant such as `2026-12-24T12:00:00Z` in spec.phases[0].activities[0].with.until"#
        ]
    );
    assert_eq!(
        spec_problems(
            r#"
phases:
- id: a
  activities:
  -
"#
        ),
        [r#"train.yaml:9:6: expected an object, found nothing in spec.phases[0].activities[0]"#]
    );
    assert_eq!(
        spec_problems(
            r#"
allowPartialSuccess: yes
phases:
- id: a
  activities:
  - {id: x, uses: wait, with: {for: 1h}}
"#
        ),
        [
            r#"train.yaml:6:24: expected true or false, found the text `yes` in spec.allowPartialSuccess"#
        ]
    );
}

#[test]
fn an_id_is_there_once() {
    assert_eq!(
        spec_problems(
            r#"
phases:
- id: a
  activities:
  - {id: x, uses: wait, with: {for: 1h}}
- id: a
  activities:
  - {id: x, uses: wait, with: {for: 1h}}
"#
        ),
        [r#"train.yaml:10:9: the phase `a` is there twice in spec.phases[1].id"#]
    );
    assert_eq!(
        spec_problems(
            r#"
phases:
- id: a
  gates:
  - {id: x, uses: wait, with: {for: 1h}}
  activities:
  - {id: x, uses: wait, with: {for: 1h}}
"#
        ),
        [
            r#"train.yaml:11:12: the activity `x` is there twice in phase `a` in spec.phases[0].activities[0].id"#
        ]
    );
    assert_eq!(
        spec_problems(
            r#"
phases:
- {id: a}
"#
        ),
        [r#"train.yaml:7:5: the phase `a` has no activity in spec.phases[0]"#]
    );
    assert_eq!(
        spec_problems(r#"phases: []"#),
        [r#"train.yaml:6:11: a process needs at least one phase in spec.phases"#]
    );
}

#[test]
fn a_dependency_names_something_of_its_own_level() {
    assert_eq!(
        spec_problems(
            r#"
phases:
- id: build
  activities:
  - {id: compile, uses: wait, with: {for: 1h}}
- id: deploy
  dependsOn: [biuld, compile, build/compile]
  activities:
  - {id: x, uses: wait, with: {for: 1h}}
"#
        ),
        [
            r#"train.yaml:11:17: the phase `biuld` does not exist in spec.phases[1].dependsOn[0] (did you mean `build`?)"#,
            r#"train.yaml:11:24: `compile` is an activity of phase `build`, and phases depend on phases in spec.phases[1].dependsOn[1] (did you mean `build`?)"#,
            r#"train.yaml:11:33: `compile` is an activity of phase `build`, and phases depend on phases in spec.phases[1].dependsOn[2] (did you mean `build`?)"#
        ]
    );
    assert_eq!(
        spec_problems(
            r#"
phases:
- id: build
  activities:
  - {id: compile, uses: wait, with: {for: 1h}}
- id: deploy
  activities:
  - {id: x, uses: wait, dependsOn: [build, compile, deploy/y, yy], with: {for: 1h}}
  - {id: y, uses: wait, with: {for: 1h}}
"#
        ),
        [
            r#"train.yaml:12:39: `build` is a phase: add it to the `dependsOn` of phase `deploy` in spec.phases[1].activities[0].dependsOn[0]"#,
            r#"train.yaml:12:46: `compile` belongs to phase `build`: add `build` to the `dependsOn` of phase `deploy` in spec.phases[1].activities[0].dependsOn[1]"#,
            r#"train.yaml:12:55: activities of the same phase are named by their id: `y` in spec.phases[1].activities[0].dependsOn[2] (did you mean `y`?)"#,
            r#"train.yaml:12:65: phase `deploy` has no activity `yy` in spec.phases[1].activities[0].dependsOn[3] (did you mean `y`?)"#
        ]
    );
    assert_eq!(
        spec_problems(
            r#"
phases:
- id: a
  gates:
  - {id: g, uses: wait, dependsOn: [x], with: {for: 1h}}
  activities:
  - {id: x, uses: wait, dependsOn: [g], with: {for: 1h}}
"#
        ),
        [
            r#"train.yaml:9:39: `g` is a gate and can only depend on gates, and `x` is none in spec.phases[0].gates[0].dependsOn[0]"#
        ]
    );
}

#[test]
fn a_circle_is_named() {
    assert_eq!(
        spec_problems(
            r#"
phases:
- id: a
  dependsOn: [a]
  activities:
  - {id: x, uses: wait, with: {for: 1h}}
"#
        ),
        [r#"train.yaml:8:16: `a` depends on itself in spec.phases[0].dependsOn"#]
    );
    assert_eq!(
        spec_problems(
            r#"
phases:
- id: a
  dependsOn: [c]
  activities:
  - {id: x, uses: wait, with: {for: 1h}}
- id: b
  dependsOn: [a]
  activities:
  - {id: x, uses: wait, with: {for: 1h}}
- id: c
  dependsOn: [b]
  activities:
  - {id: x, uses: wait, with: {for: 1h}}
- id: d
  dependsOn: [c]
  activities:
  - {id: x, uses: wait, with: {for: 1h}}
"#
        ),
        [
            r#"train.yaml:8:16: dependencies go in a circle: `a → c → b → a` in spec.phases[0].dependsOn"#,
            r#"train.yaml:20:16: `d` can never start: it waits for `a → c → b → a` in spec.phases[3].dependsOn"#
        ]
    );
    assert_eq!(
        spec_problems(
            r#"
phases:
- id: a
  activities:
  - {id: x, uses: wait, dependsOn: [y], with: {for: 1h}}
  - {id: y, uses: wait, dependsOn: [x], with: {for: 1h}}
"#
        ),
        [
            r#"train.yaml:9:38: dependencies go in a circle: `x → y → x` in spec.phases[0].activities[0].dependsOn"#
        ]
    );
    assert_eq!(
        spec_problems(
            r#"
variables: {a: "${b}", b: "${a}", c: "${vars.c}"}
phases:
- id: a
  activities:
  - {id: x, uses: wait, with: {for: 1h}}
"#
        ),
        [
            r#"train.yaml:6:15: dependencies go in a circle: `a → b → a` in spec.variables"#,
            r#"train.yaml:6:37: `c` depends on itself in spec.variables"#
        ]
    );
}

#[test]
fn an_expression_sees_only_what_lies_upstream() {
    assert_eq!(
        spec_problems(
            r#"
phases:
- id: build
  activities:
  - {id: compile, uses: wait, with: {for: 1h}, outputs: {url: x}}
- id: deploy
  activities:
  - id: x
    uses: command
    with:
      run: [a, "v-${phases.build.outputs.url}"]
"#
        ),
        [
            r#"train.yaml:15:23: phase `build` is not upstream of phase `deploy`: add `build` to the `dependsOn` of `deploy` in spec.phases[1].activities[0].with.run[1]"#
        ]
    );
    assert_eq!(
        spec_problems(
            r#"
phases:
- id: build
  activities:
  - {id: compile, uses: wait, with: {for: 1h}, outputs: {url: x}}
- id: deploy
  dependsOn: [build]
  activities:
  - id: x
    uses: command
    with:
      run: [a, "v-${phases.build.outputs.ulr}", "${phases.biuld.status}", "${phases.build.activities.compil.status}", "${phases}", "${phases.deploy.status}"]
"#
        ),
        [
            r#"train.yaml:16:44: `phases.build.outputs` has no field `ulr` in spec.phases[1].activities[0].with.run[1]"#,
            r#"train.yaml:16:61: `phases` has no field `biuld` in spec.phases[1].activities[0].with.run[2] (did you mean `build`?)"#,
            r#"train.yaml:16:104: `phases.build.activities` has no field `compil` in spec.phases[1].activities[0].with.run[3] (did you mean `compile`?)"#,
            r#"train.yaml:16:124: name the phase: `phases.ID` in spec.phases[1].activities[0].with.run[4]"#,
            r#"train.yaml:16:137: `deploy` is the phase this stands in: use `activities.ID` in spec.phases[1].activities[0].with.run[5]"#
        ]
    );
    assert_eq!(
        spec_problems(
            r#"
phases:
- id: a
  activities:
  - {id: y, uses: wait, with: {for: 1h}, outputs: {url: x}}
  - id: x
    uses: command
    with: {run: [a, "${activities.y.outputs.url}", "${activities.x.outputs.url}", "${activities.z.outputs.url}", "${activities}"]}
"#
        ),
        [
            r#"train.yaml:12:26: activity `y` is not upstream of `x`: add `y` to the `dependsOn` of `x` in spec.phases[0].activities[1].with.run[1]"#,
            r#"train.yaml:12:57: `x` is the activity this stands in: use `result` in its `outputs` in spec.phases[0].activities[1].with.run[2]"#,
            r#"train.yaml:12:99: `activities` has no field `z` in spec.phases[0].activities[1].with.run[3]"#,
            r#"train.yaml:12:119: name the activity: `activities.ID` in spec.phases[0].activities[1].with.run[4]"#
        ]
    );
    assert_eq!(
        spec_problems(
            r#"
phases:
- id: sign-off
  activities:
  - {id: qa, uses: wait, with: {for: 1h}}
- id: b
  dependsOn: [sign-off]
  activities:
  - id: x
    uses: command
    with: {run: [a, "${phases.sign-off.status}"]}
  - id: y
    uses: command
    with: {run: [a, "${activities.qa.status}"]}
"#
        ),
        [
            r#"train.yaml:15:33: `phases` has no field `sign` in spec.phases[1].activities[0].with.run[1] (did you mean `phases["sign-off"]`?)"#,
            r#"train.yaml:18:26: activity `qa` belongs to phase `sign-off`: use `phases["sign-off"].activities.qa` in spec.phases[1].activities[1].with.run[1]"#
        ]
    );
}

#[test]
fn a_name_is_there_only_where_it_has_a_value() {
    assert_eq!(
        spec_problems(
            r#"
inputs:
- {name: version}
variables: {region: eu}
phases:
- id: a
  variables: {zone: "${region}-1"}
  when: zone == 'x'
  activities:
  - id: x
    uses: command
    when: success() && versoin == '1'
    with: {run: [a, "${item}", "${result.x}", "${regoin}", "${failure()}"]}
    outputs: {a: "${result.a}", b: "${secrets.X}"}
"#
        ),
        [
            r#"train.yaml:12:11: `zone` is not known here in spec.phases[0].when"#,
            r#"train.yaml:16:26: `versoin` is not known here in spec.phases[0].activities[0].when (did you mean `version`?)"#,
            r#"train.yaml:17:26: `item` is only there in an activity with `forEach` in spec.phases[0].activities[0].with.run[1]"#,
            r#"train.yaml:17:37: `result` is only there in the `outputs` and `deploys` of an activity in spec.phases[0].activities[0].with.run[2]"#,
            r#"train.yaml:17:52: `regoin` is not known here in spec.phases[0].activities[0].with.run[3] (did you mean `region`?)"#,
            r#"train.yaml:17:65: `failure()` can only be asked in a `when` in spec.phases[0].activities[0].with.run[4]"#,
            r#"train.yaml:18:41: `secrets` is only there in `with` in spec.phases[0].activities[0].outputs.b"#
        ]
    );
    assert_eq!(
        spec_problems(
            r#"
rules:
- {condition: region == 'eu', message: no}
- {condition: release.id == 'x', message: ''}
variables: {region: eu}
phases:
- id: a
  activities:
  - {id: x, uses: wait, forEach: "${item}", with: {for: 1h}}
  - {id: y, uses: wait, forEach: "${vars.region}", with: {for: 1h}}
  - {id: z, uses: wait, forEach: abc, with: {for: 1h}}
  - {id: q, uses: wait, maxParallel: 2, with: {for: 1h}}
"#
        ),
        [
            r#"train.yaml:7:17: `region` is not known here in spec.rules[0].condition"#,
            r#"train.yaml:8:17: `release` is not there: a rule sees the inputs only in spec.rules[1].condition"#,
            r#"train.yaml:8:45: say what is wrong when the rule does not hold in spec.rules[1].message"#,
            r#"train.yaml:13:39: `item` is there once the items are known: in `variables`, `with` and `outputs` in spec.phases[0].activities[0].forEach"#,
            r#"train.yaml:14:36: `forEach` takes a list, or one `${…}` that gives a list in spec.phases[0].activities[1].forEach"#,
            r#"train.yaml:15:36: `forEach` takes a list, or one `${…}` that gives a list in spec.phases[0].activities[2].forEach"#,
            r#"train.yaml:16:27: `maxParallel` needs `forEach` in spec.phases[0].activities[3]"#
        ]
    );
    assert_eq!(
        spec_problems(
            r#"
variables: {phases: 1, 2x: 2, for: 3}
inputs:
- {name: result}
- {name: x-y}
- {name: a}
- {name: a}
phases:
- id: a
  activities:
  - {id: x, uses: wait, with: {for: 1h}}
"#
        ),
        [
            r#"train.yaml:6:15: `phases` cannot be a name here: expressions know another `phases` in spec.variables"#,
            r#"train.yaml:6:26: `2x` is not a name of 1 to 63 letters, digits and `_` that starts with no digit in spec.variables"#,
            r#"train.yaml:6:33: `for` is a word of the language of expressions in spec.variables"#,
            r#"train.yaml:8:12: `result` cannot be a name here: expressions know another `result` in spec.inputs[0].name"#,
            r#"train.yaml:9:12: `x-y` is not a name of 1 to 63 letters, digits and `_` that starts with no digit in spec.inputs[1].name"#,
            r#"train.yaml:11:12: the input `a` is there twice in spec.inputs[3].name"#
        ]
    );
}

#[test]
fn an_error_within_an_expression_is_found_at_its_column() {
    assert_eq!(
        spec_problems(
            r#"
variables:
  a: "x ${1 +} y"
  b: |
    first
    second ${nowhere}
  c: 'it''s ${nowhere}'
  d: >-
    folded ${nowhere}
phases:
- id: a
  when: success() &&
  activities:
  - {id: x, uses: wait, with: {for: 1h}}
"#
        ),
        [
            r#"train.yaml:7:16: the expression ends too early in spec.variables.a"#,
            r#"train.yaml:10:16: `nowhere` is not known here in spec.variables.b"#,
            r#"train.yaml:11:8: `nowhere` is not known here in spec.variables.c"#,
            r#"train.yaml:13:16: `nowhere` is not known here in spec.variables.d"#,
            r#"train.yaml:16:23: the expression ends too early in spec.phases[0].when"#
        ]
    );
    assert_eq!(
        spec_problems(
            r#"
variables:
  a: ${nowhere}
  b: [1, {c: "${1 + 'a'}"}]
  d: ${unclosed
phases:
- id: a
  when: 1 + 1
  activities:
  - {id: x, uses: wait, with: {for: 1h}}
"#
        ),
        [
            r#"train.yaml:7:10: `nowhere` is not known here in spec.variables.a"#,
            r#"train.yaml:8:21: `+` does not take a number and a string in spec.variables.b[1].c"#,
            r#"train.yaml:9:8: `${` is never closed; write `$${` for a plain `${` in spec.variables.d"#,
            r#"train.yaml:12:13: a condition is true or false, not a number in spec.phases[0].when"#
        ]
    );
}

#[test]
fn settings_are_checked_against_their_type() {
    assert_eq!(
        spec_problems(
            r#"
phases:
- id: a
  activities:
  - {id: x, uses: comand, with: {}}
  - {id: y, uses: deploy-it, with: {}}
  - {id: w, uses: wait}
  - {id: v, uses: wait, with: {for: 1h, until: {day: 2, time: '10:00'}}}
  - {id: u, uses: wait, with: {}}
  - {id: t, uses: command}
"#
        ),
        [
            r#"train.yaml:9:21: `comand` is not a type of activity, expected `command`, `http`, `approval`, `input`, `tasks`, `wait`, `subprocess`, `verify` or `notify` in spec.phases[0].activities[0].uses (did you mean `command`?)"#,
            r#"train.yaml:10:21: `deploy-it` is not a type of activity, expected `command`, `http`, `approval`, `input`, `tasks`, `wait`, `subprocess`, `verify` or `notify` in spec.phases[0].activities[1].uses"#,
            r#"train.yaml:11:7: give `for` or `until` in spec.phases[0].activities[2].with"#,
            r#"train.yaml:12:33: give either `for` or `until`, not both in spec.phases[0].activities[3].with"#,
            r#"train.yaml:13:33: give `for` or `until` in spec.phases[0].activities[4].with"#,
            r#"train.yaml:14:7: missing field `run` in spec.phases[0].activities[5].with"#
        ]
    );
    assert_eq!(
        spec_problems(
            r#"
inputs:
- {name: count, type: number, required: true}
- {name: names, type: list, required: true}
phases:
- id: a
  activities:
  - {id: x, uses: http, with: {url: "${count}", followRedirects: "${count}", maxResponse: "n${count}", method: post}}
  - {id: y, uses: command, with: {run: ["${count}", "${names}"], env: {A: "${secrets.TOKEN}"}}}
  - {id: z, uses: command, with: {run: ["${secrets.TOKEN}"], env: {A: "${secrets.TOKEN + 'x'}", B: "${secrets}"}}}
  - {id: w, uses: approval, with: {approvers: [team:qa], message: "${secrets.X}"}}
"#
        ),
        [
            r#"train.yaml:12:39: expected a text, but the expression gives a number; write `${string(…)}` in spec.phases[0].activities[0].with.url"#,
            r#"train.yaml:12:93: expected a whole number, but the expression gives a text in spec.phases[0].activities[0].with.maxResponse"#,
            r#"train.yaml:12:114: `post` is not `GET`, `HEAD`, `OPTIONS`, `POST`, `PUT`, `PATCH` or `DELETE` in spec.phases[0].activities[0].with.method (did you mean `POST`?)"#,
            r#"train.yaml:13:55: expected a text or a number or true or false, but the expression gives a list in spec.phases[0].activities[1].with.run[1]"#,
            r#"train.yaml:14:43: arguments are visible to other programs: give the secret in `env` or `stdin` in spec.phases[0].activities[2].with.run[0]"#,
            r#"train.yaml:14:76: a secret stands alone in its `${…}`: write `${secrets.NAME}` and nothing around it in spec.phases[0].activities[2].with.env.A"#,
            r#"train.yaml:14:105: name the secret: `${secrets.NAME}` in spec.phases[0].activities[2].with.env.B"#,
            r#"train.yaml:15:72: this type of activity does not act outside and is given no secrets in spec.phases[0].activities[3].with.message"#
        ]
    );
    assert_eq!(
        spec_problems(
            r#"
phases:
- id: a
  activities:
  - {id: a, uses: approval, with: {approvers: []}}
  - {id: b, uses: approval, with: {approvers: [user:a, user:b], quorum: 3}}
  - {id: c, uses: approval, with: {approvers: [team:a], quorum: 3}}
  - {id: d, uses: approval, with: {approvers: [team:a], quorum: most}}
  - {id: e, uses: approval, with: {approvers: [team:a], onDeadline: reject}}
  - {id: f, uses: approval, with: {approvers: [team:a], onDeadline: escalate, deadline: 1h}}
  - {id: g, uses: approval, with: {approvers: [team:a], quorum: 0}}
"#
        ),
        [
            r#"train.yaml:9:49: an approval needs at least one approver in spec.phases[0].activities[0].with.approvers"#,
            r#"train.yaml:10:75: 3 persons must approve, but only 2 can in spec.phases[0].activities[1].with.quorum"#,
            r#"train.yaml:12:67: `most` is not `majority` or `all` in spec.phases[0].activities[3].with.quorum"#,
            r#"train.yaml:13:37: `onDeadline: reject` needs a `deadline` in spec.phases[0].activities[4].with"#,
            r#"train.yaml:14:37: `onDeadline: escalate` needs `escalateTo` in spec.phases[0].activities[5].with"#,
            r#"train.yaml:15:67: a quorum is at least 1 in spec.phases[0].activities[6].with.quorum"#
        ]
    );
    assert_eq!(
        spec_problems(
            r#"
phases:
- id: a
  activities:
  - {id: a, uses: subprocess, with: {process: "${x}"}}
  - {id: b, uses: subprocess, with: {proces: x}}
  - {id: c, uses: tasks, with: {tasks: []}}
  - {id: d, uses: tasks, with: {tasks: [{id: t, title: T}, {id: t, title: U}]}}
  - {id: e, uses: input, with: {fields: [{name: a, type: nmber}]}}
  - {id: f, uses: input, with: {fields: [{name: a-b}, {name: c}, {name: c}]}}
  - {id: g, uses: notify, with: {url: mailto:x}}
"#
        ),
        [
            r#"train.yaml:9:49: the process must be named as it is, so that it can be checked before anything runs in spec.phases[0].activities[0].with.process"#,
            r#"train.yaml:9:52: `x` is not known here in spec.phases[0].activities[0].with.process"#,
            r#"train.yaml:10:40: unknown field `proces` in spec.phases[0].activities[1].with (did you mean `process`?)"#,
            r#"train.yaml:11:42: a checklist needs at least one task in spec.phases[0].activities[2].with.tasks"#,
            r#"train.yaml:12:67: the task `t` is there twice in spec.phases[0].activities[3].with.tasks[1].id"#,
            r#"train.yaml:13:60: `nmber` is not `string`, `number`, `boolean`, `list`, `object`, `duration`, `service`, `environment`, `user` or `team` in spec.phases[0].activities[4].with.fields[0].type (did you mean `number`?)"#,
            r#"train.yaml:14:51: `a-b` is not a name of 1 to 63 letters, digits and `_` that starts with no digit in spec.phases[0].activities[5].with.fields[0].name"#,
            r#"train.yaml:14:75: the field `c` is there twice in spec.phases[0].activities[5].with.fields[2].name"#,
            r#"train.yaml:15:41: an address starts with `https://` or `http://` in spec.phases[0].activities[6].with.url"#
        ]
    );
    assert_eq!(
        spec_problems(
            r#"
phases:
- id: a
  activities:
  - {id: a, uses: http, with: {url: "https://a", poll: {until: responce.status == 200, every: 10ms}}}
  - {id: b, uses: http, with: {url: "https://a", poll: {until: "${response.status == 200}"}}}
  - {id: c, uses: verify, with: {http: {url: "https://a"}, success: valeu < 1, window: 1m, every: 2m}}
  - {id: d, uses: verify, with: {success: value <, window: 1m, every: 1s}}
  - {id: e, uses: http, with: {url: "https://a", poll: {until: "response.body.version == '${release.version}'"}}}
  - {id: f, uses: command, with: {run: []}}
  - {id: g, uses: command, with: {run: [ls], workingDirectory: ../x}}
"#
        ),
        [
            r#"train.yaml:9:66: `responce` is not known here in spec.phases[0].activities[0].with.poll.until (did you mean `response`?)"#,
            r#"train.yaml:9:97: must be at least one second in spec.phases[0].activities[0].with.poll.every"#,
            r#"train.yaml:10:66: this condition is evaluated by the activity while it runs: write it bare, without `${…}` in spec.phases[0].activities[1].with.poll.until"#,
            r#"train.yaml:10:69: `response` is not known here in spec.phases[0].activities[1].with.poll.until"#,
            r#"train.yaml:11:71: `valeu` is not known here in spec.phases[0].activities[2].with.success (did you mean `value`?)"#,
            r#"train.yaml:11:101: the time between two samples is longer than the window in spec.phases[0].activities[2].with.every"#,
            r#"train.yaml:12:52: the expression ends too early in spec.phases[0].activities[3].with.success"#,
            r#"train.yaml:14:42: the list must not be empty in spec.phases[0].activities[5].with.run"#,
            r#"train.yaml:15:36: a directory must be a relative path without `..` in spec.phases[0].activities[6].with"#
        ]
    );
}

#[test]
fn times_and_tries_make_sense() {
    assert_eq!(
        spec_problems(
            r#"
phases:
- id: a
  activities:
  - {id: y, uses: wait, timeout: "${x}", with: {for: 1h}}
"#
        ),
        [
            r#"train.yaml:9:36: this field does not take `${…}` in spec.phases[0].activities[0].timeout"#
        ]
    );
    assert_eq!(
        spec_problems(
            r#"
phases:
- id: a
  opens: {day: 3, time: '09:00'}
  closes: {day: 2, time: '09:00'}
  activities:
  - {id: x, uses: wait, timeout: 0s, with: {for: 1h}, retry: {maxAttempts: 3, initialDelay: 1h, maxDelay: 1m}}
  - {id: y, name: "Ship ${x}", uses: wait, with: {for: 1h}}
"#
        ),
        [
            r#"train.yaml:9:13: the phase closes before it opens in spec.phases[0].closes"#,
            r#"train.yaml:11:36: must be longer than no time at all in spec.phases[0].activities[0].timeout"#,
            r#"train.yaml:11:109: the longest delay is shorter than the first one in spec.phases[0].activities[0].retry.maxDelay"#,
            r#"train.yaml:12:21: this field does not take `${…}` in spec.phases[0].activities[1].name"#
        ]
    );
}

#[test]
fn an_input_is_declared_with_fitting_constraints() {
    assert_eq!(
        spec_problems(
            r#"
inputs:
- {name: a, type: number, min: x, max: 3}
- {name: b, type: number, min: 5, max: 3}
- {name: c, pattern: '(', default: x}
- {name: d, allowed: [A, B], default: C}
- {name: e, type: boolean, min: 1}
- {name: f, items: string}
- {name: g, type: list, items: number, default: [1, x]}
- {name: h, type: duration, default: 90}
- {name: i, default: '${a}'}
- {name: j, type: sting}
- {name: k, allowed: []}
phases:
- id: a
  activities:
  - {id: x, uses: wait, with: {for: 1h}}
"#
        ),
        [
            r#"train.yaml:16:21: `sting` is not `string`, `number`, `boolean`, `list`, `object`, `duration`, `service`, `environment`, `user` or `team` in spec.inputs[9].type (did you mean `string`?)"#
        ]
    );
    assert_eq!(
        spec_problems(
            r#"
inputs:
- {name: a, type: number, min: x, max: 3}
- {name: b, type: number, min: 5, max: 3}
- {name: c, pattern: '(', default: x}
- {name: d, allowed: [A, B], default: C}
- {name: e, type: boolean, min: 1}
- {name: f, items: string}
- {name: g, type: list, items: number, default: [1, x]}
- {name: h, type: duration, default: 90}
- {name: i, default: '${a}'}
- {name: k, allowed: []}
phases:
- id: a
  activities:
  - {id: x, uses: wait, with: {for: 1h}}
"#
        ),
        [
            r#"train.yaml:7:34: expected a number for the type `number` in spec.inputs[0].min"#,
            r#"train.yaml:8:42: `max` is smaller than `min` in spec.inputs[1].max"#,
            r#"train.yaml:9:24: the pattern cannot be read: found open group without closing ')' in spec.inputs[2].pattern"#,
            r#"train.yaml:10:41: `C` is not allowed, expected `A` or `B` in spec.inputs[3].default"#,
            r#"train.yaml:11:30: `min` has no meaning for the type `boolean` in spec.inputs[4]"#,
            r#"train.yaml:12:15: `items` is for lists, not for the type `string` in spec.inputs[5]"#,
            r#"train.yaml:13:51: element 2: expected a number, found a text: leave the quotes out in spec.inputs[6].default"#,
            r#"train.yaml:14:40: expected a duration such as `1h30m`, found the number `90` in spec.inputs[7].default"#,
            r#"train.yaml:15:24: a default is a plain value: compute in `variables` instead in spec.inputs[8].default"#,
            r#"train.yaml:16:24: no value would be allowed in spec.inputs[9].allowed"#
        ]
    );
}

#[test]
fn the_account_is_one_and_belongs_to_no_organization() {
    let text = |name: &str, organization: &str| {
        format!(
            "apiVersion: trainmaster.dev/v1\nkind: Account\nmetadata: {{name: {name}{organization}}}\nspec: {{exclusiveReleaseLevel: true}}\n"
        )
    };
    let parsed = parse(&text("account", ""), None).expect("the account's settings");
    let Body::Account(spec) = &parsed[0].definition.body else {
        panic!("expected the account");
    };
    assert!(spec.exclusive_release_level);
    assert_eq!(spec.retention.archive_after.to_string(), "365d");
    assert_eq!(
        problems(&text("settings", "")),
        [
            "train.yaml:3:18: there is one Account, and its name is `account` in metadata.name (did you mean `account`?)"
        ]
    );
    assert_eq!(
        problems(&text("account", ", organization: payments")),
        [
            "train.yaml:3:41: Account belongs to the account level; leave `organization` out in metadata.organization"
        ]
    );
}

#[test]
fn a_notification_rule_says_where_it_does_not_hold_together() {
    let text = |organization: &str, spec: &str| {
        format!(
            "apiVersion: trainmaster.dev/v1\nkind: NotificationRule\nmetadata: {{name: loud{organization}}}\nspec:\n{spec}"
        )
    };
    let good = "  events: [release.*, approval.needed]\n  releases: {labels: {team: shop}, types: [hotfix], processes: [train]}\n  channels:\n  - inApp: {to: [team:sre]}\n  - email: {to: [ops@example.com], people: [team:qa], involved: true}\n  - slack: {secretRef: SLACK_URL}\n  - teams: {secretRef: teams-url}\n  - webhook: {url: 'https://hooks.example.com/x', secretRef: HOOK}\n";
    assert_eq!(problems(&text("", good)), Vec::<String>::new());
    let bad = "  events: [release.faild, \"*\"]\n  releases: {organizations: [payments]}\n  channels:\n  - {slack: {secretRef: A}, teams: {secretRef: B}}\n  - email: {}\n  - email: {to: [\"ada\"]}\n  - webhook: {url: 'ftp://x', secretRef: A}\n";
    assert_eq!(
        problems(&text(", organization: payments", bad)),
        [
            "train.yaml:5:12: `release.faild` is not an event that can be told; see the list in docs/API.md in spec.events[0] (did you mean `release.failed`?)",
            "train.yaml:5:27: `*` is not an event that can be told; see the list in docs/API.md in spec.events[1]",
            "train.yaml:6:29: the rule lives in an organization and means the releases there; leave it out in spec.releases.organizations",
            "train.yaml:8:5: a channel is exactly one of `inApp`, `email`, `slack`, `teams` and `webhook` in spec.channels[0]",
            "train.yaml:9:12: nobody gets the mail: name mailboxes in `to`, `people`, or set `involved: true` in spec.channels[1].email",
            "train.yaml:10:18: `ada` is not a mailbox such as `ada@example.com` in spec.channels[2].email.to[0]",
            "train.yaml:11:20: the address must begin with `https://` or `http://` in spec.channels[3].webhook.url",
        ]
    );
    let no_secret = "  events: [release.failed]\n  channels: [{slack: {secretRef: 'a b'}}]\n";
    assert_eq!(
        problems(&text("", no_secret)),
        [
            "train.yaml:6:34: `a b` is not the name of a secret: 1 to 63 letters, digits, `_` and `-` in spec.channels[0].slack.secretRef"
        ]
    );
}
