//! The Input Store: sets of values, templates, history, and what a form shows before a release exists.

use crate::story::*;
use serde_json::{Value, json};
use trainmaster_core::access::Role;
use trainmaster_core::command::{
    ActivityCommand, InputSetCommand, NewRelease, NewUser, ReleaseChanges,
};
use trainmaster_core::definition;
use trainmaster_core::form::{FormAsked, InputForm};
use trainmaster_core::ids::{ResourceKey, ResourceKind};
use trainmaster_core::input_set::Fit;
use trainmaster_core::release::Origin;
use trainmaster_core::{Command, Rejection};

const STORE: &str = r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: rollout}
spec:
  inputs:
    - {name: version, type: string, required: true, pattern: '^\d+\.\d+\.\d+$', description: What is delivered}
    - {name: services, type: list, items: service, required: true, min: 1, description: What is rolled out}
    - {name: environment, type: environment, default: qa, description: Where to}
    - {name: replicas, type: number, default: 2, min: 1, max: 9}
  rules:
    - {condition: "environment != 'prod' || replicas >= 3", message: "production needs three replicas"}
  variables: {tag: "v${version}", image: "shop:${tag}"}
  phases:
    - id: deploy
      owners: [team:operations]
      activities:
        - {id: ship, uses: command, forEach: "${services}", with: {run: [ship, "${item}", "${image}", "${environment}"]}}
        - {id: scale, uses: command, dependsOn: [ship], with: {run: [scale, "${replicas}"]}}
---
apiVersion: trainmaster.dev/v1
kind: InputSet
metadata: {name: qa-core, labels: {team: shop}}
spec: {process: rollout, values: {services: [cart, payment], environment: qa}}
---
apiVersion: trainmaster.dev/v1
kind: InputSet
metadata: {name: prod-core}
spec: {process: rollout, values: {version: 1.4.2, services: [cart, payment], environment: prod, replicas: 3}}
---
apiVersion: trainmaster.dev/v1
kind: InputSet
metadata: {name: qa-edge}
spec: {process: rollout, values: {version: 2.0.0, services: [gateway], environment: qa}}
---
apiVersion: trainmaster.dev/v1
kind: InputSet
metadata: {name: prod-template}
spec: {process: rollout, template: true, values: {environment: prod, replicas: 3, services: [cart]}}
"#;

fn set(name: &str) -> ResourceKey {
    ResourceKey {
        kind: ResourceKind::InputSet,
        organization: None,
        name: name.parse().expect("a name"),
    }
}

fn with_set(name: &str, inputs: Value) -> NewRelease {
    NewRelease {
        input_set: name.parse().ok(),
        start: true,
        ..new("rollout", inputs)
    }
}

fn does(
    story: &mut Story,
    user: &str,
    name: &str,
    action: InputSetCommand,
) -> Result<(), Rejection> {
    let key = set(name);
    let actor = story.actor(user);
    story
        .command(actor, Command::InputSet { key, action })
        .map(drop)
}

fn cloning(to: &str, values: Value) -> InputSetCommand {
    InputSetCommand::Clone {
        to: to.parse().expect("a name"),
        organization: None,
        values: crate::story::values(values),
        description: None,
    }
}

fn fit(story: &Story, name: &str) -> Fit {
    let found = story.world.input_set_completeness(&set(name));
    found.expect("a set of a known process").fit()
}

fn spec(story: &Story, name: &str, revision: u32) -> Value {
    let stored = story.world.revision(&set(name), revision);
    stored.expect("a revision").spec.clone()
}

fn message(rejection: Rejection) -> String {
    rejection.to_string()
}

#[test]
fn one_process_runs_with_three_sets_as_three_different_releases() {
    let mut story = Story::with(STORE);
    let qa = story
        .create("ada", with_set("qa-core", json!({"version": "1.4.2"})))
        .expect("a release");
    let prod = story
        .create("ada", with_set("prod-core", json!({})))
        .expect("a release");
    let edge = story
        .create("ada", with_set("qa-edge", json!({})))
        .expect("a release");
    let ships = |release, item: &str| {
        let effect = story.effect(release, item);
        effect.config["run"].clone()
    };
    assert_eq!(
        ships(qa, "deploy/ship[1]"),
        json!(["ship", "payment", "shop:v1.4.2", "qa"])
    );
    assert_eq!(
        ships(prod, "deploy/ship[1]"),
        json!(["ship", "payment", "shop:v1.4.2", "prod"])
    );
    assert_eq!(
        ships(edge, "deploy/ship[0]"),
        json!(["ship", "gateway", "shop:v2.0.0", "qa"])
    );
    for release in [qa, prod, edge] {
        assert_eq!(
            story.release(release).revision,
            Some(1),
            "one process for all"
        );
    }
    let again = story
        .create("ada", with_set("prod-core", json!({})))
        .expect("the set serves again");
    assert_eq!(story.release(again).inputs, story.release(prod).inputs);
}

#[test]
fn a_set_says_what_it_leaves_open_and_what_does_not_fit_any_more() {
    let mut story = Story::with(STORE);
    assert_eq!(fit(&story, "qa-core"), Fit::Incomplete);
    assert_eq!(fit(&story, "prod-core"), Fit::Complete);
    let open = story.world.input_set_completeness(&set("qa-core"));
    assert_eq!(open.expect("known").missing, ["version"]);
    let newer = STORE.split("---").next().expect("the process").replace(
        "{name: replicas, type: number, default: 2, min: 1, max: 9}",
        "{name: replicas, type: number, default: 2, min: 1, max: 2}",
    );
    story.apply(&newer);
    assert_eq!(fit(&story, "prod-core"), Fit::Outdated);
    let problems = story
        .world
        .input_set_completeness(&set("prod-core"))
        .expect("known")
        .problems;
    assert_eq!(problems[0].field, "values.replicas");
    assert_eq!(problems[0].message, "the value must be at most 2");
    // What was pinned before still runs with what was accepted then.
    assert_eq!(fit(&story, "qa-edge"), Fit::Complete);
}

#[test]
fn a_template_is_cloned_and_not_used_itself() {
    let mut story = Story::with(STORE);
    let refused = story
        .create(
            "ada",
            with_set("prod-template", json!({"version": "1.0.0"})),
        )
        .expect_err("a template is no set to use");
    assert!(message(refused).contains("is a template; clone it"));
    does(
        &mut story,
        "ada",
        "prod-template",
        cloning(
            "prod-week-7",
            json!({"version": "7.0.0", "services": ["search"]}),
        ),
    )
    .expect("a clone");
    let clone = spec(&story, "prod-week-7", 1);
    assert_eq!(
        clone,
        json!({"process": "rollout", "values": {
            "environment": "prod", "replicas": 3, "services": ["search"], "version": "7.0.0",
        }}),
    );
    story
        .create("ada", with_set("prod-week-7", json!({})))
        .expect("the clone can be used");
    let taken = does(
        &mut story,
        "ada",
        "prod-template",
        cloning("prod-week-7", json!({})),
    );
    assert!(message(taken.expect_err("taken")).contains("exists already"));
    let wrong = does(
        &mut story,
        "ada",
        "prod-template",
        cloning("broken", json!({"replicas": 20})),
    );
    assert_eq!(
        wrong.expect_err("no value of it").code(),
        "invalid-definition"
    );
    story.person("vera", &[], Role::Viewer);
    let denied = does(
        &mut story,
        "vera",
        "prod-template",
        cloning("mine", json!({})),
    );
    assert_eq!(denied.expect_err("a viewer").code(), "forbidden");
}

#[test]
fn an_archived_set_stays_readable_and_is_chosen_for_nothing_new() {
    let mut story = Story::with(STORE);
    let draft = story
        .create(
            "ada",
            NewRelease {
                start: false,
                ..with_set("prod-core", json!({}))
            },
        )
        .expect("a draft");
    does(&mut story, "ada", "prod-core", InputSetCommand::Archive).expect("archived");
    does(&mut story, "ada", "prod-core", InputSetCommand::Archive).expect("nothing changes");
    assert_eq!(spec(&story, "prod-core", 2)["archived"], json!(true));
    let refused = story
        .create("ada", with_set("prod-core", json!({})))
        .expect_err("archived");
    assert!(message(refused).contains("is archived"));
    let around = story.world.surroundings(draft);
    let warnings = story.world.warnings(draft, &around, story.now);
    assert!(warnings.iter().any(|one| one.code == "archived-input-set"));
    does(&mut story, "ada", "prod-core", InputSetCommand::Unarchive).expect("back");
    assert_eq!(spec(&story, "prod-core", 3), spec(&story, "prod-core", 1));
    story
        .create("ada", with_set("prod-core", json!({})))
        .expect("chosen again");
}

#[test]
fn every_change_of_a_set_is_a_revision_that_can_be_compared() {
    let mut story = Story::with(STORE);
    let changed = STORE
        .split("---")
        .nth(2)
        .expect("the set")
        .replace("1.4.2", "1.4.3")
        .replace(", replicas: 3", "");
    story.apply(&changed.replace("environment: prod", "environment: qa"));
    let changes = definition::diff(&spec(&story, "prod-core", 1), &spec(&story, "prod-core", 2));
    let told: Vec<String> = changes
        .iter()
        .map(|change| format!("{} {:?} {:?}", change.path, change.old, change.new))
        .collect();
    assert_eq!(
        told,
        [
            r#"values.environment Some(String("prod")) Some(String("qa"))"#,
            r#"values.replicas Some(Number(3)) None"#,
            r#"values.version Some(String("1.4.2")) Some(String("1.4.3"))"#,
        ]
    );
    let history = story
        .journal
        .iter()
        .filter(|event| kind(event) == "ResourceApplied");
    assert_eq!(history.count(), 6, "each revision is a fact in the journal");
}

#[test]
fn a_draft_switches_its_set_and_keeps_its_process() {
    let mut story = Story::with(STORE);
    let draft = story
        .create(
            "ada",
            NewRelease {
                start: false,
                ..with_set("qa-edge", json!({"replicas": 4}))
            },
        )
        .expect("a draft");
    let values = |story: &Story| -> Vec<(String, Value, Origin)> {
        let form = story.world.release_form(draft).expect("a form");
        let fields = form.fields.into_iter();
        fields
            .filter_map(|field| Some((field.declaration.name, field.value?)))
            .map(|(name, input)| (name, input.value, input.origin))
            .collect()
    };
    let of = |story: &Story, name: &str| {
        let found = values(story).into_iter().find(|(known, ..)| known == name);
        found.map(|(_, value, origin)| (value, origin))
    };
    assert_eq!(
        of(&story, "version"),
        Some((json!("2.0.0"), Origin::InputSet))
    );
    let switch = |story: &mut Story, name: &str| {
        let changes = ReleaseChanges {
            input_set: Some(name.parse().ok()),
            ..Default::default()
        };
        let command = Command::EditRelease {
            release: draft,
            changes: Box::new(changes),
            if_version: None,
        };
        let actor = story.actor("ada");
        story.command(actor, command).map(drop)
    };
    switch(&mut story, "prod-core").expect("another set");
    assert_eq!(
        of(&story, "version"),
        Some((json!("1.4.2"), Origin::InputSet))
    );
    assert_eq!(
        of(&story, "replicas"),
        Some((json!(4), Origin::Release)),
        "what was given stays"
    );
    assert_eq!(story.release(draft).process.name.as_str(), "rollout");
    switch(&mut story, "prod-template").expect_err("a template");
    switch(&mut story, "nowhere").expect_err("no such set");
}

#[test]
fn a_fix_is_saved_back_only_by_whoever_may_edit_sets() {
    let mut story = Story::with(STORE);
    story.person("otto", &["operations"], Role::Operator);
    let release = story
        .create("ada", with_set("prod-core", json!({})))
        .expect("a release");
    story.finish(release, "deploy/ship[0]", done());
    story.finish(release, "deploy/ship[1]", done());
    story.finish(release, "deploy/scale", broken("too few nodes"));
    let fix = || ActivityCommand::Retry {
        inputs: values(json!({"replicas": 5})),
        remedy: None,
        save_to: "prod-core".parse().ok(),
        reason: "more nodes from now on".to_owned(),
    };
    let refused = story
        .person_does("otto", release, "deploy/scale", fix())
        .expect_err("an operator edits no sets");
    assert_eq!(refused.code(), "forbidden");
    assert_eq!(story.activity(release, "deploy/scale").attempts.len(), 1);
    story
        .person_does("ada", release, "deploy/scale", fix())
        .expect("a release manager does");
    assert_eq!(spec(&story, "prod-core", 2)["values"]["replicas"], json!(5));
    assert_eq!(
        story.release(release).inputs["replicas"].value,
        json!(3),
        "the release itself keeps what it was started with"
    );
}

fn form(story: &Story, set: Option<&str>, inputs: Value) -> InputForm {
    let asked = FormAsked {
        process: "rollout".parse().expect("a name"),
        organization: None,
        revision: None,
        input_set: set.and_then(|name| name.parse().ok()),
        inputs: values(inputs),
    };
    story.world.input_form(&asked).expect("a form")
}

#[test]
fn the_form_before_a_release_shows_values_origins_and_what_they_control() {
    let story = Story::with(STORE);
    let shown = form(&story, Some("qa-core"), json!({"replicas": 4}));
    let told: Vec<String> = shown
        .fields
        .iter()
        .map(|field| {
            let star = if field.declaration.required { "*" } else { "" };
            let value = field.value.as_ref().map_or("-".to_owned(), |input| {
                format!("{} ({:?})", input.value, input.origin)
            });
            format!("{}{star} = {value}", field.declaration.name)
        })
        .collect();
    assert_eq!(
        told,
        [
            "version* = -",
            r#"services* = ["cart","payment"] (InputSet)"#,
            r#"environment = "qa" (InputSet)"#,
            "replicas = 4 (Release)",
        ],
        "only the inputs are asked, not the variables that follow from them"
    );
    assert_eq!(shown.missing(), ["version"]);
    let controls = |name: &str| {
        let field = shown
            .fields
            .iter()
            .find(|field| field.declaration.name == name);
        field.expect("a field").controls.clone()
    };
    assert_eq!(
        controls("version"),
        ["deploy/ship"],
        "through two variables"
    );
    assert_eq!(controls("replicas"), ["deploy/scale"]);
    assert_eq!(shown.fields[0].declaration.description, "What is delivered");
    let wrong = form(
        &story,
        Some("prod-core"),
        json!({"replicas": "many", "verson": "1"}),
    );
    let problems: Vec<String> = wrong
        .problems
        .iter()
        .map(|problem| format!("{}: {}", problem.field, problem.message))
        .collect();
    assert_eq!(
        problems,
        [
            "inputs.verson: the process has no such input (did you mean `version`?)",
            "inputs.replicas: expected a number, found a text: leave the quotes out",
        ]
    );
    let rule = form(&story, Some("prod-core"), json!({"replicas": 2}));
    assert_eq!(rule.problems[0].message, "production needs three replicas");
}

#[test]
fn a_release_starts_with_exactly_the_values_that_were_reviewed() {
    let mut story = Story::with(STORE);
    let reviewed = form(&story, Some("prod-core"), json!({"version": "9.9.9"}));
    assert!(reviewed.problems.is_empty());
    let release = story
        .create("ada", with_set("prod-core", json!({"version": "9.9.9"})))
        .expect("a release");
    for field in &reviewed.fields {
        let name = &field.declaration.name;
        assert_eq!(
            field.value.as_ref(),
            story.release(release).inputs.get(name)
        );
    }
}

#[test]
fn references_are_checked_against_what_is_known() {
    let mut story = Story::with(STORE);
    story
        .create("ada", with_set("prod-core", json!({})))
        .expect("without catalogs every name passes");
    story
        .try_apply(
            "root",
            r#"
apiVersion: trainmaster.dev/v1
kind: Account
metadata: {name: account}
spec: {services: [cart, search], environments: [qa, prod]}
---
apiVersion: trainmaster.dev/v1
kind: Team
metadata: {name: operations}
spec: {members: [otto, maria]}
---
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: handover}
spec:
  inputs:
    - {name: owner, type: user, required: true}
    - {name: team, type: team, required: true}
  phases: [{id: main, activities: [{id: act, uses: command, with: {run: [page, "${owner}", "${team}"]}}]}]
"#,
        )
        .expect("catalogs and a team");
    let root = story.actor("root");
    let user = NewUser {
        name: "maria".parse().expect("a name"),
        display_name: "Maria".to_owned(),
        email: String::new(),
        identity: None,
        credential: None,
    };
    story
        .command(root, Command::CreateUser(user))
        .expect("somebody who may sign in");
    let refused = story
        .create("ada", with_set("prod-core", json!({"environment": "prd"})))
        .expect_err("two names are unknown");
    let text = message(refused);
    assert!(
        text.contains("`inputs.services`: there is no service `payment`"),
        "{text}"
    );
    assert!(
        text.contains("`inputs.environment`: there is no environment `prd` (did you mean `prod`?)"),
        "{text}"
    );
    let refused = story
        .try_start("handover", json!({"owner": "nobody", "team": "operation"}))
        .expect_err("nobody knows them");
    let text = message(refused);
    assert!(text.contains("there is no user `nobody`"), "{text}");
    assert!(text.contains("did you mean `operations`?"), "{text}");
    story
        .try_start("handover", json!({"owner": "otto", "team": "operations"}))
        .expect("both are known");
}
