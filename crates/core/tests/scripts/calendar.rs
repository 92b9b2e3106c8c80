//! What a release touches, and when.

use crate::story::*;
use serde_json::json;
use trainmaster_core::command::{NewRelease, ReleaseChanges, ReleaseCommand};
use trainmaster_core::ids::ReleaseId;
use trainmaster_core::{Command, Rejection};

const DEPLOY: &str = r#"
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: deploy}
spec:
  inputs:
    - {name: service, type: string}
    - {name: target, type: environment, default: staging}
    - {name: others, type: list, items: service}
    - {name: note, type: string}
  phases:
    - {id: ship, activities: [{id: go, uses: approval, with: {approvers: [user:ada], quorum: 1}}]}
---
apiVersion: trainmaster.dev/v1
kind: InputSet
metadata: {name: production}
spec: {process: deploy, values: {target: production}}
"#;

/// Services, environments and exclusive tags that a release touches.
fn touched(story: &Story, release: ReleaseId) -> (String, String, String) {
    let touches = story.release(release).touches();
    let words = |names: &std::collections::BTreeSet<String>| {
        names.iter().cloned().collect::<Vec<_>>().join(" ")
    };
    (
        words(&touches.services),
        words(&touches.environments),
        words(&touches.exclusive),
    )
}

fn are(services: &str, environments: &str, exclusive: &str) -> (String, String, String) {
    (services.into(), environments.into(), exclusive.into())
}

fn edit(story: &mut Story, release: ReleaseId, changes: ReleaseChanges) -> Result<(), Rejection> {
    let command = Command::EditRelease {
        release,
        changes: Box::new(changes),
        if_version: None,
    };
    story.command(story.actor("ada"), command).map(drop)
}

#[test]
fn a_release_touches_what_its_inputs_and_labels_name() {
    let mut story = Story::with(DEPLOY);
    let labels = [
        ("exclusive", "Release-Bus,billing-db"),
        ("environment", "QA"),
        ("team", "shop"),
    ];
    let new = NewRelease {
        labels: labels.map(|(key, value)| (key.into(), value.into())).into(),
        ..new(
            "deploy",
            json!({"service": "Payment Service", "others": ["cart"], "note": "x"}),
        )
    };
    let known = story.world.touches_of_new(&new).expect("a known process");
    let train = story.create("ada", new).expect("a draft");
    assert_eq!(
        touched(&story, train),
        are(
            "cart payment-service",
            "qa staging",
            "billing-db release-bus"
        )
    );
    assert_eq!(
        &known,
        story.release(train).touches(),
        "the same is known before"
    );
}

#[test]
fn what_a_draft_touches_follows_its_edits_and_its_definitions() {
    let mut story = Story::with(DEPLOY);
    let set = NewRelease {
        input_set: Some("production".parse().expect("a name")),
        ..new("deploy", json!({}))
    };
    let train = story.create("ada", set).expect("a draft");
    assert_eq!(touched(&story, train), are("", "production", ""));
    story.apply(
        "{apiVersion: trainmaster.dev/v1, kind: InputSet, metadata: {name: production}, \
         spec: {process: deploy, values: {target: production-eu, service: cart}}}",
    );
    assert_eq!(touched(&story, train), are("cart", "production-eu", ""));
    let changes = ReleaseChanges {
        inputs: Some(values(json!({"target": "drill"}))),
        ..ReleaseChanges::default()
    };
    edit(&mut story, train, changes).expect("a draft can be edited");
    assert_eq!(touched(&story, train), are("cart", "drill", ""));
    story.apply(&DEPLOY.replace(
        "{name: service, type: string}",
        "{name: service, type: number}",
    ));
    assert_eq!(
        touched(&story, train),
        are("", "drill", ""),
        "a number names no service"
    );
}

#[test]
fn what_is_finalized_touches_its_pinned_inputs_whatever_becomes_of_the_definitions() {
    let mut story = Story::with(DEPLOY);
    let train = story.draft("deploy", json!({"service": "cart"}));
    story
        .does("ada", train, ReleaseCommand::Finalize)
        .expect("it can be finalized");
    story.apply(&DEPLOY.replace("default: staging", "default: elsewhere"));
    assert_eq!(touched(&story, train), are("cart", "staging", ""));
    let reason = "later".to_owned();
    story
        .does("ada", train, ReleaseCommand::Cancel { reason })
        .expect("it can be cancelled");
    assert_eq!(touched(&story, train), are("cart", "elsewhere", ""));
    let inputs = values(json!({"service": "checkout"}));
    story
        .does("ada", train, ReleaseCommand::Activate { inputs })
        .expect("it starts");
    assert_eq!(touched(&story, train), are("checkout", "elsewhere", ""));
}
