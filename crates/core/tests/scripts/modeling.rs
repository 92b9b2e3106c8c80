//! Modelling releases: types of values, mappings that cascade, kinds of release, long trains.

use crate::story::*;
use serde_json::{Value, json};
use trainmaster_core::Change;
use trainmaster_core::access::Role;
use trainmaster_core::command::{NewRelease, ReleaseCommand};
use trainmaster_core::definition;
use trainmaster_core::ids::{ReleaseId, ResourceKey, ResourceKind};
use trainmaster_core::release::{ReleaseDescription, ReleaseType};
use trainmaster_core::status::{ActivityStatus, PhaseStatus, ReleaseStatus};

const TYPED: &str = r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: typed}
spec:
  inputs:
    - {name: version, type: string, required: true}
    - {name: build, type: number, required: true, min: 1}
    - {name: fast, type: boolean, default: false}
    - {name: services, type: list, items: string, default: [cart, payment, search]}
    - {name: environments, type: list, items: string, allowed: [DEV, QA, UAT, PROD1, PROD2, PROD3], default: [QA]}
    - {name: patience, type: duration, default: 30m}
    - {name: tries, type: number, default: 3}
    - name: settings
      type: object
      default: {flags: {dark: true}, limits: {cpu: 2}}
      fields:
        - {name: flags, type: object}
        - {name: limits, type: object, required: true, fields: [{name: cpu, type: number, required: true, min: 1}, {name: memory, type: string, default: 1Gi}]}
  phases:
    - id: main
      activities:
        - {id: show, uses: command, with: {run: [show, "${version}", "${build}", "${settings.limits.cpu}"]}}
        - {id: configure, uses: http, with: {url: "https://config.example.com", method: POST, body: "${settings}"}}
        - {id: ship, uses: http, forEach: "${services}", with: {url: "https://ship.example.com/${item}", method: POST, body: {to: "${environments}"}}}
"#;

fn good() -> Value {
    json!({"version": "2.3.0-rc.1+build.7", "build": 4711})
}

fn problem(story: &mut Story, name: &str, value: Value) -> String {
    let mut inputs = good();
    inputs[name] = value;
    let refused = story.try_start("typed", inputs).expect_err("a wrong value");
    assert_eq!(refused.code(), "invalid-input");
    refused.to_string()
}

#[test]
fn every_type_takes_what_it_means_and_refuses_the_rest_by_field() {
    let mut story = Story::with(TYPED);
    for (name, value, message) in [
        (
            "version",
            json!(2.3),
            "`inputs.version`: expected a text, found the number `2.3`: put it in quotes",
        ),
        (
            "build",
            json!("many"),
            "`inputs.build`: expected a number, found a text: leave the quotes out",
        ),
        (
            "build",
            json!(0),
            "`inputs.build`: the value must be at least 1",
        ),
        (
            "fast",
            json!("yes"),
            "`inputs.fast`: expected true or false, found a text: leave the quotes out",
        ),
        (
            "services",
            json!(["cart", 7]),
            "`inputs.services`: element 2: expected a text, found the number `7`: put it in quotes",
        ),
        (
            "environments",
            json!(["PROD4"]),
            "`inputs.environments`: `PROD4` is not allowed, expected `DEV`, `QA`, `UAT`, `PROD1`, `PROD2` or `PROD3` (did you mean `PROD1`?)",
        ),
        (
            "patience",
            json!("soon"),
            "`inputs.patience`: `soon` is not a duration",
        ),
        (
            "settings",
            json!("a text"),
            "`inputs.settings`: expected an object, found a text",
        ),
        (
            "settings",
            json!({"limits": {}}),
            "`inputs.settings`: `limits`: `cpu`: a value is needed: a number",
        ),
        (
            "settings",
            json!({"limits": {"cpu": "two"}}),
            "`inputs.settings`: `limits`: `cpu`: expected a number, found a text: leave the quotes out",
        ),
        (
            "settings",
            json!({"limits": {"cpu": 1}, "flag": {}}),
            "`inputs.settings`: there is no field `flag` (did you mean `flags`?)",
        ),
    ] {
        let found = problem(&mut story, name, value);
        assert!(found.starts_with(message), "{found}");
    }
    let release = story.start("typed", good());
    let inputs = &story.release(release).inputs;
    assert_eq!(inputs["patience"].value, json!("30m"));
    assert_eq!(inputs["tries"].value, json!(3), "a whole number stays one");
    let shown = story.effect(release, "main/show").config.clone();
    assert_eq!(shown["run"], json!(["show", "2.3.0-rc.1+build.7", 4711, 2]));
    let sha = "9fceb02d0ae598e95dc970b74767f19372d61af8";
    let mut inputs = good();
    inputs["version"] = json!(sha);
    inputs["fast"] = json!(true);
    let by_commit = story.start("typed", inputs);
    assert_eq!(story.release(by_commit).inputs["version"].value, json!(sha));
}

#[test]
fn a_nested_object_and_lists_reach_the_activities_unchanged() {
    let mut story = Story::with(TYPED);
    let settings = json!({"flags": {"dark": false, "beta": {"users": [1, 2]}}, "limits": {"cpu": 4, "memory": "8Gi"}});
    let mut inputs = good();
    inputs["settings"] = settings.clone();
    inputs["environments"] = json!(["UAT", "PROD2"]);
    let release = story.start("typed", inputs);
    let configured = &story.effect(release, "main/configure").config;
    assert_eq!(configured["body"], settings);
    assert_eq!(story.release(release).inputs["settings"].value, settings);
    for (index, service) in ["cart", "payment", "search"].iter().enumerate() {
        let config = &story.effect(release, &format!("main/ship[{index}]")).config;
        let url = format!("https://ship.example.com/{service}");
        assert_eq!(config["url"], url);
        assert_eq!(config["body"], json!({"to": ["UAT", "PROD2"]}));
    }
}

#[test]
fn declared_fields_are_checked_when_the_process_is_applied() {
    let wrong = |declaration: &str| {
        let text = process(
            "p",
            "    - {id: main, activities: [{id: act, uses: command, with: {run: [x]}}]}",
        )
        .replace(
            "spec:\n",
            &format!("spec:\n  inputs:\n    - {declaration}\n"),
        );
        let problems = definition::parse(&text, None).expect_err("a problem");
        problems
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert!(
        wrong("{name: x, type: string, fields: [{name: a}]}").contains("`fields` is for objects")
    );
    assert!(
        wrong("{name: x, type: object, fields: [{name: a}, {name: a}]}").contains("is there twice")
    );
    let typo = wrong("{name: x, type: object, fields: [{name: a, typ: number}]}");
    assert!(
        typo.contains("spec.inputs[0].fields[0]") && typo.contains("did you mean `type`?"),
        "{typo}"
    );
    assert!(
        wrong("{name: x, type: object, fields: [{name: a, type: number, default: many}]}")
            .contains("fields[0].default")
    );
    let mut deep = "{name: leaf}".to_owned();
    for level in 0..6 {
        deep = format!("{{name: l{level}, type: object, fields: [{deep}]}}");
    }
    assert!(wrong(&deep).contains("deeper than 4 levels"));
}

const CASCADE: &str = r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: cascade}
spec:
  inputs:
    - {name: releaseVersion, type: string, required: true}
    - {name: targetRegion, type: string, default: eu-west-1}
  variables: {buildVersion: "${releaseVersion}"}
  phases:
    - id: build
      variables: {artifactTag: "app-${buildVersion}"}
      activities:
        - {id: compile, uses: command, with: {run: [compile, "${buildVersion}"]}}
        - {id: image, uses: command, with: {run: [image, "${tag}"]}, variables: {tag: "${artifactTag}"}}
    - id: deploy
      variables: {artifactTag: "app-${buildVersion}"}
      activities:
        - {id: rollout, uses: command, with: {run: [rollout, "${artifactTag}", "${targetRegion}"]}}
        - {id: announce, uses: command, with: {run: [say, "${releaseVersion}"]}}
---
apiVersion: trainmaster.dev/v1
kind: InputSet
metadata: {name: usual}
spec: {process: cascade, values: {releaseVersion: "7.1"}}
"#;

#[test]
fn one_input_reaches_many_activities_the_same_everywhere() {
    let mut story = Story::with(CASCADE);
    let release = story.start("cascade", json!({"releaseVersion": "7.1"}));
    let told: Vec<Value> = [
        "build/compile",
        "build/image",
        "deploy/rollout",
        "deploy/announce",
    ]
    .iter()
    .map(|path| story.effect(release, path).config["run"][1].clone())
    .collect();
    assert_eq!(told, ["7.1", "app-7.1", "app-7.1", "7.1"]);
    let other = story.start("cascade", json!({"releaseVersion": "7.2"}));
    assert_eq!(
        story.effect(other, "deploy/rollout").config["run"],
        json!(["rollout", "app-7.2", "eu-west-1"]),
        "the same process behaves otherwise by its values alone, and the rest has defaults"
    );
    let stored = &story
        .world
        .revision(&process_key("cascade"), 1)
        .expect("stored")
        .spec;
    assert_eq!(stored["variables"]["buildVersion"], "${releaseVersion}");
    assert_eq!(
        stored["phases"][0]["variables"]["artifactTag"], "app-${buildVersion}",
        "mappings are a part of the definition"
    );
}

fn process_key(name: &str) -> ResourceKey {
    ResourceKey {
        kind: ResourceKind::Process,
        organization: None,
        name: name.parse().expect("a name"),
    }
}

#[test]
fn a_changed_mapping_needs_no_change_of_the_input_sets() {
    let mut story = Story::with(CASCADE);
    let with_set = || NewRelease {
        input_set: "usual".parse().ok(),
        start: true,
        ..new("cascade", json!({}))
    };
    story.create("ada", with_set()).expect("a release");
    let process = CASCADE.split("---").next().expect("the process");
    story.apply(&process.replace(
        "app-${buildVersion}",
        "shop/app:${buildVersion}-${targetRegion}",
    ));
    let release = story.create("ada", with_set()).expect("the same set");
    assert_eq!(
        story.effect(release, "build/image").config["run"],
        json!(["image", "shop/app:7.1-eu-west-1"])
    );
    assert_eq!(story.release(release).revision, Some(2));
}

const KINDS: &str = r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: standard}
spec:
  phases:
    - {id: build, name: Build, owners: [team:development], activities: [{id: compile, uses: command, with: {run: [x]}}]}
    - {id: validate, name: Validation, dependsOn: [build], owners: [user:quentin], activities: [{id: qa, uses: approval, with: {approvers: [user:quentin]}}]}
    - {id: deploy, name: Deploy, dependsOn: [validate], activities: [{id: rollout, uses: command, with: {run: [x]}}]}
---
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: hotfix}
spec:
  phases: [{id: deploy, activities: [{id: patch, uses: command, with: {run: [x]}}]}]
---
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: feature}
spec:
  inputs: [{name: share, type: number, default: 10, min: 1, max: 100}]
  phases:
    - {id: enable, activities: [{id: flag, uses: command, with: {run: [flag, "checkout-v2", "${share}"]}}]}
    - {id: compare, dependsOn: [enable], activities: [{id: monitor, uses: command, with: {run: [compare, a, b]}}]}
---
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: rollback}
spec:
  phases: [{id: back, activities: [{id: restore, uses: command, with: {run: [x]}}]}]
"#;

#[test]
fn one_flow_of_creation_settles_process_time_inputs_owners_and_metadata() {
    let mut story = Story::with(KINDS);
    let unknown = story.create("ada", new("unicorn", json!({})));
    assert_eq!(
        unknown.expect_err("no such process").code(),
        "unknown-resource"
    );
    let nameless = NewRelease {
        name: Some("  ".to_owned()),
        ..new("feature", json!({}))
    };
    assert_eq!(
        story.create("ada", nameless).expect_err("a name").code(),
        "invalid-input"
    );
    let long = NewRelease {
        name: Some("x".repeat(201)),
        ..new("feature", json!({}))
    };
    assert_eq!(
        story.create("ada", long).expect_err("too long").code(),
        "invalid-input"
    );
    let description = ReleaseDescription {
        purpose: "A new checkout".to_owned(),
        scope: "shop, eu".to_owned(),
        risks: "Fewer orders".to_owned(),
        rollback_plan: "Switch the flag off".to_owned(),
        stakeholders: "Marketing".to_owned(),
    };
    let release = story
        .create(
            "ada",
            NewRelease {
                name: Some("checkout-v2-prod".to_owned()),
                description: description.clone(),
                version: Some("2.0.0".to_owned()),
                release_type: ReleaseType::Feature,
                start_at: Some("2026-01-05T14:00:00Z".parse().expect("an instant")),
                zone: Some("Europe/Berlin".to_owned()),
                manager: "team:release-managers".parse().ok(),
                owners: [(
                    "enable".to_owned(),
                    vec!["user:fiona".parse().expect("an owner")],
                )]
                .into(),
                finalize: true,
                ..new("feature", json!({"share": 20}))
            },
        )
        .expect("one command");
    let kept = story.release(release);
    assert_eq!(kept.process.name.as_str(), "feature");
    assert_eq!(
        (&kept.description, kept.release_type),
        (&description, ReleaseType::Feature)
    );
    assert_eq!(kept.software_version.as_deref(), Some("2.0.0"));
    assert_eq!(kept.inputs["share"].value, json!(20));
    story.until_day("2026-01-05T14:00:00Z");
    assert_eq!(
        story.effect(release, "enable/flag").config["run"],
        json!(["flag", "checkout-v2", 20]),
        "it has begun by itself with its values"
    );
    let owner = "user:fiona".parse().expect("an owner");
    assert_eq!(story.world.owners(release, &path("enable/flag")), [owner]);
    let bare = story.draft("rollback", json!({}));
    assert_eq!(
        story.release(bare).software_version,
        None,
        "a version is optional"
    );
}

#[test]
fn a_process_for_each_type_of_release_runs_beside_the_others() {
    let mut story = Story::with(KINDS);
    story.person("quentin", &[], Role::Viewer);
    let start = |story: &mut Story, process: &str, release_type| {
        let release = NewRelease {
            release_type,
            start: true,
            ..new(process, json!({}))
        };
        story.create("ada", release).expect("a release")
    };
    let standard = start(&mut story, "standard", ReleaseType::Standard);
    let hotfix = start(&mut story, "hotfix", ReleaseType::Hotfix);
    let feature = start(&mut story, "feature", ReleaseType::Feature);
    let rollback = start(&mut story, "rollback", ReleaseType::System);
    story.finish(hotfix, "deploy/patch", done());
    assert_eq!(
        story.status(hotfix),
        ReleaseStatus::Success,
        "a hotfix takes one step"
    );
    story.finish(standard, "build/compile", done());
    assert_eq!(
        story.status(standard),
        ReleaseStatus::OnHold,
        "the full way is validated"
    );
    story
        .approve("quentin", standard, "validate/qa")
        .expect("approved");
    story.finish(standard, "deploy/rollout", done());
    story.finish(feature, "enable/flag", done());
    story.finish(feature, "compare/monitor", done());
    story.finish(rollback, "back/restore", done());
    for release in [standard, hotfix, feature, rollback] {
        assert_eq!(story.status(release), ReleaseStatus::Success);
    }
    let names: Vec<&str> = story
        .world
        .plan(standard)
        .expect("a plan")
        .phases
        .iter()
        .map(|phase| phase.name.as_str())
        .collect();
    assert_eq!(names, ["Build", "Validation", "Deploy"]);
}

#[test]
fn owners_come_from_the_process_and_may_be_others_in_one_release() {
    let mut story = Story::with(KINDS);
    let plain = story.start("standard", json!({}));
    let team = "team:development".parse().expect("an owner");
    assert_eq!(story.world.owners(plain, &path("build/compile")), [team]);
    let person = "user:quentin".parse().expect("an owner");
    assert_eq!(
        story.world.owners(plain, &path("validate/qa")),
        [person],
        "teams and people alike"
    );
    let other = story
        .create(
            "ada",
            NewRelease {
                owners: [(
                    "build".to_owned(),
                    vec!["team:platform".parse().expect("an owner")],
                )]
                .into(),
                start: true,
                ..new("standard", json!({}))
            },
        )
        .expect("a release");
    let platform = "team:platform".parse().expect("an owner");
    assert_eq!(
        story.world.owners(other, &path("build/compile")),
        [platform]
    );
    let plan = story.world.plan(other).expect("a plan");
    assert_eq!(
        plan.phases[0].owners[0].to_string(),
        "team:development",
        "the process stays as it is"
    );
}

#[test]
fn before_the_start_nothing_is_tracked_and_afterwards_everything_is() {
    let mut story = Story::with(KINDS);
    let draft = story.draft("feature", json!({}));
    assert!(
        story.world.activities(draft).is_empty(),
        "no activity exists"
    );
    assert!(story.release(draft).phases.is_empty());
    assert_eq!(story.told(draft, None), ["ReleaseCreated"]);
    assert!(story.in_flight(draft).is_empty());
    story.passes("400h");
    assert_eq!(
        story.told(draft, None),
        ["ReleaseCreated"],
        "a draft is left alone"
    );
    let start = ReleaseCommand::Activate {
        inputs: values(json!({})),
    };
    story.does("ada", draft, start).expect("it starts");
    assert_eq!(
        story.world.activities(draft).len(),
        2,
        "each activity is tracked"
    );
    assert_eq!(story.phase(draft, "enable"), PhaseStatus::Running);
    assert_eq!(
        story.stands(draft, "compare/monitor"),
        ActivityStatus::Pending
    );
    let told = story.told(draft, None);
    assert_eq!(told[1..3], ["ReleaseFinalized", "ReleaseStarted"]);
    assert!(told.contains(&"PhaseStarted".to_owned()));
    story.finish(draft, "enable/flag", done());
    story.finish(draft, "compare/monitor", done());
    let of_release = story
        .journal
        .iter()
        .filter(|event| event.release == Some(draft));
    assert!(
        of_release
            .clone()
            .all(|event| event.by == "user:ada" || event.by == "system")
    );
    let ended = of_release
        .clone()
        .any(|event| matches!(event.change, Change::ReleaseFinished { .. }));
    assert!(ended, "the trail goes from the start to the end and stays");
}

#[test]
fn a_start_time_means_the_wall_clock_of_its_zone() {
    let mut story = Story::with(KINDS);
    let local: jiff::Zoned = "2026-01-06T14:00:00[America/New_York]"
        .parse()
        .expect("a local time");
    let release = story
        .create(
            "ada",
            NewRelease {
                start_at: Some(local.timestamp()),
                zone: Some("America/New_York".to_owned()),
                finalize: true,
                ..new("hotfix", json!({}))
            },
        )
        .expect("scheduled");
    story.until_day("2026-01-06T18:59:59Z");
    assert_eq!(story.status(release), ReleaseStatus::Scheduled);
    story.until_day("2026-01-06T19:00:00Z");
    assert_eq!(
        story.status(release),
        ReleaseStatus::Running,
        "14:00 in New York is 19:00 UTC"
    );
}

/// A system release: 52 services in four waves over two weeks.
fn waves() -> String {
    let services: Vec<String> = (0..52)
        .map(|number| format!("service-{number:02}"))
        .collect();
    let mut phases = format!(
        "    - id: build\n      activities: [{{id: compile, uses: command, forEach: [{}], with: {{run: [build, \"${{item}}\"]}}}}]\n",
        services.join(", ")
    );
    for (wave, day) in [1, 4, 8, 14].into_iter().enumerate() {
        let before = if wave == 0 {
            "build".to_owned()
        } else {
            format!("wave-{}", wave - 1)
        };
        phases.push_str(&format!(
            "    - id: wave-{wave}\n      dependsOn: [{before}]\n      opens: {{day: {day}, time: \"09:00\"}}\n      activities: [{{id: rollout, uses: command, forEach: [{}], with: {{run: [roll, \"${{item}}\"]}}}}]\n",
            services[wave * 13..(wave + 1) * 13].join(", ")
        ));
    }
    process("system", &phases)
}

#[test]
fn a_system_release_spans_two_weeks_and_survives_restarts() {
    let mut story = Story::with(&waves());
    let release: ReleaseId = story
        .create(
            "ada",
            NewRelease {
                release_type: ReleaseType::System,
                start: true,
                ..new("system", json!({}))
            },
        )
        .expect("a release");
    let began = story.now;
    let days = [
        "2026-01-05T08:30:00Z",
        "2026-01-05T10:00:00Z",
        "2026-01-08T10:00:00Z",
        "2026-01-12T10:00:00Z",
        "2026-01-18T10:00:00Z",
    ];
    for (step, day) in days.into_iter().enumerate() {
        if step > 0 {
            let phase = format!("wave-{}", step - 1);
            let status = story.phase(release, &phase);
            assert_eq!(status, PhaseStatus::Pending, "{phase} opens later");
        }
        story.restart_server();
        story.until_day(day);
        story.restart_server();
        let open: Vec<String> = story
            .in_flight(release)
            .iter()
            .map(|path| (*path).to_owned())
            .collect();
        assert_eq!(open.len(), if step == 0 { 52 } else { 13 }, "{day}");
        for path in open {
            story.finish(release, &path, done());
        }
    }
    assert_eq!(story.status(release), ReleaseStatus::Success);
    let lasted = story
        .release(release)
        .ended_at
        .expect("an end")
        .duration_since(began);
    assert!(lasted.as_hours() >= 13 * 24, "{lasted:?}");
    assert_eq!(story.release(release).counters.succeeded, 104);
}
